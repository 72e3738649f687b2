//! The identity of a request: everything that a response may depend on.

use std::{
    cell::Cell,
    fmt,
    hash::{BuildHasher as _, Hash, Hasher},
    sync::{Arc, LazyLock},
};

use foldhash::quality::RandomState;
use http::HeaderMap;

use crate::Kind;

/// Everything that a response may depend on, as a text of parts that cannot run into one another. Secrets are in it as
/// their keyed hashes only.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Of the text, in this process: it is looked up several times.
    hash: u64,
    text: Arc<[u8]>,
}

/// Drawn for each process, since those who send requests choose identities.
static HASHING: LazyLock<RandomState> = LazyLock::new(RandomState::default);

impl Identity {
    /// A short form, for a store that others share. `key` keeps those who choose requests from choosing it.
    pub(crate) fn digest(&self, key: &[u8; 32]) -> [u8; 16] {
        let hash = blake3::keyed_hash(key, &self.text);
        let mut short = [0; 16];
        short.copy_from_slice(&hash.as_bytes()[..16]);
        short
    }
}

impl Hash for Identity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl fmt::Debug for Identity {
    /// Shows nothing of it: it may hold personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(..)")
    }
}

/// A buffer that is larger is not kept.
const MOST_SPARE: usize = 4096;

thread_local! {
    /// The buffer of the last identity that was written.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Writes an identity, part by part.
#[derive(Debug)]
pub(crate) struct IdentityWriter(Vec<u8>);

/// What a part of an identity is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Part {
    Layer = 1,
    Kind,
    Method,
    Authority,
    Path,
    Query,
    /// The name of a declared header; its value follows, as another part.
    HeaderName,
    HeaderValue,
    /// The keyed hash of a principal.
    Principal,
    /// The keyed hash of a credential.
    Credential,
    ContentType,
    Body,
    Group,
    /// The path and the query that the handler sees, where they are not those that came.
    Rewritten,
}

impl IdentityWriter {
    pub(crate) fn new(layer: &str, kind: Kind) -> Self {
        let mut writer = Self(SPARE.take());
        writer.0.clear();
        writer.part(Part::Layer, layer);
        writer.part(Part::Kind, [u8::from(kind == Kind::Grpc)]);
        writer
    }

    /// Writes a part. That there is none is another identity than that it is empty.
    pub(crate) fn part(&mut self, part: Part, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        self.0.push(part as u8);
        self.0.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
        self.0.extend_from_slice(bytes);
    }

    /// Writes each line of a header that says what a body's bytes mean, beside its name.
    pub(crate) fn lines(&mut self, headers: &HeaderMap, name: &str) {
        for line in headers.get_all(name) {
            self.part(Part::HeaderName, name);
            self.part(Part::ContentType, line.as_bytes());
        }
    }

    /// Writes the keyed hash of a secret.
    pub(crate) fn secret(&mut self, part: Part, key: &[u8; 32], secret: &[u8]) {
        self.part(part, blake3::keyed_hash(key, secret).as_bytes());
    }

    pub(crate) fn finish(self) -> Identity {
        let hash = HASHING.hash_one(self.0.as_slice());
        let text = Arc::from(self.0.as_slice());
        if self.0.capacity() <= MOST_SPARE {
            SPARE.set(self.0);
        }
        Identity { hash, text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(parts: &[(Part, &str)]) -> Identity {
        let mut writer = IdentityWriter::new("l", Kind::Http);
        parts.iter().for_each(|(part, text)| writer.part(*part, text));
        writer.finish()
    }

    #[test]
    fn parts_do_not_run_into_one_another() {
        let all = [
            identity(&[]),
            identity(&[(Part::Query, "")]),
            identity(&[(Part::Path, "ab"), (Part::Query, "c")]),
            identity(&[(Part::Path, "a"), (Part::Query, "bc")]),
            identity(&[(Part::Path, "abc")]),
            IdentityWriter::new("l", Kind::Grpc).finish(),
            IdentityWriter::new("m", Kind::Http).finish(),
        ];
        for (at, one) in all.iter().enumerate() {
            for (other_at, other) in all.iter().enumerate() {
                assert_eq!(one == other, at == other_at);
                assert_eq!(one.digest(&[1; 32]) == other.digest(&[1; 32]), at == other_at);
            }
        }
        assert_ne!(all[0].digest(&[1; 32]), all[0].digest(&[2; 32]));
    }

    #[test]
    fn secrets_never_stored() {
        let mut writer = IdentityWriter::new("l", Kind::Http);
        writer.secret(Part::Credential, &[1; 32], b"Bearer secret");
        let identity = writer.finish();
        let text = String::from_utf8_lossy(&identity.text);
        assert!(!text.contains("secret"));
        assert_eq!(format!("{identity:?}"), "Identity(..)");
    }
}
