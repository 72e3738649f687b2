//! 20 tasks take several of 5 locks, in any order, over and over.

use std::{collections::BTreeMap, time::Duration};

use cachekit_test_support::{RedisServer, Reply};

use crate::{
    fleet::{Worker, machine},
    settings::{comes, number, seed, tell},
};

const PROCESSES: u64 = 4;
const TASKS: u64 = 5;
const KEYS: u64 = 5;

#[tokio::test(flavor = "multi_thread")]
async fn several_locks_at_once_neither_block_one_another_nor_stay() {
    let _machine = machine().await;
    let seconds = number("CACHEKIT_TORTURE_SECONDS").unwrap_or(5);
    let (seed, server) = (seed(), RedisServer::start());
    tell(format_args!("seed {seed}"));
    let mut workers = Vec::new();
    for process in 0..PROCESSES {
        let args = [
            ("role", "several".to_owned()),
            ("redis", server.url()),
            ("tasks", TASKS.to_string()),
            ("keys", KEYS.to_string()),
            ("seconds", seconds.to_string()),
            ("seed", seed.wrapping_add(process).to_string()),
        ];
        workers.push(Worker::start(&args).await);
    }
    for worker in &mut workers {
        worker.go().await;
    }
    let (mut told, mut fewest) = (BTreeMap::<String, u64>::new(), u64::MAX);
    for worker in workers {
        for line in worker.finish(Duration::from_secs(seconds + 40)).await {
            let (what, times) = line.split_once(' ').expect("a word and a number");
            let times = times.parse().expect("a number");
            if what == "held" {
                fewest = fewest.min(times);
            }
            *told.entry(what.to_owned()).or_default() += times;
        }
    }
    tell(format_args!(
        "{seconds} s, {} tasks, {KEYS} locks: {told:?}, at least {fewest} each",
        PROCESSES * TASKS
    ));
    assert_eq!(told.keys().collect::<Vec<_>>(), ["held"], "seed {seed}: {told:?}");
    assert!(fewest > 0, "seed {seed}: a task got nothing");
    let mut redis = server.connection();
    let free = async || redis.call(&["KEYS", "ck~lock:*"]) == Reply::Array(Vec::new());
    assert!(comes(Duration::from_secs(1), free).await, "seed {seed}: a lock was left");
}
