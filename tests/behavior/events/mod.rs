//! Events reach every group at least once: over deaths, takeovers, errors and a Redis that forgets.

mod behind;
mod delivery;
mod failures;
mod invalidations;
mod recovery;
mod takeover;

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cachekit::events::{Consumer, ConsumerHandle, Event, Message, Publisher};
use cachekit_tests::{NAMESPACE, until};

const TOPIC: &str = "numbers";

/// The shortest that is allowed.
const IDLE: Duration = Duration::from_millis(300);

async fn publisher(url: &str) -> Publisher {
    Publisher::connect(url, NAMESPACE).await.unwrap()
}

fn event(key: &str, number: u64) -> Event {
    Event::new(TOPIC, &number).unwrap().key(key)
}

fn consumer(group: &str) -> Consumer {
    Consumer::new(TOPIC, group).namespace(NAMESPACE).block(Duration::from_millis(100))
}

/// What a consumer was given, in order.
#[derive(Clone, Debug, Default)]
struct Seen(Arc<Mutex<Vec<(String, u64)>>>);

impl Seen {
    fn add(&self, message: &Message<u64>) {
        let key = message.key.clone().unwrap_or_default();
        self.0.lock().unwrap().push((key, message.payload));
    }

    fn numbers(&self) -> Vec<u64> {
        self.0.lock().unwrap().iter().map(|(_, number)| *number).collect()
    }

    fn of(&self, key: &str) -> Vec<u64> {
        let seen = self.0.lock().unwrap();
        seen.iter().filter(|(of, _)| of == key).map(|(_, number)| *number).collect()
    }

    async fn until_number(&self, number: u64) {
        until("the message was handled", || self.numbers().contains(&number)).await;
    }
}

/// Starts a consumer that notes what it is given.
async fn noting(consumer: Consumer, url: &str, seen: &Seen) -> ConsumerHandle {
    let seen = seen.clone();
    let started = consumer.start(url, move |message: Message<u64>| {
        seen.add(&message);
        async { Ok::<_, Infallible>(()) }
    });
    started.await.unwrap()
}
