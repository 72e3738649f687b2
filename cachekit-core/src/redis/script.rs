//! The Lua scripts: sent by hash, and in full once when the server does not know them.

use std::sync::LazyLock;

use redis::{Cmd, Pipeline, RedisWrite};

use super::link::Link;
use super::names::StoreKey;
use super::reply::{self, Reply, StoreError};

/// A script of one key, known to the server by its hash.
#[derive(Debug)]
pub(super) struct Script {
    source: &'static str,
    hash: String,
}

pub(super) static CAS_FILL: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("lua/cas_fill.lua")));
/// What a fill must not be.
#[cfg(cachekit_mutants)]
pub(super) static SET_FILL: LazyLock<Script> =
    LazyLock::new(|| Script::new("redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) return 1"));
pub(super) static CAS_DEL: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("lua/cas_del.lua")));
pub(super) static CAS_LEASE: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("lua/cas_lease.lua")));
pub(super) static EXTEND: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("lua/extend.lua")));
pub(super) static INVALIDATE_KEEP: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("lua/invalidate_keep.lua")));

impl Script {
    pub(super) fn new(source: &'static str) -> Script {
        Script { source, hash: redis::Script::new(source).get_hash().to_owned() }
    }

    pub(super) fn source(&self) -> &'static str {
        self.source
    }

    pub(super) fn hash(&self) -> &str {
        &self.hash
    }

    /// Runs the script once.
    pub(super) async fn run(
        &self,
        link: &Link,
        key: StoreKey<'_>,
        args: &[&[u8]],
    ) -> Result<i64, StoreError> {
        let reply = link.send(self.by_hash(key, args)).await?;
        if reply::is_unknown_script(&reply) {
            return reply::int(link.send(self.in_full(key, args)).await?);
        }
        reply::int(reply)
    }

    /// Runs the script for many keys in one write; each key has its own reply.
    pub(super) async fn run_all(
        &self,
        link: &Link,
        calls: &[(StoreKey<'_>, &[&[u8]])],
    ) -> Result<Vec<Result<i64, StoreError>>, StoreError> {
        let by_hash = calls.iter().map(|(key, args)| self.by_hash(*key, args));
        let mut replies = link.send_all(&pipeline(by_hash)).await?;
        if replies.iter().any(reply::is_unknown_script) {
            self.repeat_unknown(link, calls, &mut replies).await?;
        }
        Ok(replies.into_iter().map(reply::int).collect())
    }

    /// A refused hash did nothing, so those calls, and only those, are sent in full.
    async fn repeat_unknown(
        &self,
        link: &Link,
        calls: &[(StoreKey<'_>, &[&[u8]])],
        replies: &mut [Reply],
    ) -> Result<(), StoreError> {
        let unknown = |(index, _): &(usize, _)| reply::is_unknown_script(&replies[*index]);
        let missing = calls.iter().enumerate().filter(unknown).collect::<Vec<_>>();
        let in_full = missing.iter().map(|(_, (key, args))| self.in_full(*key, args));
        let repeated = link.send_all(&pipeline(in_full)).await?;
        for ((index, _), reply) in missing.iter().zip(repeated) {
            replies[*index] = reply;
        }
        Ok(())
    }

    pub(super) fn by_hash(&self, key: StoreKey<'_>, args: &[&[u8]]) -> Cmd {
        command(b"EVALSHA", self.hash.as_bytes(), key, args)
    }

    pub(super) fn in_full(&self, key: StoreKey<'_>, args: &[&[u8]]) -> Cmd {
        command(b"EVAL", self.source.as_bytes(), key, args)
    }
}

fn command(verb: &[u8], script: &[u8], key: StoreKey<'_>, args: &[&[u8]]) -> Cmd {
    let size = args.iter().map(|arg| arg.len()).sum::<usize>();
    let mut command =
        Cmd::with_capacity(4 + args.len(), verb.len() + script.len() + 1 + key.len() + size);
    command.write_arg(verb);
    command.write_arg(script);
    command.write_arg(b"1");
    command.arg(key);
    args.iter().for_each(|arg| command.write_arg(arg));
    command
}

pub(super) fn pipeline(commands: impl ExactSizeIterator<Item = Cmd>) -> Pipeline {
    let mut pipeline = Pipeline::with_capacity(commands.len());
    for command in commands {
        pipeline.add_command(command);
    }
    pipeline
}
