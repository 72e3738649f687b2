//! What a writer returns enters the cache, and never in the place of anything newer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cachekit::{
    Cache, Outcome, Peek, Status, invalidates, with_receipt, with_status, writes_through,
};
use cachekit_test_support::{Proxy, RedisServer};
use cachekit_tests::{POLICY, Polls, cache, first_poll, item, soon, two_handles, until_linked};
use tokio::sync::Semaphore;

/// A table of one row, and gates before and after its commits.
#[derive(Debug)]
struct Table {
    row: Arc<AtomicU64>,
    commit: Semaphore,
    finish: Semaphore,
}

impl Table {
    fn open() -> Arc<Table> {
        Table::with(Semaphore::MAX_PERMITS / 2)
    }

    fn closed() -> Arc<Table> {
        Table::with(0)
    }

    fn with(permits: usize) -> Arc<Table> {
        let gate = || Semaphore::new(permits);
        Arc::new(Table { row: Arc::new(AtomicU64::new(1)), commit: gate(), finish: gate() })
    }

    /// The same row, with gates of its own.
    fn beside(&self) -> Arc<Table> {
        let gate = || Semaphore::new(0);
        Arc::new(Table { row: self.row.clone(), commit: gate(), finish: gate() })
    }

    async fn write(&self) -> u64 {
        self.commit.acquire().await.unwrap().forget();
        let value = self.row.fetch_add(1, Ordering::SeqCst) + 1;
        for _ in 0..fastrand::u8(0..4) {
            tokio::task::yield_now().await;
        }
        self.finish.acquire().await.unwrap().forget();
        value
    }
}

#[writes_through(key = "item:<id>", ttl = "1m", cache = cache)]
async fn write(cache: &Cache, id: u64, table: &Table) -> Result<u64, ()> {
    let _ = id;
    Ok(table.write().await)
}

#[writes_through(key = "item:<id>", ttl = "1m", cache = cache)]
async fn fail(cache: &Cache, id: u64, table: &Table) -> Result<u64, ()> {
    let _ = (id, table.write().await);
    Err(())
}

#[writes_through(key = "item:<id>", ttl = "1m", cache = cache)]
async fn delete(cache: &Cache, id: u64, table: &Table) -> Result<Option<u64>, ()> {
    let _ = (id, table.write().await);
    Ok(None)
}

#[invalidates("item:<id>", cache = cache)]
async fn write_plainly(cache: &Cache, id: u64, table: &Table) -> u64 {
    let _ = id;
    table.write().await
}

async fn read(cache: &Cache, table: &Table) -> (u64, Status) {
    let load = async || Ok::<_, ()>(table.row.load(Ordering::SeqCst));
    let (value, status) = soon(with_status(cache.get_or_load(item(1), &POLICY, load))).await;
    (value.unwrap(), status)
}

#[tokio::test]
async fn written_value_is_a_hit_whether_or_not_there_was_one_before() {
    let server = RedisServer::start();
    for [one, other] in two_handles(&server).await {
        let table = Table::open();
        for expected in [2, 3] {
            let (written, receipt) = with_receipt(write(&one, 1, &table)).await;
            assert_eq!(written, Ok(expected));
            assert_eq!((receipt.entries().len(), receipt.outcome()), (1, Outcome::Applied));
            assert_eq!(read(&other, &table).await, (expected, Status::Hit));
        }
    }
}

#[tokio::test]
async fn error_or_absence_drops_the_entry() {
    let server = RedisServer::start();
    for [one, other] in two_handles(&server).await {
        let table = Table::open();
        assert_eq!(read(&one, &table).await, (1, Status::Loaded));
        assert_eq!(fail(&one, 1, &table).await, Err(()));
        assert_eq!(read(&other, &table).await, (2, Status::Loaded));
        assert_eq!(delete(&one, 1, &table).await, Ok(None));
        assert_eq!(read(&other, &table).await, (3, Status::Loaded));
    }
}

/// The first to commit is the last to return.
#[tokio::test]
async fn overtaken_writer_leaves_nothing() {
    let server = RedisServer::start();
    for [one, other] in two_handles(&server).await {
        for warm in [false, true] {
            let table = Table::closed();
            if warm {
                read(&one, &table).await;
            }
            let slow = tokio::spawn(owned_write(one.clone(), table.clone()));
            table.commit.add_permits(1);
            committed(&table, 2).await;
            let beside = table.beside();
            let quick = tokio::spawn(owned_write(other.clone(), beside.clone()));
            beside.commit.add_permits(1);
            committed(&table, 3).await;
            beside.finish.add_permits(1);
            assert_eq!(quick.await.unwrap(), Ok(3));
            assert_eq!(read(&one, &table).await.0, 3);
            table.finish.add_permits(1);
            assert_eq!(slow.await.unwrap(), Ok(2));
            for cache in [&one, &other] {
                assert_eq!(read(cache, &table).await.0, 3);
            }
            one.invalidate(item(1)).await;
        }
    }
}

#[tokio::test]
async fn writer_that_was_invalidated_in_mid_way_leaves_nothing() {
    let server = RedisServer::start();
    for [one, other] in two_handles(&server).await {
        let table = Table::closed();
        let slow = tokio::spawn(owned_write(one.clone(), table.clone()));
        table.commit.add_permits(1);
        committed(&table, 2).await;
        // Another writer commits, invalidates and returns.
        table.row.store(3, Ordering::SeqCst);
        assert_eq!(other.invalidate(item(1)).await, Outcome::Applied);
        table.finish.add_permits(1);
        assert_eq!(slow.await.unwrap(), Ok(2));
        assert_eq!(read(&other, &table).await.0, 3);
        assert_eq!(read(&one, &table).await.0, 3);
    }
}

async fn owned_write(cache: Cache, table: Arc<Table>) -> Result<u64, ()> {
    write(&cache, 1, &table).await
}

async fn committed(table: &Table, value: u64) {
    let reached = || table.row.load(Ordering::SeqCst) == value;
    cachekit_tests::until("it is committed", reached).await;
}

#[tokio::test]
async fn load_that_began_before_the_write_neither_replaces_it_nor_is_joined() {
    let server = RedisServer::start();
    for [one, other] in two_handles(&server).await {
        let table = Table::open();
        let (begun, gate) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let older = tokio::spawn({
            let (other, table) = (other.clone(), table.clone());
            let (begun, gate) = (begun.clone(), gate.clone());
            async move {
                let load = async || {
                    let seen = table.row.load(Ordering::SeqCst);
                    begun.add_permits(1);
                    gate.acquire().await.unwrap().forget();
                    Ok::<_, ()>(seen)
                };
                other.get_or_load(item(1), &POLICY, load).await
            }
        });
        begun.acquire().await.unwrap().forget();
        assert_eq!(write(&one, 1, &table).await, Ok(2));
        assert_eq!(read(&one, &table).await, (2, Status::Hit), "the older load is not joined");
        gate.add_permits(1);
        let _either = soon(older).await.unwrap();
        for cache in [&one, &other] {
            assert_eq!(read(cache, &table).await.0, 2);
        }
    }
}

/// The value that was written may be evicted at once: then nothing but this keeps readers from the older load.
#[tokio::test]
async fn older_load_is_not_joined_after_the_written_value_was_evicted() {
    let cache = Cache::builder().max_entries(1).build().unwrap();
    let table = Table::open();
    let (begun, gate) = (Semaphore::new(0), Semaphore::new(0));
    let load = async || {
        let seen = table.row.load(Ordering::SeqCst);
        begun.add_permits(1);
        gate.acquire().await.unwrap().forget();
        Ok::<_, ()>(seen)
    };
    let mut older = Box::pin(cache.get_or_load(item(1), &POLICY, load));
    assert!(first_poll(older.as_mut()).is_pending());
    assert_eq!(begun.available_permits(), 1);
    assert_eq!(write(&cache, 1, &table).await, Ok(2));
    for other in 2..100_000 {
        if cache.peek::<u64>(&item(1)).await == Peek::Miss {
            break;
        }
        cache.get_or_load(item(other), &POLICY, async || Ok::<_, ()>(0_u64)).await.unwrap();
    }
    assert_eq!(read(&cache, &table).await, (2, Status::Loaded));
}

#[tokio::test]
async fn writer_that_is_dropped_in_mid_way_drops_the_entry() {
    let server = RedisServer::start();
    for [one, other] in two_handles(&server).await {
        let table = Table::closed();
        assert_eq!(read(&one, &table).await, (1, Status::Loaded));
        table.commit.add_permits(1);
        let mut writing = Box::pin(write(&one, 1, &table));
        while table.row.load(Ordering::SeqCst) == 1 {
            assert!(first_poll(writing.as_mut()).is_pending());
            tokio::task::yield_now().await;
        }
        drop(writing);
        cachekit_tests::until_async("it is dropped", async || read(&other, &table).await.0 == 2)
            .await;
        for polls in 0..12 {
            let before = table.row.load(Ordering::SeqCst);
            table.commit.add_permits(1);
            table.finish.add_permits(1);
            let _dropped = Polls::new(write(&one, 1, &table), polls).await;
            let row = table.row.load(Ordering::SeqCst);
            assert!(row <= before + 1);
            let caught_up = async || read(&other, &table).await.0 == row;
            cachekit_tests::until_async("the row is read", caught_up).await;
        }
    }
}

/// A reader inside would wait for itself if the writer held a lease.
#[tokio::test]
async fn body_may_read_what_it_writes() {
    let server = RedisServer::start();
    for [one, _] in two_handles(&server).await {
        let table = Table::open();
        assert_eq!(soon(read_and_write(&one, 1, &table)).await, Ok(2));
        assert_eq!(read(&one, &table).await.0, 2);
    }
}

#[writes_through(key = "item:<id>", ttl = "1m", cache = cache)]
async fn read_and_write(cache: &Cache, id: u64, table: &Table) -> Result<u64, ()> {
    let _ = (id, read(cache, table).await);
    Ok(table.write().await)
}

#[tokio::test]
async fn write_goes_on_while_redis_is_away() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let (one, other) = (cache(&proxy.url()).await, cache(&server.url()).await);
    let table = Table::open();
    assert_eq!(read(&other, &table).await, (1, Status::Loaded));
    proxy.refuse(true);
    proxy.cut();
    until_linked(&one, false).await;
    let (written, receipt) = with_receipt(write(&one, 1, &table)).await;
    assert_eq!((written, receipt.outcome()), (Ok(2), Outcome::Pending));
    assert_eq!(read(&one, &table).await, (2, Status::Bypassed));
    proxy.refuse(false);
    cachekit_tests::until_async("it goes through", async || read(&other, &table).await.0 == 2)
        .await;
}

/// Readers compare with what had been written when they began.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_read_is_older_than_a_write_that_had_returned() {
    let server = RedisServer::start();
    for [one, other] in two_handles(&server).await {
        let (table, returned) = (Table::open(), Arc::new(AtomicU64::new(1)));
        let mut tasks = Vec::new();
        for task in 0..8_u64 {
            let cache = if task % 2 == 0 { one.clone() } else { other.clone() };
            let (table, returned) = (table.clone(), returned.clone());
            tasks.push(tokio::spawn(async move {
                for round in 0..300 {
                    match task {
                        0..3 => {
                            let value = write(&cache, 1, &table).await.unwrap();
                            returned.fetch_max(value, Ordering::SeqCst);
                        }
                        3 if round % 4 == 0 => {
                            let value = write_plainly(&cache, 1, &table).await;
                            returned.fetch_max(value, Ordering::SeqCst);
                        }
                        _ => {
                            let floor = returned.load(Ordering::SeqCst);
                            let load = async || {
                                let row = table.row.load(Ordering::SeqCst);
                                tokio::task::yield_now().await;
                                Ok::<_, ()>(row)
                            };
                            let read = cache.get_or_load(item(1), &POLICY, load).await.unwrap();
                            assert!(read >= floor, "read {read} after {floor} was written");
                        }
                    }
                    for _ in 0..fastrand::u8(0..4) {
                        tokio::task::yield_now().await;
                    }
                }
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
    }
}
