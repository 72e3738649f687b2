//! Times to live: a duration, and how far each entry's own may lie from it.

use std::{fmt, str::FromStr, time::Duration};

use crate::error::{Error, ErrorKind};

const OPERATION: &str = "parse ttl";

/// 100 years: keeps every sum of a clock and a TTL far from the end of `u64`, and of what Redis takes.
const MAX_MS: u64 = 36_525 * 86_400_000;

/// The units, from large to small, in milliseconds.
const UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// A time to live, in whole milliseconds, from 1 ms to 100 years.
///
/// With a jitter, each entry gets its own, evenly spread over `base ± jitter`, so that entries written together do not
/// expire together. As text: `30m`, `1h30m`, `30m±5m`, `30m+-5m`, `30m±10%`; the units are `ms s m h d`, from large to
/// small; spaces are allowed around the `±` only.
///
/// ```
/// use std::time::Duration;
/// use cachekit_core::Ttl;
///
/// let ttl = Ttl::parse("30m±10%")?;
/// assert_eq!(ttl.base(), Duration::from_secs(30 * 60));
/// assert_eq!(ttl.jitter(), Duration::from_secs(3 * 60));
/// assert_eq!(ttl, Ttl::new(Duration::from_secs(30 * 60))?.with_jitter(Duration::from_secs(3 * 60))?);
/// assert_eq!(ttl.to_string(), "30m±3m");
/// # Ok::<(), cachekit_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ttl {
    base_ms: u64,
    jitter_ms: u64,
}

impl Ttl {
    /// A TTL of `base` ± `jitter` milliseconds, for constants.
    ///
    /// Out of range, `base` becomes the nearest of 1 ms and 100 years, and `jitter` at most `base`: a constant has
    /// no way to return an error. Text and [`Ttl::new`] refuse such values.
    pub const fn from_millis(base: u64, jitter: u64) -> Ttl {
        let base_ms = if base == 0 {
            1
        } else if base > MAX_MS {
            MAX_MS
        } else {
            base
        };
        let jitter_ms = if jitter > base_ms { base_ms } else { jitter };
        Ttl { base_ms, jitter_ms }
    }

    /// A TTL without jitter; a remainder below a millisecond is dropped.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidTtl`] for less than 1 ms or more than 100 years.
    pub fn new(base: Duration) -> Result<Ttl, Error> {
        in_range(base.as_millis()).map(|base_ms| Ttl { base_ms, jitter_ms: 0 }).map_err(invalid)
    }

    /// The same TTL with each entry's own up to `jitter` above or below it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidTtl`] for a jitter larger than the TTL.
    pub fn with_jitter(self, jitter: Duration) -> Result<Ttl, Error> {
        let jitter_ms = within(jitter.as_millis(), self.base_ms).map_err(invalid)?;
        Ok(Ttl { jitter_ms, ..self })
    }

    /// Reads a TTL such as `30m±5m`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidTtl`], with what is wrong and what to write instead.
    pub fn parse(text: &str) -> Result<Ttl, Error> {
        parse(text).map_err(invalid)
    }

    /// The middle of the range.
    pub const fn base(&self) -> Duration {
        Duration::from_millis(self.base_ms)
    }

    /// How far an entry's own TTL may lie from the middle.
    pub const fn jitter(&self) -> Duration {
        Duration::from_millis(self.jitter_ms)
    }

    /// One entry's own TTL in milliseconds: evenly from `base - jitter` to `base + jitter`, at least 1.
    pub fn sample_ms(&self) -> u64 {
        if self.jitter_ms == 0 {
            return self.base_ms;
        }
        self.sample_with(&mut fastrand::Rng::new())
    }

    fn sample_with(&self, rng: &mut fastrand::Rng) -> u64 {
        rng.u64(self.base_ms - self.jitter_ms..=self.base_ms + self.jitter_ms).max(1)
    }
}

// ===== conversions =====

impl FromStr for Ttl {
    type Err = Error;

    fn from_str(text: &str) -> Result<Ttl, Error> {
        Ttl::parse(text)
    }
}

impl TryFrom<&str> for Ttl {
    type Error = Error;

    fn try_from(text: &str) -> Result<Ttl, Error> {
        Ttl::parse(text)
    }
}

impl From<Duration> for Ttl {
    /// Out of range, the nearest of 1 ms and 100 years is taken; [`Ttl::new`] refuses instead.
    fn from(base: Duration) -> Ttl {
        Ttl::from_millis(u64::try_from(base.as_millis()).unwrap_or(MAX_MS), 0)
    }
}

impl fmt::Display for Ttl {
    /// The text form: parsing it gives the same TTL.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_span(f, self.base_ms)?;
        if self.jitter_ms == 0 {
            return Ok(());
        }
        f.write_str("±")?;
        write_span(f, self.jitter_ms)
    }
}

fn write_span(f: &mut fmt::Formatter<'_>, ms: u64) -> fmt::Result {
    let mut rest = ms;
    for (unit, size) in UNITS {
        if rest >= size {
            write!(f, "{}{unit}", rest / size)?;
            rest %= size;
        }
    }
    Ok(())
}

// ===== the text form =====

// The macro crate reads TTLs at compile time by the same table of cases, `ttl_cases.txt`: a changed sentence changes
// there, and in its parser, too.

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidTtl, OPERATION, message)
}

fn parse(text: &str) -> Result<Ttl, String> {
    let text = text.trim();
    let (base, jitter) = match text.split_once('±').or_else(|| text.split_once("+-")) {
        Some((base, jitter)) => (base.trim_end(), Some(jitter.trim_start())),
        None => (text, None),
    };
    let base_ms = in_range(span(base)?)?;
    let jitter_ms = jitter.map_or(Ok(0), |jitter| within(offset(jitter, base_ms)?, base_ms))?;
    Ok(Ttl { base_ms, jitter_ms })
}

fn in_range(ms: u128) -> Result<u64, String> {
    match u64::try_from(ms) {
        Ok(0) => Err("a ttl is at least 1 ms".into()),
        Ok(ms) if ms <= MAX_MS => Ok(ms),
        _ => Err("a ttl is at most 100 years".into()),
    }
}

fn within(jitter_ms: u128, base_ms: u64) -> Result<u64, String> {
    u64::try_from(jitter_ms)
        .ok()
        .filter(|jitter_ms| *jitter_ms <= base_ms)
        .ok_or_else(|| "jitter is larger than the ttl".into())
}

/// A jitter: a duration, or a percentage of the TTL.
fn offset(text: &str, base_ms: u64) -> Result<u128, String> {
    let Some(percent) = text.strip_suffix('%') else { return span(text) };
    if percent.is_empty() || !percent.bytes().all(|b| b.is_ascii_digit()) {
        return Err(format!("`{text}` is not a percentage; write a whole number, such as `10%`"));
    }
    let percent = percent.parse::<u128>().unwrap_or(u128::MAX);
    Ok(percent.saturating_mul(base_ms.into()) / 100)
}

/// A duration such as `1h30m`, in milliseconds.
fn span(text: &str) -> Result<u128, String> {
    if text.is_empty() {
        return Err("a duration is missing; write one such as `30m`".into());
    }
    let mut rest = text;
    let mut total = 0_u128;
    let mut below = u64::MAX;
    while !rest.is_empty() {
        let (count, size, tail) = part(rest, text)?;
        if size >= below {
            return Err(format!("units go from large to small, each once, unlike in `{text}`"));
        }
        below = size;
        total = total.saturating_add(count.saturating_mul(size.into()));
        rest = tail;
    }
    Ok(total)
}

/// One number and its unit at the start of `rest`, a part of `text`.
fn part<'t>(rest: &'t str, text: &str) -> Result<(u128, u64, &'t str), String> {
    let (digits, tail) = split_while(rest, |c| c.is_ascii_digit());
    let (unit, tail) = split_while(tail, |c| !c.is_ascii_digit());
    if digits.is_empty() || unit.contains(['.', ',', '_', ' ']) {
        return Err(format!(
            "`{text}` is not a duration; write whole numbers with units, such as `1h30m`"
        ));
    }
    if unit.is_empty() {
        return Err(format!("`{digits}` has no unit; expected one of `ms`, `s`, `m`, `h`, `d`"));
    }
    let Some((_, size)) = UNITS.iter().find(|(name, _)| *name == unit) else {
        return Err(format!("unknown unit `{unit}`; expected one of `ms`, `s`, `m`, `h`, `d`"));
    };
    Ok((digits.parse().unwrap_or(u128::MAX), *size, tail))
}

fn split_while(text: &str, matches: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !matches(c)).unwrap_or(text.len()))
}

#[cfg(test)]
#[path = "ttl_tests.rs"]
mod tests;
