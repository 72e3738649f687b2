//! Processes that write behind are killed in the midst of a flush: no accepted value is lost, and each key keeps its order.

use std::{collections::BTreeMap, time::Duration};

use cachekit_test_support::RedisServer;

use crate::fleet::{Worker, machine};

const KEYS: u64 = 5;
const VALUES: u64 = 50;
const LIVES: u64 = 6;
const PATIENCE: Duration = Duration::from_secs(20);

/// Every value that was written to each row, in order.
#[derive(Debug, Default)]
struct Table(BTreeMap<String, Vec<u64>>);

impl Table {
    /// Notes a row that a process says it wrote.
    fn note(&mut self, line: &str) {
        if let Some((key, value)) = line.strip_prefix("wrote ").and_then(|row| row.split_once(' '))
        {
            let value = value.parse().expect("a number");
            self.0.entry(key.to_owned()).or_default().push(value);
        }
    }

    fn is_up_to_date(&self, last: u64) -> bool {
        self.0.len() as u64 == KEYS && self.0.values().all(|values| values.last() == Some(&last))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn accepted_values_outlive_processes_killed_in_mid_flush() {
    let _machine = machine().await;
    let server = RedisServer::start();
    let mut table = Table::default();
    for life in 0..LIVES {
        let mut doomed = start(&server, life, if life % 2 == 0 { "before" } else { "after" }).await;
        let (mut accepted, mut flushing) = (false, false);
        while !(accepted && flushing) {
            let line = doomed.line(PATIENCE).await.expect("it lives");
            accepted |= line == "accepted";
            flushing |= line == "flushing";
            table.note(&line);
        }
        doomed.kill().await.iter().for_each(|line| table.note(line));
    }
    let mut heir = start(&server, LIVES, "never").await;
    let last = (LIVES + 1) * VALUES - 1;
    while !table.is_up_to_date(last) {
        table.note(&heir.line(PATIENCE).await.expect("it lives"));
    }
    for (key, values) in &table.0 {
        assert!(values.is_sorted(), "{key}: {values:?}");
    }
    let written: usize = table.0.values().map(Vec::len).sum();
    println!("{LIVES} processes killed in mid-flush, {written} rows written");
}

/// A process that accepts its share of the values.
async fn start(server: &RedisServer, life: u64, dies: &str) -> Worker {
    let mut worker = Worker::start(&[
        ("role", "behind".to_owned()),
        ("redis", server.url()),
        ("keys", KEYS.to_string()),
        ("first", (life * VALUES).to_string()),
        ("end", ((life + 1) * VALUES).to_string()),
        ("dies", dies.to_owned()),
    ])
    .await;
    worker.go().await;
    worker
}
