//! The keys and their values, which end by a clock.

use std::collections::BTreeMap;

use crate::clock::Clock;

/// All strings; the double has no other type.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) clock: Clock,
    entries: BTreeMap<Vec<u8>, Entry>,
    /// What was written or removed since somebody asked; `None` stands for all keys.
    touched: Vec<Option<Vec<u8>>>,
}

#[derive(Debug)]
struct Entry {
    bytes: Vec<u8>,
    ends_ms: Option<u64>,
}

impl Keys {
    pub(super) fn new(clock: Clock) -> Keys {
        Keys { clock, entries: BTreeMap::new(), touched: Vec::new() }
    }

    pub(super) fn get(&mut self, key: &[u8]) -> Option<&mut Vec<u8>> {
        let now_ms = self.clock.now_ms();
        let ended = self.entries.get(key)?.ends_ms.is_some_and(|ends| ends <= now_ms);
        if ended {
            self.remove(key);
        }
        self.entries.get_mut(key).map(|entry| &mut entry.bytes)
    }

    pub(super) fn set(&mut self, key: &[u8], bytes: Vec<u8>, px: Option<u64>) {
        let ends_ms = px.map(|px| self.clock.now_ms().saturating_add(px));
        self.entries.insert(key.to_vec(), Entry { bytes, ends_ms });
        self.touch(key);
    }

    pub(super) fn remove(&mut self, key: &[u8]) -> bool {
        let was_there = self.entries.remove(key).is_some();
        if was_there {
            self.touch(key);
        }
        was_there
    }

    pub(super) fn expire(&mut self, key: &[u8], px: Option<u64>) -> bool {
        let ends_ms = px.map(|px| self.clock.now_ms().saturating_add(px));
        let is_there = self.get(key).is_some();
        if let Some(entry) = self.entries.get_mut(key) {
            entry.ends_ms = ends_ms;
        }
        if is_there {
            self.touch(key);
        }
        is_there
    }

    /// As `PTTL` says it.
    pub(super) fn left_ms(&mut self, key: &[u8]) -> i64 {
        if self.get(key).is_none() {
            return -2;
        }
        let ends_ms = self.entries.get(key).and_then(|entry| entry.ends_ms);
        ends_ms.map_or(-1, |ends| {
            i64::try_from(ends.saturating_sub(self.clock.now_ms())).unwrap_or(i64::MAX)
        })
    }

    pub(super) fn names(&mut self) -> Vec<Vec<u8>> {
        let names: Vec<_> = self.entries.keys().cloned().collect();
        names.into_iter().filter(|name| self.get(name).is_some()).collect()
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.touched.push(None);
    }

    /// Notes that a value was changed where it stands.
    pub(super) fn touch(&mut self, key: &[u8]) {
        self.touched.push(Some(key.to_vec()));
    }

    pub(super) fn take_touched(&mut self) -> Vec<Option<Vec<u8>>> {
        std::mem::take(&mut self.touched)
    }
}
