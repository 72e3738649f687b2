//! Reads that also ask how long an entry has left: for whoever keeps a copy.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use redis::{Cmd, RedisWrite};

use super::link::Sending;
use super::names::StoreKey;
use super::probe::{self, Probe};
use super::reply::{self, Reply, StoreError};
use super::store::{RedisStore, unless_of_another_type};
use crate::entry::Id;

/// What was found, and how many milliseconds it had left afterwards.
pub(crate) type Left<T> = Result<(T, Option<u64>), StoreError>;

impl RedisStore {
    /// [`read`](Self::read), and how long the entry has left.
    pub(crate) fn read_with_left(
        &self,
        key: &str,
    ) -> impl Future<Output = Left<Option<Vec<u8>>>> + Send + use<> {
        let key = self.key(key);
        let (found, left) =
            self.link().send_both(|out| probe::write_read(out, key), |out| write_left(out, key));
        async move {
            let (found, left) = both(found, left).await;
            Ok((unless_of_another_type(reply::bytes(found?))?, time_left(left)))
        }
    }

    /// [`probe`](Self::probe), and how long the entry has left. An id must be sent once at most.
    pub(crate) fn probe_with_left(
        &self,
        key: &str,
        id: Id,
    ) -> impl Future<Output = Left<Probe>> + Send + use<> {
        let key = self.key(key);
        let (found, left) = self.link().send_both(
            |out| probe::write(out, key, id, self.lease_ttl()),
            |out| write_left(out, key),
        );
        async move {
            let (found, left) = both(found, left).await;
            Ok((probe::parse(found?)?, time_left(left)))
        }
    }
}

pub(super) fn write_left(command: &mut Cmd, key: StoreKey<'_>) {
    command.write_arg(b"PTTL");
    command.arg(key);
}

/// Nothing if there was no answer, or no entry any more.
pub(super) fn time_left(reply: Result<Reply, StoreError>) -> Option<u64> {
    match reply {
        Ok(Reply::Int(-1)) => Some(u64::MAX),
        Ok(Reply::Int(left)) => u64::try_from(left).ok(),
        _ => None,
    }
}

/// Sends both before it waits for either.
async fn both(
    mut first: Sending,
    mut second: Sending,
) -> (Result<Reply, StoreError>, Result<Reply, StoreError>) {
    let (mut one, mut other) = (None, None);
    poll_fn(move |cx| {
        if one.is_none()
            && let Poll::Ready(reply) = Pin::new(&mut first).poll(cx)
        {
            one = Some(reply);
        }
        if other.is_none()
            && let Poll::Ready(reply) = Pin::new(&mut second).poll(cx)
        {
            other = Some(reply);
        }
        match (one.take(), other.take()) {
            (Some(first), Some(second)) => Poll::Ready((first, second)),
            pending => {
                (one, other) = pending;
                Poll::Pending
            }
        }
    })
    .await
}
