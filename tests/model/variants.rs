//! Every model with the rules as they are, and with each of them broken: what must hold, and what must not.
//!
//! A rule that holds is looked at in all states; a rule that is broken on purpose must be caught, or the model proves
//! nothing. Some rules promise less than others: what they do not promise stands under `breaks` as well.

use crate::models::batch::{self, Batch};
use crate::models::copies::{self, Copies, Heartbeat, Insert, Telling};
use crate::models::dirty::{self, Dirty};
use crate::models::fence::{self, Fence, Join};
use crate::models::flight::{self, Flights};
use crate::models::lease::{Floor, Held, Lease, Refused, Sharing};
use crate::models::outbox::{self, Outbox};
use crate::models::stale::{self, Stale};
use crate::models::strong::{Lifted, Strong};
use crate::models::tags::{self, Tags};
use crate::models::textbook::{Textbook, Way};
use crate::property::Property::{
    Agrees, Atomic, Bounded, Converges, LoadsOnce, OwnWrites, Regular, Served,
};
use crate::testers::Remembered;
use crate::{Property, Variant};

const ALL: &[Property] = &[Regular, Atomic, Converges];
const SAFE: &[Property] = &[Regular, Converges];

/// Every variant of every model.
#[must_use]
pub fn all() -> Vec<Variant> {
    let lists = [
        textbook(),
        lease(),
        replicas(),
        failover(),
        strong(),
        outbox(),
        copies(),
        dirty(),
        flight(),
        batch(),
        tags(),
        fence(),
        stale(),
        testers(),
    ];
    lists.into_iter().flatten().collect()
}

/// What is commonly done.
#[must_use]
pub fn textbook() -> Vec<Variant> {
    let of = |name, way| Variant::new("textbook", name, Textbook::new(way));
    let dies = Textbook { warm: true, crashes: 1, readers: 2, ..Textbook::new(Way::CommitDelete) };
    let strong = Textbook { writers: 2, expiries: 2, ..Textbook::new(Way::TagDeleteStrong) };
    let first = Textbook { warm: true, readers: 2, ..Textbook::new(Way::DeleteFirst) };
    vec![
        Variant::new("textbook", "delete, then commit", first).breaks(ALL),
        of("commit, then delete", Way::CommitDelete).breaks(ALL),
        of("commit, then delete; fill with SETNX", Way::FillIfAbsent).breaks(ALL),
        of("delete, commit, delete again", Way::DoubleDelete).breaks(ALL),
        Variant::new("textbook", "commit, then delete; the writer dies", dies)
            .holds(&[Regular, Atomic])
            .breaks(&[Converges]),
        of("tag as deleted, serve the old value", Way::TagDeleteWeak)
            .holds(&[Converges])
            .breaks(&[Regular, Atomic]),
        Variant::new("textbook", "tag as deleted, wait", strong).holds(SAFE).breaks(&[Atomic]),
    ]
}

/// Leases.
#[must_use]
pub fn lease() -> Vec<Variant> {
    let of = |name, rules| Variant::new("lease", name, rules);
    let shipped = Lease::shipped();
    let faulty = Lease { warm: true, crashes: 1, outbox: true, ..shipped };
    let past = Lease { held: Held::GoPast, refused: Refused::Return, ..shipped };
    let one = Lease { writers: 1, ..past };
    vec![
        of("the rules", Lease { expiries: 2, ..shipped }).holds(ALL),
        of("the rules; deaths, outbox", faulty).holds(ALL),
        of("the rules; shared loads", Lease { sharing: Sharing::IfAccepted, ..shipped }).holds(ALL),
        of("waiters go past the cache", Lease { expiries: 2, ..past })
            .holds(SAFE)
            .breaks(&[Atomic]),
        of(
            "waiters go past; deaths, outbox",
            Lease { held: Held::GoPast, writers: 1, warm: false, ..faulty },
        )
        .holds(SAFE)
        .breaks(&[Atomic]),
        of(
            "a refused value is returned",
            Lease { refused: Refused::Return, expiries: 2, ..shipped },
        )
        .holds(SAFE)
        .breaks(&[Atomic]),
        of("one id per client", Lease { fresh_ids: false, ..one }).breaks(ALL),
        of("no outbox, a writer dies", Lease { outbox: false, writers: 1, ..faulty })
            .holds(&[Regular, Atomic])
            .breaks(&[Converges]),
        of("anybody joins a load", Lease { sharing: Sharing::Anybody, ..one })
            .holds(&[Converges])
            .breaks(&[Regular, Atomic]),
        of("invalidated before the commit is visible", Lease { before_visible: true, ..one })
            .breaks(ALL),
    ]
}

/// Loads from a replica of the database.
#[must_use]
pub fn replicas() -> Vec<Variant> {
    let of = |name, rules| Variant::new("replicas", name, rules);
    let lagging = Lease { lagging: true, ..Lease::shipped() };
    let highest = Lease { floor: Floor::Highest, readers: 2, ..lagging };
    let twice = Lease { outbox: true, crashes: 1, ..highest };
    vec![
        of("floors that never sink", highest).holds(SAFE),
        of("floors that never sink; deaths, outbox", twice).holds(SAFE),
        of("no floor", Lease { writers: 1, ..lagging }).breaks(SAFE),
        of("floors that sink", Lease { floor: Floor::Last, ..highest }).breaks(SAFE),
        of("the floor's lease is as short as any", Lease { floor_outlives: false, ..highest })
            .breaks(SAFE),
    ]
}

/// Redis falls back to an older state.
#[must_use]
pub fn failover() -> Vec<Variant> {
    let of = |name, rules| Variant::new("failover", name, rules);
    let falls = Lease { failovers: 1, outbox: true, writers: 1, ..Lease::shipped() };
    let gated = Lease { gate: true, ..falls };
    let twice = Lease { failovers: 2, crashes: 1, warm: true, readers: 2, ..gated };
    vec![
        of("a gate and the outbox once more", gated).holds(SAFE).breaks(&[Atomic]),
        of("the same; two falls, deaths", twice).holds(SAFE),
        of("no gate", Lease { readers: 2, ..falls }).breaks(SAFE),
    ]
}

/// Copies in a process.
#[must_use]
pub fn copies() -> Vec<Variant> {
    const BOTH: &[Property] = &[Bounded, Converges];
    let of = |name, rules| Variant::new("copies", name, rules);
    let broken = |name, mutant, rules| of(name, Copies { mutant: Some(mutant), ..rules });
    let shipped = Copies::shipped();
    let lossy = Copies { drops: 1, flushes: 1, beats: 2, ..shipped };
    let blind = Copies { insert: Insert::Blindly, ..shipped };
    let one = Copies { one_link: true, ..shipped };
    let ping = Copies { heartbeat: Heartbeat::Ping, ..shipped };
    let threads = Copies { telling: Telling::DeferredByThreads, ..shipped };
    vec![
        of("the rules", shipped).holds(BOTH),
        of("the rules; the link is lost twice", Copies { drops: 2, ..shipped }).holds(BOTH),
        of("the rules; a loss and a flush", Copies { beats: 1, ..lossy }).holds(BOTH),
        of("the rules; told late by threads", Copies { drops: 1, ..threads }).holds(BOTH),
        of("the rules on one connection", one).holds(BOTH),
        of("one connection, inserted in order", Copies { insert: Insert::InOrder, ..one })
            .holds(BOTH),
        of("told late, PING", Copies { telling: Telling::Deferred, ..ping }).holds(BOTH),
        of("no ticket", blind).breaks(BOTH),
        of("one connection, no ticket", Copies { one_link: true, ..blind }).breaks(BOTH),
        broken("kept over a loss", copies::Mutant::KeepOverLoss, lossy).breaks(BOTH),
        broken("a flush is not understood", copies::Mutant::IgnoreFlush, lossy).breaks(BOTH),
        broken("freshness after the look-up", copies::Mutant::FreshnessAfterLookup, lossy)
            .breaks(&[Bounded]),
        of("DEL, then PUBLISH", Copies { telling: Telling::Published, ..shipped }).breaks(BOTH),
        of("told late by threads, PING", Copies { heartbeat: Heartbeat::Ping, ..threads })
            .holds(&[Converges])
            .breaks(&[Bounded]),
    ]
}

/// A process that writes and keeps copies.
#[must_use]
pub fn dirty() -> Vec<Variant> {
    use dirty::Mutant::*;
    const OWN: &[Property] = &[OwnWrites];
    let broken = |name, mutant| Variant::new("dirty", name, Dirty::new(Some(mutant))).breaks(OWN);
    vec![
        Variant::new("dirty", "the rules", Dirty::new(None)).holds(&[OwnWrites, Converges]),
        broken("two writers count as one", DirtyIsASet),
        broken("voided before the UNLINK alone", VoidOnce),
        broken("Redis is asked while dirty", LookWhileDirty),
        broken("copies enter without a ticket", InsertWithoutTicket),
        broken("tickets while dirty", TicketWhileDirty),
        broken("clean when the write returns", CleanWhenItReturns),
    ]
}

/// The flights of a process.
#[must_use]
pub fn flight() -> Vec<Variant> {
    use flight::Mutant::*;
    let of = |name, rules| Variant::new("flight", name, rules);
    let rules = Flights::new(None);
    let busy = Flights { foreign_writers: 1, foreign_readers: 1, callers: 2, ..rules };
    let three = Flights { foreign_writers: 1, ..rules };
    let lossy = Flights { lost: 1, ..three };
    let dropped = Flights { cancels: 1, ..three };
    let stalled = Flights { stalls: 1, in_order: true, ..rules };
    let unpolled = Flights { foreign_writers: 1, idle_leases_end: true, ..stalled };
    let impatient = Flights { impatience: 1, ..three };
    let all = Flights { callers: 2, cancels: 1, lost: 1, ..impatient };
    let own = Flights { writers: 1, ..rules };
    let ordered = |rules| Flights { in_order: true, ..rules };
    let with = |mutant, rules| Flights { mutant: Some(mutant), ..rules };
    vec![
        of("the rules; writes elsewhere", three)
            .holds(&[Regular, Atomic, Served, LoadsOnce, Converges]),
        of("the rules; readers elsewhere, leases run out", Flights { expiries: 1, ..busy })
            .holds(&[Regular, Atomic, Served, LoadsOnce]),
        of("the rules; callers are dropped", dropped).holds(&[Regular, Atomic, LoadsOnce]),
        of("the rules; callers are dropped, one connection", ordered(dropped))
            .holds(&[Regular, Atomic, Served, LoadsOnce, Converges]),
        of("the rules; two callers are dropped", Flights { cancels: 2, ..dropped })
            .holds(&[Regular, Atomic, LoadsOnce]),
        of("the rules; answers are lost", lossy).holds(&[Regular, LoadsOnce]),
        of("the rules; answers are lost, one connection", ordered(lossy))
            .holds(&[Regular, Served, LoadsOnce, Converges]),
        of("the rules; leaders are not polled", unpolled).holds(&[Regular, Served, LoadsOnce]),
        of("the rules; members lose patience", ordered(impatient))
            .holds(&[Regular, Served, LoadsOnce, Converges]),
        of("the rules; impatience, drops, lost answers", all).holds(&[Regular, LoadsOnce]),
        of("the rules; writes here", own).holds(&[OwnWrites, Served, LoadsOnce]),
        of("the rules; writes here, drops", Flights { cancels: 1, callers: 2, ..own })
            .holds(&[OwnWrites, LoadsOnce]),
        of("joins a probe", with(JoinProbe, three)).breaks(&[Regular]),
        of("joins a fill", with(JoinFill, three)).breaks(&[Regular]),
        of("joins a load past the cache", with(JoinDirect, lossy)).breaks(&[Regular]),
        of("shares a refused value", with(ShareRefused, three)).breaks(&[Regular]),
        of("returns a refused value", with(ReturnRefused, Flights { expiries: 1, ..busy }))
            .breaks(&[Atomic]),
        of("shares an unknown value", with(ShareUnknown, lossy)).breaks(&[Regular]),
        of("loads again when refused", with(LoadAgain, three)).breaks(&[LoadsOnce]),
        of("one id for all probes", with(SameProbeId, dropped)).breaks(&[Regular]),
        of("a value keeps its lease's id", with(KeepLeaseId, impatient)).breaks(&[Atomic]),
        of("no adoption", with(NoAdoption, ordered(dropped))).breaks(&[Served]),
        of("no hand-over", with(NoHandOver, ordered(dropped))).breaks(&[Served]),
        of("next waits", with(NextWaits, stalled)).breaks(&[Served]),
        of("ids stay behind", with(IdsStayBehind, stalled)).breaks(&[Served]),
        of("no detach", with(NoDetach, own)).breaks(&[OwnWrites]),
        of("Redis is asked while dirty", with(LookWhileDirty, own)).breaks(&[OwnWrites]),
        of("ids are not given up", with(NoGiveUp, ordered(dropped))).breaks(&[Converges]),
    ]
}

/// Inhibits.
#[must_use]
pub fn strong() -> Vec<Variant> {
    let of = |name, rules| Variant::new("strong", name, rules);
    let rules = Strong::new();
    let ends = Strong { writers: 1, expiries: 1, ..rules };
    let dies = Strong { expiries: 2, crashes: 1, ..ends };
    let falls = Strong { failovers: 1, crashes: 1, warm: false, ..ends };
    let pair = Strong { readers: 2, writers: 2, ..dies };
    let early = Strong { warm: false, returns_first: true, ..pair };
    vec![
        of("a set of inhibitors", rules).holds(ALL),
        of("a set; resolved in the database, deaths", dies).holds(ALL),
        of("a set; resolved, deaths, two writers", pair).holds(ALL),
        of("a set; lifted after the write has returned", early).holds(ALL),
        of("fail-over, gate and fence", falls).holds(ALL),
        of("one inhibitor", Strong { set: false, warm: false, ..rules })
            .holds(SAFE)
            .breaks(&[Atomic]),
        of("inhibits end by time", Strong { lifted: Lifted::ByTime, ..ends })
            .holds(SAFE)
            .breaks(&[Atomic]),
        of("fail-over, gate without fence", Strong { lifted: Lifted::Never, expiries: 0, ..falls })
            .breaks(&[Atomic]),
    ]
}

/// The outbox and the relay.
#[must_use]
pub fn outbox() -> Vec<Variant> {
    use outbox::Mutant::*;
    let broken = |name, mutant| Variant::new("outbox", name, Outbox::new(Some(mutant)));
    let more = Outbox { refusals: 2, ..Outbox::new(None) };
    vec![
        Variant::new("outbox", "the rules", more).holds(SAFE),
        broken("no outbox", NoOutbox).breaks(&[Converges]),
        broken("the row after COMMIT", RowAfterCommit).breaks(&[Converges]),
        broken("marked before it is done", MarkFirst).breaks(&[Converges]),
        broken("marked although refused", MarkRefused).breaks(&[Converges]),
        broken("claims never end", ClaimForEver).breaks(&[Converges]),
        broken("the relay goes by ids", Cursor).breaks(&[Converges]),
        broken("a lost answer to COMMIT is a roll-back", UnknownIsRollback).breaks(&[Converges]),
        broken("the write returns first", ReturnEarly).breaks(&[Regular]),
    ]
}

/// Batches.
#[must_use]
pub fn batch() -> Vec<Variant> {
    use batch::Mutant::*;
    let broken = |name, mutant| Variant::new("batch", name, Batch::new(Some(mutant)));
    let rules = Batch::new(None);
    vec![
        Variant::new("batch", "the rules", rules).holds(&[Regular, Served, Converges]),
        broken("loads before it has all leases", LoadBeforeLeases).breaks(&[Regular]),
        broken("one outcome for all keys", OneOutcome).breaks(&[Regular]),
        broken("one lease for all keys", OneLease).breaks(&[Regular]),
        broken("waits before it loads", WaitFirst).breaks(&[Served]),
    ]
}

/// Tags.
#[must_use]
pub fn tags() -> Vec<Variant> {
    use tags::Mutant::*;
    let of = |name, rules| Variant::new("tags", name, rules);
    let rules = Tags::new(None);
    let losing = Tags { losses: 2, writers: 1, ..rules };
    let refused = Tags { refusals: 1, writers: 1, ..rules };
    let with = |mutant, rules| Tags { mutant: Some(mutant), ..rules };
    vec![
        of("the rules", rules).holds(SAFE),
        of("the rules; generations are lost", losing).holds(SAFE),
        of("the rules; invalidations are refused", refused).holds(&[Regular, Converges]),
        of("stamped after the load", with(StampAfterLoad, rules)).breaks(SAFE),
        of("an outdated value is shared", with(ShareOutdated, rules)).breaks(&[Regular]),
        of("generations recur", with(GenerationsRecur, losing)).breaks(SAFE),
        of("hits do not look", with(HitWithoutLooking, rules)).breaks(&[Regular]),
        of("Redis is asked while the tag is dirty", with(ReadDirtyTags, refused))
            .breaks(&[Regular]),
        of("a key keeps its generation", with(KeepOwnGeneration, rules)).breaks(SAFE),
    ]
}

/// Shared runs of handlers.
#[must_use]
pub fn fence() -> Vec<Variant> {
    use fence::Mutant::*;
    const BOTH: &[Property] = &[Regular, Served];
    let of = |name, rules| Variant::new("fence", name, rules);
    let rules = Fence::new(Join::Fenced, None);
    let losing = Fence { losses: 2, ..rules };
    let refused = Fence { refusals: 1, ..rules };
    let with = |mutant, rules| Fence { mutant: Some(mutant), ..rules };
    vec![
        of("fenced", rules).holds(BOTH),
        of("fenced; generations are lost", losing).holds(BOTH),
        of("fenced; invalidations are refused", refused).holds(BOTH),
        of("fresh", Fence::new(Join::Fresh, None)).holds(BOTH),
        of("running", Fence::new(Join::Running, None)).breaks(&[Regular]),
        of("the fence after the run", with(FenceAfterRun, rules)).breaks(&[Regular]),
        of("joins the verification", with(JoinVerification, rules)).breaks(&[Regular]),
        of("shares although the group moved", with(ShareMoved, rules)).breaks(&[Regular]),
        of("shares although the group is dirty", with(ShareDirty, refused)).breaks(&[Regular]),
        of("generations recur", with(GenerationsRecur, losing)).breaks(&[Regular]),
    ]
}

/// Old values in the place of failed loads.
#[must_use]
pub fn stale() -> Vec<Variant> {
    use stale::Mutant::*;
    let broken = |name, mutant| Variant::new("stale", name, Stale::new(Some(mutant)));
    let rules = Stale { writers: 1, ..Stale::new(None) };
    vec![
        Variant::new("stale", "the rules", rules).holds(ALL),
        Variant::new("stale", "the rules; two writers", Stale::new(None)).holds(SAFE),
        broken("served without another look", ServeUnseen).breaks(&[Regular]),
        broken("joins after the last look", JoinAfterLook).breaks(&[Regular]),
        broken("serves what was invalidated", ServeVoided).breaks(&[Regular]),
        broken("replaces anything", ReplaceAnything).breaks(SAFE),
    ]
}

/// The rule that judges histories, against a search.
#[must_use]
pub fn testers() -> Vec<Variant> {
    let judge = |name, rules, judges| Variant::new("testers", name, Remembered { rules, judges });
    let of = |name, rules| judge(name, rules, &[Regular, Atomic]).holds(&[Agrees]);
    let shipped = Lease { readers: 2, ..Lease::shipped() };
    let past = Lease { held: Held::GoPast, refused: Refused::Return, ..shipped };
    let three = Lease { readers: 3, writers: 1, expiries: 0, ..past };
    vec![
        of("two readers, two writers", shipped).holds(&[Regular, Atomic]),
        of("three readers that go past, a writer", three).holds(&[Regular]).breaks(&[Atomic]),
        of("one id per client", Lease { fresh_ids: false, ..three }).breaks(&[Regular, Atomic]),
        of("anybody joins a load", Lease { sharing: Sharing::Anybody, ..past })
            .breaks(&[Regular, Atomic]),
        judge("a rule that forgets earlier reads", three, &[Regular]).breaks(&[Agrees]),
    ]
}
