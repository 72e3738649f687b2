//! Expansions in surroundings that mean them no good, and with other attributes.

#![deny(warnings, clippy::all, clippy::pedantic)]

use std::sync::Mutex;

use cachekit::{cached, invalidates, isolated};
use tracing::instrument;
use tracing::span::{Attributes, Id, Record};

mod shadowed {
    //! Every name of the prelude means something else here.
    #![allow(dead_code, non_camel_case_types)]

    pub(crate) struct Ok;
    pub(crate) struct Err;
    pub(crate) struct Some;
    pub(crate) struct None;
    pub(crate) struct Vec;
    pub(crate) struct Box;
    pub(crate) struct Result;
    pub(crate) struct Option;
    pub(crate) struct Clone;
    pub(crate) struct From;
    pub(crate) struct Key;
    pub(crate) struct Ttl;
    pub(crate) mod core {}
    pub(crate) mod std {}
    pub(crate) mod cachekit {}
    pub(crate) mod __private {}

    #[::cachekit::cached(key = "shadowed:<id>", ttl = "1h", negative_ttl = "1m")]
    pub(crate) async fn find(
        id: i64,
    ) -> ::std::result::Result<::std::option::Option<i64>, ::std::string::String> {
        ::std::result::Result::Ok(::std::option::Option::Some(id))
    }

    #[::cachekit::invalidates(find(ret), find(id), again_after = "1s", on_err = "keep")]
    pub(crate) async fn write(id: i64) -> ::std::result::Result<i64, ::std::string::String> {
        ::std::result::Result::Ok(id)
    }

    #[::cachekit::cached(key = "boxed:<id>", ttl = "1h")]
    pub(crate) fn boxed(
        id: i64,
    ) -> ::std::pin::Pin<::std::boxed::Box<dyn ::std::future::Future<Output = i64>>> {
        ::std::boxed::Box::pin(async move { id })
    }

    #[derive(::cachekit::Segment)]
    pub(crate) struct Id(i64);
}

#[tokio::test]
#[isolated]
async fn shadowed_names_do_no_harm() {
    assert_eq!(shadowed::find(7).await.unwrap(), Some(7));
    assert_eq!(shadowed::write(7).await.unwrap(), 7);
    assert_eq!(shadowed::boxed(7).await, 7);
}

/// Not a warning, with every lint of clippy on; `find` is also a name that nothing uses.
#[cached(key = "linted:<id>:<name>", ttl = "1h", skip(verbose))]
pub async fn linted(
    id: i64,
    name: String,
    verbose: bool,
) -> Result<Option<String>, std::fmt::Error> {
    Ok((id > 0 && !verbose).then_some(name))
}

#[invalidates(linted(id, name))]
async fn linted_write(id: i64, name: &str) -> usize {
    name.len() + usize::try_from(id).unwrap_or_default()
}

#[tokio::test]
#[isolated]
async fn linted_code_runs() {
    assert_eq!(linted(1, "a".into(), false).await, Ok(Some("a".into())));
    assert_eq!(linted_write(1, "a").await, 2);
}

// ===== tracing =====

#[instrument(skip_all)]
#[cached(key = "above:<id>", ttl = "1h")]
async fn above(id: i64) -> i64 {
    id
}

#[cached(key = "below:<id>", ttl = "1h")]
#[instrument(skip_all)]
async fn below(id: i64) -> i64 {
    id
}

/// Keeps the names of the spans that were opened.
#[derive(Default)]
struct Spans(Mutex<Vec<&'static str>>);

impl tracing::Subscriber for Spans {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        matches!(metadata.name(), "above" | "below")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut spans = self.0.lock().expect("no test panics here");
        spans.push(span.metadata().name());
        Id::from_u64(spans.len() as u64)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &tracing::Event<'_>) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

async fn spans_of(call: impl Future<Output = i64>) -> usize {
    let spans = std::sync::Arc::new(Spans::default());
    let dispatch = tracing::Dispatch::new(spans.clone());
    let _default = tracing::dispatcher::set_default(&dispatch);
    assert_eq!(call.await, 7);
    spans.0.lock().expect("no test panics here").len()
}

#[tokio::test]
#[isolated]
async fn instrument_above_spans_loads() {
    assert_eq!(spans_of(above(7)).await, 1);
    assert_eq!(spans_of(above(7)).await, 0);
}

#[tokio::test]
#[isolated]
async fn instrument_below_spans_calls() {
    assert_eq!(spans_of(below(7)).await, 1);
    assert_eq!(spans_of(below(7)).await, 1);
}
