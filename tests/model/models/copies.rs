//! Copies in a process of what Redis holds: tickets, the echo of heartbeats, and the loss of the link (protocol §5).
//!
//! One process reads and keeps copies; a writer somewhere else commits and invalidates. Redis answers reads on one
//! connection and tells of changes on another, or on the same, and a connection delivers in order. A hit is two steps, as
//! in the engine: what copies are good by, then the look-up. Entries enter Redis in one step: that old values cannot is
//! [`lease`](super::lease)'s matter. Left out: the age at which a heartbeat is too old, since a bound on the staleness of
//! what the last echo vouches for is what a limit on its age makes a bound in time.

use crate::{Property, Protocol, Watch};

/// When a reply's value enters the tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Insert {
    /// If nothing was told of the key, and the link was not lost, since before the read was sent.
    ByTicket,
    /// Whenever the caller gets to it.
    Blindly,
    /// At once, by whoever reads the connection.
    InOrder,
}

/// How Redis tells of an invalidation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Telling {
    /// In the same step.
    AtOnce,
    /// In the same step, but sent at the end of the server's loop, which replies wait for.
    Deferred,
    /// The same, and replies do not wait for it: several threads write.
    DeferredByThreads,
    /// By a command of its own, which a writer that dies does not send.
    Published,
}

/// What moves the horizon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Heartbeat {
    /// A write whose own invalidation has come back.
    Echo,
    /// The answer to a PING.
    Ping,
}

/// A rule that can be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mutant {
    /// Copies are kept over the loss of the link.
    KeepOverLoss,
    /// That everything was flushed is not understood.
    IgnoreFlush,
    /// What copies are good by is looked at after the look-up.
    FreshnessAfterLookup,
}

/// A process with copies, Redis, and a writer.
#[derive(Clone, Copy, Debug)]
pub struct Copies {
    /// How many writes there are, one after the other.
    pub writes: u8,
    /// How many heartbeats are sent.
    pub beats: u8,
    /// How often the link is lost.
    pub drops: u8,
    /// How often somebody empties Redis.
    pub flushes: u8,
    /// When values enter.
    pub insert: Insert,
    /// Whether replies and changes come over one connection.
    pub one_link: bool,
    /// How changes are told.
    pub telling: Telling,
    /// What moves the horizon.
    pub heartbeat: Heartbeat,
    /// What is broken.
    pub mutant: Option<Mutant>,
}

impl Copies {
    /// What the engine does: two connections, tickets, echoes.
    #[must_use]
    pub fn shipped() -> Copies {
        Copies {
            writes: 2,
            beats: 2,
            drops: 0,
            flushes: 0,
            insert: Insert::ByTicket,
            one_link: false,
            telling: Telling::AtOnce,
            heartbeat: Heartbeat::Echo,
            mutant: None,
        }
    }

    fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Writer {
    Idle,
    Invalidating,
    Publishing,
    Returning,
}

/// What was in force when the read was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Ticket {
    epoch: u8,
    generation: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Get {
    None,
    Sent(Ticket),
    Answered(Ticket, u8),
    /// The caller was woken, and has not run yet.
    Woken(Ticket, u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Push {
    Changed,
    Flushed,
    Echo(u8),
    Reply,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Hit {
    None,
    /// Copies of this generation are good; they hold all that had been invalidated when the horizon's heartbeat left.
    Vouched(u8, u8),
    /// The copy was found before anybody asked what it is good by.
    Found(u8),
}

/// All there is. Versions are counted from 0.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    db: u8,
    /// The last write that returned.
    written: u8,
    writer: Writer,
    redis: Option<u8>,
    /// The version and the generation of the copy.
    copy: Option<(u8, u8)>,
    epoch: u8,
    generation: u8,
    live: bool,
    up: bool,
    get: Get,
    hit: Hit,
    queue: Vec<Push>,
    deferred: Vec<Push>,
    /// What had been written when the heartbeat under way was sent, and whether Redis has it.
    beat: Option<(u8, bool)>,
    horizon: u8,
    beats: u8,
    drops: u8,
    flushes: u8,
    broken: bool,
}

/// What happened, with versions.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "they are what they say")]
pub enum Step {
    Commit(u8),
    Unlink,
    Publish,
    WriterDies,
    WriteReturns,
    SomebodyFills(u8),
    SomebodyFlushes,
    SendRead,
    RedisReads(u8),
    GetReply(u8, bool),
    Wake,
    Vouch,
    LookUp(u8),
    Serve(u8),
    GetPush(&'static str),
    SendHeartbeat,
    RedisBeats,
    LoopEnds,
    LinkDrops,
    Reconnect,
}

type Next = Vec<(Step, State)>;

impl State {
    fn tell(&mut self, push: Push, telling: Telling) {
        match telling {
            Telling::Deferred | Telling::DeferredByThreads => self.deferred.push(push),
            _ if self.up => self.queue.push(push),
            _ => {}
        }
    }

    fn ticket(&self) -> Ticket {
        Ticket { epoch: self.epoch, generation: self.generation }
    }
}

impl Copies {
    fn writer(&self, state: &State, next: &mut Next) {
        let mut after = state.clone();
        match state.writer {
            Writer::Idle if state.db < self.writes => {
                after.db += 1;
                after.writer = Writer::Invalidating;
                next.push((Step::Commit(after.db), after));
            }
            Writer::Idle => {}
            Writer::Invalidating => {
                // Nothing is told of a key that was not there.
                let there = after.redis.take().is_some();
                after.writer = Writer::Returning;
                match self.telling {
                    Telling::Published => after.writer = Writer::Publishing,
                    telling if there => after.tell(Push::Changed, telling),
                    _ => {}
                }
                next.push((Step::Unlink, after));
            }
            Writer::Publishing => {
                after.writer = Writer::Returning;
                // A relay deletes once more, what is not there any more, and so tells nobody.
                next.push((Step::WriterDies, after.clone()));
                after.tell(Push::Changed, self.telling);
                next.push((Step::Publish, after));
            }
            Writer::Returning => {
                let waits = self.telling == Telling::Deferred && !state.deferred.is_empty();
                if !waits {
                    after.written = after.db;
                    after.writer = Writer::Idle;
                    next.push((Step::WriteReturns, after));
                }
            }
        }
    }

    fn server(&self, state: &State, next: &mut Next) {
        if state.redis.is_none() {
            let mut after = State { redis: Some(state.db), ..state.clone() };
            if self.telling != Telling::Published {
                after.tell(Push::Changed, self.telling);
            }
            next.push((Step::SomebodyFills(state.db), after));
        }
        if state.flushes > 0 && state.redis.is_some() {
            let flushes = state.flushes - 1;
            let mut after = State { redis: None, flushes, ..state.clone() };
            after.tell(Push::Flushed, self.telling);
            next.push((Step::SomebodyFlushes, after));
        }
        if !state.deferred.is_empty() {
            let mut after = state.clone();
            let told = std::mem::take(&mut after.deferred);
            if after.up {
                after.queue.extend(told);
            }
            next.push((Step::LoopEnds, after));
        }
        if let Some((written, false)) = state.beat
            && state.up
        {
            let mut after = State { beat: Some((written, true)), ..state.clone() };
            match self.heartbeat {
                Heartbeat::Ping => after.queue.push(Push::Echo(written)),
                Heartbeat::Echo => after.tell(Push::Echo(written), self.telling),
            }
            next.push((Step::RedisBeats, after));
        }
    }

    fn reader(&self, state: &State, next: &mut Next) {
        match state.get {
            Get::None if state.copy.is_none_or(|(_, of)| of != state.generation) => {
                let get = Get::Sent(state.ticket());
                next.push((Step::SendRead, State { get, ..state.clone() }));
            }
            Get::None => {}
            Get::Sent(ticket) => {
                let Some(version) = state.redis else { return };
                let get = Get::Answered(ticket, version);
                let mut after = State { get, ..state.clone() };
                if self.one_link && state.up {
                    after.queue.push(Push::Reply);
                }
                next.push((Step::RedisReads(version), after));
            }
            Get::Answered(..) if self.one_link => {}
            Get::Answered(ticket, version) | Get::Woken(ticket, version) => {
                next.push(self.insert(state.clone(), ticket, version));
            }
        }
    }

    fn insert(&self, mut state: State, ticket: Ticket, version: u8) -> (Step, State) {
        let enters = self.insert != Insert::ByTicket || (state.live && ticket == state.ticket());
        if enters {
            state.copy = Some((version, state.generation));
        }
        state.get = Get::None;
        (Step::GetReply(version, enters), state)
    }

    fn hits(&self, state: &State, next: &mut Next) {
        let good = |of: u8| state.copy.filter(|(_, generation)| *generation == of);
        match state.hit {
            Hit::None if self.is(Mutant::FreshnessAfterLookup) => {
                if let Some((version, _)) = good(state.generation) {
                    let hit = Hit::Found(version);
                    next.push((Step::LookUp(version), State { hit, ..state.clone() }));
                }
            }
            Hit::None if state.live && state.copy.is_some() => {
                let hit = Hit::Vouched(state.generation, state.horizon);
                next.push((Step::Vouch, State { hit, ..state.clone() }));
            }
            Hit::None => {}
            Hit::Vouched(generation, horizon) => {
                let version = good(generation).map(|(version, _)| version);
                next.push(served(state, version, horizon));
            }
            Hit::Found(version) => {
                let version = state.live.then_some(version);
                next.push(served(state, version, state.horizon));
            }
        }
    }

    fn link(&self, state: &State, next: &mut Next) {
        if state.up && !state.queue.is_empty() {
            self.get_push(state, next);
        }
        if state.beats > 0 && state.beat.is_none() && state.up {
            let (beat, beats) = (Some((state.written, false)), state.beats - 1);
            next.push((Step::SendHeartbeat, State { beat, beats, ..state.clone() }));
        }
        if state.drops > 0 && state.up {
            let mut after =
                State { up: false, drops: state.drops - 1, beat: None, ..state.clone() };
            after.queue.clear();
            after.deferred.retain(|push| *push == Push::Changed);
            after.get = if self.one_link { Get::None } else { after.get };
            next.push((Step::LinkDrops, after));
        }
        if !state.up {
            let mut after = State { up: true, ..state.clone() };
            if !self.is(Mutant::KeepOverLoss) {
                after.generation += 1;
                after.live = false;
            }
            next.push((Step::Reconnect, after));
        }
    }

    fn get_push(&self, state: &State, next: &mut Next) {
        let mut after = state.clone();
        match after.queue.remove(0) {
            Push::Changed => {
                after.copy = None;
                after.epoch += 1;
                next.push((Step::GetPush("changed"), after));
            }
            Push::Flushed => {
                after.generation += u8::from(!self.is(Mutant::IgnoreFlush));
                next.push((Step::GetPush("flushed"), after));
            }
            Push::Echo(written) => {
                after.horizon = after.horizon.max(written);
                (after.beat, after.live) = (None, true);
                next.push((Step::GetPush("echo"), after));
            }
            Push::Reply => {
                let Get::Answered(ticket, version) = after.get else { return };
                match self.insert {
                    Insert::InOrder => next.push(self.insert(after, ticket, version)),
                    _ => {
                        after.get = Get::Woken(ticket, version);
                        next.push((Step::Wake, after));
                    }
                }
            }
        }
    }
}

fn served(state: &State, version: Option<u8>, horizon: u8) -> (Step, State) {
    let broken = state.broken || version.is_some_and(|version| version < horizon);
    let after = State { hit: Hit::None, broken, ..state.clone() };
    (version.map_or(Step::Vouch, Step::Serve), after)
}

impl Protocol for Copies {
    type State = State;
    type Step = Step;

    fn start(&self, _: Watch) -> State {
        State {
            db: 0,
            written: 0,
            writer: Writer::Idle,
            redis: Some(0),
            copy: None,
            epoch: 0,
            generation: 0,
            live: true,
            up: true,
            get: Get::None,
            hit: Hit::None,
            queue: Vec::new(),
            deferred: Vec::new(),
            beat: None,
            horizon: 0,
            beats: self.beats,
            drops: self.drops,
            flushes: self.flushes,
            broken: false,
        }
    }

    fn steps(&self, state: &State, next: &mut Next) {
        self.writer(state, next);
        self.server(state, next);
        self.reader(state, next);
        self.hits(state, next);
        self.link(state, next);
    }

    fn holds(&self, property: Property, state: &State) -> bool {
        match property {
            Property::Bounded => !state.broken,
            Property::Converges => {
                let still = state.writer == Writer::Idle && state.get == Get::None && state.up;
                let told = state.queue.is_empty() && state.deferred.is_empty();
                let stale = state
                    .copy
                    .is_some_and(|(version, of)| of == state.generation && version < state.db);
                !(still && told && stale)
            }
            _ => true,
        }
    }
}
