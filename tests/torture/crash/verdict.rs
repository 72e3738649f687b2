//! What is wrong after the survivors have settled: nothing.

use std::{collections::BTreeSet, time::Duration};

use cachekit_test_support::Reply;
use cachekit_torture::service::NAMESPACE;

use super::{
    host::Hosted,
    world::{TOPIC, World},
};
use crate::settings::comes;

const PATIENCE: Duration = Duration::from_secs(30);

/// Whatever is to be empty or zero.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// Rows that nobody has dealt with.
    pub(super) pending: i64,
    /// Rows that were given up.
    pub(super) dead: i64,
    /// Transactions that were committed, less rows that are done.
    pub(super) lost: i64,
    /// Items with another version in Redis than in the database.
    pub(super) in_redis: Vec<u32>,
    /// Items that a survivor reads another version of.
    pub(super) in_survivors: Vec<usize>,
    /// Reads of a survivor that were older than a write of its own that had returned, and commits that it was told had failed.
    pub(super) broken_promises: Vec<String>,
    /// Events that are not in their stream.
    pub(super) unpublished: Vec<String>,
}

/// What the survivors did meanwhile.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(super) reads: u64,
    pub(super) writes: u64,
    pub(super) failures: u64,
    /// Rows that were claimed more than once.
    pub(super) repeated: i64,
    /// Items in Redis.
    pub(super) cached: usize,
}

impl<DB: Hosted> World<DB> {
    /// Lets the survivors rest, and looks when no row is pending any more, or `limit` has passed.
    pub(crate) async fn settle(&mut self, limit: Duration) -> (Wrong, Counts) {
        self.say("rest").await;
        for survivor in &mut self.survivors {
            assert_eq!(survivor.line(PATIENCE).await.as_deref(), Some("resting"));
        }
        let outbox = "cachekit_outbox WHERE state";
        comes(limit, async || self.count(&format!("{outbox} = 0")).await == 0).await;
        let mut wrong = Wrong {
            pending: self.count(&format!("{outbox} = 0")).await,
            dead: self.count(&format!("{outbox} = 2")).await,
            ..Wrong::default()
        };
        let done = self.count(&format!("{outbox} = 1")).await;
        wrong.lost = self.count("ledger").await - done - wrong.pending - wrong.dead;
        let seen = self.in_redis().await;
        let mut counts = Counts { cached: seen.right.len(), ..Counts::default() };
        counts.repeated = self.count("cachekit_outbox WHERE attempts > 1").await;
        wrong.in_redis = seen.wrong;
        wrong.unpublished = self.unpublished();
        self.hear_survivors(&mut wrong, &mut counts).await;
        self.say("work").await;
        (wrong, counts)
    }

    async fn hear_survivors(&mut self, wrong: &mut Wrong, counts: &mut Counts) {
        let truth = self.versions().await;
        for survivor in &mut self.survivors {
            survivor.say("report").await;
            loop {
                let line = survivor.line(PATIENCE).await.expect("the survivor lives");
                let (kind, rest) = line.split_once(' ').expect("a word and its object");
                let numbers = rest.split(' ').map(|number| number.parse().ok());
                match (kind, numbers.collect::<Option<Vec<i64>>>()) {
                    ("counts", Some(numbers)) => counts.add(&numbers),
                    ("versions", Some(versions)) => {
                        let read = versions.iter().zip(&truth).enumerate();
                        let differ = read.filter(|(_, (read, truth))| read != truth);
                        wrong.in_survivors.extend(differ.map(|(id, _)| id));
                        break;
                    }
                    _ => wrong.broken_promises.push(line),
                }
            }
        }
    }

    /// Events that were committed and are not in the stream.
    fn unpublished(&self) -> Vec<String> {
        let stream = format!("ck~e:{NAMESPACE}:{TOPIC}");
        let mut found = BTreeSet::new();
        texts(self.redis.connection().call(&["XRANGE", &stream, "-", "+"]), &mut found);
        let missing = self.events.iter().filter(|id| !found.contains(id.as_bytes()));
        missing.cloned().collect()
    }
}

impl Counts {
    fn add(&mut self, numbers: &[i64]) {
        let number = |at: usize| u64::try_from(numbers[at]).expect("a count");
        self.reads += number(0);
        self.writes += number(1);
        self.failures += number(2);
    }
}

fn texts(reply: Reply, found: &mut BTreeSet<Vec<u8>>) {
    match reply {
        Reply::Array(items) => items.into_iter().for_each(|item| texts(item, found)),
        other => found.extend(other.bytes()),
    }
}
