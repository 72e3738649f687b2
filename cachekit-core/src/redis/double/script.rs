//! What the scripts do, in Rust.

use super::super::script::{CAS_DEL, CAS_FILL, CAS_LEASE, EXTEND, INVALIDATE_KEEP, Script};
use super::{
    command::{number, range},
    keys::Keys,
    resp::Reply,
};

type Body = fn(&mut Keys, &[u8], &[&[u8]]) -> Option<i64>;

fn known() -> [(&'static Script, Body); 5] {
    [
        (&CAS_FILL, cas_fill),
        (&CAS_DEL, cas_del),
        (&CAS_LEASE, cas_lease),
        (&EXTEND, extend),
        (&INVALIDATE_KEEP, invalidate_keep),
    ]
}

pub(super) fn by_hash(keys: &mut Keys, hash: &[u8], key: &[u8], args: &[&[u8]]) -> Reply {
    let found = known().into_iter().find(|(script, _)| script.hash().as_bytes() == hash);
    match found {
        Some((_, body)) => answer(body(keys, key, args)),
        None => Reply::error("NOSCRIPT No matching script. Please use EVAL."),
    }
}

pub(super) fn in_full(keys: &mut Keys, source: &[u8], key: &[u8], args: &[&[u8]]) -> Reply {
    let found = known().into_iter().find(|(script, _)| script.source().as_bytes() == source);
    match found {
        Some((_, body)) => answer(body(keys, key, args)),
        None => Reply::error("ERR the test double does not know this script"),
    }
}

fn answer(reply: Option<i64>) -> Reply {
    reply.map_or_else(|| Reply::error("ERR wrong arguments for this script"), Reply::Int)
}

/// The frozen part of an entry: kind, id and floor, as far as they are there.
struct Header {
    bytes: Vec<u8>,
}

impl Header {
    fn of(keys: &mut Keys, key: &[u8]) -> Header {
        let bytes = keys.get(key).map(|bytes| bytes.as_slice()).unwrap_or_default();
        Header { bytes: range(bytes, 0, 27).to_vec() }
    }

    fn is_whole(&self) -> bool {
        self.bytes.len() == 28
    }

    fn is(&self, kind: u8) -> bool {
        self.bytes.get(2) == Some(&kind)
    }

    fn id(&self) -> &[u8] {
        range(&self.bytes, 4, 19)
    }

    fn floor(&self) -> &[u8] {
        range(&self.bytes, 20, 27)
    }
}

fn cas_fill(keys: &mut Keys, key: &[u8], args: &[&[u8]]) -> Option<i64> {
    let [expected, entry, px, kind] = args else { return None };
    let header = Header::of(keys, key);
    if !header.is_whole() {
        return Some(0);
    }
    if header.id() == range(entry, 4, 19) {
        return Some(1);
    }
    if header.id() != *expected {
        return Some(0);
    }
    if header.is(b'I') {
        return Some(-2);
    }
    if *kind == b"L" && !header.is(b'L') {
        return Some(0);
    }
    // Big-endian and of one length: bytes compare as the numbers do.
    if range(entry, 28, 35) < header.floor() {
        return Some(-1);
    }
    let mut entry = entry.to_vec();
    if range(&entry, 20, 27) < header.floor() {
        entry[20..28].copy_from_slice(header.floor());
    }
    keys.set(key, entry, Some(number(px)?));
    Some(1)
}

fn cas_del(keys: &mut Keys, key: &[u8], args: &[&[u8]]) -> Option<i64> {
    let [id] = args else { return None };
    let header = Header::of(keys, key);
    if header.id() != *id {
        return Some(0);
    }
    if header.is(b'I') {
        return Some(-2);
    }
    Some(i64::from(keys.remove(key)))
}

fn cas_lease(keys: &mut Keys, key: &[u8], args: &[&[u8]]) -> Option<i64> {
    let [seen, lease, px] = args else { return None };
    let header = Header::of(keys, key);
    if !header.is_whole() || header.id() != *seen || header.is(b'I') {
        return Some(0);
    }
    let lease = [range(lease, 0, 19), header.floor()].concat();
    keys.set(key, lease, Some(number(px)?));
    Some(1)
}

fn extend(keys: &mut Keys, key: &[u8], args: &[&[u8]]) -> Option<i64> {
    let [id, px] = args else { return None };
    let header = Header::of(keys, key);
    if !header.is(b'L') || header.id() != *id {
        return Some(0);
    }
    Some(i64::from(keys.expire(key, Some(number(px)?))))
}

fn invalidate_keep(keys: &mut Keys, key: &[u8], _: &[&[u8]]) -> Option<i64> {
    let header = Header::of(keys, key);
    if header.bytes.first() == Some(&0xca) && header.is(b'I') {
        return Some(2);
    }
    Some(i64::from(keys.remove(key)))
}
