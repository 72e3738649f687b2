//! TTL texts, read at compile time by the grammar of `cachekit::Ttl`: `30m`, `1h30m`, `30m±5m`, `30m+-5m`, `30m±10%`.

/// A time to live in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Millis {
    /// The middle.
    pub(crate) base: u64,
    /// How far to either side.
    pub(crate) jitter: u64,
}

/// The units, from large to small, in milliseconds.
const UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// 100 years.
const MAX_MS: u64 = 36_525 * 86_400_000;

/// Reads a TTL; the error is a sentence for whoever wrote it.
pub(crate) fn parse(text: &str) -> Result<Millis, String> {
    let text = text.trim();
    let split = text.split_once('±').or_else(|| text.split_once("+-"));
    let (base, jitter) = match split {
        Some((base, jitter)) => (base.trim_end(), Some(jitter.trim_start())),
        None => (text, None),
    };
    let base = check_base(duration(base)?)?;
    let jitter = match jitter {
        Some(jitter) => check_jitter(spread(jitter, base)?, base)?,
        None => 0,
    };
    Ok(Millis { base, jitter })
}

/// Reads a plain duration, for options that have no jitter.
pub(crate) fn parse_plain(text: &str) -> Result<u64, String> {
    let Millis { base, jitter } = parse(text)?;
    if jitter == 0 {
        Ok(base)
    } else {
        Err("a jitter has no meaning here; write a duration such as `500ms`".into())
    }
}

/// What is said of a lease below 100 ms.
pub(crate) const SHORT_LEASE: &str =
    "`lease` is at least 100 ms: a shorter one would be over before it could be renewed";

/// Reads the time of the option `name`, which has no jitter.
pub(crate) fn parse_time(text: &str, name: &str) -> Result<u64, String> {
    let text = text.trim();
    if text.contains('±') || text.contains("+-") {
        return Err(format!(
            "a jitter has no meaning in `{name}`; write a duration such as `500ms`"
        ));
    }
    match u64::try_from(duration(text)?) {
        Ok(0) if name == "lease" => Err(SHORT_LEASE.into()),
        Ok(0) => Err(format!("`{name}` is at least 1 ms")),
        Ok(millis) if millis <= MAX_MS => Ok(millis),
        _ => Err(format!("`{name}` is at most 100 years")),
    }
}

fn check_base(ms: u128) -> Result<u64, String> {
    if ms == 0 {
        return Err("a ttl is at least 1 ms".into());
    }
    let in_range = u64::try_from(ms).ok().filter(|ms| *ms <= MAX_MS);
    in_range.ok_or_else(|| "a ttl is at most 100 years".into())
}

fn check_jitter(ms: u128, base: u64) -> Result<u64, String> {
    let in_range = u64::try_from(ms).ok().filter(|ms| *ms <= base);
    in_range.ok_or_else(|| "jitter is larger than the ttl".into())
}

/// A jitter in milliseconds: a duration, or a share of the TTL.
fn spread(text: &str, base: u64) -> Result<u128, String> {
    let Some(percent) = text.strip_suffix('%') else { return duration(text) };
    if percent.is_empty() || !percent.bytes().all(|b| b.is_ascii_digit()) {
        return Err(format!("`{text}` is not a percentage; write a whole number, such as `10%`"));
    }
    // Only a number too large for `u128` fails to parse here.
    let percent: u128 = percent.parse().unwrap_or(u128::MAX);
    Ok(percent.saturating_mul(u128::from(base)) / 100)
}

fn duration(text: &str) -> Result<u128, String> {
    if text.is_empty() {
        return Err("a duration is missing; write one such as `30m`".into());
    }
    let (mut rest, mut total, mut last) = (text, 0_u128, None);
    while !rest.is_empty() {
        let (digits, tail) = split(rest, |c| c.is_ascii_digit());
        let (unit, tail) = split(tail, |c| !c.is_ascii_digit());
        let size = size_of_unit(digits, unit, text)?;
        if last.is_some_and(|last| size >= last) {
            return Err(format!("units go from large to small, each once, unlike in `{text}`"));
        }
        let count: u128 = digits.parse().unwrap_or(u128::MAX);
        total = total.saturating_add(count.saturating_mul(u128::from(size)));
        (rest, last) = (tail, Some(size));
    }
    Ok(total)
}

fn size_of_unit(digits: &str, unit: &str, text: &str) -> Result<u64, String> {
    if digits.is_empty() || unit.contains(['.', ',', '_', ' ']) {
        let message = "is not a duration; write whole numbers with units, such as `1h30m`";
        return Err(format!("`{text}` {message}"));
    }
    let expected = "expected one of `ms`, `s`, `m`, `h`, `d`";
    if unit.is_empty() {
        return Err(format!("`{digits}` has no unit; {expected}"));
    }
    let size = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, size)| *size);
    size.ok_or_else(|| format!("unknown unit `{unit}`; {expected}"))
}

fn split(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !belongs(c)).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cases::cases;

    proptest! {
        /// What the attribute takes is what `Ttl::parse` takes, and means the same.
        #[test]
        fn any_text_is_judged_as_at_run_time(text in "[0-9dhms±+%. -]{0,12}|\\PC*") {
            let ttl = parse(&text).map(|Millis { base, jitter }| cachekit::Ttl::from_millis(base, jitter));
            match (ttl, cachekit::Ttl::parse(&text)) {
                (Ok(ours), Ok(theirs)) => prop_assert_eq!(ours, theirs),
                (Err(ours), Err(theirs)) => prop_assert_eq!(ours, theirs.message()),
                (ours, theirs) => prop_assert!(false, "{ours:?}, {theirs:?}"),
            }
        }
    }

    #[test]
    fn verdicts_and_messages_are_those_of_the_shared_table() {
        for case in cases(include_str!("../../cachekit-core/src/ttl_cases.txt")) {
            let expected = match case.ok {
                true => Ok(Millis {
                    base: case.fields[1].parse().unwrap(),
                    jitter: case.fields[2].parse().unwrap(),
                }),
                false => Err(case.fields[1].to_owned()),
            };
            assert_eq!(parse(case.fields[0]), expected, "{}", case.fields[0]);
        }
    }

    #[test]
    fn a_plain_duration_has_no_jitter() {
        assert_eq!(parse_plain("500ms"), Ok(500));
        assert!(parse_plain("1s±1ms").is_err());
    }

    #[test]
    fn a_time_names_its_option() {
        let said = |text| parse_time(text, "hard_timeout");
        assert_eq!(said("1m30s"), Ok(90_000));
        assert_eq!(said("0s").unwrap_err(), "`hard_timeout` is at least 1 ms");
        assert_eq!(parse_time("0ms", "lease").unwrap_err(), SHORT_LEASE);
        assert_eq!(said("36526d").unwrap_err(), "`hard_timeout` is at most 100 years");
        assert!(said("1s±10%").unwrap_err().contains("no meaning in `hard_timeout`"));
        assert!(said("5").unwrap_err().contains("no unit"));
    }
}
