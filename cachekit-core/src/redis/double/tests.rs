//! The double beside a real server: the same commands, the same answers.

use cachekit_test_support::{Connection, RedisServer, Reply as Real};

use super::super::script::{CAS_DEL, CAS_FILL, CAS_LEASE, EXTEND, INVALIDATE_KEEP};
use super::{command, keys::Keys, resp::Reply};
use crate::clock::Clock;

/// A double's answer as the client of a real server would see it.
fn seen(reply: Reply) -> Real {
    match reply {
        Reply::Ok => Real::Simple("OK".to_owned()),
        Reply::Pong => Real::Simple("PONG".to_owned()),
        // The test's connection speaks RESP2.
        Reply::Nil => Real::Bulk(None),
        Reply::Int(number) => Real::Int(number),
        Reply::Bytes(bytes) => Real::Bulk(Some(bytes)),
        Reply::Array(items) => Real::Array(items.into_iter().map(seen).collect()),
        Reply::Error(text) => Real::Error(text),
        Reply::Map(_) | Reply::Invalidate(_) => {
            unreachable!("no command of entries has such a reply")
        }
    }
}

struct Both {
    real: Connection,
    keys: Keys,
}

impl Both {
    fn run(&mut self, words: &[Vec<u8>]) -> Real {
        let parts: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let real = self.real.call(&parts);
        let double = seen(command::run(&mut self.keys, words));
        let (real, double) = (blurred(words, real), blurred(words, double));
        let shown: Vec<_> = words.iter().map(|word| word.escape_ascii().to_string()).collect();
        assert_eq!(real, double, "{shown:?}");
        real
    }
}

/// What is left of a time differs by what passed between the two, and pages come in any order.
fn blurred(words: &[Vec<u8>], reply: Real) -> Real {
    match (words[0].as_slice(), reply) {
        (b"PTTL", Real::Int(left)) if left > 0 => Real::Int((left + 2_000) / 10_000),
        (b"SCAN", Real::Array(mut parts)) => {
            if let Some(Real::Array(keys)) = parts.get_mut(1) {
                keys.sort_by_key(|key| format!("{key:?}"));
            }
            Real::Array(parts)
        }
        (_, Real::Error(text)) => {
            Real::Error(text.split(' ').next().unwrap_or_default().to_owned())
        }
        (_, reply) => reply,
    }
}

fn one_of<T: Clone>(choices: &[T]) -> T {
    choices[fastrand::usize(..choices.len())].clone()
}

/// An entry, or what a foreign hand may have left.
fn entry() -> Vec<u8> {
    let kind = one_of(b"VNLTI");
    let mut entry = [&[0xca, 1, kind, 0][..], &id(), &floor()].concat();
    if matches!(kind, b'V' | b'N') {
        entry.extend_from_slice(&floor());
        entry.extend_from_slice(b"the rest of a value");
    }
    if fastrand::u8(..8) == 0 {
        entry.truncate(fastrand::usize(..entry.len()));
    }
    entry
}

/// What a fill may bring.
fn value() -> Vec<u8> {
    let header = [&[0xca, 1, one_of(b"VN"), 0][..], &id(), &floor(), &floor()].concat();
    [header, b"the rest of a value".to_vec()].concat()
}

fn id() -> Vec<u8> {
    vec![fastrand::u8(..3); 16]
}

fn floor() -> Vec<u8> {
    one_of(&[0_u64, 1, 255, 256, u64::MAX >> 1, u64::MAX]).to_be_bytes().to_vec()
}

fn px() -> Vec<u8> {
    one_of(&["60000", "3600000"]).into()
}

fn key() -> Vec<u8> {
    one_of(&["ck:t:a", "ck:t:b", "ck:u*:a"]).into()
}

fn random() -> Vec<Vec<u8>> {
    let word = |text: &str| text.as_bytes().to_vec();
    let script = |script: &super::super::script::Script, args: Vec<Vec<u8>>| {
        let call = match fastrand::bool() {
            true => [word("EVALSHA"), word(script.hash())],
            false => [word("EVAL"), word(script.source())],
        };
        [call.to_vec(), vec![word("1"), key()], args].concat()
    };
    match fastrand::u8(..20) {
        0..=2 => vec![word("SET"), key(), entry(), word("NX"), word("GET"), word("PX"), px()],
        3 => vec![word("SET"), key(), entry()],
        4 => vec![word("SET"), key(), entry(), word("NX"), word("PX"), px()],
        5 => vec![word("GET"), key()],
        6 => vec![word("GETEX"), key()],
        7 => vec![word("UNLINK"), key()],
        8 => vec![word("DEL"), key(), key()],
        9 => vec![word("EXISTS"), key(), key()],
        10 => vec![word("PTTL"), key()],
        11 => vec![word("GETRANGE"), key(), word(one_of(&["0", "4", "30"])), word("27")],
        12 => {
            let glob = one_of(&["ck:t:*", r"ck:u\*:*", "x*"]);
            vec![word("SCAN"), word("0"), word("MATCH"), word(glob), word("COUNT"), word("1000")]
        }
        13 => vec![word("PEXPIRE"), key(), px()],
        14 | 15 => script(&CAS_FILL, vec![id(), value(), px(), one_of(&[word("L"), word("")])]),
        16 => script(&CAS_DEL, vec![id()]),
        17 => {
            script(&CAS_LEASE, vec![id(), [&[0xca, 1, b'L', 0][..], &id(), &[0; 8]].concat(), px()])
        }
        18 => script(&EXTEND, vec![id(), px()]),
        _ => script(&INVALIDATE_KEEP, vec![]),
    }
}

#[test]
fn random_commands_are_answered_as_by_redis() {
    let server = RedisServer::start();
    let mut both = Both { real: server.connection(), keys: Keys::new(Clock::boot()) };
    let seed = fastrand::get_seed();
    // The server has to know the scripts before their hashes mean anything.
    for script in [&CAS_FILL, &CAS_DEL, &CAS_LEASE, &EXTEND, &INVALIDATE_KEEP] {
        both.real.call(&["SCRIPT", "LOAD", script.source()]);
    }
    let mut filled = 0;
    for step in 0..20_000 {
        let words = random();
        let reply = both.run(&words);
        filled += u32::from(words[0].starts_with(b"EVAL") && reply == Real::Int(1));
        if step % 500 == 0 {
            both.run(&[b"FLUSHALL".to_vec()]);
        }
    }
    assert!(filled > 200, "seed {seed}: scripts did something {filled} times only");
}

#[test]
fn what_redis_refuses_is_refused() {
    let server = RedisServer::start();
    let mut both = Both { real: server.connection(), keys: Keys::new(Clock::boot()) };
    for line in [
        "SET k v PX 0",
        "SET k v PX",
        "SET k v PX x",
        "SET k v SOMETIMES",
        "GETEX k SOMETIMES",
        "PEXPIRE k x",
        "GETRANGE k x 1",
        "NONSENSE k",
        "EVALSHA ffffffffffffffffffffffffffffffffffffffff 1 k",
    ] {
        let words: Vec<_> = line.split(' ').map(|word| word.as_bytes().to_vec()).collect();
        let reply = both.run(&words);
        assert!(matches!(reply, Real::Error(_)), "{line}: {reply:?}");
    }
}

#[test]
fn entries_end_as_they_do_in_redis() {
    let server = RedisServer::start();
    let mut both = Both { real: server.connection(), keys: Keys::new(Clock::boot()) };
    let words =
        |line: &str| line.split(' ').map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>();
    both.run(&words("SET short v PX 30"));
    both.run(&words("SET long v PX 60000"));
    let gone = words("EXISTS short");
    let parts: Vec<&[u8]> = gone.iter().map(Vec::as_slice).collect();
    while both.real.call(&parts) != Real::Int(0)
        || seen(command::run(&mut both.keys, &gone)) != Real::Int(0)
    {
        std::thread::yield_now();
    }
    for line in [
        "GET short",
        "PTTL short",
        "EXISTS short long",
        "SET short w NX GET PX 60000",
        "PTTL short",
    ] {
        both.run(&words(line));
    }
}
