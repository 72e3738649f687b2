//! Commands of many keys in one write; each key has its own reply, and its own failure.

use super::probe::{self, Probe};
use super::reply::{self, Refusal, Reply, StoreError};
use super::script;
use super::store::{RedisStore, unless_of_another_type};
use crate::entry::Id;
use redis::Cmd;

/// An entry on its way into a key that holds what is expected there.
#[derive(Debug)]
pub(crate) struct CasFill<'a> {
    pub(crate) key: &'a str,
    pub(crate) expected: Id,
    /// Whether what is expected is a lease.
    pub(crate) lease: bool,
    pub(crate) entry: Vec<u8>,
    pub(crate) px: u64,
}

impl RedisStore {
    /// [`read`](Self::read) of many keys.
    pub(crate) async fn read_many(&self, keys: &[&str]) -> Vec<Result<Option<Vec<u8>>, StoreError>> {
        let commands = keys.iter().map(|key| {
            let mut command = Cmd::with_capacity(2, 128);
            probe::write_read(&mut command, self.key(key));
            command
        });
        let replies = self.send_many(commands).await;
        let found = |reply: Reply| unless_of_another_type(reply::bytes(reply));
        replies.into_iter().map(|reply| reply.and_then(found)).collect()
    }

    /// [`probe`](Self::probe) of many keys, each for an id of its own.
    pub(crate) async fn probe_many(&self, probes: &[(&str, Id)]) -> Vec<Result<Probe, StoreError>> {
        let commands = probes.iter().map(|(key, id)| {
            let mut command = Cmd::with_capacity(7, 192);
            probe::write(&mut command, self.key(key), *id, self.lease_ttl());
            command
        });
        let replies = self.send_many(commands).await;
        replies.into_iter().map(|reply| reply.and_then(probe::parse)).collect()
    }

    /// [`cas_fill`](Self::cas_fill) of many keys.
    pub(crate) async fn cas_fill_many(
        &self,
        fills: &[CasFill<'_>],
    ) -> Vec<Result<bool, StoreError>> {
        let times: Vec<_> = fills.iter().map(|fill| fill.px.max(1).to_string()).collect();
        let args: Vec<[&[u8]; 4]> = fills
            .iter()
            .zip(&times)
            .map(|(fill, px)| {
                let kind: &[u8] = if fill.lease { b"L" } else { b"" };
                [&fill.expected.0[..], &fill.entry, px.as_bytes(), kind]
            })
            .collect();
        let keys = fills.iter().map(|fill| self.key(fill.key));
        let calls: Vec<_> = keys.zip(args.iter().map(|args| &args[..])).collect();
        match script::CAS_FILL.run_all(self.link(), &calls).await {
            Ok(replies) => replies.into_iter().map(accepted).collect(),
            Err(error) => fills.iter().map(|_| Err(error)).collect(),
        }
    }

    async fn send_many(
        &self,
        commands: impl ExactSizeIterator<Item = Cmd>,
    ) -> Vec<Result<Reply, StoreError>> {
        let pipeline = script::pipeline(commands);
        match self.link().send_all(&pipeline).await {
            Ok(replies) => replies.into_iter().map(Ok).collect(),
            Err(error) => (0..pipeline.len()).map(|_| Err(error)).collect(),
        }
    }
}

/// Whether a script that compares and sets did set.
pub(super) fn accepted(reply: Result<i64, StoreError>) -> Result<bool, StoreError> {
    match reply {
        Ok(reply) => Ok(reply == 1),
        Err(StoreError::Refused(Refusal::WrongType)) => Ok(false),
        Err(error) => Err(error),
    }
}
