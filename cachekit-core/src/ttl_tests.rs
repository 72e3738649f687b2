//! Tests of times to live.

use proptest::prelude::*;

use super::*;
use crate::test_cases::cases;

#[test]
fn texts_parse_as_the_table_says() {
    for case in cases(include_str!("ttl_cases.txt")) {
        match Ttl::parse(case.input()) {
            Ok(ttl) => {
                assert!(case.is_ok(), "{case:?} was accepted");
                let expected = (case.field(0).parse(), case.field(1).parse());
                assert_eq!((Ok(ttl.base_ms), Ok(ttl.jitter_ms)), expected, "{case:?}");
            }
            Err(error) => {
                assert!(!case.is_ok(), "{case:?}: {error}");
                assert_eq!(error.message(), case.field(0), "{case:?}");
                assert_eq!(error.kind(), ErrorKind::InvalidTtl);
            }
        }
    }
}

#[test]
fn constructors_refuse_what_the_text_form_refuses() {
    let minute = Ttl::new(Duration::from_secs(60)).unwrap();
    assert_eq!(minute, "1m".parse().unwrap());
    assert_eq!(minute, Ttl::try_from("60s").unwrap());
    let message = |result: Result<Ttl, Error>| result.unwrap_err().message().to_owned();
    assert_eq!(message(Ttl::new(Duration::from_micros(999))), "a ttl is at least 1 ms");
    assert_eq!(message(Ttl::new(Duration::MAX)), "a ttl is at most 100 years");
    let larger = minute.with_jitter(Duration::from_millis(60_001));
    assert_eq!(message(larger), "jitter is larger than the ttl");
    assert_eq!(message(minute.with_jitter(Duration::MAX)), "jitter is larger than the ttl");
}

#[test]
fn conversions_that_cannot_fail_take_the_nearest_value() {
    assert_eq!(Ttl::from(Duration::ZERO), Ttl::from_millis(1, 0));
    assert_eq!(Ttl::from(Duration::MAX).base_ms, MAX_MS);
    assert_eq!(Ttl::from_millis(0, 5), Ttl { base_ms: 1, jitter_ms: 1 });
    let longest = Ttl::from_millis(u64::MAX, u64::MAX);
    assert!((1..=2 * MAX_MS).contains(&longest.sample_ms()));
}

#[test]
fn a_sample_is_never_zero() {
    let ttl = Ttl::from_millis(1, 1);
    let samples: Vec<_> = (0..200).map(|_| ttl.sample_ms()).collect();
    assert!(samples.iter().all(|ms| (1..=2).contains(ms)));
}

#[test]
fn without_jitter_every_sample_is_the_ttl() {
    let ttl = Ttl::from_millis(1_234, 0);
    assert!((0..100).all(|_| ttl.sample_ms() == 1_234));
}

/// Chi-square over 40 buckets; the 99.99 % quantile for 39 degrees of freedom is 82.1. The seed is fixed: no flakes.
#[test]
fn samples_are_spread_evenly_over_the_range() {
    const BUCKETS: usize = 40;
    const SAMPLES: usize = 400_000;
    let ttl = Ttl::from_millis(100_000, 9_999);
    let range = 2 * ttl.jitter_ms + 1;
    let mut rng = fastrand::Rng::with_seed(7);
    let mut counts = [0_u32; BUCKETS];
    let mut seen = (u64::MAX, 0);
    for _ in 0..SAMPLES {
        let ms = ttl.sample_with(&mut rng);
        let above = ms.checked_sub(ttl.base_ms - ttl.jitter_ms).unwrap();
        counts[(above * BUCKETS as u64 / range) as usize] += 1;
        seen = (seen.0.min(above), seen.1.max(above));
    }
    assert_eq!(seen, (0, range - 1), "both ends are reached");
    let expected = SAMPLES as f64 / BUCKETS as f64;
    let chi_square: f64 =
        counts.iter().map(|&n| (f64::from(n) - expected).powi(2) / expected).sum();
    assert!(chi_square < 82.1, "{chi_square}: {counts:?}");
}

proptest! {
    #[test]
    fn any_text_gives_a_ttl_or_an_error(text in "[0-9a-z±+%. -]{0,12}|\\PC*") {
        if let Ok(ttl) = Ttl::parse(&text) {
            prop_assert!(ttl.base_ms >= 1 && ttl.base_ms <= MAX_MS && ttl.jitter_ms <= ttl.base_ms);
        }
    }

    #[test]
    fn display_parses_back(base in 1..=MAX_MS, jitter in 0..=MAX_MS) {
        let ttl = Ttl::from_millis(base, jitter);
        prop_assert_eq!(Ttl::parse(&ttl.to_string()).unwrap(), ttl);
    }

    #[test]
    fn samples_lie_in_the_range(base in 1..=MAX_MS, jitter in 0..=MAX_MS) {
        let ttl = Ttl::from_millis(base, jitter);
        let ms = ttl.sample_ms();
        prop_assert!(ms >= 1 && ms >= ttl.base_ms - ttl.jitter_ms && ms <= ttl.base_ms + ttl.jitter_ms);
    }
}
