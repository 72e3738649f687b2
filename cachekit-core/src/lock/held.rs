//! The locks that this process holds in Redis, and when each is due to be renewed.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::Notify;

use super::{
    hold::{Hold, safe_until},
    lease::Claim,
};
use crate::{
    error::{Error, ErrorKind},
    sync::{Instant, Mutex, lock, now, sleep},
};

/// Locks that one cache can hold; they are all renewed by one task.
pub(super) const MOST_HELD: usize = 1 << 16;

/// All held locks of a cache. No lock has a task or a timer of its own.
#[derive(Debug, Default)]
pub(super) struct Held {
    table: Mutex<Table>,
    next: AtomicU64,
    woken: Notify,
}

#[derive(Debug, Default)]
struct Table {
    locks: HashMap<u64, Watched>,
    /// No lock is due before this.
    next_due: Option<Instant>,
}

#[derive(Debug)]
struct Watched {
    claim: Claim,
    hold: Arc<Hold>,
    due: Instant,
}

/// A lock to be renewed now.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) number: u64,
    pub(super) claim: Claim,
    pub(super) hold: Arc<Hold>,
    sent_ms: u64,
}

impl Held {
    /// Renews the lock from now on, until it is lost or removed by this number.
    pub(super) fn watch(&self, claim: Claim, hold: Arc<Hold>) -> Result<u64, Error> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let due = now() + pause(&hold, claim.lease / 3);
        let mut table = lock(&self.table);
        if table.locks.len() >= MOST_HELD {
            let message = format!("this cache holds {MOST_HELD} locks already");
            let error = Error::new(ErrorKind::Overloaded, super::errors::ACQUIRE, message);
            return Err(error.with_template(hold.template().clone()));
        }
        table.locks.insert(number, Watched { claim, hold, due });
        let sooner = table.due_at(due);
        drop(table);
        if sooner {
            self.woken.notify_one();
        }
        Ok(number)
    }

    /// Renews it no more. `true` if it was renewed till now.
    pub(super) fn remove(&self, number: u64) -> bool {
        lock(&self.table).locks.remove(&number).is_some()
    }

    /// Resolves when a lock is due.
    pub(super) async fn due(&self) {
        loop {
            let next_due = lock(&self.table).next_due;
            let left = next_due.map(|at| at.saturating_duration_since(now()));
            tokio::select! {
                () = self.woken.notified() => {}
                () = sleep(left.unwrap_or_default()), if left.is_some() => return,
            }
        }
    }

    /// The locks that are due, which count as renewed from here on.
    pub(super) fn take_due(&self) -> Vec<Due> {
        let now = now();
        let mut taken = Vec::new();
        let mut table = lock(&self.table);
        for (&number, watched) in &mut table.locks {
            if watched.due <= now {
                let Watched { claim, hold, .. } = &*watched;
                let sent_ms = hold.clock().now_ms();
                taken.push(Due { number, claim: claim.clone(), hold: hold.clone(), sent_ms });
                watched.due = now + pause(hold, claim.lease / 3);
            }
        }
        table.next_due = table.locks.values().map(|watched| watched.due).min();
        taken
    }

    /// Tries again soon: the renewal got no answer, and the lock may still be held.
    pub(super) fn retry(&self, number: u64) {
        let mut table = lock(&self.table);
        if let Some(watched) = table.locks.get_mut(&number) {
            let due = now() + pause(&watched.hold, watched.claim.lease / 12);
            watched.due = due;
            table.due_at(due);
        }
    }
}

impl Table {
    /// `true` if nothing was due before.
    fn due_at(&mut self, due: Instant) -> bool {
        let sooner = self.next_due.is_none_or(|next| due < next);
        if sooner {
            self.next_due = Some(due);
        }
        sooner
    }
}

impl Due {
    /// The deadline that this renewal is worth.
    pub(super) fn until_ms(&self) -> u64 {
        safe_until(self.sent_ms, self.claim.lease)
    }
}

/// `usual`, or less if the lock ends before.
fn pause(hold: &Hold, usual: Duration) -> Duration {
    let left_ms = hold.ends_ms().saturating_sub(hold.clock().now_ms());
    usual.min(Duration::from_millis(left_ms)).max(Duration::from_millis(5))
}
