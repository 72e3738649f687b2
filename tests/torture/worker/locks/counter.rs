//! Tasks that count in a row of a database which knows no locking of theirs: they read, and write one more.

use std::{
    collections::BTreeMap,
    error::Error,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use cachekit::{ErrorKind, LockHandle, locked};
use rustix::process::{Signal, getpid, kill_process};
use sqlx::{PgConnection, PgPool, postgres::PgPoolOptions};
use tokio::{sync::watch, task::JoinSet, time};

use crate::{args::Args, parent, subject};

/// The row, and how the lock on it is taken.
#[derive(Clone)]
struct Counter {
    db: PgPool,
    lease: Duration,
    /// The parent wants this process to stand still between the last look at its lock and its next write.
    stands_still: Arc<AtomicBool>,
    /// How often the database has refused somebody who was overtaken.
    refused: Arc<AtomicU64>,
}

/// Why an increment was not made, or not known to be.
#[derive(Debug)]
enum Refused {
    Lock(cachekit::Error),
    Database(sqlx::Error),
    /// A later holder has been at the row before this one has read it.
    Claim,
    /// A later holder has been at the row since.
    Write,
}

impl From<cachekit::Error> for Refused {
    fn from(error: cachekit::Error) -> Refused {
        Refused::Lock(error)
    }
}

impl From<sqlx::Error> for Refused {
    fn from(error: sqlx::Error) -> Refused {
        Refused::Database(error)
    }
}

/// The lock alone: enough, as long as no holder is overtaken.
#[locked(key = "counter:<id>", lease = counter.lease, wait = "60s")]
async fn under_the_lock(counter: &Counter, id: i64) -> Result<(), Refused> {
    Ok(read_and_write(counter, id).await?)
}

/// What two at once do wrong.
async fn read_and_write(counter: &Counter, id: i64) -> sqlx::Result<()> {
    let read = "SELECT n FROM counter WHERE id = $1";
    let n: i64 = sqlx::query_scalar(read).bind(id).fetch_one(&counter.db).await?;
    stand_still(Duration::from_micros(fastrand::u64(..500)));
    let write = "UPDATE counter SET n = $2 WHERE id = $1";
    sqlx::query(write).bind(id).bind(n + 1).execute(&counter.db).await?;
    Ok(())
}

/// The work is in a task of its own, which goes on when the lock is lost: nothing but the fence stops it.
#[locked(key = "counter:<id>", lease = counter.lease, wait = "60s", guard = lock)]
async fn under_a_fence(counter: &Counter, id: i64, op: i64, by: By) -> Result<(), Refused> {
    let (counter, lock) = (counter.clone(), lock.clone());
    let work = tokio::spawn(async move {
        let done = match by {
            By::Table => counter.by_the_table(id, op, &lock).await,
            By::Column => counter.by_a_column(id, op, &lock).await,
        };
        done.inspect_err(|refused| counter.note(refused))
    });
    work.await.expect("it does not panic")
}

/// What refuses those who were overtaken.
#[derive(Clone, Copy)]
enum By {
    /// The library's table: it also keeps everybody else away until the transaction is over.
    Table,
    /// The row itself. Nobody is kept away from it: what was sent and not answered is in the ledger when the next holder
    /// looks, since its claim comes before that, and then it cannot be carried out any more.
    Column,
}

impl Counter {
    async fn by_the_table(&self, id: i64, op: i64, lock: &LockHandle) -> Result<(), Refused> {
        let mut tx = self.db.begin().await?;
        self.stand_still(lock)?;
        lock.fence(&mut *tx).await?;
        if is_done(&mut tx, op).await? {
            return Ok(());
        }
        let read = sqlx::query_scalar::<_, i64>("SELECT n FROM counter WHERE id = $1").bind(id);
        let n = read.fetch_one(&mut *tx).await?;
        let write = sqlx::query("UPDATE counter SET n = $2 WHERE id = $1").bind(id).bind(n + 1);
        write.execute(&mut *tx).await?;
        let note = sqlx::query("INSERT INTO ledger (op, n) VALUES ($1, $2)").bind(op).bind(n + 1);
        note.execute(&mut *tx).await?;
        Ok(tx.commit().await?)
    }

    async fn by_a_column(&self, id: i64, op: i64, lock: &LockHandle) -> Result<(), Refused> {
        let fence = lock.fencing_token().cast_signed();
        let claim = "UPDATE counter SET fence = $2 WHERE id = $1 AND fence <= $2 RETURNING n";
        let claim = sqlx::query_scalar::<_, i64>(claim).bind(id).bind(fence);
        let n = claim.fetch_optional(&self.db).await?.ok_or(Refused::Claim)?;
        if is_done(&mut *self.db.acquire().await?, op).await? {
            return Ok(());
        }
        self.stand_still(lock)?;
        let write = "WITH written AS (UPDATE counter SET n = $3 WHERE id = $1 AND fence <= $2 RETURNING n) \
                     INSERT INTO ledger (op, n) SELECT $4, n FROM written";
        let write = sqlx::query(write).bind(id).bind(fence).bind(n + 1).bind(op);
        let rows = write.execute(&self.db).await?.rows_affected();
        if rows == 1 { Ok(()) } else { Err(Refused::Write) }
    }

    /// Between the last look at the lock and what hangs on it.
    fn stand_still(&self, lock: &LockHandle) -> Result<(), Refused> {
        lock.check()?;
        if self.stands_still.swap(false, Ordering::Relaxed) {
            stop_this_process();
        }
        stand_still(Duration::from_micros(fastrand::u64(..2_000)));
        Ok(())
    }

    /// Notes what the database has refused, whether anybody waits for it or not.
    fn note(&self, refused: &Refused) {
        let of_the_database = match refused {
            Refused::Claim | Refused::Write => true,
            Refused::Lock(error) => error.kind() == ErrorKind::Fenced,
            Refused::Database(_) => false,
        };
        self.refused.fetch_add(u64::from(of_the_database), Ordering::Relaxed);
    }
}

/// Whether this increment was made by an earlier call.
async fn is_done(conn: &mut PgConnection, op: i64) -> sqlx::Result<bool> {
    let done = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM ledger WHERE op = $1").bind(op);
    Ok(done.fetch_one(conn).await? == 1)
}

/// Counts as often as it is told, then waits for the parent's word to end.
pub(crate) async fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let cache = subject::install(args.text("redis")?).await?;
    let db = PgPoolOptions::new().max_connections(8).connect(args.text("database")?).await?;
    let counter = Counter {
        db,
        lease: Duration::from_millis(args.get("lease_ms")?),
        stands_still: Arc::default(),
        refused: Arc::default(),
    };
    let (mode, first) = (args.text("mode")?.to_owned(), args.get::<i64>("first")?);
    let (tasks, each) = (args.get::<i64>("tasks")?, args.get::<i64>("each")?);
    parent::ready().await?;
    let mut ended = listen(counter.stands_still.clone());
    let mut counting = JoinSet::new();
    for task in 0..tasks {
        let ops = first + task * each..first + (task + 1) * each;
        counting.spawn(count(counter.clone(), mode.clone(), ops));
    }
    let mut refused = BTreeMap::<String, u64>::new();
    for told in counting.join_all().await {
        for (why, times) in told {
            *refused.entry(why).or_default() += times;
        }
    }
    for (why, times) in refused {
        parent::tell(format_args!("refused {why} {times}"))?;
    }
    let overtaken = counter.refused.load(Ordering::Relaxed);
    if overtaken > 0 {
        parent::tell(format_args!("refused by-the-database {overtaken}"))?;
    }
    parent::tell("counted")?;
    ended.wait_for(|ended| *ended).await?;
    cache.shutdown().await?;
    Ok(())
}

/// Makes each increment, however often it takes, and says why it took more than one call.
async fn count(counter: Counter, mode: String, ops: std::ops::Range<i64>) -> BTreeMap<String, u64> {
    let mut refused = BTreeMap::new();
    for op in ops {
        loop {
            let done = match mode.as_str() {
                "bare" => read_and_write(&counter, 1).await.map_err(Refused::from),
                "locked" => under_the_lock(&counter, 1).await,
                "table" => under_a_fence(&counter, 1, op, By::Table).await,
                _ => under_a_fence(&counter, 1, op, By::Column).await,
            };
            let why = match done {
                Ok(()) => break,
                Err(Refused::Lock(error)) => format!("{:?}", error.kind()),
                Err(Refused::Claim) => "claim".into(),
                Err(Refused::Write) => "write".into(),
                Err(Refused::Database(error)) => panic!("the database: {error}"),
            };
            *refused.entry(why).or_default() += 1;
            // Redis may be away for a moment.
            time::sleep(Duration::from_millis(5)).await;
        }
    }
    refused
}

/// Hears the parent's words, in a thread of their own.
fn listen(stands_still: Arc<AtomicBool>) -> watch::Receiver<bool> {
    let (end, ended) = watch::channel(false);
    std::thread::spawn(move || {
        for word in io::stdin().lines().map_while(Result::ok) {
            match word.as_str() {
                "stand still" => stands_still.store(true, Ordering::Relaxed),
                _ => break,
            }
        }
        end.send_replace(true);
    });
    ended
}

/// Until the parent has it go on, which is when its lease is over.
fn stop_this_process() {
    kill_process(getpid(), Signal::STOP).expect("a process may stop itself");
}

#[expect(clippy::disallowed_methods, reason = "a thread that stands still is what this is about")]
fn stand_still(time: Duration) {
    std::thread::sleep(time);
}
