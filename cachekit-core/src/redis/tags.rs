//! Commands on entries that have tags: the generations of the tags travel in the same write.

use redis::{Cmd, Pipeline, RedisWrite};

use super::kept::time_left;
use super::names::StoreKey;
use super::probe::{self, Probe};
use super::reply::{self, Refusal, Reply, StoreError};
use super::script::{self, CAS_FILL};
use super::store::RedisStore;
use crate::entry::Id;

/// What the key of a generation holds.
pub(crate) type Generation = Option<Vec<u8>>;

/// A tag's key text, and the generation that it gets if it has none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) key: &'a str,
    pub(crate) fresh: [u8; 8],
}

/// An entry on its way in, under tags.
#[derive(Debug)]
pub(crate) struct Stamped<'a> {
    pub(crate) expected: Id,
    pub(crate) lease: bool,
    pub(crate) entry: &'a [u8],
    pub(crate) px: u64,
    /// The key texts of its tags.
    pub(crate) tags: &'a [&'a str],
}

impl RedisStore {
    /// Reads the generations, and gives one for `px` ms to each tag that has none.
    pub(crate) async fn generations(
        &self,
        wanted: &[Wanted<'_>],
        px: u64,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        let replies = self.link().send_all(&self.wants(wanted, px)).await?;
        wanted.iter().zip(replies).map(|(wanted, reply)| current(wanted, reply)).collect()
    }

    /// [`probe`](Self::probe), and before it [`generations`](Self::generations); after it how long the entry has `left`,
    /// if that is asked for.
    pub(crate) async fn probe_under(
        &self,
        key: &str,
        id: Id,
        wanted: &[Wanted<'_>],
        px: u64,
        left: bool,
    ) -> Result<(Probe, Option<u64>, Vec<Vec<u8>>), StoreError> {
        let mut commands = self.wants(wanted, px);
        let mut command = Cmd::with_capacity(7, 128 + key.len());
        probe::write(&mut command, self.key(key), id, self.lease_ttl());
        commands.add_command(command);
        if left {
            commands.add_command(single(b"PTTL", self.key(key)));
        }
        let mut replies = self.link().send_all(&commands).await?;
        let left_ms = if left { replies.pop().map(Ok).and_then(time_left) } else { None };
        let probed = replies.pop().ok_or(StoreError::Io)?;
        let probed = probe::parse(probed)?;
        let pairs = wanted.iter().zip(replies);
        let generations: Result<_, _> =
            pairs.map(|(wanted, reply)| current(wanted, reply)).collect();
        match generations {
            Ok(generations) => Ok((probed, left_ms, generations)),
            // The key may hold the lease all the same.
            Err(_) => Err(StoreError::Io),
        }
    }

    /// [`read`](Self::read) with the generations of `tags`; with `get` instead of it where only that is answered.
    pub(crate) async fn read_under(
        &self,
        key: &str,
        tags: &[&str],
        get: bool,
        left: bool,
    ) -> Result<(Option<Vec<u8>>, Option<u64>, Vec<Generation>), StoreError> {
        let mut commands = Pipeline::with_capacity(1 + tags.len());
        for tag in tags {
            commands.add_command(single(b"GET", self.key(tag)));
        }
        commands.add_command(match get {
            true => single(b"GET", self.key(key)),
            false => single(b"GETEX", self.key(key)),
        });
        if left {
            commands.add_command(single(b"PTTL", self.key(key)));
        }
        let mut replies = self.link().send_all(&commands).await?;
        let left_ms = if left { replies.pop().map(Ok).and_then(time_left) } else { None };
        let entry = replies.pop().map_or(Err(StoreError::Io), reply::bytes);
        let entry = match entry {
            Err(StoreError::Refused(Refusal::WrongType)) => None,
            entry => entry?,
        };
        let generations = replies.into_iter().map(reply::bytes).collect::<Result<_, _>>()?;
        Ok((entry, left_ms, generations))
    }

    /// [`cas_fill`](Self::cas_fill), and after it the generations, which are made to last as long as the entry.
    pub(crate) async fn cas_fill_under(
        &self,
        key: &str,
        fill: Stamped<'_>,
    ) -> Result<(bool, Vec<Generation>), StoreError> {
        let px = fill.px.max(1).to_string();
        let kind: &[u8] = if fill.lease { b"L" } else { b"" };
        let args: [&[u8]; 4] = [&fill.expected.0, fill.entry, px.as_bytes(), kind];
        let then = |first: Cmd| {
            let mut commands = Pipeline::with_capacity(1 + 2 * fill.tags.len());
            commands.add_command(first);
            for tag in fill.tags {
                commands.add_command(single(b"GET", self.key(tag)));
                commands.add_command(single(b"PTTL", self.key(tag)));
            }
            commands
        };
        let by_hash = then(CAS_FILL.by_hash(self.key(key), &args));
        let mut replies = self.link().send_all(&by_hash).await?;
        if replies.first().is_some_and(reply::is_unknown_script) {
            let in_full = then(CAS_FILL.in_full(self.key(key), &args));
            replies = self.link().send_all(&in_full).await?;
        }
        let mut replies = replies.into_iter();
        let filled = match replies.next().map_or(Err(StoreError::Io), reply::int) {
            Err(StoreError::Refused(Refusal::WrongType)) => false,
            filled => filled? == 1,
        };
        let mut generations = Vec::with_capacity(fill.tags.len());
        let mut short = Vec::new();
        for tag in fill.tags {
            let generation = replies.next().map(reply::bytes);
            let left = replies.next().map(reply::int);
            // What cannot be read is not the one it was stamped with.
            generations.push(generation.and_then(Result::ok).flatten());
            if left.is_some_and(|left| left.is_ok_and(|left| is_short(left, fill.px))) {
                short.push(*tag);
            }
        }
        if filled && !short.is_empty() {
            self.prolong(&short, fill.px.saturating_mul(2)).await;
        }
        Ok((filled, generations))
    }

    /// A generation that runs out before its time makes entries unusable, and nothing worse.
    async fn prolong(&self, tags: &[&str], px: u64) {
        let px = px.to_string();
        let commands = tags.iter().map(|tag| {
            let mut command = single(b"PEXPIRE", self.key(tag));
            command.write_arg(px.as_bytes());
            command
        });
        let _prolonged = self.link().send_all(&script::pipeline(commands)).await;
    }

    fn wants(&self, wanted: &[Wanted<'_>], px: u64) -> Pipeline {
        let px = px.max(1).to_string();
        let mut commands = Pipeline::with_capacity(wanted.len() + 1);
        for Wanted { key, fresh } in wanted {
            let mut command = Cmd::with_capacity(7, 128 + key.len());
            probe::write_entry(&mut command, self.key(key), fresh, &px);
            commands.add_command(command);
        }
        commands
    }
}

fn single(verb: &[u8], key: StoreKey<'_>) -> Cmd {
    let mut command = Cmd::with_capacity(3, 32 + key.len());
    command.write_arg(verb);
    command.arg(key);
    command
}

fn is_short(left: i64, px: u64) -> bool {
    u64::try_from(left).is_ok_and(|left| left < px)
}

/// What the key of a generation holds now, whoever put it there.
fn current(wanted: &Wanted<'_>, reply: Reply) -> Result<Vec<u8>, StoreError> {
    Ok(reply::bytes(reply)?.unwrap_or_else(|| wanted.fresh.to_vec()))
}
