//! Runs a variant of a model through stateright, and says what came of it.

use std::fmt::{self, Debug};
use std::hash::Hash;

use stateright::{Checker, HasDiscoveries, Model, Property as Checked};

use crate::property::{Property, Watch};

/// More steps than any variant has, counted with every way to a state: what grew past this is no small model any more.
const MOST_STEPS: usize = 20_000_000;

/// A system whose every interleaving can be looked at.
pub trait Protocol: Clone + Send + Sync + 'static {
    /// All there is at one moment.
    type State: Clone + Debug + Hash + PartialEq + Send + Sync + 'static;
    /// What somebody does, for whoever reads a trace.
    type Step: Clone + Debug + PartialEq + Send + Sync + 'static;

    /// The state before anything has happened.
    fn start(&self, watch: Watch) -> Self::State;

    /// Everything that could happen next, and what it would lead to.
    fn steps(&self, state: &Self::State, next: &mut Vec<(Self::Step, Self::State)>);

    /// Whether the property holds in this state.
    fn holds(&self, property: Property, state: &Self::State) -> bool;
}

/// A protocol and the properties one run looks at.
#[derive(Clone)]
struct Run<P> {
    protocol: P,
    properties: Vec<Property>,
}

/// A step together with where it leads: steps are computed once.
#[derive(Clone, Debug, PartialEq)]
struct Taken<T, S> {
    step: T,
    leads_to: S,
}

impl<P: Protocol> Model for Run<P> {
    type State = P::State;
    type Action = Taken<P::Step, P::State>;

    fn init_states(&self) -> Vec<P::State> {
        vec![self.protocol.start(Watch::over(&self.properties))]
    }

    fn actions(&self, state: &P::State, actions: &mut Vec<Self::Action>) {
        let mut next = Vec::new();
        self.protocol.steps(state, &mut next);
        actions.extend(next.into_iter().map(|(step, leads_to)| Taken { step, leads_to }));
    }

    fn next_state(&self, _: &P::State, action: Self::Action) -> Option<P::State> {
        Some(action.leads_to)
    }

    fn properties(&self) -> Vec<Checked<Self>> {
        self.properties.iter().map(|property| checked(*property)).collect()
    }
}

/// Stateright's conditions are plain functions, so each property has one of its own.
fn checked<P: Protocol>(property: Property) -> Checked<Run<P>> {
    macro_rules! always {
        ($($name:ident),*) => {
            match property {
                $(Property::$name => Checked::always(property.name(), |run: &Run<P>, state| {
                    run.protocol.holds(Property::$name, state)
                }),)*
            }
        };
    }
    always!(Regular, Atomic, Converges, Bounded, OwnWrites, Served, LoadsOnce, Agrees)
}

/// What a run found.
#[derive(Clone, Debug)]
struct Found {
    states: usize,
    /// The shortest way to each broken property.
    broken: Vec<(Property, Vec<String>)>,
}

impl<P: Protocol> Run<P> {
    fn go(self) -> Found {
        let properties = self.properties.clone();
        let checker = self.checker().finish_when(HasDiscoveries::All);
        let checker = checker.target_state_count(MOST_STEPS).spawn_bfs().join();
        let mut broken = Vec::new();
        for property in properties {
            if let Some(path) = checker.discovery(property.name()) {
                let steps = path.into_actions().into_iter();
                broken.push((property, steps.map(|taken| format!("{:?}", taken.step)).collect()));
            }
        }
        assert!(checker.state_count() < MOST_STEPS, "too many states: make the model smaller");
        Found { states: checker.unique_state_count(), broken }
    }
}

/// A model that waits to be told what to look at.
type Runner = dyn Fn(&[Property]) -> Found + Send + Sync;

/// A protocol as shipped or with one rule broken, and what must come of it.
pub struct Variant {
    /// The model's name.
    pub model: &'static str,
    /// What is special about it.
    pub name: &'static str,
    holds: Vec<Property>,
    breaks: Vec<Property>,
    run: Box<Runner>,
}

impl Debug for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Variant").field("model", &self.model).field("name", &self.name).finish()
    }
}

impl Variant {
    /// A variant that promises nothing yet.
    pub fn new<P: Protocol>(model: &'static str, name: &'static str, protocol: P) -> Variant {
        let run = move |properties: &[Property]| {
            Run { protocol: protocol.clone(), properties: properties.to_vec() }.go()
        };
        Variant { model, name, holds: Vec::new(), breaks: Vec::new(), run: Box::new(run) }
    }

    /// These hold in every state.
    #[must_use]
    pub fn holds(mut self, properties: &[Property]) -> Variant {
        self.holds.extend_from_slice(properties);
        self
    }

    /// Each of these is broken somewhere: a checker that does not find it is blind.
    #[must_use]
    pub fn breaks(mut self, properties: &[Property]) -> Variant {
        self.breaks.extend_from_slice(properties);
        self
    }

    /// Looks at all states for what holds, and at as many as it takes for what does not.
    #[must_use]
    pub fn check(&self) -> Row {
        assert!(!self.holds.is_empty() || !self.breaks.is_empty(), "{self:?} promises nothing");
        let mut row = Row {
            model: self.model,
            name: self.name,
            states: 0,
            held: Vec::new(),
            broken: Vec::new(),
            surprises: Vec::new(),
        };
        if !self.holds.is_empty() {
            row.kept(&self.holds, (self.run)(&self.holds));
        }
        for property in &self.breaks {
            row.caught(*property, (self.run)(&[*property]));
        }
        row
    }
}

/// What came of a variant: a line of the table.
#[derive(Clone, Debug)]
pub struct Row {
    /// The model's name.
    pub model: &'static str,
    /// The variant's name.
    pub name: &'static str,
    /// Distinct states, of the larger run if there were several.
    pub states: usize,
    /// What held everywhere.
    pub held: Vec<Property>,
    /// What was broken, as it should be, and the shortest way there.
    pub broken: Vec<(Property, Vec<String>)>,
    /// What should not have come.
    pub surprises: Vec<String>,
}

impl Row {
    fn kept(&mut self, properties: &[Property], found: Found) {
        self.states = self.states.max(found.states);
        for property in properties {
            match found.broken.iter().find(|(broken, _)| broken == property) {
                None => self.held.push(*property),
                Some((_, steps)) => {
                    let way = steps.join(" | ");
                    self.surprises.push(format!("not {}: {way}", property.name()));
                }
            }
        }
    }

    fn caught(&mut self, property: Property, found: Found) {
        self.states = self.states.max(found.states);
        match found.broken.into_iter().next() {
            Some(broken) => self.broken.push(broken),
            None => self.surprises.push(format!("{}: not caught", property.name())),
        }
    }

    /// The head of the table.
    #[must_use]
    pub fn head() -> String {
        "| model | variant | states | holds | broken, in steps |\n|---|---|--:|---|---|".to_owned()
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = self.held.iter().map(|property| property.name()).collect::<Vec<_>>().join(", ");
        let broken = |(property, steps): &(Property, Vec<String>)| {
            format!("{} in {}", property.name(), steps.len())
        };
        let broken = self.broken.iter().map(broken).collect::<Vec<_>>().join(", ");
        write!(f, "| {} | {} | {} | {held} | {broken} |", self.model, self.name, self.states)
    }
}
