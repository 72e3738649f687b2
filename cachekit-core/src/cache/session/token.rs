//! Tokens as bytes.
//!
//! ```text
//!  0  version, 1
//!  1  which secret signed it
//!  2  issued at, ms of the Unix epoch      10  flags: 1 all keys are old, 2 there is a position
//! 11  number of keys, n ≤ 32
//! 12  all keys are meant for so long, ms   16  replicas may lag for so long, ms
//! 20  position
//! 28  n × (hash 8, for so long in ms 4, flags 1: 1 its entry is old, which secret 1)
//!     HMAC-SHA-256 of all that, the first 16 bytes
//! ```
//!
//! Numbers are little-endian, times count from the moment of issue.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::{
    Refused, Session,
    pins::{MOST, Pinned},
    secrets::{Hasher, Hashers},
};

const VERSION: u8 = 1;
const HEAD: usize = 28;
const EACH: usize = 14;
const MAC: usize = 16;
const LONGEST: usize = HEAD + MOST * EACH + MAC;

const ALL_DIRTY: u8 = 1;
const HAS_POSITION: u8 = 2;
const DIRTY: u8 = 1;

pub(super) fn write(session: &Session, now: u64, secret: &Hasher) -> Vec<u8> {
    let for_ms = |until: u64| u32::try_from(until.saturating_sub(now)).unwrap_or(u32::MAX);
    let mut flags = if session.all_dirty { ALL_DIRTY } else { 0 };
    flags |= if session.position.is_some() { HAS_POSITION } else { 0 };
    let keys = u8::try_from(session.pins.len()).expect("a session names 32 keys at most");
    let mut token = Vec::with_capacity(LONGEST);
    token.extend([VERSION, secret.id]);
    token.extend(now.to_le_bytes());
    token.extend([flags, keys]);
    token.extend(for_ms(session.all_until).to_le_bytes());
    token.extend(for_ms(session.replicas_until).to_le_bytes());
    token.extend(session.position.unwrap_or_default().to_le_bytes());
    for pin in &session.pins {
        token.extend(pin.hash.to_le_bytes());
        token.extend(for_ms(pin.until).to_le_bytes());
        token.extend([if pin.dirty { DIRTY } else { 0 }, pin.secret]);
    }
    let mac = mac(secret, &token).finalize().into_bytes();
    token.extend(&mac[..MAC]);
    token
}

/// Reads a token into an empty session.
pub(super) fn read(token: &[u8], secrets: &[Hasher], into: Session) -> Result<Session, Refused> {
    let body = token.len().checked_sub(MAC).filter(|body| *body >= HEAD && token.len() <= LONGEST);
    let (body, signature) = token.split_at(body.ok_or(Refused::Malformed)?);
    let signed = |secret: &&Hasher| {
        secret.id == body[1] && mac(secret, body).verify_truncated_left(signature).is_ok()
    };
    secrets.iter().find(signed).ok_or(Refused::Forged)?;
    // Ours from here on; another version of us may have made it.
    parse(body, secrets, into).ok_or(Refused::Malformed)
}

fn parse(body: &[u8], secrets: &[Hasher], mut into: Session) -> Option<Session> {
    let mut rest = Bytes(body);
    let [version, _secret] = rest.take()?;
    if version != VERSION {
        return None;
    }
    let issued = u64::from_le_bytes(rest.take()?);
    let [flags, keys] = rest.take()?;
    let until = |for_ms: [u8; 4]| match u32::from_le_bytes(for_ms) {
        0 => 0,
        for_ms => issued.saturating_add(for_ms.into()),
    };
    into.all_until = until(rest.take()?);
    into.all_dirty = flags & ALL_DIRTY != 0;
    into.replicas_until = until(rest.take()?);
    let position = u64::from_le_bytes(rest.take()?);
    into.position = (flags & HAS_POSITION != 0).then_some(position);
    for _ in 0..keys {
        let hash = u64::from_le_bytes(rest.take()?);
        let until = until(rest.take()?);
        let [flags, secret] = rest.take()?;
        let dirty = flags & DIRTY != 0;
        match Hashers::knows(secrets, secret) {
            true => into.add(Pinned { hash, secret, until, dirty }),
            // Which key it is nobody can say any more.
            false => into.add_all(until, dirty),
        }
    }
    rest.0.is_empty().then_some(into)
}

fn mac(secret: &Hasher, body: &[u8]) -> Hmac<Sha256> {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(&secret.signing).expect("a key may have any length");
    mac.update(body);
    mac
}

struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }
}
