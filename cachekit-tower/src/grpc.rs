//! gRPC: which methods a layer is for, and the message of a unary call.

use std::{collections::HashMap, fmt, sync::Arc};

use cachekit_core::Key;
use http::{HeaderMap, HeaderValue};

use crate::{KeyMissing, builder::Mistakes};

/// Makes the key of a call from its message, which is not compressed.
type MessageKey = dyn Fn(&[u8]) -> Result<Key, KeyMissing> + Send + Sync;

/// The gRPC methods that a layer is for, and what makes their keys.
#[derive(Clone, Default)]
pub(crate) struct Methods(HashMap<String, Arc<MessageKey>>);

/// Why a call has no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoKey {
    /// It is not one complete frame.
    NotUnary,
    Compressed,
    Missing,
}

impl NoKey {
    /// One word for metrics.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::NotUnary => "not_unary",
            Self::Compressed => "compressed",
            Self::Missing => "key_missing",
        }
    }
}

impl Methods {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn has(&self, path: &str) -> bool {
        self.0.contains_key(path)
    }

    /// Adds a method by its path, such as `/shop.Users/GetUser`.
    pub(crate) fn add(
        &mut self,
        path: &str,
        key: impl Fn(&[u8]) -> Result<Key, KeyMissing> + Send + Sync + 'static,
        mistakes: &mut Mistakes,
    ) {
        let names = path.strip_prefix('/').and_then(|rest| rest.split_once('/'));
        let fine = |name: &str| !name.is_empty() && !name.contains(['/', '?', ' ']);
        if !names.is_some_and(|(service, method)| fine(service) && fine(method)) {
            let path = path.escape_debug();
            return mistakes.add(format!("method `{path}`: write `/package.Service/Method`"));
        }
        if self.0.insert(path.to_owned(), Arc::new(key)).is_some() {
            mistakes.add(format!("method `{path}` is given twice"));
        }
    }

    /// [`add`](Self::add) with a key made of the decoded message.
    #[cfg(feature = "grpc")]
    pub(crate) fn add_decoded<M: prost::Message + Default>(
        &mut self,
        path: &str,
        key: impl Fn(&M) -> Key + Send + Sync + 'static,
        mistakes: &mut Mistakes,
    ) {
        let key = move |message: &[u8]| M::decode(message).map(|m| key(&m)).map_err(|_| KeyMissing);
        self.add(path, key, mistakes);
    }

    /// The key of a call of a listed method with this body.
    pub(crate) fn key(&self, path: &str, body: &[u8]) -> Result<Key, NoKey> {
        let make = self.0.get(path).ok_or(NoKey::Missing)?;
        match only_frame(body).ok_or(NoKey::NotUnary)? {
            (0, message) => make(message).map_err(|KeyMissing| NoKey::Missing),
            _ => Err(NoKey::Compressed),
        }
    }
}

/// The flag and the message of a body that is one complete frame and nothing else.
pub(crate) fn only_frame(body: &[u8]) -> Option<(u8, &[u8])> {
    let (head, message) = body.split_first_chunk::<5>()?;
    let [flag, length @ ..] = *head;
    (u32::from_be_bytes(length) as usize == message.len()).then_some((flag, message))
}

impl fmt::Debug for Methods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// What a caller says it understands.
const ACCEPTED: &str = "grpc-accept-encoding";

/// The encodings of messages that are told apart, in their order.
const ENCODINGS: [&str; 4] = ["deflate", "gzip", "identity", "zstd"];

/// The encodings that a caller understands, as far as they are told apart, in one order.
pub(crate) fn accepted_encodings(headers: &HeaderMap) -> String {
    let lines = headers.get_all(ACCEPTED);
    let named = |name: &&str| {
        let mut texts = lines.iter().filter_map(|line| line.to_str().ok());
        texts.any(|line| line.split(',').any(|one| one.trim().eq_ignore_ascii_case(name)))
    };
    ENCODINGS.iter().copied().filter(named).collect::<Vec<_>>().join(",")
}

/// Shows a handler the encodings as [`accepted_encodings`] has them.
pub(crate) fn normalize_encodings(headers: &mut HeaderMap) {
    match HeaderValue::try_from(accepted_encodings(headers)) {
        Ok(known) if !known.is_empty() => drop(headers.insert(ACCEPTED, known)),
        _ => drop(headers.remove(ACCEPTED)),
    }
}

#[cfg(test)]
mod tests {
    use cachekit_core::key::RuntimeTemplate;

    use super::*;

    fn key(message: &[u8]) -> Result<Key, KeyMissing> {
        let text = std::str::from_utf8(message).map_err(|_| KeyMissing)?;
        let template = RuntimeTemplate::parse("user:<id>").unwrap();
        template.expand(|_, w| {
            w.str(text);
            Ok(())
        })
    }

    #[test]
    fn a_key_is_made_of_the_one_message_of_a_unary_call() {
        let (mut methods, mut mistakes) = (Methods::default(), Mistakes::default());
        methods.add("/shop.Users/GetUser", key, &mut mistakes);
        mistakes.finish("methods").unwrap();
        let key = |body: &[u8]| methods.key("/shop.Users/GetUser", body);
        assert_eq!(key(b"\0\0\0\0\x017").unwrap().as_str(), "user:7");
        assert_eq!(key(b"\0\0\0\0\0").unwrap().as_str(), "user:%e");
        assert_eq!(key(b"\x01\0\0\0\x017"), Err(NoKey::Compressed));
        assert_eq!(key(b"\0\0\0\0\x01\xff"), Err(NoKey::Missing));
        for body in [&b""[..], b"\0\0\0\0", b"\0\0\0\0\x02a", b"\0\0\0\0\x01a\0\0\0\0\x01b"] {
            assert_eq!(key(body), Err(NoKey::NotUnary), "{body:?}");
        }
    }

    #[test]
    fn methods_are_named_once_and_in_full() {
        let (mut methods, mut mistakes) = (Methods::default(), Mistakes::default());
        for path in ["/a.B/C", "/a.B/C", "GetUser", "/a.B/", "/a.B/C/D"] {
            methods.add(path, key, &mut mistakes);
        }
        assert_eq!(mistakes.finish("methods").unwrap_err().mistakes().count(), 4);
    }
}
