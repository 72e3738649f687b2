//! What a session may not be given from where.

use std::{fmt, sync::Arc};

use super::secrets::Hashers;
use crate::key::{KeyRef, Tag};

/// So many keys are told apart; with more, all are meant.
pub(super) const MOST: usize = 32;

/// What a client's earlier requests have written, as its token tells; see
/// [`SessionSecrets::read`](super::SessionSecrets::read).
///
/// [Pinned](crate::Scope::pin) to a scope it has the reads there see those writes.
#[derive(Clone)]
pub struct Session {
    pub(super) hashers: Arc<Hashers>,
    pub(super) pins: Vec<Pinned>,
    /// Until when all keys are meant, in milliseconds of the Unix epoch, and whether their entries are old.
    pub(super) all_until: u64,
    pub(super) all_dirty: bool,
    /// Until when replicas may not have what was written.
    pub(super) replicas_until: u64,
    /// Where a replica has it.
    pub(super) position: Option<u64>,
    pub(super) read_at: u64,
}

/// One key that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pinned {
    pub(super) hash: u64,
    /// Which secret it is hashed under.
    pub(super) secret: u8,
    pub(super) until: u64,
    /// The shared tier may have the old entry as well.
    pub(super) dirty: bool,
}

/// From where a key may not be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Pin {
    /// From a copy in this process.
    Copies,
    /// From any tier, or from another reader's load.
    Tiers,
}

impl Pin {
    fn of(dirty: bool) -> Self {
        if dirty { Self::Tiers } else { Self::Copies }
    }
}

impl Session {
    /// From where a read of this key, with these tags, may not be answered.
    pub(crate) fn pin(&self, key: &KeyRef<'_>, tags: &[Tag]) -> Option<Pin> {
        let all = (self.all_until > self.read_at).then(|| Pin::of(self.all_dirty));
        if self.pins.is_empty() {
            return all;
        }
        let tags = tags
            .iter()
            .flat_map(|tag| [self.pin_of(tag.as_ref().text), self.pin_of(tag.subject().text)]);
        all.into_iter().chain(self.pin_of(key.text)).chain(tags.flatten()).max()
    }

    fn pin_of(&self, text: &str) -> Option<Pin> {
        let hashes = self.hashers.hashes(text);
        let is = |pin: &&Pinned| hashes.iter().any(|hash| hash.is(pin));
        self.pins.iter().filter(is).map(|pin| Pin::of(pin.dirty)).max()
    }

    /// Where a replica has all that the session wrote, if that was told.
    #[must_use]
    pub fn position(&self) -> Option<u64> {
        self.position
    }

    /// Whether a replica may still lag behind what the session wrote.
    #[must_use]
    pub fn outruns_replicas(&self) -> bool {
        self.replicas_until > self.read_at
    }

    /// How many keys it names; none where it means all of them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pins.len()
    }

    /// Whether it names none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pins.is_empty()
    }

    /// Whether it means all keys, because too many were written.
    #[must_use]
    pub fn means_all(&self) -> bool {
        self.all_until > self.read_at
    }

    /// Adds a key, or has the key it already names last longer.
    pub(super) fn add(&mut self, pin: Pinned) {
        let known = |held: &&mut Pinned| (held.hash, held.secret) == (pin.hash, pin.secret);
        match self.pins.iter_mut().find(known) {
            Some(held) => {
                // What was pending may be through by now: the later write knows.
                held.dirty = pin.dirty;
                held.until = held.until.max(pin.until);
            }
            None => self.pins.push(pin),
        }
        self.bound();
    }

    /// Means all keys, until the last of those it named.
    fn bound(&mut self) {
        if self.pins.len() > MOST {
            let until = self.pins.iter().map(|pin| pin.until).max().unwrap_or_default();
            let dirty = self.pins.iter().any(|pin| pin.dirty);
            self.add_all(until, dirty);
            self.pins.clear();
        }
    }

    pub(super) fn add_all(&mut self, until: u64, dirty: bool) {
        self.all_until = self.all_until.max(until);
        self.all_dirty |= dirty;
    }

    /// Forgets what has had its time.
    pub(super) fn forget(&mut self, now: u64) {
        self.read_at = now;
        self.pins.retain(|pin| pin.until > now);
        if self.all_until <= now {
            (self.all_until, self.all_dirty) = (0, false);
        }
        if self.replicas_until <= now {
            (self.replicas_until, self.position) = (0, None);
        }
    }

    /// When nothing of it is of use any more.
    pub(super) fn until(&self) -> u64 {
        let pins = self.pins.iter().map(|pin| pin.until).max().unwrap_or_default();
        pins.max(self.all_until).max(self.replicas_until)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("keys", &self.pins.len())
            .field("all", &self.means_all())
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}
