//! Values come back as they were, whatever format and compression each process writes.

use std::collections::BTreeMap;

use cachekit::{Cache, Format, Status, with_status};
use cachekit_test_support::RedisServer;
use cachekit_tests::{Entries, NAMESPACE, POLICY, cached, item};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Page {
    title: String,
    price: Option<i64>,
    kind: Kind,
    words: BTreeMap<u16, Vec<String>>,
    picture: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Kind {
    Plain,
    Signed { by: String, at: u64 },
}

fn page(words: u16) -> Page {
    let word = |n| (n, vec!["word".to_owned(), format!("{n}\u{1F600}\0")]);
    Page {
        title: "Ein Buch: \"über\" alles".to_owned(),
        price: words.is_multiple_of(2).then_some(i64::MIN),
        kind: match words % 2 {
            0 => Kind::Plain,
            _ => Kind::Signed { by: "me".to_owned(), at: u64::MAX },
        },
        words: (0..words).map(word).collect(),
        picture: (0..=255).collect(),
    }
}

async fn with(server: &RedisServer, format: Format, compress_above: usize) -> Cache {
    let builder = Cache::builder().namespace(NAMESPACE).format(format);
    let builder = builder.compress_above(compress_above).redis(&server.url()).await.unwrap();
    builder.build().unwrap()
}

const FORMATS: [Format; 3] = [Format::MessagePack, Format::Postcard, Format::Json];

#[tokio::test]
async fn values_survive_every_format_and_compression() {
    let server = RedisServer::start();
    let mut id = 0;
    for format in FORMATS {
        for (ours, theirs) in [(usize::MAX, usize::MAX), (0, usize::MAX), (usize::MAX, 0), (0, 0)] {
            let (a, b) = (with(&server, format, ours).await, with(&server, format, theirs).await);
            for words in [0, 1, 300] {
                id += 1;
                let load = async || Ok::<_, ()>(page(words));
                assert_eq!(a.get_or_load(item(id), &POLICY, load).await, Ok(page(words)));
                let read = b.get_or_load(item(id), &POLICY, cached::<Page>);
                assert_eq!(read.await, Ok(page(words)), "{format:?}");
            }
        }
    }
}

#[tokio::test]
async fn another_format_is_a_miss() {
    let server = RedisServer::start();
    for (id, format) in (0..).zip(FORMATS) {
        let load = async || Ok::<_, ()>(page(3));
        with(&server, format, 100).await.get_or_load(item(id), &POLICY, load).await.unwrap();
        for other in FORMATS.into_iter().filter(|other| *other != format) {
            let cache = with(&server, other, 100).await;
            let read = with_status(cache.get_or_load(item(id), &POLICY, load)).await;
            assert_eq!(read, (Ok(page(3)), Status::Loaded), "{format:?} and {other:?}");
        }
    }
}

#[tokio::test]
async fn only_what_gains_from_it_is_compressed() {
    let server = RedisServer::start();
    let cache = with(&server, Format::MessagePack, 1000).await;
    let mut entries = Entries::of(&server);
    let noise = (0..3000).map(|_| fastrand::u8(..)).collect::<Vec<_>>();
    let texts = [vec![b'a'; 3000], vec![b'a'; 900], noise];
    let mut lengths = Vec::new();
    for (id, text) in (0..).zip(texts) {
        // Latin-1 as text: one or two bytes for each.
        let text = text.into_iter().map(char::from).collect::<String>();
        let read = cache.get_or_load(item(id), &POLICY, async || Ok::<_, ()>(text.clone()));
        assert_eq!(read.await.as_ref(), Ok(&text));
        let entry = entries.get(&format!("item:{id}")).unwrap();
        lengths.push((text.len(), entry.len(), entry[3] & 1));
        assert_eq!(cache.get_or_load(item(id), &POLICY, cached).await, Ok(text));
    }
    assert!(lengths[0].1 < 200 && lengths[0].2 == 1, "{lengths:?}");
    assert!(lengths[1].1 > 900 && lengths[1].2 == 0, "{lengths:?}");
    assert!(lengths[2].1 < lengths[2].0 + 100, "{lengths:?}");
}
