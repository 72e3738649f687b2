//! A role that one process at a time has, and a stream that takes no more than it may hold.

use std::sync::LazyLock;
use std::time::Duration;

use super::super::names::StoreKey;
use super::super::reply::StoreError;
use super::super::script::Script;
use super::stream::Stream;

static APPEND: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("../lua/append.lua")));
static OWN: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("../lua/own.lua")));
static DISOWN: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("../lua/disown.lua")));

/// The role of working on a stream.
#[derive(Clone, Debug)]
pub(crate) struct Owner {
    /// The key of the role, over the same link.
    role: Stream,
    id: String,
}

impl Owner {
    pub(crate) fn new(stream: &Stream, id: &str) -> Owner {
        Owner { role: stream.below("owner"), id: id.to_owned() }
    }

    /// Takes the role, or keeps it, for so long from when this is sent. `false`: another has it.
    pub(crate) async fn own(&self, lease: Duration) -> Result<bool, StoreError> {
        let lease = lease.as_millis().to_string();
        let args: [&[u8]; 2] = [self.id.as_bytes(), lease.as_bytes()];
        Ok(OWN.run(&self.role.link, StoreKey::whole(&self.role.key), &args).await? == 1)
    }

    pub(crate) async fn disown(&self) -> Result<(), StoreError> {
        let args: [&[u8]; 1] = [self.id.as_bytes()];
        DISOWN.run(&self.role.link, StoreKey::whole(&self.role.key), &args).await.map(drop)
    }
}

impl Stream {
    /// Adds a value, unless there are `most` entries already: `false`.
    pub(crate) async fn append(
        &self,
        most: u64,
        key: &str,
        payload: &[u8],
    ) -> Result<bool, StoreError> {
        let most = most.to_string();
        let args: [&[u8]; 3] = [most.as_bytes(), key.as_bytes(), payload];
        Ok(APPEND.run(&self.link, StoreKey::whole(&self.key), &args).await? == 1)
    }
}
