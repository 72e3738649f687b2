//! What is published arrives, in order, in each group, and is kept no longer than asked.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use cachekit::ErrorKind;
use cachekit::events::{Consumer, Event, Message, Retention};
use cachekit_test_support::{RedisServer, Reply};
use cachekit_tests::{Entries, NAMESPACE, Polls, until, until_async};

use super::{Seen, TOPIC, consumer, event, noting, publisher};

#[tokio::test]
async fn every_group_gets_every_event_in_the_order_of_its_key() {
    let server = RedisServer::start();
    let publisher = publisher(&server.url()).await;
    let (search, mail) = (Seen::default(), Seen::default());
    let first = noting(consumer("search"), &server.url(), &search).await;
    for number in 0..200 {
        let key = format!("k{}", number % 7);
        publisher.publish(event(&key, number)).await.unwrap();
    }
    // A group that is new begins with what is kept.
    let second = noting(consumer("mail"), &server.url(), &mail).await;
    for seen in [&search, &mail] {
        until("all have come", || seen.numbers().len() >= 200).await;
        for key in 0..7 {
            let expected: Vec<_> = (0..200).filter(|number| number % 7 == key).collect();
            assert_eq!(seen.of(&format!("k{key}")), expected);
        }
    }
    first.shutdown().await;
    second.shutdown().await;
}

#[tokio::test]
async fn message_carries_id_key_trace_and_time() {
    let server = RedisServer::start();
    let url = server.url();
    let publisher = publisher(&server.url()).await;
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let sent = event("a", 7).trace(trace);
    let id = sent.id().to_owned();
    publisher.publish(sent).await.unwrap();
    let got = Arc::new(Mutex::new(None));
    let into = got.clone();
    let started = consumer("g").start(&url, move |message: Message<u64>| {
        *into.lock().unwrap() = Some(message);
        async { Ok::<_, Infallible>(()) }
    });
    let handle = started.await.unwrap();
    until("it came", || got.lock().unwrap().is_some()).await;
    let message = got.lock().unwrap().take().unwrap();
    assert_eq!((message.id, message.key.as_deref(), message.payload), (id, Some("a"), 7));
    assert_eq!((message.trace.as_deref(), message.attempt), (Some(trace), 1));
    let age = SystemTime::now().duration_since(message.at.unwrap()).unwrap();
    assert!(age < Duration::from_secs(20), "{age:?}");
    handle.shutdown().await;
}

#[tokio::test]
async fn publisher_that_was_dropped_at_any_point_may_publish_the_same_again() {
    let server = RedisServer::start();
    let publisher = publisher(&server.url()).await;
    let seen = Seen::default();
    let handle = noting(consumer("g"), &server.url(), &seen).await;
    for polls in 0..3 {
        let event = event("a", polls).into_stored();
        let polls = usize::try_from(polls).unwrap();
        let _dropped = Polls::new(publisher.publish_stored(&event), polls).await;
        publisher.publish_stored(&event).await.unwrap();
    }
    for number in 0..3 {
        seen.until_number(number).await;
    }
    handle.shutdown().await;
}

#[tokio::test]
async fn stream_is_trimmed_to_its_retention() {
    let server = RedisServer::start();
    let publisher = publisher(&server.url()).await.retention(Retention::Length(200));
    for number in 0..1000 {
        publisher.publish(event("a", number)).await.unwrap();
    }
    let mut entries = Entries::of(&server);
    let stream = format!("ck~e:{NAMESPACE}:{TOPIC}");
    let Reply::Int(length) = entries.raw(&["XLEN", &stream]) else { panic!("no stream") };
    assert!((200..=300).contains(&length), "{length}: whole blocks of 100 are trimmed");
}

#[tokio::test]
async fn lag_says_what_waits_and_for_how_long() {
    let server = RedisServer::start();
    let url = server.url();
    let publisher = publisher(&server.url()).await;
    let started = consumer("g").batch(1).start(&url, |_: Message<u64>| async {
        std::future::pending::<Result<(), Infallible>>().await
    });
    let handle = started.await.unwrap();
    for number in 0..5 {
        publisher.publish(event("a", number)).await.unwrap();
    }
    until_async("one is in hand and the others wait", async || {
        let lag = handle.lag().await.unwrap();
        lag.pending == 1 && lag.waiting == Some(4) && lag.oldest.is_some() && lag.dead == 0
    })
    .await;
}

#[tokio::test]
async fn name_that_cannot_be_part_of_a_stream_s_name_is_refused() {
    let server = RedisServer::start();
    let url = server.url();
    for (topic, group, namespace) in [("a:b", "g", "n"), ("t", "g:h", "n"), ("t", "g", "")] {
        let consumer = Consumer::new(topic, group).namespace(namespace);
        let refused = consumer.start(&url, |_: Message<u64>| async { Ok::<_, Infallible>(()) });
        assert_eq!(refused.await.unwrap_err().kind(), ErrorKind::Config);
    }
    assert!(Event::new("a:b", &1).is_err());
}
