//! Accepted values are written, in order for each key, over crashes between claim and flush.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cachekit::{Cache, ErrorKind, Write, WriteBehind, WriteBehindBuilder};
use cachekit_test_support::{Proxy, RedisServer};
use cachekit_tests::{NAMESPACE, POLICY, Polls, item, until, until_async};
use tokio::sync::Semaphore;

/// The rows of a table, and every value that was written to each, in order.
#[derive(Clone, Debug, Default)]
struct Table(Arc<Mutex<HashMap<String, Vec<u64>>>>);

impl Table {
    fn write(&self, batch: &[Write<u64>]) {
        let mut rows = self.0.lock().unwrap();
        for write in batch {
            rows.entry(write.key.as_str().to_owned()).or_default().push(write.value);
        }
    }

    fn written(&self, id: u64) -> Vec<u64> {
        self.0.lock().unwrap().get(item(id).as_str()).cloned().unwrap_or_default()
    }

    fn now(&self, id: u64) -> Option<u64> {
        self.written(id).last().copied()
    }
}

fn builder() -> WriteBehindBuilder {
    let builder = WriteBehind::<u64>::builder("items").namespace(NAMESPACE);
    builder.every(Duration::from_millis(5)).lease(Duration::from_millis(300))
}

async fn start(builder: WriteBehindBuilder, url: &str, table: &Table) -> WriteBehind<u64> {
    let table = table.clone();
    let started = builder.start(url, move |batch| {
        table.write(&batch);
        async { Ok::<_, Infallible>(()) }
    });
    started.await.unwrap()
}

#[tokio::test]
async fn accepted_values_coalesce_and_the_last_of_each_key_is_written() {
    let server = RedisServer::start();
    let table = Table::default();
    let slow = builder().every(Duration::from_millis(50));
    let writes = start(slow, &server.url(), &table).await;
    for value in 1..=300 {
        writes.accept(&item(value % 3), &value).await.unwrap();
    }
    until("all is written", || (0..3).all(|id| table.now(id) >= Some(298))).await;
    until_async("nothing waits", async || writes.waiting().await.unwrap() == 0).await;
    for (id, last) in [(0, 300), (1, 298), (2, 299)] {
        let written = table.written(id);
        assert_eq!(written.last(), Some(&last));
        assert!(written.is_sorted() && written.len() < 100, "{written:?}");
    }
    writes.shutdown().await.unwrap();
}

/// Each process dies in the middle of a flush, before or after its rows were written; another takes over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn order_of_a_key_survives_crashes_between_claim_and_flush() {
    let server = RedisServer::start();
    let table = Table::default();
    let ids = 0..5;
    let mut value = 0;
    for life in 0..6 {
        let (begun, before) = (Arc::new(AtomicBool::new(false)), life % 2 == 0);
        let (rows, flag) = (table.clone(), begun.clone());
        let url = server.url();
        let dying = builder().batch(20).start(&url, move |batch: Vec<Write<u64>>| {
            if !before {
                rows.write(&batch);
            }
            flag.store(true, Ordering::SeqCst);
            std::future::pending::<Result<(), Infallible>>()
        });
        let dying = dying.await.unwrap();
        for _ in 0..50 {
            value += 1;
            for id in ids.clone() {
                dying.accept(&item(id), &value).await.unwrap();
            }
        }
        until("it is in the middle of a flush", || begun.load(Ordering::SeqCst)).await;
        drop(dying);
    }
    let last = start(builder().batch(20), &server.url(), &table).await;
    until("the last values are written", || ids.clone().all(|id| table.now(id) == Some(value)))
        .await;
    for id in ids {
        assert!(table.written(id).is_sorted(), "{:?}", table.written(id));
    }
    last.shutdown().await.unwrap();
}

#[tokio::test]
async fn one_process_writes_at_a_time() {
    let server = RedisServer::start();
    let (running, most) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let table = Table::default();
    let mut processes = Vec::new();
    for _ in 0..3 {
        let (running, most, table) = (running.clone(), most.clone(), table.clone());
        let url = server.url();
        let process = builder().start(&url, move |batch: Vec<Write<u64>>| {
            let (running, most, table) = (running.clone(), most.clone(), table.clone());
            async move {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                table.write(&batch);
                running.fetch_sub(1, Ordering::SeqCst);
                Ok::<_, Infallible>(())
            }
        });
        processes.push(process.await.unwrap());
    }
    for value in 1..=90_u64 {
        let process = &processes[usize::try_from(value % 3).unwrap()];
        process.accept(&item(1), &value).await.unwrap();
    }
    until("all is written", || table.now(1) == Some(90)).await;
    for process in processes {
        process.shutdown().await.unwrap();
    }
    assert_eq!(most.load(Ordering::SeqCst), 1);
    assert!(table.written(1).is_sorted());
}

#[tokio::test]
async fn no_more_is_accepted_than_may_wait() {
    let server = RedisServer::start();
    let url = server.url();
    let leave = Arc::new(Semaphore::new(0));
    let gate = leave.clone();
    let started = builder().limit(10).start(&url, move |_: Vec<Write<u64>>| {
        let gate = gate.clone();
        async move {
            gate.acquire().await.unwrap().forget();
            Ok::<_, Infallible>(())
        }
    });
    let writes = started.await.unwrap();
    for value in 0..10 {
        writes.accept(&item(value), &value).await.unwrap();
    }
    let error = writes.accept(&item(99), &99).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(
        error.to_string(),
        "accept write `item:<id>`: as many values wait as `limit` allows"
    );
    leave.add_permits(100);
    until_async("there is room again", async || writes.accept(&item(99), &99).await.is_ok()).await;
    writes.shutdown().await.unwrap();
}

#[tokio::test]
async fn value_that_cannot_be_written_is_a_dead_letter_and_holds_up_no_other() {
    let server = RedisServer::start();
    let url = server.url();
    let table = Table::default();
    let rows = table.clone();
    let policy = cachekit::retry::RetryPolicy::new().max_attempts(2).base(Duration::from_millis(1));
    let started = builder().retry(policy).start(&url, move |batch: Vec<Write<u64>>| {
        let poisoned = batch.iter().any(|write| write.value == 13);
        if !poisoned {
            rows.write(&batch);
        }
        async move { if poisoned { Err("check constraint violated") } else { Ok(()) } }
    });
    let writes = started.await.unwrap();
    for value in 11..=15 {
        writes.accept(&item(value), &value).await.unwrap();
    }
    until_async("nothing waits", async || writes.waiting().await.unwrap() == 0).await;
    for value in [11, 12, 14, 15] {
        assert_eq!(table.now(value), Some(value));
    }
    let dead = writes.dead_letters(10).await.unwrap();
    assert_eq!((dead.len(), dead[0].payload.as_str()), (1, "13"));
    assert_eq!(dead[0].reason, "check constraint violated");
    writes.shutdown().await.unwrap();
}

#[tokio::test]
async fn database_that_is_away_is_waited_for() {
    let server = RedisServer::start();
    let url = server.url();
    let (table, tries) = (Table::default(), AtomicU32::new(0));
    let rows = table.clone();
    let started =
        builder().start(&url, move |batch: Vec<Write<u64>>| {
            let away = tries.fetch_add(1, Ordering::SeqCst) < 5;
            if !away {
                rows.write(&batch);
            }
            async move {
                if away { Err(io::Error::from(io::ErrorKind::ConnectionRefused)) } else { Ok(()) }
            }
        });
    let writes = started.await.unwrap();
    writes.accept(&item(1), &1).await.unwrap();
    until("it is written", || table.now(1) == Some(1)).await;
    assert!(writes.dead_letters(1).await.unwrap().is_empty());
    writes.shutdown().await.unwrap();
}

#[tokio::test]
async fn shutdown_writes_what_waits() {
    let server = RedisServer::start();
    let table = Table::default();
    let lazy = builder().every(Duration::from_secs(3600));
    let writes = start(lazy, &server.url(), &table).await;
    for value in 0..100 {
        writes.accept(&item(value), &value).await.unwrap();
    }
    writes.shutdown().await.unwrap();
    assert!((0..100).all(|value| table.now(value) == Some(value)));
    let error = writes.accept(&item(1), &1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ShuttingDown);
}

#[tokio::test]
async fn accepted_value_outlives_a_lost_connection() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let table = Table::default();
    let writes = start(builder(), &proxy.url(), &table).await;
    proxy.refuse(true);
    proxy.cut();
    until_async("it is noticed", async || writes.accept(&item(1), &1).await.is_err()).await;
    let error = writes.accept(&item(1), &2).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    proxy.refuse(false);
    until_async("it is accepted", async || writes.accept(&item(1), &3).await.is_ok()).await;
    until("it is written", || table.now(1) == Some(3)).await;
    writes.shutdown().await.unwrap();
}

#[tokio::test]
async fn cached_value_is_invalidated_once_the_new_one_is_written() {
    let server = RedisServer::start();
    let cache = Cache::builder().build().unwrap();
    let table = Table::default();
    table.0.lock().unwrap().insert(item(1).as_str().to_owned(), vec![1]);
    let read = async || {
        let load = async || Ok::<_, Infallible>(table.now(1));
        cache.get_or_load(item(1), &POLICY, load).await.unwrap()
    };
    assert_eq!(read().await, Some(1));
    let writes = start(builder().cache(&cache), &server.url(), &table).await;
    writes.accept(&item(1), &2).await.unwrap();
    until_async("the read gives what was written", async || read().await == Some(2)).await;
    writes.shutdown().await.unwrap();
}

#[tokio::test]
async fn accept_that_was_dropped_at_any_point_can_be_repeated() {
    let server = RedisServer::start();
    let table = Table::default();
    let writes = start(builder(), &server.url(), &table).await;
    for polls in 0..4 {
        let value = polls as u64;
        let _dropped = Polls::new(writes.accept(&item(1), &value), polls).await;
        writes.accept(&item(1), &value).await.unwrap();
    }
    until("the last is written", || table.now(1) == Some(3)).await;
    assert!(table.written(1).is_sorted());
    writes.shutdown().await.unwrap();
}
