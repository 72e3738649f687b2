//! A whole response at rest: what is stored of it, and how it is written and read.
//!
//! Whoever can write to Redis can write entries. So what comes from there is checked as a stranger's message is, and
//! is no entry if anything about it is odd.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use cachekit_core::{HasLife, Life, Weigh};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::body::Trailers;

/// First of all: which shape the rest has. Other versions are misses.
const MAGIC: [u8; 4] = *b"ckr\x01";
/// More header lines than these have no response of ours.
const MOST_LINES: usize = 1024;

/// A complete response. Clones are handles to the same one.
#[derive(Clone)]
pub(crate) struct Snapshot(Arc<Stored>);

/// What a snapshot is made of.
#[derive(Debug, PartialEq)]
pub(crate) struct Stored {
    /// Of the request that brought it; an entry under another's key is none.
    pub(crate) identity: [u8; 16],
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: Trailers,
    /// When it was complete, in milliseconds of Unix time.
    pub(crate) stored_ms: u64,
    /// How old it was when it was received, in seconds.
    pub(crate) received_age: u64,
    pub(crate) span: Span,
}

/// How long a response is good, and for how long after that it will do. In milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    /// 0: it is not kept.
    pub(crate) fresh_ms: u64,
    pub(crate) revalidate_ms: u64,
    pub(crate) error_ms: u64,
    /// It says that the source failed. Never so where it is kept.
    pub(crate) failed: bool,
}

impl Span {
    /// Of a response that says that the source failed.
    pub(crate) const FAILED: Self =
        Self { fresh_ms: 0, revalidate_ms: 0, error_ms: 0, failed: true };
}

impl Snapshot {
    pub(crate) fn new(stored: Stored) -> Self {
        Self(Arc::new(stored))
    }

    /// Whether it outlives its run.
    pub(crate) fn is_kept(&self) -> bool {
        self.0.span.fresh_ms > 0
    }
}

impl std::ops::Deref for Snapshot {
    type Target = Stored;

    fn deref(&self) -> &Stored {
        &self.0
    }
}

impl HasLife for Snapshot {
    fn life(&self) -> Life {
        let Span { fresh_ms, revalidate_ms, error_ms, failed } = self.0.span;
        if failed {
            return Life::FAILED;
        }
        Life::new(Duration::from_millis(fresh_ms))
            .stale_while_revalidate(Duration::from_millis(revalidate_ms))
            .stale_if_error(Duration::from_millis(error_ms))
    }
}

impl Weigh for Snapshot {
    fn weight(&self) -> u32 {
        self.0.size().try_into().unwrap_or(u32::MAX)
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("status", &self.0.status).finish_non_exhaustive()
    }
}

impl Stored {
    fn size(&self) -> usize {
        let lines = |map: &HeaderMap| -> usize {
            map.iter().map(|(name, value)| name.as_str().len() + value.len() + 32).sum()
        };
        128 + self.body.len() + lines(&self.headers) + self.trailers.as_deref().map_or(0, lines)
    }
}

// ===== bytes =====

impl Serialize for Snapshot {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Snapshot {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(Visitor)
    }
}

struct Visitor;

impl<'de> de::Visitor<'de> for Visitor {
    type Value = Snapshot;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the bytes of a response")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Snapshot, E> {
        self.visit_byte_buf(bytes.to_vec())
    }

    fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Snapshot, E> {
        let stored = Reader(Bytes::from(bytes)).stored();
        stored.map(Snapshot::new).ok_or_else(|| E::custom("the bytes are no response"))
    }

    /// Formats without bytes write them as a list.
    fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Snapshot, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = list.next_element()? {
            bytes.push(byte);
        }
        self.visit_byte_buf(bytes)
    }
}

fn encode(stored: &Stored) -> Vec<u8> {
    let mut out = Vec::with_capacity(stored.size());
    out.extend(MAGIC);
    out.extend(stored.identity);
    out.extend(stored.status.as_u16().to_le_bytes());
    let Span { fresh_ms, revalidate_ms, error_ms, .. } = stored.span;
    for number in [stored.stored_ms, stored.received_age, fresh_ms, revalidate_ms, error_ms] {
        out.extend(number.to_le_bytes());
    }
    put_lines(&mut out, &stored.headers);
    put(&mut out, &stored.body);
    out.push(u8::from(stored.trailers.is_some()));
    if let Some(trailers) = &stored.trailers {
        put_lines(&mut out, trailers);
    }
    out
}

fn put_lines(out: &mut Vec<u8>, map: &HeaderMap) {
    out.extend((map.len() as u32).to_le_bytes());
    for (name, value) in map {
        put(out, name.as_str().as_bytes());
        put(out, value.as_bytes());
    }
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend((bytes.len() as u32).to_le_bytes());
    out.extend(bytes);
}

/// What is left to be read. Every step fails where the bytes are not what they should be.
struct Reader(Bytes);

impl Reader {
    fn stored(mut self) -> Option<Stored> {
        (self.array()? == MAGIC).then_some(())?;
        let identity = self.array()?;
        let status = self.status()?;
        let (stored_ms, received_age) = (self.number()?, self.number()?);
        let span = Span {
            fresh_ms: self.number()?,
            revalidate_ms: self.number()?,
            error_ms: self.number()?,
            failed: false,
        };
        let headers = self.lines()?;
        let body = self.bytes()?;
        let trailers = match self.array()? {
            [0] => None,
            [1] => Some(Box::new(self.lines()?)),
            _ => return None,
        };
        let stored =
            Stored { identity, status, headers, body, trailers, stored_ms, received_age, span };
        (self.0.is_empty() && span.fresh_ms > 0).then_some(stored)
    }

    /// No other statuses are ever stored.
    fn status(&mut self) -> Option<StatusCode> {
        let status = StatusCode::from_u16(u16::from_le_bytes(self.array()?)).ok()?;
        super::judge::may_be_stored(status).then_some(status)
    }

    fn lines(&mut self) -> Option<HeaderMap> {
        let count = usize::try_from(u32::from_le_bytes(self.array()?)).ok()?;
        (count <= MOST_LINES).then_some(())?;
        let mut map = HeaderMap::with_capacity(count);
        for _ in 0..count {
            let name = HeaderName::from_bytes(&self.bytes()?).ok()?;
            let value = HeaderValue::from_maybe_shared(self.bytes()?).ok()?;
            super::headers::may_be_stored(&name).then_some(())?;
            map.append(name, value);
        }
        Some(map)
    }

    fn number(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn bytes(&mut self) -> Option<Bytes> {
        let length = u32::from_le_bytes(self.array()?).try_into().ok()?;
        (self.0.len() >= length).then(|| self.0.split_to(length))
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let bytes = (self.0.len() >= N).then(|| self.0.split_to(N))?;
        bytes.as_ref().try_into().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored() -> Stored {
        let mut headers = HeaderMap::new();
        headers.append("x-a", HeaderValue::from_static("1"));
        headers.append("link", HeaderValue::from_static("<a>"));
        headers.append("link", HeaderValue::from_bytes(b"<\xfc>").unwrap());
        let mut trailers = HeaderMap::new();
        trailers.append("grpc-status", HeaderValue::from_static("0"));
        Stored {
            identity: [7; 16],
            status: StatusCode::OK,
            headers,
            body: Bytes::from_static(b"hello"),
            trailers: Some(Box::new(trailers)),
            stored_ms: 1_700_000_000_123,
            received_age: 3,
            span: Span { fresh_ms: 30_000, revalidate_ms: 1, error_ms: 2, failed: false },
        }
    }

    fn read(bytes: Vec<u8>) -> Option<Stored> {
        Reader(Bytes::from(bytes)).stored()
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(read(encode(&stored())).unwrap(), stored());
        let plain = Stored { trailers: None, body: Bytes::new(), ..stored() };
        assert_eq!(read(encode(&plain)).unwrap(), plain);
    }

    #[test]
    fn serde_reads_what_it_wrote() {
        let json = serde_json::to_string(&Snapshot::new(stored())).unwrap();
        assert_eq!(*serde_json::from_str::<Snapshot>(&json).unwrap(), stored());
    }

    #[test]
    fn entry_is_untrusted() {
        let good = encode(&stored());
        for length in 0..good.len() {
            assert_eq!(read(good[..length].to_vec()), None, "cut at {length}");
        }
        let mut longer = good.clone();
        longer.push(0);
        assert_eq!(read(longer), None, "bytes are left over");
        let odd = |change: fn(&mut Stored)| {
            let mut odd = stored();
            change(&mut odd);
            read(encode(&odd))
        };
        let set = |stored: &mut Stored, name: &'static str| {
            stored.headers.append(name, HeaderValue::from_static("x"));
        };
        assert_eq!(odd(|stored| stored.status = StatusCode::PARTIAL_CONTENT), None);
        assert_eq!(odd(|stored| stored.status = StatusCode::INTERNAL_SERVER_ERROR), None);
        assert_eq!(odd(|stored| stored.span.fresh_ms = 0), None);
        for name in ["set-cookie", "connection", "transfer-encoding", "content-length"] {
            let mut odd = stored();
            set(&mut odd, name);
            assert_eq!(read(encode(&odd)), None, "{name}");
        }
        let at = good.windows(3).position(|bytes| bytes == b"x-a").unwrap();
        for (place, byte) in [(0, b'x'), (3, 2), (at, b' '), (at + 7, b'\n')] {
            let mut odd = good.clone();
            odd[place] = byte;
            assert_eq!(read(odd), None, "byte {place}");
        }
    }
}
