//! A process's connection to the double's server: the commands that the engine sends to a store.

use std::sync::Arc;

use super::{
    command::command,
    keys::{Keys, NewEntry},
    server::{Server, dawdle},
};
use crate::{
    cache::{Ask, together},
    entry::Id,
    store::{Expected, Fill, Found, Hold, Probe, StoreError},
};

/// A store that runs each command some time after it was sent, in any order, whether or not its
/// caller is still there, and may lose the reply. Clones are other processes' connections.
#[derive(Clone, Debug)]
pub(crate) struct Double {
    pub(super) server: Arc<Server>,
}

impl Double {
    /// Sends a command and waits for its reply.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        name: &'static str,
        run: impl FnOnce(&mut Keys) -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        let (command, reply) = command(name, run);
        self.server.send(command);
        reply.await.map_err(|_| StoreError::Unknown)
    }

    pub(super) fn admit(&self) -> Result<(), StoreError> {
        self.server.refusal().map_or(Ok(()), Err)
    }

    pub(crate) fn fresh_id(&self) -> Option<Id> {
        self.server.is_up().then(|| self.server.with_keys(Keys::fresh_id))
    }

    pub(crate) fn expects_hit(&self) -> bool {
        self.server.is_read_first()
    }

    pub(crate) async fn read(&self, key: &str, ask: &Ask) -> Result<Option<Found>, StoreError> {
        self.admit()?;
        let (key, ask) = (key.to_owned(), *ask);
        Ok(untagged(self.ask("read", move |keys| keys.look(&key, &ask)).await?))
    }

    pub(crate) async fn probe(&self, key: &str, id: Id, ask: &Ask) -> Result<Probe, StoreError> {
        self.admit()?;
        let (key, ask) = (key.to_owned(), *ask);
        match self.ask("probe", move |keys| keys.probe(&key, id, &ask)).await? {
            Probe::Hit(found) if found.stamps.is_some() => Ok(Probe::Unusable(found.id)),
            probe => Ok(probe),
        }
    }

    pub(crate) async fn read_many(
        &self,
        keys: &[&str],
        ask: &Ask,
    ) -> Vec<Result<Option<Found>, StoreError>> {
        together(keys.iter().map(|key| self.read(key, ask))).await
    }

    pub(crate) async fn probe_many(
        &self,
        probes: &[(&str, Id)],
        ask: &Ask,
    ) -> Vec<Result<Probe, StoreError>> {
        together(probes.iter().map(|(key, id)| self.probe(key, *id, ask))).await
    }

    pub(crate) async fn fill_many(
        &self,
        fills: &[(&str, Fill<'_>)],
    ) -> Vec<Result<bool, StoreError>> {
        together(fills.iter().map(|(key, fill)| self.fill(key, fill.clone()))).await
    }

    pub(crate) async fn seen(&self, key: &str, id: Id) -> Result<Option<Expected>, StoreError> {
        self.admit()?;
        let key = key.to_owned();
        self.ask("seen", move |keys| keys.seen(&key, id)).await
    }

    pub(crate) async fn replace(&self, key: &str, seen: Id, fresh: Id) -> Result<bool, StoreError> {
        self.admit()?;
        let key = key.to_owned();
        self.ask("replace", move |keys| keys.replace(&key, seen, fresh)).await
    }

    pub(crate) async fn look(&self, key: &str, ask: &Ask) -> Result<Option<Found>, StoreError> {
        let (key, ask) = (key.to_owned(), *ask);
        Ok(untagged(self.ask("look", move |keys| keys.look(&key, &ask)).await?))
    }

    pub(crate) async fn fill(&self, key: &str, fill: Fill<'_>) -> Result<bool, StoreError> {
        self.admit()?;
        self.send_fill(key, fill).await
    }

    pub(super) async fn send_fill(&self, key: &str, fill: Fill<'_>) -> Result<bool, StoreError> {
        let Fill { stamps, answer, codec, .. } = fill;
        let entry = NewEntry { schema: (codec.type_name)(), answer: answer.clone(), stamps };
        let (key, expected) = (key.to_owned(), fill.expected);
        self.ask("fill", move |keys| keys.fill(&key, expected, entry)).await
    }

    pub(crate) async fn mark(&self, key: &str, id: Id, _: u64) -> Result<bool, StoreError> {
        self.admit()?;
        let key = key.to_owned();
        self.ask("mark", move |keys| keys.mark(&key, id)).await
    }

    pub(crate) fn unmark(&self, key: &str, id: Id) {
        let key = key.to_owned();
        let (command, _) = command("give_up", move |keys| keys.unmark(&key, id));
        self.server.send(command);
    }

    pub(crate) async fn remove_foreign(&self, key: &str) -> Result<(), StoreError> {
        self.admit()?;
        let key = key.to_owned();
        self.ask("remove_foreign", move |keys| keys.unlink(&key)).await
    }

    /// One command a key, and whether each of them is acknowledged.
    pub(crate) async fn unlink(&self, keys: &[&str]) -> Vec<Result<(), StoreError>> {
        let admitted: Vec<_> = keys.iter().map(|_| self.admit()).collect();
        let sent: Vec<_> = keys
            .iter()
            .zip(admitted)
            .map(|(key, admitted)| {
                let key = (*key).to_owned();
                let (command, reply) = command("unlink", move |keys| keys.unlink(&key));
                if admitted.is_ok() {
                    self.server.send(command);
                }
                reply
            })
            .collect();
        let mut results = Vec::with_capacity(sent.len());
        for reply in sent {
            results.push(reply.await.map_err(|_| StoreError::Unknown));
        }
        results
    }

    /// Deletes what is there when it begins, a key at a time.
    pub(crate) async fn sweep(&self) -> Result<(), StoreError> {
        self.admit()?;
        let names = self.ask("scan", |keys| keys.names()).await?;
        dawdle().await;
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        self.unlink(&names).await.into_iter().collect()
    }

    pub(crate) async fn shutdown(&self) {}

    pub(crate) fn give_up(&self, key: &str, id: Id) {
        let key = key.to_owned();
        let (command, _) = command("give_up", move |keys| keys.give_up(&key, id));
        self.server.send(command);
    }

    pub(crate) fn hold(&self, _: &str, _: Id) -> Hold {
        Hold::Double(self.clone())
    }
}

/// Nobody has said what its tags are.
fn untagged(found: Option<Found>) -> Option<Found> {
    found.filter(|found| found.stamps.is_none())
}
