//! Return types: how they are found, stored and given back.

use std::error::Error;
use std::sync::Arc;

use cachekit::{cached, isolated};
use serde::{Deserialize, Serialize};

use crate::support::{Broken, Runs};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct User {
    id: i64,
    run: u32,
}

type Answer<T> = Result<T, Broken>;

#[cached(key = "alias:<id>", ttl = "1h")]
async fn by_alias(runs: &Runs, id: i64) -> Answer<Option<User>> {
    let run = runs.next();
    Ok((id > 0).then_some(User { id, run }))
}

#[tokio::test]
#[isolated]
async fn aliases_find_the_shape() {
    let runs = Runs::default();
    let first = by_alias(&runs, 7).await.unwrap();
    assert_eq!(by_alias(&runs, 7).await.unwrap(), first);
    assert_eq!(runs.so_far(), 1);
}

#[cached(key = "result:<id>", ttl = "1h")]
async fn result(runs: &Runs, id: i64) -> Result<User, Broken> {
    Ok(User { id, run: runs.next() })
}

#[cached(key = "option:<id>", ttl = "1h")]
async fn option(runs: &Runs, id: i64) -> Option<User> {
    Some(User { id, run: runs.next() })
}

#[cached(key = "plain:<id>", ttl = "1h")]
async fn plain(runs: &Runs, id: i64) -> User {
    User { id, run: runs.next() }
}

#[tokio::test]
#[isolated]
async fn every_return_shape_round_trips() {
    let runs = Runs::default();
    for _ in 0..2 {
        assert_eq!(by_alias(&runs, 1).await.unwrap(), Some(User { id: 1, run: 1 }));
        assert_eq!(result(&runs, 1).await.unwrap(), User { id: 1, run: 2 });
        assert_eq!(option(&runs, 1).await, Some(User { id: 1, run: 3 }));
        assert_eq!(plain(&runs, 1).await, User { id: 1, run: 4 });
    }
}

#[cached(key = "absent:<id>", ttl = "1h", negative_ttl = "1m")]
async fn absent(runs: &Runs, id: i64) -> Option<User> {
    runs.next();
    (id > 0).then_some(User { id, run: 0 })
}

#[tokio::test]
#[isolated]
async fn absent_is_cached_apart() {
    let runs = Runs::default();
    assert_eq!(absent(&runs, -1).await, None);
    assert_eq!(absent(&runs, -1).await, None);
    assert_eq!(runs.so_far(), 1);
    assert!(absent(&runs, 1).await.is_some());
    assert_eq!(runs.so_far(), 2);
}

#[cached(key = "failing", ttl = "1h")]
async fn failing(runs: &Runs) -> Result<u32, Broken> {
    if runs.next() == 1 { Err(Broken) } else { Ok(7) }
}

#[tokio::test]
#[isolated]
async fn err_is_never_stored() {
    let runs = Runs::default();
    assert!(failing(&runs).await.is_err());
    assert_eq!(failing(&runs).await.unwrap(), 7);
    assert_eq!(failing(&runs).await.unwrap(), 7);
    assert_eq!(runs.so_far(), 2);
}

/// Cannot be cloned, so a hit cannot have cloned it.
#[derive(Debug, Serialize, Deserialize)]
struct Large(Vec<u8>);

#[cached(key = "large", ttl = "1h")]
async fn large() -> Result<Arc<Large>, Broken> {
    Ok(Arc::new(Large(vec![1, 2, 3])))
}

#[tokio::test]
#[isolated]
async fn arc_value_is_not_cloned_deep() {
    let first = large().await.unwrap();
    let second = large().await.unwrap();
    assert!(Arc::ptr_eq(&first, &second));
    assert_eq!(second.0, [1, 2, 3]);
}

#[cached(key = "boxed_error:<id>", ttl = "1h")]
async fn parsed(id: i64) -> Result<i64, Box<dyn Error + Send + Sync>> {
    if id < 0 {
        return Err("negative".into());
    }
    let text = id.to_string();
    Ok(text.parse::<i64>()?)
}

#[tokio::test]
#[isolated]
async fn boxed_error() {
    assert_eq!(parsed(7).await.unwrap(), 7);
    assert_eq!(parsed(-7).await.unwrap_err().to_string(), "negative");
}

/// Borrows from an argument, and could be cloned.
#[derive(Clone, Debug)]
struct Borrowing<'a>(&'a str);

#[cached(key = "borrowing:<text>", ttl = "1h")]
async fn borrowing<'a>(text: &'a str) -> Result<usize, Borrowing<'a>> {
    if text.is_empty() { Err(Borrowing(text)) } else { Ok(text.len()) }
}

#[cached(key = "borrowing_elided:<text>", ttl = "1h")]
async fn borrowing_elided(text: &str) -> Result<usize, &str> {
    text.parse().map_err(|_| text)
}

#[tokio::test]
#[isolated]
async fn an_error_may_borrow() {
    assert_eq!(borrowing("a").await.unwrap(), 1);
    assert_eq!(borrowing("").await.unwrap_err().0, "");
    assert_eq!(borrowing_elided("12").await, Ok(12));
    assert_eq!(borrowing_elided("x").await, Err("x"));
}

#[cached(key = "unit:<id>", ttl = "1h")]
async fn unit(runs: &Runs, id: i64) {
    assert!(id > 0);
    runs.next();
}

#[cached(key = "unit_result", ttl = "1h")]
async fn unit_result(runs: &Runs) -> Result<(), Broken> {
    runs.next();
    Ok(())
}

#[tokio::test]
#[isolated]
async fn unit_value() {
    let runs = Runs::default();
    unit(&runs, 1).await;
    unit(&runs, 1).await;
    assert_eq!(runs.so_far(), 1);
    unit_result(&runs).await.unwrap();
    unit_result(&runs).await.unwrap();
    assert_eq!(runs.so_far(), 2);
}

/// No serde.
#[derive(Clone, Debug, PartialEq)]
struct Handle(u32);

#[cached(key = "local", ttl = "1h", local)]
async fn local(runs: &Runs) -> Option<Handle> {
    Some(Handle(runs.next()))
}

#[tokio::test]
#[isolated]
async fn a_local_value_needs_no_serde() {
    let runs = Runs::default();
    assert_eq!(local(&runs).await, Some(Handle(1)));
    assert_eq!(local(&runs).await, Some(Handle(1)));
}

#[cached(key = "nested:<id>", ttl = "1h")]
async fn tuple_of(id: i64) -> (i64, Option<String>) {
    (id, None)
}

#[tokio::test]
#[isolated]
async fn an_option_inside_a_tuple_is_a_value() {
    assert_eq!(tuple_of(7).await, (7, None));
    assert_eq!(tuple_of(7).await, (7, None));
}
