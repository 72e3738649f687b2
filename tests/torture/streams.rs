//! Consumer processes are killed with messages in hand, and others handle these in time.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use cachekit::events::{Event, Publisher};
use cachekit_test_support::RedisServer;
use cachekit_torture::service::NAMESPACE;

use crate::fleet::{Worker, machine};

const TOPIC: &str = "numbers";

/// How long a message may lie with a consumer that gives no sign of life.
const IDLE: Duration = Duration::from_secs(1);

const PATIENCE: Duration = Duration::from_secs(20);

/// How many messages each round publishes, and how many of them come to an end before the kill.
const ROUND: u64 = 8;
const HANDLED: u64 = 3;

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_a_killed_process_are_taken_over_in_time() {
    let _machine = machine().await;
    let server = RedisServer::start();
    let publisher = Publisher::connect(&server.url(), NAMESPACE).await.expect("a publisher");
    let mut heir: Option<Worker> = None;
    for round in 0..3 {
        let numbers = round * ROUND..(round + 1) * ROUND;
        let from = numbers.start + HANDLED;
        // The heir of the last round stays away, so that all goes to the one that is to die.
        drop(heir.take());
        let mut doomed = start(&server, from).await;
        for number in numbers.clone() {
            let event = Event::new(TOPIC, &number).expect("a number").key(number.to_string());
            publisher.publish(event).await.expect("it is published");
        }
        let mut handled = BTreeSet::new();
        let mut begun = BTreeSet::new();
        while begun.range(from..).next().is_none()
            || handled.range(numbers.start..).count() < HANDLED as usize
        {
            hear(&mut doomed, &mut begun, &mut handled).await;
        }
        let mut next = start(&server, u64::MAX).await;
        for line in doomed.kill().await {
            note(&line, &mut begun, &mut handled);
        }
        let died = Instant::now();
        let mut by_next = BTreeSet::new();
        while numbers.clone().any(|number| !handled.contains(&number) && !by_next.contains(&number))
        {
            hear(&mut next, &mut BTreeSet::new(), &mut by_next).await;
        }
        let took = died.elapsed();
        println!("round {round}: {begun:?} begun, {handled:?} handled; the rest after {took:?}");
        assert!(
            begun.range(from..).all(|number| by_next.contains(number)),
            "{begun:?}, {by_next:?}"
        );
        // A third later at most, and some time for a busy machine.
        assert!(took < IDLE * 2, "{took:?}");
        heir = Some(next);
    }
}

/// A process that consumes; the numbers from `hold_from` on it never finishes.
async fn start(server: &RedisServer, hold_from: u64) -> Worker {
    let mut worker = Worker::start(&[
        ("role", "consumer".to_owned()),
        ("redis", server.url()),
        ("namespace", NAMESPACE.to_owned()),
        ("topic", TOPIC.to_owned()),
        ("idle_ms", IDLE.as_millis().to_string()),
        ("hold_from", hold_from.to_string()),
    ])
    .await;
    worker.go().await;
    worker
}

async fn hear(worker: &mut Worker, begun: &mut BTreeSet<u64>, handled: &mut BTreeSet<u64>) {
    let line = worker.line(PATIENCE).await.expect("the consumer lives");
    note(&line, begun, handled);
}

fn note(line: &str, begun: &mut BTreeSet<u64>, handled: &mut BTreeSet<u64>) {
    let (word, number) = line.split_once(' ').expect("a word and a number");
    let set = if word == "begun" { begun } else { handled };
    set.insert(number.parse().expect("a number"));
}
