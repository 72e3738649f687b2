//! What the proxy does to the commands that a rule picks.

use std::fmt;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::hub::Hub;
use crate::proxy::Command;

pub(crate) type Matcher = Box<dyn Fn(&Command) -> bool + Send + Sync>;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    Hold,
    HoldReply,
    LoseReply,
    Delay(Duration),
    DelayReply(Duration),
}

/// Where picked commands wait.
pub(crate) struct Gate {
    act: Act,
    /// None: pushes, and no command.
    matches: Option<Matcher>,
    state: Mutex<State>,
    moved: Condvar,
}

#[derive(Debug, Default)]
struct State {
    met: usize,
    waiting: usize,
    permits: usize,
    open: bool,
}

impl Gate {
    pub(crate) fn new(act: Act, matches: Matcher) -> Gate {
        Gate { act, matches: Some(matches), state: Mutex::default(), moved: Condvar::new() }
    }

    pub(crate) fn of_pushes(act: Act) -> Gate {
        Gate { act, matches: None, state: Mutex::default(), moved: Condvar::new() }
    }

    pub(crate) fn is_of_pushes(&self) -> bool {
        self.matches.is_none()
    }

    pub(crate) fn picks(&self, command: &Command) -> bool {
        self.matches.as_ref().is_some_and(|matches| matches(command))
    }

    pub(crate) fn before_request(&self) {
        match self.act {
            Act::Hold => self.wait(),
            Act::Delay(delay) => self.pause(delay),
            Act::HoldReply | Act::LoseReply | Act::DelayReply(_) => {}
        }
    }

    /// An error cuts the connection.
    pub(crate) fn before_reply(&self) -> io::Result<()> {
        match self.act {
            Act::HoldReply => self.wait(),
            Act::LoseReply => {
                self.lock().met += 1;
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            Act::DelayReply(delay) => self.pause(delay),
            Act::Hold | Act::Delay(_) => {}
        }
        Ok(())
    }

    fn wait(&self) {
        let mut state = self.lock();
        state.met += 1;
        state.waiting += 1;
        let closed = |state: &mut State| !state.open && state.permits == 0;
        let mut state =
            self.moved.wait_while(state, closed).unwrap_or_else(PoisonError::into_inner);
        state.waiting -= 1;
        state.permits = state.permits.saturating_sub(1);
    }

    fn pause(&self, delay: Duration) {
        let mut state = self.lock();
        state.met += 1;
        drop(self.moved.wait_timeout_while(state, delay, |state| !state.open));
    }

    pub(crate) fn open(&self) {
        self.lock().open = true;
        self.moved.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Gate").field(&self.act).finish()
    }
}

/// A rule in force; dropping it ends it and releases what it holds.
#[derive(Debug)]
#[must_use = "a rule holds only while it lives"]
pub struct Rule {
    hub: Arc<Hub>,
    gate: Arc<Gate>,
}

impl Rule {
    pub(crate) fn new(hub: Arc<Hub>, gate: Arc<Gate>) -> Rule {
        Rule { hub, gate }
    }

    /// How many commands, or replies, it holds now.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.gate.lock().waiting
    }

    /// How many commands it has met so far.
    #[must_use]
    pub fn met(&self) -> usize {
        self.gate.lock().met
    }

    /// Lets `count` of them go on, now or when they come.
    pub fn release(&self, count: usize) {
        self.gate.lock().permits += count;
        self.gate.moved.notify_all();
    }
}

impl Drop for Rule {
    fn drop(&mut self) {
        self.hub.remove(&self.gate);
        self.gate.open();
    }
}
