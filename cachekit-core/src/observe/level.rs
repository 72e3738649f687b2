//! A gauge that goes up while something lasts.

/// One of what a gauge counts; dropping it counts one less.
#[derive(Debug)]
pub(crate) struct Level {
    #[cfg(feature = "metrics")]
    name: &'static str,
}

impl Level {
    #[cfg(feature = "metrics")]
    fn of(name: &'static str) -> Self {
        metrics::gauge!(name).increment(1.0);
        Self { name }
    }

    /// A load that runs.
    pub(crate) fn load_runs() -> Self {
        #[cfg(feature = "metrics")]
        return Self::of(super::names::LOADS_RUNNING);
        #[cfg(not(feature = "metrics"))]
        Self {}
    }

    /// A caller that waits for a turn.
    pub(crate) fn load_waits() -> Self {
        #[cfg(feature = "metrics")]
        return Self::of(super::names::LOADS_WAITING);
        #[cfg(not(feature = "metrics"))]
        Self {}
    }
}

#[cfg(feature = "metrics")]
impl Drop for Level {
    fn drop(&mut self) {
        metrics::gauge!(self.name).decrement(1.0);
    }
}
