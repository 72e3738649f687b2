//! The bits of a Bloom filter in Redis: one string with a header and two regions, so that whatever removes the bits
//! removes what says that they can be trusted.

use std::sync::LazyLock;

use redis::{Cmd, Value};

use super::names::StoreKey;
use super::reply::{self, Reply, StoreError};
use super::script::Script;
use super::store::RedisStore;

static ADD: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/bloom_add.lua")));
static BEGIN: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/bloom_begin.lua")));
static MERGE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/bloom_merge.lua")));
static FINISH: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("lua/bloom_finish.lua")));

/// Length of the header.
pub(crate) const HEADER: usize = 128;
/// Where in the header the tag of the region in use is.
const TAG: usize = 32;
/// A rebuild that gave no sign of life for so many seconds is over.
const SILENCE: &[u8] = b"10";

/// What a server calls itself: another after every restart and every change of its primary.
pub(crate) type Incarnation = [u8; 16];

/// The key of one filter, over the link of a cache, which lasts as long as this.
#[derive(Clone, Debug)]
pub(crate) struct BloomKey {
    store: RedisStore,
    key: String,
}

/// What a look at some bits found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Looked {
    /// The tag of the region in use when the bits were looked at.
    pub(crate) tag: [u8; 8],
    /// Whether all of them are set.
    pub(crate) all: bool,
    /// Who answered.
    pub(crate) incarnation: Option<Incarnation>,
}

impl BloomKey {
    pub(super) fn new(store: RedisStore, key: String) -> BloomKey {
        BloomKey { store, key }
    }

    /// The header, and whose it is; nothing where there is no filter.
    pub(crate) async fn header(
        &self,
    ) -> Result<Option<([u8; HEADER], Option<Incarnation>)>, StoreError> {
        let mut command = Cmd::new();
        command.arg("GETRANGE").arg(&self.key).arg(0).arg(HEADER - 1);
        let sending = self.store.link().send(command);
        let incarnation = sending.incarnation();
        let bytes = reply::bytes(sending.await?)?.unwrap_or_default();
        Ok(<[u8; HEADER]>::try_from(bytes).ok().map(|header| (header, incarnation)))
    }

    /// Looks at bits of a region, and at its tag in the same moment. The command counts as a write: a server that would
    /// refuse an insert's bits is not believed either.
    pub(crate) async fn look(&self, first: u64, positions: &[u32]) -> Result<Looked, StoreError> {
        let mut command = Cmd::with_capacity(5 + 3 * positions.len(), 256);
        command.arg("BITFIELD").arg(&self.key).arg("GET").arg("i64").arg(8 * TAG);
        for position in positions {
            command.arg("GET").arg("u1").arg(first + u64::from(*position));
        }
        let sending = self.store.link().send(command);
        let incarnation = sending.incarnation();
        let fields = numbers(sending.await?)?;
        let [tag, bits @ ..] = &fields[..] else { return Err(StoreError::Io) };
        if bits.len() != positions.len() {
            return Err(StoreError::Io);
        }
        Ok(Looked { tag: tag.to_be_bytes(), all: bits.iter().all(|bit| *bit == 1), incarnation })
    }

    /// How many of so many bits from this one on are set; both are whole bytes.
    pub(crate) async fn count(&self, first: u64, bits: u64) -> Result<u64, StoreError> {
        let (first, last) = (first / 8, (first + bits) / 8 - 1);
        let mut command = Cmd::new();
        command.arg("BITCOUNT").arg(&self.key).arg(first).arg(last);
        Ok(reply::int(self.store.link().send(command).await?)?.unsigned_abs())
    }

    /// Sets bits in both regions. `None`: there is no filter of this geometry; else how many ids the one in use has.
    pub(crate) async fn add(
        &self,
        geometry: &[u8; 32],
        positions: &[u8],
    ) -> Result<Option<u64>, StoreError> {
        let (reply, _) = self.run(&ADD, &[geometry, positions]).await?;
        Ok(above_zero(reply))
    }

    /// Begins a rebuild. `None`: another one is under way; else the region to fill, whether it is to be cleared, and who
    /// said so.
    pub(crate) async fn begin(
        &self,
        geometry: &[u8; 32],
        token: [u8; 8],
        expected: u64,
    ) -> Result<Option<(u8, bool, Option<Incarnation>)>, StoreError> {
        let args: [&[u8]; 4] = [geometry, &token, &expected.to_be_bytes(), SILENCE];
        let (reply, incarnation) = self.run(&BEGIN, &args).await?;
        match reply {
            0 => Ok(None),
            1 | 2 => Ok(Some((reply as u8, true, incarnation))),
            3 | 4 => Ok(Some((reply as u8 - 2, false, incarnation))),
            _ => Err(StoreError::Io),
        }
    }

    /// Clears bytes. `false`: the rebuild is not the one under way any more.
    pub(crate) async fn clear(
        &self,
        token: [u8; 8],
        at: u64,
        bytes: usize,
    ) -> Result<bool, StoreError> {
        let (at, bytes) = (at.to_string(), bytes.to_string());
        let args: [&[u8]; 4] = [&token, at.as_bytes(), bytes.as_bytes(), b""];
        Ok(self.run(&MERGE, &args).await?.0 == 1)
    }

    /// Adds bits, a whole number of words of 4 bytes; none are a sign of life. `false` as above.
    pub(crate) async fn merge(
        &self,
        token: [u8; 8],
        at: u64,
        bits: &[u8],
    ) -> Result<bool, StoreError> {
        let at = at.to_string();
        let args: [&[u8]; 4] = [&token, at.as_bytes(), b"0", bits];
        Ok(self.run(&MERGE, &args).await?.0 == 1)
    }

    /// Puts a rebuilt region to use. `None`: the rebuild is not the one under way any more; else how many ids it has.
    pub(crate) async fn finish(
        &self,
        token: [u8; 8],
        region: u8,
        tag: [u8; 8],
        incarnation: Incarnation,
    ) -> Result<Option<u64>, StoreError> {
        let region = region.to_string();
        let args: [&[u8]; 4] = [&token, region.as_bytes(), &tag, &incarnation];
        Ok(above_zero(self.run(&FINISH, &args).await?.0))
    }

    /// Runs a script, and says who did.
    async fn run(
        &self,
        script: &Script,
        args: &[&[u8]],
    ) -> Result<(i64, Option<Incarnation>), StoreError> {
        let key = StoreKey::whole(&self.key);
        let sending = self.store.link().send(script.by_hash(key, args));
        let incarnation = sending.incarnation();
        let reply = sending.await?;
        if !reply::is_unknown_script(&reply) {
            return Ok((reply::int(reply)?, incarnation));
        }
        let sending = self.store.link().send(script.in_full(key, args));
        let incarnation = sending.incarnation();
        Ok((reply::int(sending.await?)?, incarnation))
    }
}

fn above_zero(reply: i64) -> Option<u64> {
    reply.checked_sub(1).and_then(|ids| u64::try_from(ids).ok())
}

fn numbers(reply: Reply) -> Result<Vec<i64>, StoreError> {
    match Value::from(reply) {
        Value::Array(values) => values.into_iter().map(|value| reply::int(value.into())).collect(),
        Value::ServerError(error) => Err(StoreError::from(&error)),
        _ => Err(StoreError::Io),
    }
}
