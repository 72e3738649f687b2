//! What is wrong with a builder's settings, all of it at once.

use std::{error, fmt, time::Duration};

use cachekit_core::Ttl;

/// Why a layer could not be built: every mistake there is, in the order in which they were made.
///
#[derive(Clone, PartialEq, Eq)]
pub struct BuildError {
    layer: &'static str,
    mistakes: Vec<String>,
}

impl BuildError {
    /// What is wrong, and what to do instead.
    pub fn mistakes(&self) -> impl Iterator<Item = &str> {
        self.mistakes.iter().map(String::as_str)
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "build {}: {}", self.layer, self.mistakes.join("; "))
    }
}

/// One line to read, since it is what `main` prints of an error.
impl fmt::Debug for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl error::Error for BuildError {}

/// The mistakes made so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mistakes(Vec<String>);

impl Mistakes {
    pub(crate) fn add(&mut self, mistake: impl Into<String>) {
        self.0.push(mistake.into());
    }

    /// What is right, or `None` and one mistake more.
    pub(crate) fn check<T, E: fmt::Display>(&mut self, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.add(error.to_string())).ok()
    }

    /// A time that an option was given.
    pub(crate) fn time(&mut self, option: &str, time: impl IntoTime) -> Option<Duration> {
        let time = time.into_time().map_err(|error| format!("`{option}`: {error}"));
        self.check(time)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Ends building `layer`, such as `"the singleflight layer"`.
    pub(crate) fn finish(self, layer: &'static str) -> Result<(), BuildError> {
        if self.0.is_empty() { Ok(()) } else { Err(BuildError { layer, mistakes: self.0 }) }
    }
}

/// A time as builders take it: a [`Duration`], or a text such as `"500ms"`, `"10s"` or `"1h"`.
pub trait IntoTime {
    /// The time.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    fn into_time(self) -> Result<Duration, String>;
}

impl IntoTime for Duration {
    fn into_time(self) -> Result<Duration, String> {
        Ok(self)
    }
}

impl IntoTime for &str {
    fn into_time(self) -> Result<Duration, String> {
        // A TTL is never nothing; a time may be.
        if matches!(self, "0ms" | "0s") {
            return Ok(Duration::ZERO);
        }
        let time = Ttl::parse(self).map_err(|error| error.message().to_owned())?;
        if time.jitter().is_zero() { Ok(time.base()) } else { Err("takes no jitter".to_owned()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_mistakes_are_told_at_once() {
        let mut mistakes = Mistakes::default();
        assert_eq!(mistakes.time("wait", "2s"), Some(Duration::from_secs(2)));
        assert_eq!(mistakes.time("wait", "2s±1s"), None);
        assert_eq!(mistakes.time("lease", "2x"), None);
        mistakes.add("no key");
        let error = mistakes.finish("the layer").unwrap_err();
        assert_eq!(error.mistakes().count(), 3);
        let text = error.to_string();
        assert!(text.starts_with("build the layer: `wait`: takes no jitter; `lease`: "), "{text}");
        assert!(text.ends_with("; no key"), "{text}");
        assert_eq!(Mistakes::default().finish("the layer"), Ok(()));
    }
}
