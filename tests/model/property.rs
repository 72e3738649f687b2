//! What must hold, and how a model notices when it does not (protocol §2).

/// A promise that a model is checked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Property {
    /// A read returns nothing older than a write that had returned before the read began: a regular register.
    Regular,
    /// Nor anything older than what a read that had returned before it began: since the database orders the writes of a
    /// row, this is a linearizable register.
    Atomic,
    /// When nothing can move any more, no entry is older than the database.
    Converges,
    /// A copy in a process is never older than what had been invalidated when the last heartbeat that came back was sent:
    /// with a limit on the age of that heartbeat, staleness has a bound.
    Bounded,
    /// A process reads what it wrote.
    OwnWrites,
    /// Nobody waits for ever: where nothing can move any more, every caller has its answer.
    Served,
    /// A caller's loader runs at most once.
    LoadsOnce,
    /// The rule by which the other models judge a history agrees with a search through all orders of its operations.
    Agrees,
}

impl Property {
    /// All of them, in the order of the table.
    pub const ALL: [Property; 8] = [
        Property::Regular,
        Property::Atomic,
        Property::Converges,
        Property::Bounded,
        Property::OwnWrites,
        Property::Served,
        Property::LoadsOnce,
        Property::Agrees,
    ];

    /// Its name in a table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Property::Regular => "regular",
            Property::Atomic => "atomic",
            Property::Converges => "converges",
            Property::Bounded => "bounded",
            Property::OwnWrites => "own writes",
            Property::Served => "served",
            Property::LoadsOnce => "loads once",
            Property::Agrees => "agrees",
        }
    }
}

/// What had returned when a read began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Since {
    written: u8,
    seen: u8,
}

/// Judges reads as they return. Part of every state, so that the checker sees a verdict as a state.
///
/// Reads are compared with earlier reads only where [`Property::Atomic`] is looked at: remembering them multiplies the
/// states, and a protocol that is regular alone would be followed to the end with that promise long broken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Watch {
    compares_reads: bool,
    written: u8,
    seen: u8,
    not_regular: bool,
    not_atomic: bool,
}

impl Watch {
    /// For a run that looks at these properties.
    #[must_use]
    pub fn over(properties: &[Property]) -> Watch {
        Watch { compares_reads: properties.contains(&Property::Atomic), ..Watch::default() }
    }

    /// A read begins.
    #[must_use]
    pub fn begin(&self) -> Since {
        Since { written: self.written, seen: self.seen }
    }

    /// The newest write that has returned.
    #[must_use]
    pub fn written(&self) -> u8 {
        self.written
    }

    /// A write has returned to its caller.
    pub fn write_returned(&mut self, version: u8) {
        self.written = self.written.max(version);
        self.saw(version);
    }

    /// A read that began at `since` returns this version.
    pub fn read_returned(&mut self, since: Since, version: u8) {
        self.not_regular |= version < since.written;
        self.not_atomic |= self.compares_reads && version < since.written.max(since.seen);
        self.saw(version);
    }

    fn saw(&mut self, version: u8) {
        if self.compares_reads {
            self.seen = self.seen.max(version);
        }
    }

    /// Whether no read so far has broken the property; true for those it does not judge.
    #[must_use]
    pub fn holds(&self, property: Property) -> bool {
        match property {
            Property::Regular => !self.not_regular,
            Property::Atomic => !self.not_atomic,
            _ => true,
        }
    }
}
