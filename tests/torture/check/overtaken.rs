//! Since when each version is known to be an old one.

/// Versions, ascending, with the earliest moment at which this one or a later one had returned.
#[derive(Debug, Default)]
pub(super) struct Overtaken(Vec<(u64, u64)>);

impl Overtaken {
    /// From pairs of a version and the moment at which it had returned.
    pub(super) fn new(mut returned: Vec<(u64, u64)>) -> Overtaken {
        returned.sort_unstable();
        let mut earliest = u64::MAX;
        for (_, moment) in returned.iter_mut().rev() {
            earliest = earliest.min(*moment);
            *moment = earliest;
        }
        Overtaken(returned)
    }

    /// When the first version later than this one had returned.
    pub(super) fn since(&self, version: u64) -> Option<u64> {
        let later = self.0.partition_point(|(found, _)| *found <= version);
        self.0.get(later).map(|(_, earliest)| *earliest)
    }
}
