//! Messages that cannot be handled are put aside and hold up nobody.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use cachekit::events::{Event, Message};
use cachekit::retry::RetryPolicy;
use cachekit_test_support::RedisServer;
use cachekit_tests::{until, until_async};

use super::{IDLE, Seen, TOPIC, consumer, event, noting, publisher};

const QUICK: RetryPolicy =
    RetryPolicy::new().max_attempts(3).base(Duration::from_millis(1)).cap(Duration::from_millis(5));

#[tokio::test]
async fn poison_message_is_a_dead_letter_after_its_attempts_and_can_be_sent_again() {
    let server = RedisServer::start();
    let url = server.url();
    let publisher = publisher(&server.url()).await;
    let (seen, tries) = (Seen::default(), Arc::new(AtomicU32::new(0)));
    let (noted, counted) = (seen.clone(), tries.clone());
    let started = consumer("g").retry(QUICK).start(&url, move |message: Message<u64>| {
        let poisoned = message.payload == 13 && counted.load(Ordering::SeqCst) < 3;
        if poisoned {
            assert_eq!(message.attempt, counted.fetch_add(1, Ordering::SeqCst) + 1);
        } else {
            noted.add(&message);
        }
        async move { if poisoned { Err("bad luck") } else { Ok(()) } }
    });
    let handle = started.await.unwrap();
    let bystander = Seen::default();
    let other = noting(consumer("other"), &server.url(), &bystander).await;
    for number in [12, 13, 14] {
        publisher.publish(event("a", number)).await.unwrap();
    }
    seen.until_number(14).await;
    assert_eq!((seen.numbers(), tries.load(Ordering::SeqCst)), (vec![12, 14], 3));
    let dead = handle.dead_letters(10).await.unwrap();
    assert_eq!(
        (dead.len(), dead[0].payload.as_str(), dead[0].reason.as_str()),
        (1, "13", "bad luck")
    );
    assert_eq!(handle.redrive().await.unwrap(), 1);
    seen.until_number(13).await;
    until_async("it is dead no more", async || handle.lag().await.unwrap().dead == 0).await;
    publisher.publish(event("a", 15)).await.unwrap();
    bystander.until_number(15).await;
    assert_eq!(bystander.numbers(), [12, 13, 14, 15], "other groups do not see it again");
    handle.shutdown().await;
    other.shutdown().await;
}

#[tokio::test]
async fn payload_of_another_type_is_a_dead_letter_at_once() {
    let server = RedisServer::start();
    let publisher = publisher(&server.url()).await;
    let seen = Seen::default();
    let handle = noting(consumer("g"), &server.url(), &seen).await;
    publisher.publish(Event::new(TOPIC, "text").unwrap()).await.unwrap();
    publisher.publish(event("a", 1)).await.unwrap();
    seen.until_number(1).await;
    until_async("it lies there", async || handle.lag().await.unwrap().dead == 1).await;
    let dead = handle.dead_letters(10).await.unwrap().remove(0);
    assert!(dead.reason.starts_with("the payload is no `u64`"), "{}", dead.reason);
    handle.shutdown().await;
}

#[tokio::test]
async fn panic_of_the_handler_counts_as_an_error() {
    let server = RedisServer::start();
    let url = server.url();
    let publisher = publisher(&server.url()).await;
    let started = consumer("g").retry(QUICK).start(&url, |_: Message<u64>| async {
        if true {
            panic!("on purpose");
        }
        Ok::<_, Infallible>(())
    });
    let handle = started.await.unwrap();
    publisher.publish(event("a", 1)).await.unwrap();
    until_async("it is dead", async || handle.lag().await.unwrap().dead == 1).await;
    let dead = handle.dead_letters(1).await.unwrap().remove(0);
    assert_eq!(dead.reason, "the handler panicked");
    handle.shutdown().await;
}

#[tokio::test]
async fn transient_errors_do_not_count() {
    let server = RedisServer::start();
    let url = server.url();
    let publisher = publisher(&server.url()).await;
    let (seen, tries) = (Seen::default(), Arc::new(AtomicU32::new(0)));
    let (noted, counted) = (seen.clone(), tries.clone());
    let started =
        consumer("g").retry(QUICK).start(&url, move |message: Message<u64>| {
            let away = counted.fetch_add(1, Ordering::SeqCst) < 10;
            if !away {
                noted.add(&message);
            }
            async move {
                if away { Err(io::Error::from(io::ErrorKind::ConnectionRefused)) } else { Ok(()) }
            }
        });
    let handle = started.await.unwrap();
    publisher.publish(event("a", 1)).await.unwrap();
    seen.until_number(1).await;
    assert_eq!(handle.lag().await.unwrap().dead, 0);
    handle.shutdown().await;
}

/// Such a message never comes back as an error.
#[tokio::test]
async fn message_that_ends_its_consumers_is_a_dead_letter_in_the_end() {
    let server = RedisServer::start();
    let url = server.url();
    let publisher = publisher(&server.url()).await;
    publisher.publish(event("a", 1)).await.unwrap();
    let begun = Arc::new(AtomicU32::new(0));
    let setup = || consumer("g").claim_idle(IDLE).max_deliveries(2);
    for life in 1..=2 {
        let begun_by = begun.clone();
        let started = setup().start(&url, move |_: Message<u64>| {
            begun_by.fetch_add(1, Ordering::SeqCst);
            std::future::pending::<Result<(), Infallible>>()
        });
        let handle = started.await.unwrap();
        until("it is in hand", || begun.load(Ordering::SeqCst) == life).await;
        drop(handle);
    }
    let seen = Seen::default();
    let handle = noting(setup(), &server.url(), &seen).await;
    until_async("it was given up", async || handle.lag().await.unwrap().dead == 1).await;
    assert!(seen.numbers().is_empty());
    handle.shutdown().await;
}
