//! Commands of many keys in one write; each key has its own reply, and its own failure.

use super::kept::{self, Left};
use super::probe::{self, Probe};
use super::reply::{self, Refusal, Reply, StoreError};
use super::script;
use super::store::{RedisStore, unless_of_another_type};
use crate::entry::Id;
use redis::{Cmd, RedisWrite, Value};

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
    /// [`read`](Self::read) of many keys, and how long each entry has `left` if that is asked for. The first and the
    /// last are read as one key is, which a server refuses where it refuses invalidations; what is read between two
    /// that it accepts is as good, and costs a fifth. Where it will not read keys together (a cluster, an ACL), it
    /// refuses them all.
    pub(crate) async fn read_many(&self, keys: &[&str], left: bool) -> Vec<Left<Option<Vec<u8>>>> {
        let asked = left.then_some(keys);
        let (&[first, ref between @ .., last], true) = (keys, keys.len() > 2) else {
            let commands = keys.iter().map(|key| self.read_command(key));
            let (replies, left) = self.send_many(commands, asked).await;
            let replies = replies.into_iter().map(|reply| reply.and_then(found));
            return with_left(replies, left);
        };
        let mut together = Cmd::with_capacity(1 + between.len(), 32 * between.len());
        together.write_arg(b"MGET");
        for key in between {
            together.arg(self.key(key));
        }
        let commands = [self.read_command(first), together, self.read_command(last)];
        let (replies, left) = self.send_many(commands.into_iter(), asked).await;
        match all_found(replies, between.len()) {
            Ok(found) => with_left(found.into_iter().map(Ok), left),
            Err(error) => keys.iter().map(|_| Err(error)).collect(),
        }
    }

    fn read_command(&self, key: &str) -> Cmd {
        let mut command = Cmd::with_capacity(2, 128);
        probe::write_read(&mut command, self.key(key));
        command
    }

    /// [`probe`](Self::probe) of many keys, each for an id of its own, and how long each entry has `left`.
    pub(crate) async fn probe_many(&self, probes: &[(&str, Id)], left: bool) -> Vec<Left<Probe>> {
        let commands = probes.iter().map(|(key, id)| {
            let mut command = Cmd::with_capacity(7, 192);
            probe::write(&mut command, self.key(key), *id, self.lease_ttl());
            command
        });
        let keys: Vec<_> = probes.iter().map(|(key, _)| *key).collect();
        let (replies, left) = self.send_many(commands, left.then_some(&keys[..])).await;
        with_left(replies.into_iter().map(|reply| reply.and_then(probe::parse)), left)
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
    async fn send_many(
        &self,
        commands: impl ExactSizeIterator<Item = Cmd>,
        keys: Option<&[&str]>,
    ) -> (Vec<Result<Reply, StoreError>>, Vec<Option<u64>>) {
        let count = commands.len();
        let mut pipeline = script::pipeline(commands);
        for key in keys.into_iter().flatten() {
            let mut command = Cmd::with_capacity(2, 128);
            kept::write_left(&mut command, self.key(key));
            pipeline.add_command(command);
        }
        let mut replies = match self.link().send_all(&pipeline).await {
            Ok(replies) => replies,
            Err(error) => return ((0..count).map(|_| Err(error)).collect(), Vec::new()),
        };
        let left = replies.split_off(count).into_iter().map(|left| kept::time_left(Ok(left)));
        let left = left.collect();
        (replies.into_iter().map(Ok).collect(), left)
    }
}

/// What was found, with what it has left as far as that was asked.
fn with_left<T>(
    found: impl Iterator<Item = Result<T, StoreError>>,
    left: Vec<Option<u64>>,
) -> Vec<Left<T>> {
    let left = left.into_iter().chain(std::iter::repeat(None));
    found.zip(left).map(|(found, left)| Ok((found?, left))).collect()
}

fn found(reply: Reply) -> Result<Option<Vec<u8>>, StoreError> {
    unless_of_another_type(reply::bytes(reply))
}

/// What was found by three replies: of the first key, of those between, of the last.
fn all_found(
    replies: Vec<Result<Reply, StoreError>>,
    between: usize,
) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
    let replies = replies.into_iter().collect::<Result<Vec<_>, _>>()?;
    let Ok([first, together, last]) = <[Reply; 3]>::try_from(replies) else {
        return Err(StoreError::Io);
    };
    let mut all = Vec::with_capacity(between + 2);
    all.push(found(first)?);
    match together {
        Reply::Other(value) => match *value {
            Value::Array(values) if values.len() == between => {
                for value in values {
                    all.push(reply::bytes(value.into())?);
                }
            }
            _ => return Err(StoreError::Io),
        },
        reply => return Err(reply::int(reply).err().unwrap_or(StoreError::Io)),
    }
    all.push(found(last)?);
    Ok(all)
}

/// Whether a script that compares and sets did set.
pub(super) fn accepted(reply: Result<i64, StoreError>) -> Result<bool, StoreError> {
    match reply {
        Ok(reply) => Ok(reply == 1),
        Err(StoreError::Refused(Refusal::WrongType)) => Ok(false),
        Err(error) => Err(error),
    }
}
