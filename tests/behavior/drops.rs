//! A value's `Drop` is the user's code and may call the cache.

use std::cell::Cell;
use std::pin::pin;
use std::sync::{OnceLock, mpsc};

use cachekit::Cache;
use cachekit_test_support::RedisServer;
use cachekit_tests::{PATIENCE, POLICY, cache, first_poll, item};
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, oneshot};

static CACHE: OnceLock<Cache> = OnceLock::new();

thread_local! {
    static DROPS: Cell<u64> = const { Cell::new(0) };
    static NESTED: Cell<bool> = const { Cell::new(false) };
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Nosy(u64);

impl Drop for Nosy {
    fn drop(&mut self) {
        DROPS.set(DROPS.get() + 1);
        let Some(cache) = CACHE.get() else { return };
        if NESTED.replace(true) {
            return;
        }
        let load = async || Ok::<_, ()>(Nosy(0));
        // Joins the key's flight and leaves it: both take every lock there is.
        let _ = first_poll(pin!(cache.get_or_load(item(1), &POLICY, load)));
        if DROPS.get().is_multiple_of(8) {
            let _ = first_poll(pin!(cache.invalidate(item(1))));
        }
        NESTED.set(false);
    }
}

async fn read_and_write(url: &str) {
    let cache = CACHE.get_or_init(|| unreachable!("set by the test"));
    let other = self::cache(url).await;
    let load = async || {
        tokio::task::yield_now().await;
        Ok::<_, ()>(Nosy(1))
    };
    for _ in 0..100 {
        let reads = async {
            tokio::join!(
                cache.get_or_load(item(1), &POLICY, load),
                cache.get_or_load(item(1), &POLICY, load),
                cachekit::refresh(cache.get_or_load(item(1), &POLICY, load)),
            )
        };
        let _ = tokio::join!(reads, other.invalidate(item(1)), cache.invalidate(item(1)));
        other.invalidate(item(1)).await;
        leave_an_answer(cache).await;
        other.invalidate(item(1)).await;
        be_overtaken(cache, &other).await;
    }
}

/// The last copy of a value is the answer of a member that goes away without having taken it.
async fn leave_an_answer(cache: &Cache) {
    let (begun, has_begun) = oneshot::channel();
    let go = Notify::new();
    let load = async || {
        begun.send(()).unwrap();
        go.notified().await;
        Ok::<_, ()>(Nosy(1))
    };
    let mut leader = Box::pin(cache.get_or_load(item(1), &POLICY, load));
    tokio::select! {
        _ = &mut leader => return,
        _ = has_begun => {}
    }
    let load = async || Ok::<_, ()>(Nosy(2));
    let mut member = Box::pin(cache.get_or_load(item(1), &POLICY, load));
    let _ = first_poll(member.as_mut());
    go.notify_one();
    let _ = leader.await;
    drop(member);
}

/// A value whose fill was refused is kept, and dropped when another process's is found.
async fn be_overtaken(cache: &Cache, other: &Cache) {
    let load = async || {
        other.invalidate(item(1)).await;
        let load = async || Ok::<_, ()>(Nosy(4));
        drop(other.get_or_load(item(1), &POLICY, load).await);
        Ok::<_, ()>(Nosy(3))
    };
    let _ = cache.get_or_load(item(1), &POLICY, load).await;
}

#[test]
fn drop_of_value_may_call_the_cache() {
    let server = RedisServer::start();
    let (done, is_done) = mpsc::channel();
    let url = server.url();
    // On a thread of its own: a lock held across a drop would block the test for ever.
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            CACHE.set(cache(&url).await).unwrap();
            read_and_write(&url).await;
        });
        done.send(DROPS.get()).unwrap();
    });
    let drops = is_done.recv_timeout(PATIENCE).expect("no lock is held while a value is dropped");
    assert!(drops > 100, "{drops} values were dropped");
}
