//! The store: what the engine may ask of Redis, by key text within one namespace.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use super::connect::Connector;
use super::keeper::{GiveUps, Keeper};
use super::lease::{LeaseHold, Leases};
use super::link::Link;
use super::many::accepted;
use super::names::{Names, StoreKey};
use super::options::RedisOptions;
use super::probe::{self, Probe};
use super::reply::{self, Refusal, StoreError};
use super::script;
use super::supervisor::{Purpose, Supervisor};
use super::task::Task;
use super::tracking::{Tracker, Tracking};
use crate::Error;
use crate::entry::{self, Id};
use redis::{Cmd, RedisWrite, ToRedisArgs};

/// UNLINKs in one write.
const BATCH: usize = 512;

/// A handle to one Redis and one namespace; clones share the link. When the last is dropped its tasks end.
///
/// Keys are given as their text: the store itself puts the namespace before it. A command whose future is dropped
/// may still be carried out.
#[derive(Clone, Debug)]
pub(crate) struct RedisStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    link: Arc<Link>,
    names: Arc<Names>,
    leases: Arc<Leases>,
    give_ups: GiveUps,
    lease_ttl: String,
    /// For connections that are made when they are first needed.
    connector: Arc<Connector>,
    tasks: Mutex<Option<Tasks>>,
}

#[derive(Debug)]
struct Tasks {
    keeper: Task,
    supervisor: Task,
    tracker: Option<Task>,
}

impl RedisStore {
    /// Connects to `url`. A server that is away is no error: the link keeps trying, and commands fail with
    /// [`StoreError::Down`] meanwhile. With `tracking` a second connection tells of every change to the namespace.
    ///
    /// # Errors
    /// What only a change of the configuration can mend: an unusable URL, namespace or option, a refused log-in,
    /// a server older than 7.0 or without tracking if that is asked for, a certificate that is not trusted.
    pub(crate) async fn connect_tracking(
        url: &str,
        namespace: &str,
        options: RedisOptions,
        tracking: Option<Tracking>,
    ) -> Result<RedisStore, Error> {
        options.check()?;
        let names = Arc::new(Names::new(namespace)?);
        let connector = Connector::new(url, &options)?;
        let link = Arc::new(Link::new());
        let mut supervisor =
            Supervisor::new(Arc::clone(&link), connector, options.response_timeout, Purpose::Cache);
        let tracker = match tracking {
            Some(tracking) => {
                supervisor.announce_to(Arc::clone(&tracking.sink));
                let connector = Connector::new(url, &options)?;
                let mut tracker = Tracker::new(Arc::clone(&link), connector, &names, tracking);
                let following = tracker.first().await?;
                Some((tracker, following))
            }
            None => None,
        };
        let running = supervisor.first().await?;
        let leases = Arc::new(Leases::new(&options));
        let lease_ttl = options.lease_ttl.as_millis().to_string();
        let (give_ups, items) = GiveUps::new();
        let keeper = Keeper {
            link: Arc::clone(&link),
            names: Arc::clone(&names),
            leases: Arc::clone(&leases),
            give_ups: items,
            lease_ttl: lease_ttl.clone(),
        };
        let tasks = Tasks {
            keeper: Task::spawn(|stop| keeper.run(stop)),
            supervisor: Task::spawn(|stop| supervisor.run(running, stop)),
            tracker: tracker
                .map(|(tracker, following)| Task::spawn(|stop| tracker.run(following, stop))),
        };
        let tasks = Mutex::new(Some(tasks));
        let connector = Arc::new(Connector::new(url, &options)?);
        let inner = Inner { link, names, leases, give_ups, lease_ttl, connector, tasks };
        Ok(RedisStore { inner: Arc::new(inner) })
    }

    /// [`connect_tracking`](Self::connect_tracking) without tracking.
    #[cfg(test)]
    pub(crate) async fn connect(
        url: &str,
        namespace: &str,
        options: RedisOptions,
    ) -> Result<RedisStore, Error> {
        RedisStore::connect_tracking(url, namespace, options, None).await
    }

    /// Whether commands are sent at all: one atomic load.
    pub(crate) fn is_up(&self) -> bool {
        self.inner.link.is_up()
    }

    /// An id that was never used before, of the current connection; none while the link is down.
    pub(crate) fn fresh_id(&self) -> Option<Id> {
        self.inner.link.fresh_id()
    }

    /// Reads the key: nothing when there is none or it is of another type.
    pub(crate) fn read(
        &self,
        key: &str,
    ) -> impl Future<Output = Result<Option<Vec<u8>>, StoreError>> + Send + use<> {
        let key = self.key(key);
        let sending = self.inner.link.send_read(|out| probe::write_read(out, key));
        async move { unless_of_another_type(reply::bytes(sending.await?)) }
    }

    /// Reads the key, or leases it to `id` when there is nothing. An id must be sent once at most.
    pub(crate) fn probe(
        &self,
        key: &str,
        id: Id,
    ) -> impl Future<Output = Result<Probe, StoreError>> + Send + use<> {
        let key = self.key(key);
        let sending =
            self.inner.link.send_short(|out| probe::write(out, key, id, &self.inner.lease_ttl));
        async move { probe::parse(sending.await?) }
    }

    /// Reads the key, or leaves a tombstone with `id` for `px` ms when there is nothing. An id must be sent once at most.
    pub(crate) async fn claim(&self, key: &str, id: Id, px: u64) -> Result<Probe, StoreError> {
        let (key, px) = (self.key(key), px.max(1).to_string());
        let tombstone = entry::tombstone_bytes(id);
        let sending =
            self.inner.link.send_short(|out| probe::write_entry(out, key, &tombstone, &px));
        probe::parse(sending.await?)
    }

    /// Stores `entry` for `px` ms if the incarnation `expected` is still there (as a lease, if `lease`).
    /// `false`: refused for certain.
    pub(crate) async fn cas_fill(
        &self,
        key: &str,
        expected: Id,
        lease: bool,
        entry: &[u8],
        px: u64,
    ) -> Result<bool, StoreError> {
        let px = px.max(1).to_string();
        let kind: &[u8] = if lease { b"L" } else { b"" };
        let args: [&[u8]; 4] = [&expected.0, entry, px.as_bytes(), kind];
        #[cfg(cachekit_mutants)]
        if crate::mutant::on(crate::mutant::Mutant::FillWhateverIsThere) {
            return self.cas(&script::SET_FILL, key, &args).await;
        }
        self.cas(&script::CAS_FILL, key, &args).await
    }

    /// Turns the incarnation `seen` into a lease of `fresh`. `false`: something else is there by now.
    pub(crate) async fn cas_lease(
        &self,
        key: &str,
        seen: Id,
        fresh: Id,
    ) -> Result<bool, StoreError> {
        let lease = entry::lease_bytes(fresh);
        let args: [&[u8]; 3] = [&seen.0, &lease, self.inner.lease_ttl.as_bytes()];
        self.cas(&script::CAS_LEASE, key, &args).await
    }

    /// Removes the incarnation `id` some time soon, if it is still there, or once the link is up again. Never blocks;
    /// when too many wait the lease is left to run out.
    pub(crate) fn give_up(&self, key: &str, id: Id) {
        self.inner.give_ups.push(key, id);
    }

    /// Marks the key with `id` for `px` ms, unless it is marked. An id must be sent once at most.
    pub(crate) async fn mark(&self, key: &str, id: Id, px: u64) -> Result<bool, StoreError> {
        let (key, px) = (self.inner.names.mark(key), px.max(1).to_string());
        let mark = entry::lease_bytes(id);
        let sending = self.inner.link.send_short(|out| probe::write_entry(out, key, &mark, &px));
        Ok(matches!(probe::parse(sending.await?)?, Probe::Granted))
    }

    /// Removes the mark with that id some time soon. Never blocks; when too many wait it is left to run out.
    pub(crate) fn unmark(&self, key: &str, id: Id) {
        self.inner.give_ups.push_mark(key, id);
    }

    /// How many give-ups were dropped.
    #[cfg(test)]
    pub(crate) fn dropped_give_ups(&self) -> u64 {
        self.inner.give_ups.dropped()
    }

    /// Removes whatever is under the key. `false`: it is an inhibit and stays.
    pub(crate) async fn unlink_foreign(&self, key: &str) -> Result<bool, StoreError> {
        let reply = script::INVALIDATE_KEEP.run(&self.inner.link, self.key(key), &[]).await?;
        Ok(reply != 2)
    }

    /// Removes the keys, and says of each whether Redis has acknowledged it.
    pub(crate) async fn unlink(&self, keys: &[&str]) -> Vec<Result<(), StoreError>> {
        let mut results = Vec::with_capacity(keys.len());
        for batch in keys.chunks(BATCH) {
            let commands = batch.iter().map(|key| unlink(self.key(key)));
            match self.inner.link.send_all(&script::pipeline(commands)).await {
                Ok(replies) => results.extend(replies.into_iter().map(|r| reply::int(r).map(drop))),
                Err(error) => {
                    // The next batch would meet the same, after as long a wait.
                    results.resize(keys.len(), Err(error));
                    break;
                }
            }
        }
        results
    }

    /// What is under the key, without a lease: nothing when there is none or it is of another type.
    pub(crate) async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let key = self.key(key);
        let mut command = Cmd::with_capacity(2, 3 + key.len());
        command.write_arg(b"GET");
        command.arg(key);
        unless_of_another_type(reply::bytes(self.inner.link.send(command).await?))
    }

    /// Keeps extending the lease `id` until the hold is dropped, the lease is gone, or the load time-out has passed.
    pub(crate) fn hold(&self, key: &str, id: Id) -> LeaseHold {
        self.inner.leases.hold(key, id)
    }

    /// How long ago the link came or went, or was first tried.
    pub(crate) fn changed_ago(&self) -> std::time::Duration {
        self.inner.link.changed_ago()
    }

    /// Resolves at the next change between up and down, counted from this call and not from the first poll.
    pub(crate) fn changed(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut changes = self.inner.link.changes();
        async move {
            let _ = changes.changed().await;
        }
    }

    /// The namespace that locks stand in.
    pub(super) fn lock_namespace(&self) -> &str {
        self.inner.names.namespace()
    }

    /// What wakes those who wait for locks; it connects when the first does.
    pub(crate) fn wakes(&self) -> super::Wakes {
        super::Wakes::new(Arc::clone(&self.inner.connector), &self.wake_channels().to_string())
    }

    /// Counts every change between up and down.
    pub(crate) fn changes(&self) -> tokio::sync::watch::Receiver<u64> {
        self.inner.link.changes()
    }

    /// The namespace.
    #[cfg(feature = "_sqlx")]
    pub(crate) fn namespace(&self) -> &str {
        self.inner.names.namespace()
    }

    /// Removes every key of the namespace; says how many. For when it is not known which keys are stale.
    pub(crate) async fn sweep(&self) -> Result<u64, StoreError> {
        super::sweep::run(&self.inner.link, &self.inner.names).await
    }

    /// The Bloom filter of this namespace with that name: `ck~bf:<namespace>:<name>`, which a sweep leaves alone.
    #[cfg(feature = "bloom")]
    pub(crate) fn bloom(&self, name: &str) -> Result<super::BloomKey, Error> {
        super::names::check("name of a filter", name)?;
        let key = format!("ck~bf:{}:{name}", self.inner.names.namespace());
        Ok(super::BloomKey::new(self.clone(), key))
    }

    pub(super) fn link(&self) -> &Link {
        &self.inner.link
    }

    /// The stream of this namespace with that name.
    #[cfg(feature = "events")]
    pub(crate) fn stream(&self, kind: super::Kind, name: &str) -> Result<super::Stream, Error> {
        let key = super::streams::stream_key(self.inner.names.namespace(), kind, name)?;
        Ok(super::Stream::new(Arc::clone(&self.inner.link), key))
    }

    /// Sends what was given up, closes the connection, and waits until both tasks have ended.
    pub(crate) async fn shutdown(&self) {
        let tasks = self.inner.tasks.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Tasks { keeper, supervisor, tracker }) = tasks {
            if let Some(tracker) = tracker {
                tracker.finish().await;
            }
            keeper.finish().await;
            supervisor.finish().await;
        }
    }

    async fn cas(
        &self,
        script: &script::Script,
        key: &str,
        args: &[&[u8]],
    ) -> Result<bool, StoreError> {
        accepted(script.run(&self.inner.link, self.key(key), args).await)
    }

    pub(super) fn key<'a>(&'a self, key: &'a str) -> StoreKey<'a> {
        self.inner.names.key(key)
    }

    pub(super) fn lease_ttl(&self) -> &str {
        &self.inner.lease_ttl
    }

    #[cfg(test)]
    pub(super) fn held_leases(&self) -> usize {
        self.inner.leases.len()
    }
}

pub(super) fn unless_of_another_type(
    reply: Result<Option<Vec<u8>>, StoreError>,
) -> Result<Option<Vec<u8>>, StoreError> {
    match reply {
        Err(StoreError::Refused(Refusal::WrongType)) => Ok(None),
        reply => reply,
    }
}

pub(super) fn unlink(key: impl ToRedisArgs) -> Cmd {
    let mut command = Cmd::with_capacity(2, 128);
    command.write_arg(b"UNLINK");
    command.arg(key);
    command
}
