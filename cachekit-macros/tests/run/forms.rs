//! Forms of functions: arguments, bodies, generics, futures.

use std::fmt::{Debug, Display};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use cachekit::{Segment, cached, isolated};

use crate::support::{Broken, Runs};

#[cached(key = "consumed:<name>:<tags>", ttl = "1h")]
async fn consumed(name: String, tags: Vec<String>) -> (String, usize) {
    let taken = tags;
    (name, taken.len())
}

#[tokio::test]
#[isolated]
async fn arguments_may_be_consumed() {
    let tags = || vec!["a".to_owned(), "b".to_owned()];
    assert_eq!(consumed("Ada".into(), tags()).await, ("Ada".into(), 2));
    assert_eq!(consumed("Ada".into(), tags()).await, ("Ada".into(), 2));
    assert_eq!(consumed("Ada".into(), Vec::new()).await, ("Ada".into(), 0));
}

#[cached(key = "impl_trait:<name>", ttl = "1h")]
async fn impl_trait(runs: &Runs, name: impl Segment + Display + Send) -> String {
    runs.next();
    format!("{name}")
}

#[tokio::test]
#[isolated]
async fn impl_trait_argument() {
    let runs = Runs::default();
    assert_eq!(impl_trait(&runs, 7).await, "7");
    assert_eq!(impl_trait(&runs, "7").await, "7");
    assert_eq!(runs.so_far(), 1);
    assert_eq!(impl_trait_key(&7), impl_trait_key(&"7"));
}

struct Query<'a> {
    text: &'a str,
}

#[cached(key = "lifetimes:<query.text>:<first>:<last>", ttl = "1h")]
async fn lifetimes<'a, 'b, S>(
    query: &Query<'a>,
    first: &'b str,
    last: Option<&str>,
    state: &'a S,
) -> String
where
    S: Debug + ?Sized,
    'a: 'b,
{
    format!("{}{first}{last:?}{state:?}", query.text)
}

#[tokio::test]
#[isolated]
async fn lifetimes_and_where_kept() {
    let text = String::from("q");
    let query = Query { text: &text };
    assert_eq!(lifetimes(&query, "a", None, "s").await, "qaNone\"s\"");
    let last = Some("z");
    let key = lifetimes_key(&query, "a", &last);
    assert_eq!(key.as_str(), "lifetimes:q:a:z");
}

trait Table {
    const TABLE: &'static str;
}

struct Users;
struct Orders;

impl Table for Users {
    const TABLE: &'static str = "users";
}

impl Table for Orders {
    const TABLE: &'static str = "orders";
}

#[cached(key = "row:<T::TABLE>:<N>:<id>", ttl = "1h")]
async fn row<T: Table, const N: usize>(id: i64) -> String {
    format!("{}{N}{id}", T::TABLE)
}

#[tokio::test]
#[isolated]
async fn const_and_type_parameters_in_key() {
    assert_eq!(row::<Users, 1>(7).await, "users17");
    assert_eq!(row::<Orders, 1>(7).await, "orders17");
    assert_eq!(row::<Orders, 2>(7).await, "orders27");
    assert_eq!(row_key::<Users, 1>(7).as_str(), "row:users:1:7");
}

/// Stands for axum's `Path`.
struct Path<T>(T);

/// Stands for axum's `State`.
struct State<T>(T);

#[cached(key = "handler:<id>:<name>", ttl = "1h", skip(base))]
async fn handler(State(base): State<i64>, Path((id, name)): Path<(i64, String)>) -> String {
    format!("{}{name}", base + id)
}

#[tokio::test]
#[isolated]
async fn pattern_arguments_of_a_handler() {
    assert_eq!(handler(State(1), Path((2, "x".into()))).await, "3x");
    assert_eq!(handler_key(Path((2, "x".into()))).as_str(), "handler:2:x");
}

#[cached(key = "mutable:<id>", ttl = "1h", skip(seen))]
async fn mutable(mut id: i64, mut seen: Vec<u32>) -> i64 {
    id += 1;
    seen.push(1);
    id
}

#[tokio::test]
#[isolated]
async fn mut_arguments() {
    assert_eq!(mutable(7, Vec::new()).await, 8);
}

#[cached(key = "early:<text>", ttl = "1h")]
async fn early(text: &str) -> Result<i64, Box<dyn std::error::Error + Send + Sync>> {
    if text.is_empty() {
        return Ok(0);
    }
    if text == "none" {
        return Err(Broken.into());
    }
    let number: i64 = text.parse()?;
    Ok(number)
}

#[tokio::test]
#[isolated]
async fn question_mark_and_return_in_body() {
    assert_eq!(early("").await.unwrap(), 0);
    assert_eq!(early("12").await.unwrap(), 12);
    assert!(early("x").await.is_err());
    assert!(early("none").await.is_err());
}

#[cached(key = "only_return", ttl = "1h")]
async fn only_return() -> Result<i64, Broken> {
    return Ok(3);
}

#[tokio::test]
#[isolated]
async fn a_body_may_end_in_return() {
    assert_eq!(only_return().await.unwrap(), 3);
}

#[cached(key = "fibonacci:<n>", ttl = "1h")]
async fn fibonacci(runs: &Runs, n: u64) -> u64 {
    runs.next();
    if n < 2 {
        n
    } else {
        Box::pin(fibonacci(runs, n - 1)).await + Box::pin(fibonacci(runs, n - 2)).await
    }
}

#[tokio::test]
#[isolated]
async fn recursion_boxed() {
    let runs = Runs::default();
    assert_eq!(fibonacci(&runs, 20).await, 6765);
    assert_eq!(runs.so_far(), 21);
}

#[cached(key = "same_key", ttl = "1h", skip(depth))]
async fn same_key(runs: &Runs, depth: u32) -> u32 {
    runs.next();
    if depth == 0 { 0 } else { Box::pin(same_key(runs, depth - 1)).await + 1 }
}

#[tokio::test]
#[isolated]
async fn same_key_recursion_runs_the_body() {
    let runs = Runs::default();
    let answer = tokio::time::timeout(Duration::from_secs(10), same_key(&runs, 2)).await;
    assert_eq!(answer.unwrap(), 2);
    assert_eq!(runs.so_far(), 3);
}

#[tokio::test]
#[isolated]
async fn function_inside_a_function() {
    #[derive(Clone, serde::Serialize, serde::Deserialize)]
    struct Inner(i64);

    #[cached(key = "inner:<id>", ttl = "1h")]
    async fn inner(id: i64) -> Inner {
        #[cached(key = "innermost:<id>", ttl = "1h")]
        async fn innermost(id: i64) -> i64 {
            id + 1
        }
        assert_eq!(innermost_key(id).as_str(), format!("innermost:{id}"));
        Inner(innermost(id).await)
    }

    assert_eq!(inner(7).await.0, 8);
    assert_eq!(inner_key(7).as_str(), "inner:7");
}

#[cached(key = "impl_future:<id>", ttl = "1h")]
fn impl_future(id: i64) -> impl Future<Output = Result<i64, Broken>> + Send {
    let base = 1;
    async move { Ok(base + id) }
}

#[cached(key = "boxed_future:<id>", ttl = "1h")]
fn boxed_future<'a>(runs: &'a Runs, id: i64) -> Pin<Box<dyn Future<Output = u32> + Send + 'a>> {
    if id == 0 {
        return Box::pin(async { 0 });
    }
    Box::pin(async move { runs.next() })
}

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

#[cached(key = "box_future:<id>", ttl = "1h")]
fn box_future(runs: &Runs, id: i64) -> BoxFuture<'_, Option<u32>> {
    Box::pin(async move { (id > 0).then(|| runs.next()) })
}

#[tokio::test]
#[isolated]
async fn functions_that_return_their_future() {
    let boxed = Runs::default();
    assert_eq!(box_future(&boxed, 1).await, Some(1));
    assert_eq!(box_future(&boxed, 1).await, Some(1));
    assert_eq!(impl_future(7).await.unwrap(), 8);
    assert_eq!(impl_future(7).await.unwrap(), 8);
    let runs = Runs::default();
    assert_eq!(boxed_future(&runs, 0).await, 0);
    assert_eq!(boxed_future(&runs, 1).await, 1);
    assert_eq!(boxed_future(&runs, 1).await, 1);
}

#[test]
fn future_is_send() {
    fn is_send<T: Send>(_: T) {}
    let runs = Runs::default();
    is_send(impl_trait(&runs, 7));
    is_send(consumed(String::new(), Vec::new()));
    is_send(row::<Users, 1>(7));
    is_send(early(""));
    is_send(impl_future(7));
}

#[cached(key = "with_rc:<id>", ttl = "1h", skip(rc))]
async fn with_rc(rc: Rc<i64>, id: i64) -> i64 {
    tokio::task::yield_now().await;
    *rc + id
}

#[tokio::test]
#[isolated]
async fn future_with_rc_compiles_without_refresh() {
    assert_eq!(with_rc(Rc::new(1), 7).await, 8);
}

fn lifetime_of(id: i64) -> Duration {
    Duration::from_secs(60 + id.unsigned_abs())
}

#[cached(key = "ttl_expression:<id>", ttl = lifetime_of(id), negative_ttl = Duration::from_secs(5))]
async fn ttl_expression(id: i64) -> Option<i64> {
    Some(id)
}

#[tokio::test]
#[isolated]
async fn a_ttl_may_be_an_expression() {
    assert_eq!(ttl_expression(7).await, Some(7));
}

#[cached(key = "unsafe_fn:<id>", ttl = "1h")]
async fn inner_attributes(id: i64) -> i64 {
    #![allow(unused_variables)]
    let unused = 1;
    id
}

#[tokio::test]
#[isolated]
async fn inner_attributes_are_kept() {
    assert_eq!(inner_attributes(7).await, 7);
}

#[cached(key = "raw:<type>", ttl = "1h")]
async fn r#match(r#type: &str) -> String {
    r#type.to_owned()
}

#[tokio::test]
#[isolated]
async fn raw_names() {
    assert_eq!(r#match("x").await, "x");
    assert_eq!(match_key("x").as_str(), "raw:x");
}
