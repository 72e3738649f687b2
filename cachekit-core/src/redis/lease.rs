//! The leases this process holds, and when each is due to be extended.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::options::RedisOptions;
use crate::entry::Id;

/// More leases than this are not watched; they run out, and their fills are refused.
const MOST_HELD: usize = 1 << 16;

/// All held leases of a store. No lease has a task or a timer of its own.
#[derive(Debug)]
pub(super) struct Leases {
    held: Mutex<Held>,
    woken: Notify,
    /// How often a lease is extended: a third of its time to live.
    every: Duration,
    /// How long a lease is extended at most.
    most: Duration,
}

#[derive(Debug, Default)]
struct Held {
    leases: HashMap<u64, Lease>,
    next_token: u64,
    /// No lease is due before this.
    next_due: Option<Instant>,
}

struct Lease {
    key: Arc<str>,
    id: Id,
    due: Instant,
    until: Instant,
}

/// A lease to be extended now.
pub(super) struct Due {
    pub(super) token: u64,
    pub(super) key: Arc<str>,
    pub(super) id: Id,
}

impl Leases {
    pub(super) fn new(options: &RedisOptions) -> Leases {
        Leases {
            held: Mutex::default(),
            woken: Notify::new(),
            every: options.lease_ttl / 3,
            most: options.load_timeout,
        }
    }

    pub(super) fn hold(self: &Arc<Self>, key: &str, id: Id) -> LeaseHold {
        let now = Instant::now();
        let due = now + self.every;
        let lease = Lease { key: key.into(), id, due, until: now + self.most };
        let (token, first) = self.lock().insert(lease);
        if first {
            self.woken.notify_one();
        }
        LeaseHold { leases: Arc::clone(self), token }
    }

    /// Resolves when a lease is due.
    pub(super) async fn due(&self) {
        loop {
            let next_due = self.lock().next_due;
            match next_due {
                Some(at) => return sleep_until(at).await,
                None => self.woken.notified().await,
            }
        }
    }

    /// The leases due at `now`, which count as extended from here on; lets go of those held for too long.
    pub(super) fn take_due(&self, now: Instant) -> Vec<Due> {
        self.lock().take_due(now, self.every)
    }

    /// Stops extending a lease: another incarnation has taken its place.
    pub(super) fn forget(&self, token: u64) {
        self.lock().leases.remove(&token);
    }

    /// Tries again soon: the extension got no answer, and the lease still runs.
    pub(super) fn retry(&self, token: u64, now: Instant) {
        let at = now + self.every / 4;
        let mut held = self.lock();
        if let Some(lease) = held.leases.get_mut(&token) {
            lease.due = at;
            held.next_due = Some(held.next_due.map_or(at, |next| next.min(at)));
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lock().leases.len()
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// The hold's token, and whether nothing was awaited before it.
    fn insert(&mut self, lease: Lease) -> (u64, bool) {
        let token = self.next_token;
        self.next_token += 1;
        if self.leases.len() >= MOST_HELD {
            return (token, false);
        }
        // Every hold falls due after those before it, so only the first can move the time forward.
        let first = self.next_due.is_none();
        if first {
            self.next_due = Some(lease.due);
        }
        self.leases.insert(token, lease);
        (token, first)
    }

    fn take_due(&mut self, now: Instant, every: Duration) -> Vec<Due> {
        self.leases.retain(|_, lease| lease.until > now);
        let mut taken = Vec::new();
        for (&token, lease) in &mut self.leases {
            if lease.due <= now {
                lease.due = now + every;
                taken.push(Due { token, key: Arc::clone(&lease.key), id: lease.id });
            }
        }
        self.next_due = self.leases.values().map(|lease| lease.due).min();
        taken
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The key may hold personal data.
        f.debug_struct("Lease").field("due", &self.due).finish_non_exhaustive()
    }
}

/// While this lives its lease is extended; dropping it lets the lease run out or be filled.
#[derive(Debug)]
#[must_use = "a lease is extended only while it is held"]
pub(crate) struct LeaseHold {
    leases: Arc<Leases>,
    token: u64,
}

impl Drop for LeaseHold {
    fn drop(&mut self) {
        self.leases.forget(self.token);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leases_beyond_the_bound_are_not_watched_and_their_holds_harm_nobody() {
        let leases = Arc::new(Leases::new(&RedisOptions::new()));
        let hold = |_| leases.hold("k", Id([0; 16]));
        let mut holds = (0..=MOST_HELD).map(hold).collect::<Vec<_>>();
        assert_eq!(leases.len(), MOST_HELD);
        drop(holds.pop());
        assert_eq!(leases.len(), MOST_HELD);
        drop(holds.pop());
        assert_eq!(leases.len(), MOST_HELD - 1);
    }

    #[test]
    fn a_lease_is_due_every_third_of_its_ttl_until_a_load_must_be_over() {
        let options = RedisOptions::new();
        let leases = Arc::new(Leases::new(&options));
        let begun = Instant::now();
        let _hold = leases.hold("k", Id([0; 16]));
        let due = |after: Duration| leases.take_due(begun + after).len();
        let third = options.lease_ttl / 3;
        assert_eq!(due(third - Duration::from_millis(1)), 0);
        let later = Duration::from_millis(500);
        assert_eq!(due(third + later), 1);
        assert_eq!(due(third + later), 0, "not twice at once");
        assert_eq!(due(2 * third + later), 1);
        assert_eq!(due(options.load_timeout + later), 0);
        assert_eq!(leases.len(), 0);
    }
}
