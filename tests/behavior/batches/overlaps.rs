//! Batches that overlap, with one another and with single reads: each id is loaded once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use cachekit::{Cache, Key, Status, with_status};
use cachekit_test_support::RedisServer;
use cachekit_tests::{Entries, POLICY, cache, first_poll, item, soon, until};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

use super::{Rows, caches, get};

type Found = Result<Vec<(u64, Option<u64>)>, &'static str>;

/// A batch in a task of its own whose load ends when it may, and how.
struct Slow {
    task: JoinHandle<Found>,
    go: oneshot::Sender<Result<(), &'static str>>,
}

/// Begins a batch and waits until it loads, which it does once.
async fn slow(cache: &Cache, ids: &[u64], rows: &Arc<Rows>) -> Slow {
    let (cache, ids, rows) = (cache.clone(), ids.to_vec(), rows.clone());
    let (begun, has_begun) = oneshot::channel();
    let (go, gate) = oneshot::channel();
    let mut once = Some((begun, gate));
    let task = tokio::spawn(async move {
        let load = |missing: Vec<u64>| {
            let (begun, gate) = once.take().unwrap();
            let rows = &rows;
            async move {
                rows.note(&missing);
                begun.send(()).unwrap();
                gate.await.unwrap()?;
                Ok(missing.into_iter().map(|id| (id, id * 10)))
            }
        };
        cache.get_many(ids, |id| item(*id), &POLICY, load).await
    });
    has_begun.await.unwrap();
    Slow { task, go }
}

fn rows_of(ids: &[u64]) -> Found {
    Ok(ids.iter().map(|id| (*id, Some(id * 10))).collect())
}

#[tokio::test]
async fn ids_of_a_batch_that_loads_are_left_to_it_by_another() {
    let (_server, caches) = caches().await;
    for cache in caches {
        let rows = Arc::new(Rows::default());
        let first = slow(&cache, &[1, 2, 3, 4], &rows).await;
        let second = slow(&cache, &[3, 4, 5, 6], &rows).await;
        let single = async || Err::<u64, _>("it is loaded already");
        let mut third = Box::pin(cache.get_or_load(item(4), &POLICY, single));
        assert!(first_poll(third.as_mut()).is_pending());
        second.go.send(Ok(())).unwrap();
        first.go.send(Ok(())).unwrap();
        assert_eq!(soon(first.task).await.unwrap(), rows_of(&[1, 2, 3, 4]));
        assert_eq!(soon(second.task).await.unwrap(), rows_of(&[3, 4, 5, 6]));
        assert_eq!(soon(third).await, Ok(40));
        assert_eq!(rows.calls(), [[1, 2, 3, 4].as_slice(), &[5, 6]]);
    }
}

#[tokio::test]
async fn batches_that_begin_with_each_other_s_ids_do_not_wait_for_each_other_for_ever() {
    let (_server, caches) = caches().await;
    for cache in caches {
        for round in 0..20 {
            let base = round * 10;
            let rows = Rows::default();
            let [forth, back, across] =
                [[1, 2, 3, 4], [4, 3, 2, 1], [3, 5, 1, 6]].map(|ids| ids.map(|id| base + id));
            let (a, b, c) = soon(async {
                tokio::join!(
                    get(&cache, &forth, &rows),
                    get(&cache, &back, &rows),
                    get(&cache, &across, &rows)
                )
            })
            .await;
            assert_eq!([a, b, c], [&forth, &back, &across].map(|ids| Rows::of(ids)));
            let mut loaded = rows.calls().concat();
            loaded.sort_unstable();
            assert_eq!(loaded, (base + 1..=base + 6).collect::<Vec<_>>(), "each id once");
        }
    }
}

#[tokio::test]
async fn what_another_batch_fails_to_bring_is_loaded_in_a_second_call() {
    let (_server, caches) = caches().await;
    for cache in caches {
        for fails in [true, false] {
            let base = if fails { 0 } else { 100 };
            let ids = |ids: [u64; 5]| ids.map(|id| base + id);
            let rows = Arc::new(Rows::default());
            let first = slow(&cache, &ids([1, 2, 3, 4, 5])[1..], &rows).await;
            let mine = Rows::default();
            let [one, two, three, six, seven] = ids([1, 2, 3, 6, 7]);
            let asked = [six, two, three, one, seven];
            let mut second = Box::pin(get(&cache, &asked, &mine));
            let called = until("it loads what it leads", || mine.calls().len() == 1);
            tokio::select! {
                _ = &mut second => panic!("others are still loading"),
                () = called => {}
            }
            if fails {
                first.go.send(Err("no database")).unwrap();
                assert_eq!(soon(first.task).await.unwrap(), Err("no database"));
            } else {
                first.task.abort();
                assert!(first.task.await.unwrap_err().is_cancelled());
            }
            assert_eq!(soon(second).await, Rows::of(&asked));
            assert_eq!(mine.calls(), [vec![six, one, seven], vec![two, three]]);
        }
    }
}

#[tokio::test]
async fn an_error_that_cannot_be_cloned_is_the_batch_s_own() {
    let (_server, caches) = caches().await;
    for cache in caches {
        let rows = Arc::new(Rows::default());
        let batch = slow(&cache, &[1, 2], &rows).await;
        let single = async || Ok::<_, &str>(20_u64);
        let mut single = Box::pin(with_status(cache.get_or_load(item(2), &POLICY, single)));
        assert!(first_poll(single.as_mut()).is_pending());
        batch.go.send(Err("no database")).unwrap();
        assert_eq!(soon(batch.task).await.unwrap(), Err("no database"));
        assert_eq!(soon(single).await, (Ok(20), Status::Loaded));
    }
}

/// A single read whose load says that it has begun, and never ends.
async fn stuck(cache: &Cache, key: Key) -> JoinHandle<Result<u64, ()>> {
    let (begun, has_begun) = oneshot::channel();
    let cache = cache.clone();
    let task = tokio::spawn(async move {
        let load = async || {
            begun.send(()).unwrap();
            std::future::pending().await
        };
        cache.get_or_load(key, &POLICY, load).await
    });
    has_begun.await.unwrap();
    task
}

/// A batch that waits for two others takes over from one of them, and so is busy when the second goes away.
/// Whoever waits for that one must not wait for the batch.
#[tokio::test]
async fn a_batch_that_loads_lets_others_lead_what_it_waits_for() {
    let (_server, caches) = caches().await;
    for cache in caches {
        let (one, two) = (stuck(&cache, item(1)).await, stuck(&cache, item(2)).await);
        let (loads, may_end) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (own, tell, wait) = (cache.clone(), loads.clone(), may_end.clone());
        let batch = tokio::spawn(async move {
            let load = async |ids: Vec<u64>| {
                tell.notify_one();
                wait.notified().await;
                Ok::<_, ()>(ids.into_iter().map(|id| (id, id * 10)).collect::<HashMap<_, _>>())
            };
            own.get_many([1, 2], |id| item(*id), &POLICY, load).await
        });
        // Until it waits for both, with its wakers where the leaders will look for them.
        tokio::time::sleep(Duration::from_millis(50)).await;
        let load = async || Ok::<_, ()>(20_u64);
        let mut single = Box::pin(with_status(cache.get_or_load(item(2), &POLICY, load)));
        assert!(first_poll(single.as_mut()).is_pending());
        one.abort();
        soon(loads.notified()).await;
        let (single, ()) = soon(async {
            tokio::join!(single, async {
                tokio::task::yield_now().await;
                two.abort();
            })
        })
        .await;
        assert_eq!(single, (Ok(20), Status::Loaded));
        may_end.notify_one();
        let found = soon(batch).await.unwrap().unwrap();
        assert_eq!(found, [(1, Some(10)), (2, Some(20))]);
    }
}

#[tokio::test]
async fn a_batch_waits_for_what_another_process_loads_after_it_has_loaded_its_own() {
    let server = RedisServer::start();
    let (a, b) = (cache(&server.url()).await, cache(&server.url()).await);
    let rows = Arc::new(Rows::default());
    let first = slow(&a, &[1, 2, 3], &rows).await;
    let mine = Rows::default();
    let mut second = Box::pin(get(&b, &[2, 3, 4], &mine));
    tokio::select! {
        _ = &mut second => panic!("another process is still loading"),
        () = until("its own is filled", || Entries::of(&server).is_filled("item:4")) => {}
    }
    first.go.send(Ok(())).unwrap();
    assert_eq!(soon(second).await, Rows::of(&[2, 3, 4]));
    assert_eq!(mine.calls(), [[4]]);
    assert_eq!(soon(first.task).await.unwrap(), rows_of(&[1, 2, 3]));
}

#[tokio::test]
async fn a_batch_takes_over_what_another_process_leaves_unloaded() {
    let server = RedisServer::start();
    let (a, b) = (cache(&server.url()).await, cache(&server.url()).await);
    let rows = Arc::new(Rows::default());
    let first = slow(&a, &[1, 2, 3], &rows).await;
    let mine = Rows::default();
    let mut second = Box::pin(get(&b, &[2, 3, 4], &mine));
    tokio::select! {
        _ = &mut second => panic!("another process is still loading"),
        () = until("its own is filled", || Entries::of(&server).is_filled("item:4")) => {}
    }
    first.task.abort();
    assert_eq!(soon(second).await, Rows::of(&[2, 3, 4]));
    let mut calls = mine.calls();
    assert_eq!(calls.remove(0), [4]);
    assert_eq!(calls.concat(), [2, 3]);
}
