//! A hundred processes wait for one lock: what each hand-over costs Redis, and who is served when.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use cachekit::{Cache, key};
use cachekit_test_support::{Connection, RedisServer, Reply};
use tokio::{sync::Mutex, task::JoinSet, time};

use crate::{
    fleet::machine,
    settings::{comes, tell},
};

const WAITERS: u32 = 100;
const WAIT: Duration = Duration::from_secs(60);

/// Scripts for each hand-over besides the beats of who waits: the release, and the acquisition that it wakes. One more
/// where a beat has met it.
const MOST: f64 = 3.0;

/// The shortest time between two beats of a waiter, in seconds.
const BEAT: f64 = 0.6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_waiters_are_served_at_a_bounded_cost() {
    let _machine = machine().await;
    for fair in [false, true] {
        let herd = Herd::wait(fair).await;
        let mut redis = herd.server.connection();
        let before = Sent::so_far(&mut redis);
        let begun = Instant::now();
        let (order, _server) = herd.serve().await;
        let (lasted, now) = (begun.elapsed(), Sent::so_far(&mut redis));
        let each = |now, before| f64::from(now - before) / f64::from(WAITERS);
        let (scripts, wakes) = (each(now.scripts, before.scripts), each(now.wakes, before.wakes));
        tell(format_args!(
            "{WAITERS} waiters, fair: {fair}: served in {lasted:?}; for each hand-over {scripts:.2} scripts and \
             {wakes:.2} wakes"
        ));
        assert!(scripts <= MOST + lasted.as_secs_f64() / BEAT, "a herd polls");
        assert!(wakes <= 1.5, "more than the next one is woken");
        if fair {
            assert_eq!(order, (0..WAITERS).collect::<Vec<_>>(), "in the order of arrival");
        }
    }
}

/// What Redis has carried out.
#[derive(Clone, Copy)]
struct Sent {
    scripts: u32,
    wakes: u32,
}

impl Sent {
    fn so_far(redis: &mut Connection) -> Sent {
        let info = redis.call(&["INFO", "commandstats"]).bytes().expect("a text");
        let info = String::from_utf8(info).expect("a text");
        let calls = |name: &str| {
            let prefix = format!("cmdstat_{name}:calls=");
            let calls = info.lines().find_map(|line| line.strip_prefix(&prefix)?.split(',').next());
            calls.map_or(0, |calls| calls.parse().expect("a number"))
        };
        Sent { scripts: calls("evalsha") + calls("eval"), wakes: calls("publish") }
    }
}

/// Those who wait, each in a process of its own so far as Redis can tell.
struct Herd {
    server: RedisServer,
    holder: cachekit::LockGuard,
    waiting: JoinSet<Cache>,
    /// Nobody leaves before all are served.
    caches: Vec<Cache>,
    order: Arc<Mutex<Vec<u32>>>,
}

impl Herd {
    async fn wait(fair: bool) -> Herd {
        let server = RedisServer::start();
        let holder = cache(&server).await.lock(key!("one")).acquire().await.expect("it is free");
        let (mut waiting, order) = (JoinSet::new(), Arc::new(Mutex::new(Vec::new())));
        let (inside, mut redis) = (Arc::new(AtomicU64::new(0)), server.connection());
        for number in 0..WAITERS {
            let (cache, order, inside) = (cache(&server).await, order.clone(), inside.clone());
            waiting.spawn(async move {
                let lock = cache.lock(key!("one")).wait(WAIT);
                let lock = if fair { lock.fair() } else { lock };
                let guard = lock.acquire().await.expect("all are served");
                assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two at once");
                order.lock().await.push(number);
                // Long enough for whoever polls to do so.
                time::sleep(Duration::from_millis(20)).await;
                inside.fetch_sub(1, Ordering::SeqCst);
                guard.release().await.expect("it is held");
                cache
            });
            // Who comes next is to be behind this one.
            let queued = Reply::Int(i64::from(number) + 1);
            let there = async || redis.call(&["ZCARD", "ck~line:herd:{one}"]) == queued;
            assert!(comes(Duration::from_secs(10), there).await, "{number} does not queue");
        }
        Herd { server, holder, waiting, caches: Vec::new(), order }
    }

    /// Who was served, in order.
    async fn serve(mut self) -> (Vec<u32>, RedisServer) {
        self.holder.release().await.expect("it is held");
        while let Some(served) = self.waiting.join_next().await {
            self.caches.push(served.expect("no panic"));
        }
        let order = self.order.lock().await.clone();
        assert_eq!(order.len(), self.caches.len());
        (order, self.server)
    }
}

async fn cache(server: &RedisServer) -> Cache {
    let builder = Cache::builder().namespace("herd").redis(&server.url()).await.expect("redis");
    builder.build().expect("a cache")
}
