//! The names of streams in Redis.

use super::super::names::check;
use crate::Error;

/// What a stream is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Events of a topic: `ck~e:<namespace>:<topic>`.
    Events,
    /// Values that wait to be written: `ck~w:<namespace>:<name>`.
    Writes,
}

/// The key of a stream. It begins with `ck~`, as everything of the library's that is no entry: it stands outside of
/// every namespace of entries, and a sweep of one leaves it alone.
pub(crate) fn stream_key(namespace: &str, kind: Kind, name: &str) -> Result<String, Error> {
    check("namespace", namespace)?;
    check_name("topic", name)?;
    let kind = match kind {
        Kind::Events => 'e',
        Kind::Writes => 'w',
    };
    Ok(format!("ck~{kind}:{namespace}:{name}"))
}

/// Whether `name` can be part of a stream's key.
pub(crate) fn check_name(what: &str, name: &str) -> Result<(), Error> {
    check(what, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_of_two_names_never_meet() {
        assert_eq!(stream_key("shop", Kind::Events, "orders").unwrap(), "ck~e:shop:orders");
        assert_eq!(stream_key("shop", Kind::Writes, "orders").unwrap(), "ck~w:shop:orders");
        for name in ["", "a:b", "a{b", "a.b", "a\nb"] {
            assert!(stream_key("shop", Kind::Events, name).is_err(), "{name}");
            assert!(stream_key(name, Kind::Events, "orders").is_err(), "{name}");
        }
    }
}
