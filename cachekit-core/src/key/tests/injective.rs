//! Distinct arguments never give one key: random values of nested types, and every small one.

use std::{collections::HashMap, fmt::Debug, hash::Hash};

use proptest::{collection::vec, option, prelude::*};

use crate::key::{KeyBuf, Segment};

type Awkward = (Option<Vec<Option<String>>>, String, Option<Option<i8>>);
type Nested = Vec<Option<Vec<Option<Vec<String>>>>>;

fn expand(first: &impl Segment, second: &impl Segment) -> String {
    let key = KeyBuf::new("k:<a>:<b>", |w| {
        w.literal("k:");
        w.value(first);
        w.literal(":");
        w.value(second);
    });
    key.as_ref().text.to_owned()
}

/// Short texts full of what the escaping writes and escapes, so that near misses are frequent.
fn awkward_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[%:{}<>#, .ens0-9A-F\\[\u{0}\n\u{7f}\u{85}é]{0,4}",
        prop::sample::select(vec![
            "", "%", "%e", "%n", "%s", "%,", "%.", "%[", "%25", "25", ":", "%3A"
        ])
        .prop_map(String::from),
    ]
}

fn awkward() -> impl Strategy<Value = Awkward> {
    (
        option::of(vec(option::of(awkward_text()), 0..3)),
        awkward_text(),
        option::of(option::of(-1..2_i8)),
    )
}

fn nested() -> impl Strategy<Value = Nested> {
    vec(option::of(vec(option::of(vec(awkward_text(), 0..2)), 0..3)), 0..3)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn segments_are_injective(a in (awkward(), nested()), b in (awkward(), nested())) {
        prop_assert_eq!(expand(&a.0, &a.1) == expand(&b.0, &b.1), a == b, "{:?} {:?}", a, b);
    }

    #[test]
    fn texts_are_injective(a in (awkward_text(), awkward_text()), b in (awkward_text(), awkward_text())) {
        prop_assert_eq!(expand(&a.0, &a.1) == expand(&b.0, &b.1), a == b);
    }

    #[test]
    fn a_key_never_exceeds_its_limit(a in "[ax:%é]{0,300}", b in vec(awkward_text(), 0..40)) {
        prop_assert!(expand(&a, &b).len() <= crate::key::MAX_TEXT);
    }
}

/// Random pairs are rarely near each other; here every value is written and none may meet another.
fn all_differ<T: Segment + Debug + Clone + Eq + Hash>(values: &[T]) {
    let mut seen = HashMap::new();
    for value in values {
        if let Some(other) = seen.insert(expand(value, &0), value) {
            assert_eq!(other, value, "both give {}", expand(value, &0));
        }
    }
    assert!(seen.len() > 1);
}

fn options<T: Clone>(values: &[T]) -> Vec<Option<T>> {
    std::iter::once(None).chain(values.iter().cloned().map(Some)).collect()
}

/// All lists of up to `longest` of `values`.
fn lists<T: Clone>(values: &[T], longest: usize) -> Vec<Vec<T>> {
    let mut all = vec![Vec::new()];
    let mut last = all.clone();
    for _ in 0..longest {
        last = last
            .iter()
            .flat_map(|list| {
                values
                    .iter()
                    .map(move |value| [list.as_slice(), std::slice::from_ref(value)].concat())
            })
            .collect();
        all.extend_from_slice(&last);
    }
    all
}

#[test]
fn every_small_nested_list_is_written_differently() {
    let texts = ["".to_owned(), "a".to_owned()];
    let one = lists(&texts, 2);
    let two = lists(&one[..4], 3);
    all_differ(&two);
    all_differ(&lists(&lists(&lists(&texts[..1], 1), 2), 3));
    all_differ(&lists(&lists(&lists(&lists(&texts[..1], 1), 1), 2), 3));
}

#[test]
fn every_small_list_of_options_is_written_differently() {
    let texts = ["".to_owned(), "a".to_owned()];
    let inner = lists(&options(&texts), 2);
    all_differ(&inner);
    all_differ(&options(&options(&options(&inner))));
    all_differ(&lists(&options(&inner), 2));
    all_differ(&lists(&options(&lists(&options(&texts[..1]), 2)), 3));
    all_differ(&lists(&options(&options(&texts)), 4));
}
