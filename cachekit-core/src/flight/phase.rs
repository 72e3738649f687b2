//! The phases of a flight, and who may join in each.

use crate::mutant::{self, Mutant};

/// How far a flight has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// No probe is under way: not begun, leaderless, or waiting for another process's lease.
    Unsent,
    /// A probe is under way; its answer may be older than a newcomer.
    ProbeSent,
    /// The flight holds a lease and no load has begun under it.
    Leased,
    /// A load is under way whose fill will tell whether newcomers may share it.
    Loading,
    /// A fill is under way; it may have been accepted before a newcomer came.
    FillSent,
    /// A load is under way that nothing will verify.
    Direct,
}

impl Phase {
    /// Whether a newcomer may share what this flight will find.
    pub(crate) fn joinable(self) -> bool {
        match self {
            Self::Unsent | Self::Leased | Self::Loading => true,
            Self::ProbeSent => mutant::on(Mutant::JoinProbe),
            Self::FillSent => mutant::on(Mutant::JoinFill),
            Self::Direct => mutant::on(Mutant::JoinDirect),
        }
    }
}
