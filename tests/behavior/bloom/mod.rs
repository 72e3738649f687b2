//! Bloom filters: what is absent is certain, what is in doubt passes.

mod attribute;
mod race;
mod rebuild;
mod trust;

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use cachekit::{
    Cache,
    bloom::{Bloom, Rebuilt},
};
use futures_core::Stream;

/// Ids that are there already.
pub(crate) struct Ids<I>(I);

pub(crate) fn ids<I: IntoIterator<Item = i64>>(ids: I) -> Ids<I::IntoIter> {
    Ids(ids.into_iter())
}

impl<I: Iterator<Item = i64> + Unpin> Stream for Ids<I> {
    type Item = Result<i64, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.next().map(Ok))
    }
}

/// A filter of ten thousand ids that nothing is waited for.
fn filter(cache: &Cache) -> Bloom<i64> {
    let builder = Bloom::builder("users").expected(10_000).false_positives(0.01);
    builder.settle(Duration::ZERO).build(cache).unwrap()
}

/// The same with the ids from 0 to 9 in it.
async fn filled(cache: &Cache) -> Bloom<i64> {
    let bloom = filter(cache);
    assert!(matches!(bloom.rebuild(|| ids(0..10)).await, Ok(Rebuilt::Live { ids: 10 })));
    bloom
}

/// An id that is not in a filter of few ids.
const NOBODY: i64 = -1;

async fn is_live(bloom: &Bloom<i64>) -> bool {
    bloom.stats().await.is_ok_and(|stats| stats.live)
}
