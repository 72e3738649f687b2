//! The rule that judges a read as it returns, against a search through all orders of the operations.
//!
//! [`Watch`] compares numbers. Whether that is what [`Property::Regular`] and [`Property::Atomic`] mean is
//! looked at here, in every history that a small [`Lease`] has: stateright's tester looks for an order of all operations
//! that explains what each returned and that keeps apart what was apart in time. A history is atomic if there is one; it is
//! regular if there is one for each read with all the writes.

use stateright::semantics::{ConsistencyTester, LinearizabilityTester, SequentialSpec};

use crate::models::lease::{self, Lease};
use crate::{Property, Protocol, Watch};

/// A row that counts its writes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Row(u8);

/// What is done to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// Counts one more.
    Write,
    /// Looks at the count.
    Read,
}

impl SequentialSpec for Row {
    type Op = Op;
    type Ret = u8;

    fn invoke(&mut self, op: &Op) -> u8 {
        self.0 += u8::from(*op == Op::Write);
        self.0
    }
}

/// Something that a caller sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// The caller with this number begins.
    Begin(usize, Op),
    /// It is given this version.
    Return(usize, u8),
}

/// What callers have seen so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct History {
    events: Vec<Event>,
}

impl History {
    /// Notes what happened next.
    pub fn push(&mut self, event: Event) {
        self.events.push(event);
    }

    /// Whether some order of these operations explains them.
    fn explained(&self, concerns: impl Fn(usize) -> bool) -> bool {
        let mut tester = LinearizabilityTester::new(Row::default());
        for event in &self.events {
            let noted = match *event {
                Event::Begin(caller, op) if concerns(caller) => tester.on_invoke(caller, op).err(),
                Event::Return(caller, version) if concerns(caller) => {
                    tester.on_return(caller, version).err()
                }
                _ => None,
            };
            assert_eq!(noted, None, "a caller does one thing at a time");
        }
        tester.is_consistent()
    }

    fn op_of(&self, caller: usize) -> Option<Op> {
        self.events.iter().find_map(|event| match event {
            Event::Begin(by, op) if *by == caller => Some(*op),
            _ => None,
        })
    }

    /// Whether one order explains everything.
    #[must_use]
    pub fn is_atomic(&self) -> bool {
        self.explained(|_| true)
    }

    /// Whether for each read some order explains it and all writes.
    #[must_use]
    pub fn is_regular(&self) -> bool {
        let returned = |event: &Event| match event {
            Event::Return(caller, _) if self.op_of(*caller) == Some(Op::Read) => Some(*caller),
            _ => None,
        };
        self.events.iter().filter_map(returned).all(|read| {
            self.explained(|caller| caller == read || self.op_of(caller) == Some(Op::Write))
        })
    }
}

/// A [`Lease`] that remembers what its callers saw.
#[derive(Clone, Copy, Debug)]
pub struct Remembered {
    /// The lease.
    pub rules: Lease,
    /// What the rule looks at; one that looks at less than [`Property::Atomic`] must be found out.
    pub judges: &'static [Property],
}

/// A state and how it came about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    inner: lease::State,
    history: History,
}

impl Protocol for Remembered {
    type State = State;
    type Step = lease::Step;

    fn start(&self, _: Watch) -> State {
        let inner = self.rules.start(Watch::over(self.judges));
        State { inner, history: History::default() }
    }

    fn steps(&self, state: &State, next: &mut Vec<(lease::Step, State)>) {
        let mut steps = Vec::new();
        self.rules.steps(&state.inner, &mut steps);
        for (step, inner) in steps {
            let mut history = state.history.clone();
            if let Some(event) = inner.event(&step) {
                history.push(event);
            }
            next.push((step, State { inner, history }));
        }
    }

    fn holds(&self, property: Property, state: &State) -> bool {
        let rule = |property| self.rules.holds(property, &state.inner);
        match (property, state.history.events.last()) {
            (Property::Agrees, Some(Event::Return(..))) => {
                rule(Property::Regular) == state.history.is_regular()
                    && rule(Property::Atomic) == state.history.is_atomic()
            }
            (Property::Agrees, _) => true,
            (property, _) => rule(property),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Event::{Begin, Return};
    use Op::{Read, Write};

    fn history(events: &[Event]) -> History {
        History { events: events.to_vec() }
    }

    #[test]
    fn an_old_value_after_a_write_is_not_regular() {
        let seen = history(&[Begin(0, Write), Return(0, 1), Begin(1, Read), Return(1, 0)]);
        assert!(!seen.is_regular() && !seen.is_atomic());
    }

    #[test]
    fn reads_that_go_back_during_a_write_are_regular_and_not_atomic() {
        let during = [Begin(0, Write), Begin(1, Read), Return(1, 1), Begin(2, Read), Return(2, 0)];
        let seen = history(&during);
        assert!(seen.is_regular() && !seen.is_atomic());
    }

    #[test]
    fn a_read_beside_a_write_may_see_either() {
        for version in [0, 1] {
            let beside = [Begin(0, Write), Begin(1, Read), Return(0, 1), Return(1, version)];
            assert!(history(&beside).is_atomic());
        }
    }
}
