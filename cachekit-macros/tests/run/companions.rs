//! Companions: their parameters, visibility, docs and `cfg`s.

use std::borrow::Cow;
use std::sync::Arc;

use cachekit::{Segment, cached, isolated};

mod repo {
    /// Finds a user.
    #[cachekit::cached(key = "companion:<id>:<name>", ttl = "1h")]
    pub(crate) async fn find_user(id: i64, name: &str) -> String {
        format!("{id}{name}")
    }

    #[cachekit::cached(key = "hidden:<id>", ttl = "1h")]
    async fn hidden(id: i64) -> i64 {
        id
    }

    pub(crate) async fn reached() -> (i64, String) {
        (hidden(1).await, hidden_key(1).as_str().to_owned())
    }
}

#[tokio::test]
#[isolated]
async fn visibility_and_docs_kept() {
    assert_eq!(repo::find_user(7, "a").await, "7a");
    assert_eq!(repo::find_user_key(7, "a").as_str(), "companion:7:a");
    assert_eq!(repo::reached().await, (1, "hidden:1".to_owned()));
}

#[cfg(any())]
#[cached(key = "never:<id>", ttl = "1h")]
async fn above(id: Nowhere) -> i64 {
    id
}

#[cached(key = "never:<id>", ttl = "1h")]
#[cfg(any())]
async fn below(id: Nowhere) -> i64 {
    id
}

#[test]
fn cfg_is_copied_to_the_companion() {
    fn above_key() {}
    fn below_key() {}
    above_key();
    below_key();
}

#[test]
fn a_companion_takes_what_a_writer_has() {
    let name = String::from("a");
    let keys = [
        repo::find_user_key(7, "a"),
        repo::find_user_key(&7, &name),
        repo::find_user_key(&&7, name.clone()),
        repo::find_user_key(7, Cow::Borrowed("a")),
        repo::find_user_key(7, Arc::<str>::from("a")),
        repo::find_user_key(7, name),
    ];
    assert!(keys.iter().all(|key| *key == keys[0]));
}

#[cached(key = "named:<id>", ttl = "1h", companion = key_of_named)]
async fn named(id: i64) -> i64 {
    id
}

#[cached(key = "without:<id>", ttl = "1h", companion = false)]
async fn without(id: i64) -> i64 {
    id
}

fn without_key() {}

#[tokio::test]
#[isolated]
async fn a_companion_may_have_another_name_or_none() {
    assert_eq!(key_of_named(named(7).await).as_str(), "named:7");
    assert_eq!(without(7).await, 7);
    without_key();
}

#[derive(Segment)]
struct UserId(i64);

#[derive(Segment)]
struct Wrapper<T> {
    inner: T,
}

#[derive(Segment)]
enum Role {
    Admin,
    #[allow(dead_code)]
    Guest {},
}

#[cached(key = "derived:<id>:<role>:<wrapped>", ttl = "1h")]
async fn derived(id: &UserId, role: Role, wrapped: Wrapper<&str>) -> i64 {
    id.0
}

#[tokio::test]
#[isolated]
async fn derived_segments() {
    assert_eq!(derived(&UserId(7), Role::Admin, Wrapper { inner: "a:b" }).await, 7);
    let key = derived_key(UserId(7), Role::Admin, Wrapper { inner: "a:b" });
    assert_eq!(key.as_str(), "derived:7:Admin:a%3Ab");
}

#[cached(key = "lists:<ids>:<pair.0>:<pair.1>", ttl = "1h")]
async fn lists(ids: &[i64], pair: (i64, &str)) -> usize {
    ids.len() + pair.1.len()
}

#[tokio::test]
#[isolated]
async fn slices_and_tuple_fields() {
    assert_eq!(lists(&[1, 2], (3, "x")).await, 3);
    assert_eq!(lists_key(vec![1, 2], (3, "x")).as_str(), "lists:1%,2%,%.:3:x");
}
