//! The server that processes share: it runs each command some time after it was sent, in any order.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use shuttle::{future::yield_now, rand::Rng as _};

#[cfg(test)]
use super::command::Reply;
use super::{
    command::{Command, command},
    keys::Keys,
};
use crate::{entry::Id, store::StoreError};

/// How often things go wrong, in percent of the commands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Faults {
    /// The connection breaks, before or after the command runs.
    pub(super) lost: u32,
    /// The command is refused for good.
    pub(super) refused: u32,
    /// A write finds no memory.
    pub(super) full: u32,
    /// There is no connection.
    pub(super) down: u32,
}

/// The server. Its lock is the standard one, for a command is one step and no point to switch at.
#[derive(Default)]
pub(super) struct Server {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    keys: Keys,
    faults: Faults,
    /// Whether replies take long.
    slow: bool,
    under_way: usize,
    /// Commands that a script will run by hand.
    parked: Option<Vec<Command>>,
}

/// What becomes of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Answered,
    CutBefore,
    CutAfter,
    /// It never reaches the server.
    Never,
}

impl Server {
    #[cfg(test)]
    pub(super) fn new(faults: Faults, slow: bool) -> Arc<Self> {
        let state = State { faults, slow, ..State::default() };
        Arc::new(Self { state: Mutex::new(state) })
    }

    /// A server that runs a command when a script says so.
    #[cfg(test)]
    pub(super) fn scripted() -> Arc<Self> {
        let state = State { parked: Some(Vec::new()), ..State::default() };
        Arc::new(Self { state: Mutex::new(state) })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the keys, or changes them, at once. Leases that nobody can give up any more run
    /// out some time later.
    pub(super) fn with_keys<T>(self: &Arc<Self>, change: impl FnOnce(&mut Keys) -> T) -> T {
        let mut state = self.lock();
        let out = change(&mut state.keys);
        let orphans = state.keys.take_orphans();
        drop(state);
        orphans.into_iter().for_each(|(key, lease)| self.expire_later(key, lease));
        out
    }

    fn expire_later(self: &Arc<Self>, key: String, lease: Id) {
        let (command, _) = command("expire", move |keys| keys.expire(&key, Some(lease)));
        self.send(command);
    }

    /// Why the next command is not carried out, if so.
    pub(super) fn refusal(&self) -> Option<StoreError> {
        let Faults { down, refused, full, .. } = self.lock().faults;
        let dice = percent();
        match dice {
            _ if dice < down => Some(StoreError::Down),
            _ if dice < down + refused => Some(StoreError::Refused),
            _ if dice < down + refused + full => Some(StoreError::OutOfMemory),
            _ => None,
        }
    }

    /// Whether there is a connection at the moment.
    pub(super) fn is_up(&self) -> bool {
        let down = self.lock().faults.down;
        down == 0 || percent() >= down
    }

    /// Whether a read is tried before a probe: now and then, unless a script is played.
    pub(super) fn is_read_first(&self) -> bool {
        self.lock().parked.is_none() && percent() < 50
    }

    /// Sends a command.
    pub(super) fn send(self: &Arc<Self>, command: Command) {
        let mut state = self.lock();
        if let Some(parked) = &mut state.parked {
            parked.push(command);
            return;
        }
        state.under_way += 1;
        let lost = state.faults.lost;
        drop(state);
        let fate = match command.name {
            // Nobody would try again.
            "give_up" | "expire" => Fate::Answered,
            _ => fate(lost),
        };
        drop(shuttle::future::spawn(self.clone().carry_out(command, fate)));
    }

    async fn carry_out(self: Arc<Self>, command: Command, fate: Fate) {
        let Command { run, cut, .. } = command;
        let mut cut = Some(cut);
        let slow = self.lock().slow;
        dawdle_or_more(slow && percent() < 25).await;
        if matches!(fate, Fate::CutBefore | Fate::Never) {
            cut.take().into_iter().for_each(|cut| cut());
            dawdle().await;
        }
        if fate != Fate::Never {
            let reply = self.with_keys(run);
            dawdle_or_more(slow).await;
            match cut {
                Some(cut) if fate == Fate::CutAfter => cut(),
                _ => reply(),
            }
        }
        self.lock().under_way -= 1;
    }
}

#[cfg(test)]
impl Server {
    /// From now on nothing goes wrong.
    pub(super) fn calm(&self) {
        self.lock().faults = Faults::default();
    }

    /// Whether no command is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.lock().under_way == 0
    }

    /// Names of the commands that wait for the script.
    pub(super) fn parked(&self) -> Vec<&'static str> {
        self.lock().parked.iter().flatten().map(|command| command.name).collect()
    }

    /// Takes the oldest command of that name out of those that wait.
    fn unpark(&self, name: &str) -> Command {
        let mut state = self.lock();
        let parked = state.parked.as_mut().expect("the server is scripted");
        let place = parked.iter().position(|command| command.name == name);
        let names: Vec<_> = parked.iter().map(|command| command.name).collect();
        parked.remove(place.unwrap_or_else(|| panic!("no {name} was sent, only {names:?}")))
    }

    /// Runs the oldest command of that name and sends its reply.
    pub(super) fn run(self: &Arc<Self>, name: &str) {
        self.run_silently(name)();
    }

    /// Runs the oldest command of that name; its reply waits.
    pub(super) fn run_silently(self: &Arc<Self>, name: &str) -> Reply {
        let command = self.unpark(name);
        self.with_keys(command.run)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Server(..)")
    }
}

/// Lets others go first: mostly a little, now and then for long.
pub(super) async fn dawdle() {
    yields(if percent() < 90 { pick(4) } else { pick(40) }).await;
}

/// Lets others go first: for long if so it shall be.
pub(super) async fn dawdle_or_more(long: bool) {
    if long {
        yields(pick(80)).await;
    } else {
        dawdle().await;
    }
}

/// Lets others go first, that often.
pub(super) async fn yields(count: u32) {
    for _ in 0..count {
        yield_now().await;
    }
}

/// A number below `end`.
pub(super) fn pick(end: u32) -> u32 {
    shuttle::rand::thread_rng().gen_range(0..end)
}

/// A number below 100.
pub(super) fn percent() -> u32 {
    pick(100)
}

fn fate(lost: u32) -> Fate {
    if percent() >= lost {
        return Fate::Answered;
    }
    [Fate::CutBefore, Fate::CutAfter, Fate::Never][pick(3) as usize]
}
