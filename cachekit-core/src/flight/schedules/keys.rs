//! The keys of the double's server, and what each command does to them, as on Redis.

use std::collections::{HashMap, HashSet};

use super::server::percent;
use crate::{
    cache::{Answer, Ask},
    entry::{Id, Stamps},
    mutant::{self, Mutant},
    store::{Expected, Found, Probe},
};

/// What is under a key.
#[derive(Clone, Debug)]
pub(super) enum Held {
    Lease(Id),
    Value {
        id: Id,
        schema: &'static str,
        answer: Answer,
        stamps: Option<Stamps>,
    },
    /// Something that is not ours.
    Foreign,
}

/// An entry on its way in.
#[derive(Debug)]
pub(super) struct NewEntry {
    pub(super) schema: &'static str,
    pub(super) answer: Answer,
    pub(super) stamps: Option<Stamps>,
}

/// All keys. A method is one command: it runs at once, as commands do on a server with one thread.
#[derive(Debug, Default)]
pub(super) struct Keys {
    held: HashMap<String, Held>,
    generations: HashMap<String, u64>,
    ids: u128,
    given_up: HashSet<Id>,
    marks: HashMap<String, Id>,
    /// Leases that were given up before they were granted: nothing ends them but their TTL.
    orphans: Vec<(String, Id)>,
}

impl Keys {
    pub(super) fn fresh_id(&mut self) -> Id {
        self.ids += 1;
        Id(self.ids.to_be_bytes())
    }

    /// `SET key lease NX GET`.
    pub(super) fn probe(&mut self, key: &str, id: Id, ask: &Ask) -> Probe {
        match self.held.get(key) {
            None => {
                self.grant(key, id);
                Probe::Granted
            }
            Some(Held::Lease(found)) => Probe::Lease(*found),
            Some(Held::Foreign) => Probe::Foreign,
            Some(Held::Value { id, schema, answer, stamps }) if usable(schema, answer, ask) => {
                Probe::Hit(found((*id, answer, stamps), ask))
            }
            Some(Held::Value { id, .. }) => Probe::Unusable(*id),
        }
    }

    /// `SET key lease NX GET`, by a caller that would replace whatever entry there is.
    pub(super) fn seen(&mut self, key: &str, id: Id) -> Option<Expected> {
        match self.held.get(key) {
            None => {
                self.grant(key, id);
                Some(Expected::Lease(id))
            }
            Some(Held::Lease(found)) => (*found == id).then_some(Expected::Lease(id)),
            Some(Held::Value { id, .. }) => Some(Expected::Entry(*id)),
            Some(Held::Foreign) => None,
        }
    }

    fn grant(&mut self, key: &str, id: Id) {
        self.held.insert(key.to_owned(), Held::Lease(id));
        if self.given_up.contains(&id) {
            self.orphans.push((key.to_owned(), id));
        }
    }

    /// Leases that nothing but their TTL ends, granted since the last call.
    pub(super) fn take_orphans(&mut self) -> Vec<(String, Id)> {
        std::mem::take(&mut self.orphans)
    }

    /// `GET key`.
    pub(super) fn look(&self, key: &str, ask: &Ask) -> Option<Found> {
        match self.held.get(key)? {
            Held::Value { id, schema, answer, stamps } if usable(schema, answer, ask) => {
                Some(found((*id, answer, stamps), ask))
            }
            _ => None,
        }
    }

    /// `CAS_FILL`: the value has an id of its own, and so ends the lease it was filled under.
    pub(super) fn fill(&mut self, key: &str, expected: Expected, entry: NewEntry) -> bool {
        let accepted = match (expected, self.held.get(key)) {
            (Expected::Lease(expected), Some(Held::Lease(id)))
            | (Expected::Entry(expected), Some(Held::Lease(id) | Held::Value { id, .. })) => {
                *id == expected
            }
            (Expected::Lease(expected), Some(Held::Value { id, .. })) => {
                mutant::on(Mutant::KeepLeaseId) && *id == expected
            }
            _ => false,
        };
        if accepted {
            let id = match expected {
                Expected::Lease(id) if mutant::on(Mutant::KeepLeaseId) => id,
                _ => self.fresh_id(),
            };
            let NewEntry { schema, answer, stamps } = entry;
            self.held.insert(key.to_owned(), Held::Value { id, schema, answer, stamps });
        }
        accepted
    }

    /// `CAS_LEASE`.
    pub(super) fn replace(&mut self, key: &str, seen: Id, fresh: Id) -> bool {
        let replaced = self.id(key) == Some(seen);
        if replaced {
            self.grant(key, fresh);
        }
        replaced
    }

    /// `SET mark id NX GET PX`: its TTL may be over at any time.
    pub(super) fn mark(&mut self, key: &str, id: Id) -> bool {
        if self.given_up.contains(&id) {
            return true;
        }
        let free = !self.marks.contains_key(key) || percent() < 10;
        if free {
            self.marks.insert(key.to_owned(), id);
        }
        free
    }

    pub(super) fn unmark(&mut self, key: &str, id: Id) {
        self.given_up.insert(id);
        if self.marks.get(key) == Some(&id) {
            self.marks.remove(key);
        }
    }

    /// `CAS_DEL`.
    pub(super) fn give_up(&mut self, key: &str, id: Id) {
        self.given_up.insert(id);
        if self.id(key) == Some(id) {
            self.held.remove(key);
        }
    }

    /// `UNLINK`, eviction, and the end of an entry's TTL.
    pub(super) fn unlink(&mut self, key: &str) {
        self.held.remove(key);
        self.generations.remove(key);
    }

    /// `SET generation NX GET` for each, or `GET` for each: 0 is none.
    pub(super) fn generations(&mut self, keys: &[String], draw: bool) -> Vec<u64> {
        let mut generation = |key: &String| match self.generations.get(key) {
            Some(generation) => *generation,
            None if draw => {
                self.ids += 1;
                let fresh = self.ids as u64;
                self.generations.insert(key.clone(), fresh);
                fresh
            }
            None => 0,
        };
        keys.iter().map(&mut generation).collect()
    }

    /// The end of a lease's TTL; of any lease if none is named.
    pub(super) fn expire(&mut self, key: &str, lease: Option<Id>) {
        if let Some(Held::Lease(held)) = self.held.get(key)
            && lease.is_none_or(|lease| lease == *held)
        {
            self.held.remove(key);
        }
    }

    /// A value that was filled before the story begins.
    #[cfg(test)]
    pub(super) fn put(&mut self, key: &str, version: u64) {
        let (id, schema) = (self.fresh_id(), std::any::type_name::<u64>());
        let answer = Answer::Value(std::sync::Arc::new(version));
        self.held.insert(key.to_owned(), Held::Value { id, schema, answer, stamps: None });
    }

    /// Somebody else writes to the key.
    #[cfg(test)]
    pub(super) fn vandalise(&mut self, key: &str) {
        self.held.insert(key.to_owned(), Held::Foreign);
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.held.keys().chain(self.generations.keys()).cloned().collect()
    }

    #[cfg(test)]
    pub(super) fn leases(&self) -> usize {
        self.held.values().filter(|held| matches!(held, Held::Lease(_))).count()
    }

    fn id(&self, key: &str) -> Option<Id> {
        match self.held.get(key)? {
            Held::Lease(id) | Held::Value { id, .. } => Some(*id),
            Held::Foreign => None,
        }
    }
}

/// An entry as a caller finds it: out of date as often as not, if that means anything to the caller.
fn found((id, answer, stamps): (Id, &Answer, &Option<Stamps>), ask: &Ask) -> Found {
    let mut found = Found { stamps: stamps.clone(), ..Found::plain(answer.clone(), id) };
    if ask.policy.revalidates(0) {
        found.fresh_for_ms = Some(if percent() < 50 { -1 } else { 60_000 });
    }
    found
}

fn usable(schema: &str, answer: &Answer, ask: &Ask) -> bool {
    let known = ask.codec.is_some_and(|codec| (codec.type_name)() == schema);
    known && (ask.optional || matches!(answer, Answer::Value(_)))
}
