//! Whatever a server says, each reader of replies has an answer: a value, or an error. None of them panics.

use proptest::{collection::vec, prelude::*};
use redis::Value;

use super::super::{
    probe,
    reply::{self, Reply, StoreError},
    sweep,
};

/// A reply of any shape, down to replies in replies.
pub(in crate::redis) fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Nil),
        Just(Value::Okay),
        any::<i64>().prop_map(Value::Int),
        any::<bool>().prop_map(Value::Boolean),
        any::<f64>().prop_map(Value::Double),
        ".*".prop_map(Value::SimpleString),
        vec(any::<u8>(), 0..80).prop_map(Value::BulkString),
        // What begins as an entry of ours does.
        (vec(any::<u8>(), 0..80), "[VNLTIX]").prop_map(|(rest, kind)| {
            let mut bytes = vec![0xca, 1, kind.as_bytes()[0], 0];
            bytes.extend(rest);
            Value::BulkString(bytes)
        }),
        "[A-Z]{0,12} \\PC*".prop_map(|line| {
            redis::parse_redis_value(format!("-{}\r\n", line.escape_default()).as_bytes())
                .unwrap_or(Value::Nil)
        }),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::Array),
            vec((inner.clone(), inner.clone()), 0..4).prop_map(Value::Map),
            vec(inner, 0..6).prop_map(Value::Set),
        ]
    })
}

proptest! {
    #[test]
    fn a_probe_s_reply_may_be_anything(value in any_value()) {
        let refused = matches!(value, Value::ServerError(_));
        let parsed = probe::parse(value.into());
        prop_assert!(!refused || parsed.is_err());
    }

    /// What is no number was no answer to the script: nobody knows what it did.
    #[test]
    fn a_script_s_reply_may_be_anything(value in any_value()) {
        match (value.clone(), reply::int(value.into())) {
            (Value::Int(number), read) => prop_assert_eq!(read, Ok(number)),
            (Value::ServerError(_), read) => prop_assert!(read.is_err()),
            (_, read) => prop_assert_eq!(read, Err(StoreError::Io)),
        }
    }

    #[test]
    fn a_page_of_keys_may_be_anything(value in any_value()) {
        let _ = sweep::page(value.clone().into());
        let _ = reply::bytes(Reply::from(value));
    }
}
