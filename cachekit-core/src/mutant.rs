//! Rules that tests break on purpose, to see that they would notice: schedules by themselves, and a build with
//! `--cfg cachekit_mutants` those that `CACHEKIT_MUTANTS` names, with commas between them.

/// A rule of the engine that, once broken, some schedule must show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(shuttle), allow(dead_code))]
pub(crate) enum Mutant {
    /// Newcomers join a flight whose probe is under way.
    JoinProbe,
    /// Newcomers join a flight whose fill is under way.
    JoinFill,
    /// Newcomers join a direct load that has begun.
    JoinDirect,
    /// A member that leaves a leaderless flight wakes nobody.
    NoPassOn,
    /// A `next` flight waits for ever behind a leader that is not polled.
    NextWaits,
    /// A refused value is shared with members that joined during the load.
    ShareRefused,
    /// A refused value is returned without probing again.
    ReturnRefused,
    /// A value whose fill is unknown is shared with members that joined during the load.
    ShareUnknown,
    /// A probe that is sent again carries the id of the first.
    SameProbeId,
    /// A value keeps the id of the lease it was filled under.
    KeepLeaseId,
    /// Two writers of one key count as one.
    DirtyIsASet,
    /// The key is invalidated locally only before the remote command, and so is not kept dirty
    /// until a second time after it.
    SingleLocalInvalidation,
    /// A caller looks into the shared tier although its key is dirty.
    LookWhileDirty,
    /// A value enters the in-process tier without a ticket.
    InsertWithoutTicket,
    /// The generations of tags are read when the load has ended.
    StampAfterLoad,
    /// A value whose tags were invalidated during its load is shared with members that joined in that time.
    ShareOutdated,
    /// A leader reads the generations although a tag waits for its invalidation.
    ReadDirtyTags,
    /// The generation of a key that is used as a tag is kept when the key is invalidated.
    KeepOwnGeneration,
    /// A load in the background replaces whatever is there when it ends.
    RenewWhateverIsThere,
    /// A value is stored whatever is there by then.
    #[cfg(cachekit_mutants)]
    FillWhateverIsThere,
    /// A batch waits for what others load before it loads what it leads.
    BatchWaitsFirst,
}

#[cfg(not(any(shuttle, cachekit_mutants)))]
#[inline(always)]
pub(crate) const fn on(_: Mutant) -> bool {
    false
}

#[cfg(all(cachekit_mutants, not(shuttle)))]
pub(crate) fn on(mutant: Mutant) -> bool {
    static NAMES: std::sync::LazyLock<String> =
        std::sync::LazyLock::new(|| std::env::var("CACHEKIT_MUTANTS").unwrap_or_default());
    !NAMES.is_empty() && NAMES.split(',').any(|name| name == format!("{mutant:?}"))
}

#[cfg(shuttle)]
mod switch {
    use std::cell::Cell;

    use super::Mutant;

    thread_local! {
        static MUTANT: Cell<Option<Mutant>> = const { Cell::new(None) };
        static IMPATIENT: Cell<bool> = const { Cell::new(false) };
    }

    /// Whether the running test broke this rule.
    pub(crate) fn on(mutant: Mutant) -> bool {
        MUTANT.get() == Some(mutant)
    }

    /// Whether the running test lets waiters run out of patience.
    pub(crate) fn impatient() -> bool {
        IMPATIENT.get()
    }

    /// Sets what the running test breaks. Schedules run on the thread that calls this.
    pub(crate) fn set(mutant: Option<Mutant>, impatient: bool) {
        MUTANT.set(mutant);
        IMPATIENT.set(impatient);
    }
}

#[cfg(shuttle)]
pub(crate) use switch::*;
