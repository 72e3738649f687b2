//! The store's commands one at a time, for tests that play the protocol's steps against a server.

use super::many::accepted;
use super::options::RedisOptions;
use super::probe::Probe;
use super::reply::StoreError;
use super::script::{self, Script};
use super::store::RedisStore;
use crate::Error;
use crate::entry::{self, Entry, Id, Meta, Parsed};

/// What a probe found, by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probed {
    /// Nothing: the key now holds the lease that was asked for.
    Granted,
    /// Another lease.
    Lease([u8; 16]),
    /// A value.
    Value([u8; 16]),
    /// An invalidation that left a floor.
    Tombstone([u8; 16]),
    /// Anything else.
    Other,
}

/// The shipped store, command by command. What fails says why in words.
#[derive(Debug)]
pub struct Steps {
    store: RedisStore,
    fill: Option<Script>,
}

impl Steps {
    /// Connects to a server that must be there.
    ///
    /// # Errors
    /// What keeps a cache from connecting.
    ///
    /// # Cancel safety
    /// Dropped before it is done, no connection stays.
    pub async fn connect(url: &str, namespace: &str) -> Result<Steps, Error> {
        let options = RedisOptions::new();
        let store = RedisStore::connect_tracking(url, namespace, options, None).await?;
        Ok(Steps { store, fill: None })
    }

    /// The same store with another script in the place of the one that fills: to see that a test would notice.
    #[must_use]
    pub fn with_fill(mut self, source: &'static str) -> Steps {
        self.fill = Some(Script::new(source));
        self
    }

    /// An id that was never used before; none while the link is down.
    #[must_use]
    pub fn fresh_id(&self) -> Option<[u8; 16]> {
        self.store.fresh_id().map(|id| id.0)
    }

    /// Reads the key, or leases it to `id` when there is nothing.
    ///
    /// # Errors
    /// What Redis or the link said.
    ///
    /// # Cancel safety
    /// As every command: dropped, it may still be carried out.
    pub async fn probe(&self, key: &str, id: [u8; 16]) -> Result<Probed, String> {
        Ok(match self.store.probe(key, Id(id)).await.map_err(words)? {
            Probe::Granted => Probed::Granted,
            Probe::Lease(id) => Probed::Lease(id.0),
            Probe::Tombstone(id) => Probed::Tombstone(id.0),
            Probe::Entry(bytes) => match Entry::parse(&bytes) {
                Parsed::Value { id, .. } => Probed::Value(id.0),
                _ => Probed::Other,
            },
            _ => Probed::Other,
        })
    }

    /// Stores a value of this id and version for a minute, in the place of the lease `lease`. Says whether it did.
    ///
    /// # Errors
    /// What Redis or the link said.
    ///
    /// # Cancel safety
    /// As every command: dropped, it may still be carried out.
    pub async fn fill(
        &self,
        key: &str,
        lease: [u8; 16],
        (id, version): ([u8; 16], u64),
    ) -> Result<bool, String> {
        let meta = Meta {
            id: Id(id),
            floor: 0,
            flags: 0,
            version,
            as_of: 0,
            soft_ttl: 0,
            load_cost: 0,
            schema: 0,
            stamps: &[],
        };
        let entry = entry::encode_value(&meta, b"payload");
        let filled = match &self.fill {
            None => self.store.cas_fill(key, Id(lease), true, &entry, 60_000).await,
            Some(fill) => {
                let args: [&[u8]; 4] = [&lease, &entry, b"60000", b"L"];
                accepted(fill.run(self.store.link(), self.store.key(key), &args).await)
            }
        };
        filled.map_err(words)
    }

    /// Turns the incarnation `seen` into a lease of `fresh`. Says whether it did.
    ///
    /// # Errors
    /// What Redis or the link said.
    ///
    /// # Cancel safety
    /// As every command: dropped, it may still be carried out.
    pub async fn replace(
        &self,
        key: &str,
        seen: [u8; 16],
        fresh: [u8; 16],
    ) -> Result<bool, String> {
        self.store.cas_lease(key, Id(seen), Id(fresh)).await.map_err(words)
    }

    /// Removes the incarnation `id`, if it is still there. Says whether it was.
    ///
    /// # Errors
    /// What Redis or the link said.
    ///
    /// # Cancel safety
    /// As every command: dropped, it may still be carried out.
    pub async fn give_up(&self, key: &str, id: [u8; 16]) -> Result<bool, String> {
        self.run(&script::CAS_DEL, key, &[&id]).await
    }

    /// Keeps the lease `id` alive for another minute. Says whether it is there.
    ///
    /// # Errors
    /// What Redis or the link said.
    ///
    /// # Cancel safety
    /// As every command: dropped, it may still be carried out.
    pub async fn extend(&self, key: &str, id: [u8; 16]) -> Result<bool, String> {
        self.run(&script::EXTEND, key, &[&id, b"60000"]).await
    }

    /// Removes the key.
    ///
    /// # Errors
    /// What Redis or the link said.
    ///
    /// # Cancel safety
    /// As every command: dropped, it may still be carried out.
    pub async fn unlink(&self, key: &str) -> Result<(), String> {
        self.store.unlink(&[key]).await.into_iter().collect::<Result<(), _>>().map_err(words)
    }

    async fn run(&self, script: &Script, key: &str, args: &[&[u8]]) -> Result<bool, String> {
        accepted(script.run(self.store.link(), self.store.key(key), args).await).map_err(words)
    }
}

fn words(error: StoreError) -> String {
    format!("{error:?}")
}
