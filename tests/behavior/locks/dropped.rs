//! Releases, renewals, waits and calls of locked functions that are dropped: nobody waits for what they leave behind.

use std::time::Duration;

use cachekit::{Cache, Error, Key, LockGuard, key, locked};
use cachekit_test_support::{Command, Proxy, RedisServer, Reply};
use cachekit_tests::{Entries, NAMESPACE, Polls, cache, patient_builder, soon, until, until_async};

/// Long: who has to wait for its end is not quick.
const LEASE: Duration = Duration::from_secs(60);
const WAIT: Duration = Duration::from_secs(30);

fn order(id: usize) -> Key {
    key!("order:<id>")
}

fn lock(cache: &Cache, id: usize) -> cachekit::Lock {
    cache.lock(order(id)).lease(LEASE).wait(WAIT)
}

async fn held(cache: &Cache, id: usize) -> LockGuard {
    soon(lock(cache, id).acquire()).await.unwrap()
}

/// Two processes, so far as Redis can tell, and a look at what they leave there.
struct Bench {
    own: Cache,
    other: Cache,
    entries: Entries,
}

impl Bench {
    async fn on(server: &RedisServer) -> Bench {
        let url = server.url();
        Bench { own: cache(&url).await, other: cache(&url).await, entries: Entries::of(server) }
    }

    /// Each process gets the lock at once, and then Redis has nothing of it but its count.
    async fn is_free(&mut self, id: usize) {
        for cache in [&self.other, &self.own] {
            held(cache, id).await.release().await.unwrap();
        }
        let entries = &mut self.entries;
        until_async("nothing is left", async || {
            let line = entries.raw(&["EXISTS", &format!("ck~line:{NAMESPACE}:{{order:{id}}}")]);
            entries.keys("ck~lock:").is_empty() && line == Reply::Int(0)
        })
        .await;
    }

    /// Drops a call after each number of polls, and sees that its lock is free. Returns how many polls it takes to its
    /// end.
    async fn walk<F: Future>(&mut self, call: impl Fn(Cache, usize) -> F) -> usize {
        for polls in 0.. {
            let call = call(self.own.clone(), polls);
            let ended = Polls::new(call, polls).await;
            let done = ended.is_some();
            drop(ended);
            self.is_free(polls).await;
            if done {
                return polls;
            }
        }
        unreachable!("every call comes to an end")
    }
}

#[tokio::test]
async fn a_cancelled_release_goes_on_by_itself() {
    let server = RedisServer::start();
    let mut bench = Bench::on(&server).await;
    for polls in 0.. {
        let guard = held(&bench.own, polls).await;
        let done = Polls::new(guard.release(), polls).await.is_some();
        bench.is_free(polls).await;
        if done {
            assert!(polls >= 2, "a command is an await, and there were {polls} polls");
            return;
        }
    }
}

#[locked(key = "order:<id>", lease = LEASE, wait = WAIT, cache = cache)]
async fn ship(cache: &Cache, id: usize) -> Result<(), Error> {
    tokio::task::yield_now().await;
    Ok(())
}

#[tokio::test]
async fn a_cancelled_call_of_a_locked_function_leaves_nothing() {
    let server = RedisServer::start();
    let mut bench = Bench::on(&server).await;
    let polls = bench.walk(async |cache, id| ship(&cache, id).await.unwrap()).await;
    assert!(polls >= 4, "lock, body and release are awaits, and there were {polls} polls");
}

/// Callers of another process hold the lock, and release it while this one leaves.
#[tokio::test]
async fn a_cancelled_wait_holds_nobody_up_and_passes_its_turn_on() {
    let server = RedisServer::start();
    let mut bench = Bench::on(&server).await;
    for fair in [false, true] {
        for polls in 0.. {
            let holder = held(&bench.other, polls).await;
            let wish = lock(&bench.own, polls);
            let wish = if fair { wish.fair() } else { wish };
            let waiting = Polls::new(wish.acquire(), polls);
            let release = async {
                // At some poll or other of the one who waits.
                for _ in 0..polls % 7 {
                    tokio::task::yield_now().await;
                }
                holder.release().await.unwrap();
            };
            let (ended, ()) = tokio::join!(waiting, release);
            let done = ended.is_some();
            drop(ended);
            bench.is_free(polls).await;
            if done {
                assert!(polls >= 3, "it stands in line, and there were {polls} polls");
                break;
            }
        }
    }
}

fn is_extension(command: &Command) -> bool {
    let of_a_lock = command.args.get(3).is_some_and(|key| key.starts_with(b"ck~lock:"));
    command.is("EVALSHA") && command.args[2] == b"1" && of_a_lock
}

#[tokio::test]
async fn a_guard_that_is_dropped_in_mid_renewal_is_released_all_the_same() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let own = patient_builder(&proxy.url()).await.build().unwrap();
    let other = cache(&server.url()).await;
    for replies_only in [false, true] {
        let extensions = match replies_only {
            false => proxy.hold(is_extension),
            true => proxy.hold_replies(is_extension),
        };
        let lock = own.lock(key!("order:7")).lease(Duration::from_secs(3));
        let guard = lock.acquire().await.unwrap();
        until("it is renewed", || extensions.waiting() == 1).await;
        drop(guard);
        drop(extensions);
        soon(other.lock(key!("order:7")).acquire()).await.unwrap().release().await.unwrap();
    }
}
