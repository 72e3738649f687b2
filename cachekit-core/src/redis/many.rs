//! Commands of many keys in one write; each key has its own reply, and its own failure.

use super::kept::{self, Left};
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
    /// [`read`](Self::read) of many keys, and how long each entry has `left` if that is asked for.
    pub(crate) async fn read_many(&self, keys: &[&str], left: bool) -> Vec<Left<Option<Vec<u8>>>> {
        let commands = keys.iter().map(|key| {
            let mut command = Cmd::with_capacity(2, 128);
            probe::write_read(&mut command, self.key(key));
            command
        });
        let replies = self.send_many(commands, left.then_some(keys.iter().copied())).await;
        let found = |reply: Reply| unless_of_another_type(reply::bytes(reply));
        replies.into_iter().map(|(reply, left)| Ok((reply.and_then(found)?, left))).collect()
    }

    /// [`probe`](Self::probe) of many keys, each for an id of its own, and how long each entry has `left`.
    pub(crate) async fn probe_many(&self, probes: &[(&str, Id)], left: bool) -> Vec<Left<Probe>> {
        let commands = probes.iter().map(|(key, id)| {
            let mut command = Cmd::with_capacity(7, 192);
            probe::write(&mut command, self.key(key), *id, self.lease_ttl());
            command
        });
        let keys = left.then(|| probes.iter().map(|(key, _)| *key));
        let replies = self.send_many(commands, keys).await;
        replies.into_iter().map(|(reply, left)| Ok((reply.and_then(probe::parse)?, left))).collect()
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

    /// Sends the commands, and after them the question how long each of `keys` has left.
    async fn send_many<'a>(
        &self,
        commands: impl ExactSizeIterator<Item = Cmd>,
        keys: Option<impl ExactSizeIterator<Item = &'a str>>,
    ) -> Vec<(Result<Reply, StoreError>, Option<u64>)> {
        let count = commands.len();
        let mut pipeline = script::pipeline(commands);
        for key in keys.into_iter().flatten() {
            let mut command = Cmd::with_capacity(2, 128);
            kept::write_left(&mut command, self.key(key));
            pipeline.add_command(command);
        }
        let mut replies = match self.link().send_all(&pipeline).await {
            Ok(replies) => replies,
            Err(error) => return (0..count).map(|_| (Err(error), None)).collect(),
        };
        let left = replies.split_off(count).into_iter().map(|left| kept::time_left(Ok(left)));
        let left: Vec<_> = left.chain(std::iter::repeat(None)).take(count).collect();
        replies.into_iter().map(Ok).zip(left).collect()
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
