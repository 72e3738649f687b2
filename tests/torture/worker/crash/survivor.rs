//! The process that outlives the others: it reads, writes and relays, and sees no read older than its own writes.

use std::{
    error::Error,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use cachekit::OutcomeUnknown;
use cachekit_torture::{
    rows::{self, Rows},
    service::Service,
};
use fastrand::Rng;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    sync::RwLock,
    time,
};

use crate::{args::Args, parent};

/// What the loops of this process share.
struct Survivor<DB: Rows> {
    service: Service<DB>,
    /// Held for writing, the loops rest.
    working: RwLock<()>,
    /// The last version of each item whose write had returned.
    floors: Vec<AtomicI64>,
    /// How many of the items, from the first on, nobody else writes.
    common: usize,
    violations: Mutex<Vec<String>>,
    reads: AtomicU64,
    writes: AtomicU64,
    failures: AtomicU64,
}

/// Works until its input ends; on a word of the parent it rests, works again, or reports.
pub(super) async fn run<DB: Rows>(service: Service<DB>, args: &Args) -> Result<(), Box<dyn Error>> {
    let items = args.get::<u32>("items")?;
    let relay = args.get::<bool>("relay")?.then(|| service.relay().start());
    let mut seeds = Rng::with_seed(args.get("seed")?);
    let survivor = Arc::new(Survivor {
        service,
        working: RwLock::new(()),
        common: args.get("common")?,
        floors: (0..items).map(|_| AtomicI64::new(0)).collect(),
        violations: Mutex::default(),
        reads: AtomicU64::new(0),
        writes: AtomicU64::new(0),
        failures: AtomicU64::new(0),
    });
    parent::ready().await?;
    for _ in 0..args.get("readers")? {
        tokio::spawn(survivor.clone().reads(seeds.fork()));
    }
    for _ in 0..args.get("writers")? {
        tokio::spawn(survivor.clone().writes(seeds.fork()));
    }
    let mut words = BufReader::new(tokio::io::stdin()).lines();
    let mut rest = None;
    while let Some(word) = words.next_line().await? {
        match word.as_str() {
            "rest" => {
                rest = Some(survivor.working.write().await);
                parent::tell("resting")?;
            }
            "work" => rest = None,
            "report" => survivor.report().await?,
            other => return Err(format!("the parent said {other:?}").into()),
        }
    }
    drop((rest, relay));
    Ok(())
}

impl<DB: Rows> Survivor<DB> {
    async fn reads(self: Arc<Self>, mut rng: Rng) {
        loop {
            time::sleep(Duration::from_micros(rng.u64(..2_000))).await;
            let _working = self.working.read().await;
            let id = rng.usize(..self.floors.len());
            let floor = self.floors[id].load(Ordering::SeqCst);
            match self.service.read(u32::try_from(id).expect("few items")).await {
                Ok(version) if version < floor => {
                    self.note(format!("item {id}: {version} was read after {floor} was written"));
                }
                read => self.count(&self.reads, read.is_ok()),
            }
        }
    }

    async fn writes(self: Arc<Self>, mut rng: Rng) {
        loop {
            time::sleep(Duration::from_micros(rng.u64(..15_000))).await;
            let _working = self.working.read().await;
            let tx = i64::from(rng.u32(..)) << 16 | i64::from(rng.u16(..)) | 1 << 60;
            // As a rule it leaves alone what others are killed over, so that stale entries are not repaired by chance.
            let most = if rng.u8(..8) == 0 { self.floors.len() } else { self.common };
            let most = u32::try_from(most).expect("few items");
            let first = rng.u32(..most - 1);
            // In one order, so that no two writers wait for each other.
            let items = [first, rng.u32(first + 1..most)];
            let written = self.service.write(tx, &items).await;
            self.count(&self.writes, written.is_ok());
            match written {
                Ok((versions, _applied_or_pending)) => {
                    for (id, version) in items.iter().zip(versions) {
                        self.floors[*id as usize].fetch_max(version, Ordering::SeqCst);
                    }
                }
                Err(error) => self.check_refusal(tx, &error).await,
            }
        }
    }

    /// An error says that nothing was committed, unless it says that nobody knows.
    async fn check_refusal(&self, tx: i64, error: &sqlx::Error) {
        let known = OutcomeUnknown::of(error).is_none();
        let committed = rows::count(&self.service.pool, &format!("ledger WHERE tx = {tx}")).await;
        if known && committed.is_ok_and(|rows| rows > 0) {
            self.note(format!("transaction {tx} was committed, and the call said: {error}"));
        }
    }

    fn note(&self, violation: String) {
        self.violations.lock().unwrap_or_else(PoisonError::into_inner).push(violation);
    }

    fn count(&self, good: &AtomicU64, is_good: bool) {
        let counter = if is_good { good } else { &self.failures };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Tells of promises that were broken, and what this process reads now.
    async fn report(&self) -> Result<(), Box<dyn Error>> {
        let violations = self.violations.lock().map(|mut all| std::mem::take(&mut *all));
        for line in violations.unwrap_or_default() {
            parent::tell(format!("violation {line}"))?;
        }
        let counts = [&self.reads, &self.writes, &self.failures];
        let counts = counts.map(|count| count.swap(0, Ordering::Relaxed).to_string());
        parent::tell(format!("counts {}", counts.join(" ")))?;
        let mut versions = Vec::new();
        for id in 0..self.floors.len() {
            let version = self.service.read(u32::try_from(id)?).await?;
            versions.push(version.to_string());
        }
        parent::tell(format!("versions {}", versions.join(" ")))?;
        Ok(())
    }
}
