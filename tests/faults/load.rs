//! Two processes that read, one of which writes, and what each read was like.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cachekit::{Cache, Outcome, Status, with_status};
use cachekit_tests::{POLICY, builder, item, until};
use tokio::task::JoinSet;

use crate::database::{CONSTANT, Database, Gauge, ROWS};

const READERS: usize = 16;
const WRITERS: usize = 2;

/// Direct loads of one process at once: fewer than it has readers.
const LOAD_LIMIT: usize = 4;

/// The response time-out and the tick that notices, 300 ms in all, and what a busy machine adds.
const LONGEST_READ: Duration = Duration::from_millis(300 + 700);

/// A load on a Redis; it runs until [`end`](Load::end).
#[derive(Debug)]
pub(crate) struct Load {
    database: Arc<Database>,
    processes: [Arc<Process>; 2],
    tasks: JoinSet<()>,
    stop: Arc<AtomicBool>,
}

/// One process's cache, and what was seen through it.
#[derive(Debug)]
struct Process {
    cache: Cache,
    writes: bool,
    gauge: Gauge,
    hits: AtomicUsize,
    bypassed: AtomicUsize,
    /// Of those, reads of rows that no write makes this process read past the cache.
    cut_off: AtomicUsize,
    applied: AtomicUsize,
    wrong: Mutex<Vec<String>>,
}

impl Load {
    /// Begins to read and write, and waits until the cache is warm.
    pub(crate) async fn start(url: &str) -> Load {
        let load = Load::start_cold(url).await;
        load.until_hitting().await;
        load
    }

    /// Begins to read and write; the server may be away.
    pub(crate) async fn start_cold(url: &str) -> Load {
        let database = Arc::new(Database::default());
        let processes = [Process::start(url, true).await, Process::start(url, false).await];
        let stop = Arc::<AtomicBool>::default();
        let mut tasks = JoinSet::new();
        for process in &processes {
            for _ in 0..READERS {
                tasks.spawn(read(process.clone(), database.clone(), stop.clone()));
            }
        }
        for _ in 0..WRITERS {
            tasks.spawn(write(processes[0].clone(), database.clone(), stop.clone()));
        }
        Load { database, processes, tasks, stop }
    }

    /// Waits until both processes are served by Redis.
    pub(crate) async fn until_hitting(&self) {
        for process in &self.processes {
            process.hits.more(300, "reads are hits").await;
        }
    }

    /// Waits until both processes have noticed a fault that may be over soon.
    pub(crate) async fn until_noticed(&self) {
        let [a, b] = &self.processes;
        tokio::join!(a.cut_off.more(1, "it is noticed"), b.cut_off.more(1, "it is noticed"));
    }

    /// Waits until both processes read past Redis altogether, and sees that they spare the database.
    pub(crate) async fn until_cut_off(&self) {
        self.until_spared(|process| &process.cut_off).await;
    }

    /// Waits until both processes read some rows past Redis, and sees that they spare the database.
    pub(crate) async fn until_bypassing(&self) {
        self.until_spared(|process| &process.bypassed).await;
    }

    async fn until_spared(&self, reads: fn(&Process) -> &AtomicUsize) {
        for process in &self.processes {
            // By then the loads that leases had bounded are over.
            reads(process).more(100, "reads go past the cache").await;
            process.gauge.reset();
            reads(process).more(100, "reads go past the cache").await;
            let most = process.gauge.most();
            assert!((1..=LOAD_LIMIT).contains(&most), "{most} loads at once");
        }
    }

    /// Waits until more writes were applied.
    pub(crate) async fn until_applying(&self) {
        self.processes[0].applied.more(20, "writes are applied").await;
    }

    /// How many reads were hits so far.
    pub(crate) fn hits(&self) -> usize {
        self.processes.iter().map(|process| process.hits.load(Ordering::SeqCst)).sum()
    }

    /// Stops, and sees that nothing was wrong at any time and that both processes agree with the database.
    pub(crate) async fn end(mut self) {
        self.stop.store(true, Ordering::SeqCst);
        while let Some(ended) = self.tasks.join_next().await {
            ended.expect("no reader or writer panics");
        }
        let [writer, reader] = &self.processes;
        writer.cache.shutdown().await.expect("everything was invalidated in the end");
        for row in 0..ROWS {
            let load = async || Ok::<_, ()>(self.database.now(row));
            let value = reader.cache.get_or_load(item(row), &POLICY, load).await;
            assert_eq!(value, Ok(self.database.now(row)), "row {row}");
        }
        for process in &self.processes {
            let wrong = process.wrong.lock().unwrap();
            assert!(
                wrong.is_empty(),
                "{} reads were wrong: {:#?}",
                wrong.len(),
                &wrong[..wrong.len().min(10)]
            );
        }
    }
}

/// Counters that a test waits for.
trait Grows {
    async fn more(&self, count: usize, what: &str);
}

impl Grows for AtomicUsize {
    async fn more(&self, count: usize, what: &str) {
        let enough = self.load(Ordering::SeqCst) + count;
        until(what, || self.load(Ordering::SeqCst) >= enough).await;
    }
}

impl Process {
    async fn start(url: &str, writes: bool) -> Arc<Process> {
        let cache = builder(url).await.load_limit(LOAD_LIMIT).build().unwrap();
        Arc::new(Process {
            cache,
            writes,
            gauge: Gauge::default(),
            hits: AtomicUsize::new(0),
            bypassed: AtomicUsize::new(0),
            cut_off: AtomicUsize::new(0),
            applied: AtomicUsize::new(0),
            wrong: Mutex::default(),
        })
    }

    fn note(&self, row: u64, status: Status, wrong: Option<String>) {
        match status {
            Status::Hit => _ = self.hits.fetch_add(1, Ordering::SeqCst),
            Status::Bypassed => {
                self.bypassed.fetch_add(1, Ordering::SeqCst);
                self.cut_off.fetch_add(usize::from(row >= CONSTANT), Ordering::SeqCst);
            }
            _ => {}
        }
        self.wrong.lock().unwrap().extend(wrong);
    }
}

async fn read(process: Arc<Process>, database: Arc<Database>, stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::SeqCst) {
        let row = fastrand::u64(0..ROWS);
        let oldest = database.oldest(row, process.writes);
        let begun = Instant::now();
        let load = async || process.gauge.load(&database, row).await;
        let read = process.cache.get_or_load(item(row), &POLICY, load);
        let (version, status) = with_status(read).await;
        let took = begun.elapsed();
        let wrong = match version {
            Err(()) => Some("a read failed".to_owned()),
            Ok(version) if version < oldest => {
                Some(format!("row {row}: version {version} after {oldest}, {status}"))
            }
            Ok(_) if took > LONGEST_READ => Some(format!("a read took {took:?}, {status}")),
            Ok(_) => None,
        };
        process.note(row, status, wrong);
        tokio::task::yield_now().await;
    }
}

async fn write(process: Arc<Process>, database: Arc<Database>, stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::SeqCst) {
        let row = fastrand::u64(0..CONSTANT);
        let version = database.write(row);
        let applied = process.cache.invalidate(item(row)).await == Outcome::Applied;
        database.returned(row, version, applied);
        process.applied.fetch_add(usize::from(applied), Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
