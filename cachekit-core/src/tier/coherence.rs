//! How far copies in this process may be behind the shared tier, and whose content they are.
//!
//! Whoever is told of every invalidation in order knows, from each echo of a heartbeat, a moment of its own clock up
//! to which everything is applied here: the *horizon*. A copy is served while that is less than the bound ago.
//! Where messages may have been lost the *generation* goes up by one, and all copies of before are gone.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::sync::{Mutex, lock};

/// Nobody tells of invalidations now.
const SUSPECT: u64 = 0;

/// What every read in this process looks at before it looks for a copy.
#[derive(Debug)]
pub(crate) struct Coherence {
    /// Every invalidation that had returned by then is applied here.
    horizon_ms: AtomicU64,
    generation: AtomicU32,
    staleness_ms: u64,
    control: Mutex<Control>,
}

#[derive(Debug, Default)]
struct Control {
    links: u64,
    current: Option<u64>,
    /// The current link is told of everything from here on.
    listening: bool,
    /// Which server the copies are of.
    primary: Option<String>,
    last_horizon_ms: u64,
}

/// When a read looked, and which content it may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) now_ms: u64,
    pub(crate) generation: u32,
}

#[cfg_attr(not(feature = "redis"), allow(dead_code))]
impl Coherence {
    pub(crate) fn new(staleness_ms: u64) -> Self {
        Self {
            horizon_ms: AtomicU64::new(SUSPECT),
            generation: AtomicU32::new(1),
            staleness_ms,
            control: Mutex::default(),
        }
    }

    /// What a read may use; nothing while the horizon is too far away. To be asked before the look-up: a link that
    /// stalls and recovers in between would otherwise vouch for a copy that it has not yet removed.
    #[inline]
    pub(crate) fn view(&self, now_ms: impl FnOnce() -> u64) -> Option<View> {
        // In this order: a horizon is published after the generation it holds for.
        let horizon_ms = self.horizon_ms.load(Ordering::Acquire);
        let generation = self.generation.load(Ordering::Acquire);
        let now_ms = now_ms();
        // Both times are rounded down, so that "less than" keeps the bound to the fraction.
        let served = horizon_ms != SUSPECT && now_ms.saturating_sub(horizon_ms) < self.staleness_ms;
        served.then_some(View { now_ms, generation })
    }

    /// How far copies may be behind.
    #[cfg(feature = "session")]
    pub(crate) fn staleness_ms(&self) -> u64 {
        self.staleness_ms
    }

    /// Whose content something would be that is asked for from now on; `None` while nobody tells of invalidations.
    pub(crate) fn ticket(&self) -> Option<u32> {
        let generation = self.generation();
        (self.horizon_ms.load(Ordering::Acquire) != SUSPECT).then_some(generation)
    }

    pub(crate) fn generation(&self) -> u32 {
        self.generation.load(Ordering::Acquire)
    }

    /// A link is about to be made; its number.
    pub(crate) fn open(&self) -> u64 {
        let mut control = lock(&self.control);
        control.links += 1;
        control.current = Some(control.links);
        control.listening = false;
        control.links
    }

    /// From here on the link is told of everything. Copies are served from its first echo on.
    pub(crate) fn up(&self, link: u64) {
        let mut control = lock(&self.control);
        if control.current == Some(link) {
            self.next_generation();
            control.listening = true;
        }
    }

    /// The link brought back a heartbeat that was sent at `sent_ms`: what had returned by then is applied.
    /// Says whether copies are served from now on that were not.
    pub(crate) fn echo(&self, link: u64, sent_ms: u64) -> bool {
        let mut control = lock(&self.control);
        if control.current != Some(link) || !control.listening || sent_ms == SUSPECT {
            return false;
        }
        control.last_horizon_ms = control.last_horizon_ms.max(sent_ms);
        self.horizon_ms.fetch_max(sent_ms, Ordering::AcqRel) == SUSPECT
    }

    /// Everything that is shared is gone, or may be.
    pub(crate) fn flush(&self) {
        let _control = lock(&self.control);
        self.next_generation();
    }

    /// The link is gone, and what it would have told.
    pub(crate) fn lost(&self, link: u64) {
        let mut control = lock(&self.control);
        if control.current == Some(link) {
            control.current = None;
            self.next_generation();
            self.horizon_ms.store(SUSPECT, Ordering::Release);
        }
    }

    /// Values come from this server from now on. What came from another one is gone: while they came from there
    /// nobody told of what happened here.
    pub(crate) fn primary(&self, name: &str) {
        let mut control = lock(&self.control);
        if control.primary.as_deref() != Some(name) {
            self.next_generation();
            control.primary = Some(name.to_owned());
        }
    }

    /// How long ago the horizon is, whether or not copies are served; `None` if there never was one.
    pub(crate) fn age_ms(&self, now_ms: u64) -> Option<u64> {
        let last = lock(&self.control).last_horizon_ms;
        (last != SUSPECT).then(|| now_ms.saturating_sub(last))
    }

    /// Under the lock of `control`.
    fn next_generation(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use super::*;

    const BOUND_MS: u64 = 1000;

    /// Coherence with a link whose heartbeat of moment 5000 came back.
    fn live() -> (Coherence, u64) {
        let coherence = Coherence::new(BOUND_MS);
        let link = coherence.open();
        coherence.up(link);
        assert!(coherence.echo(link, 5000));
        (coherence, link)
    }

    fn serves(coherence: &Coherence, now_ms: u64) -> bool {
        coherence.view(|| now_ms).is_some()
    }

    #[test]
    fn nothing_is_served_before_the_first_echo() {
        let coherence = Coherence::new(BOUND_MS);
        assert!(!serves(&coherence, 5000) && coherence.ticket().is_none());
        let link = coherence.open();
        assert!(!coherence.echo(link, 5000), "it is not told of everything yet");
        coherence.up(link);
        assert!(!serves(&coherence, 5000) && coherence.ticket().is_none());
        assert!(coherence.echo(link, 5000));
        assert!(serves(&coherence, 5000) && coherence.ticket().is_some());
        assert!(!coherence.echo(link, 5001), "it was served already");
    }

    #[test]
    fn copies_are_served_until_the_horizon_is_the_bound_ago() {
        let (coherence, link) = live();
        assert!(serves(&coherence, 5999));
        assert!(!serves(&coherence, 6000));
        coherence.echo(link, 5500);
        assert!(serves(&coherence, 6000));
        coherence.echo(link, 5200);
        assert!(serves(&coherence, 6499), "an older echo takes nothing back");
        assert_eq!(coherence.age_ms(6500), Some(1000));
    }

    #[test]
    fn a_lost_link_ends_all_copies_and_its_late_echo_revives_none() {
        let (coherence, link) = live();
        let before = coherence.generation();
        coherence.lost(link);
        assert!(!serves(&coherence, 5000) && coherence.ticket().is_none());
        assert_ne!(coherence.generation(), before);
        let next = coherence.open();
        coherence.up(next);
        assert!(!coherence.echo(link, 5100));
        coherence.lost(link);
        assert!(coherence.echo(next, 5200));
        assert!(serves(&coherence, 5200));
    }

    /// What was asked for between two links was voided by nobody.
    #[test]
    fn every_link_begins_with_a_generation_of_its_own() {
        let (coherence, link) = live();
        coherence.lost(link);
        let between = coherence.generation();
        let next = coherence.open();
        coherence.up(next);
        assert_ne!(coherence.generation(), between);
    }

    #[test]
    fn another_server_ends_all_copies_and_the_same_one_none() {
        let (coherence, _) = live();
        coherence.primary("a");
        let generation = coherence.generation();
        coherence.primary("a");
        assert_eq!(coherence.generation(), generation);
        coherence.primary("b");
        coherence.primary("a");
        assert_eq!(coherence.generation(), generation + 2);
        assert!(serves(&coherence, 5000), "the link is the same");
    }

    /// A read that loses its turn in between must not take the news for its own.
    #[test]
    fn what_is_told_while_a_read_looks_does_not_vouch_for_what_it_finds() {
        let (coherence, link) = live();
        let told_late = coherence.view(|| {
            coherence.echo(link, 9000);
            9000
        });
        assert_eq!(told_late, None);
        let generation = coherence.generation();
        let flushed_late = coherence.view(|| {
            coherence.flush();
            9000
        });
        assert_eq!(flushed_late, Some(View { now_ms: 9000, generation }));
    }

    #[test]
    fn a_flush_ends_all_copies_of_before() {
        let (coherence, _) = live();
        let before = coherence.ticket();
        coherence.flush();
        assert_ne!(coherence.ticket(), before);
        let view = coherence.view(|| 5000).unwrap();
        assert_eq!(Some(view.generation), coherence.ticket());
    }
}
