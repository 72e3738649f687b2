//! Every script, reply by reply, on servers of two locales.

use std::path::Path;
use std::process::Command;

use cachekit_test_support::{Connection, RedisServer, Reply};

use super::entry;

const KEY: &str = "ck:test:user:1";
const FILL: &str = include_str!("../lua/cas_fill.lua");
const DEL: &str = include_str!("../lua/cas_del.lua");
const LEASE: &str = include_str!("../lua/cas_lease.lua");
const EXTEND: &str = include_str!("../lua/extend.lua");
const KEEP: &str = include_str!("../lua/invalidate_keep.lua");

type RawId = [u8; 16];

/// One key on one server, and ids that never repeat.
struct Bench {
    redis: Connection,
    ids: u64,
}

impl Bench {
    fn new(server: &RedisServer) -> Bench {
        Bench { redis: server.connection(), ids: 0 }
    }

    fn id(&mut self) -> RawId {
        self.ids += 1;
        let mut id = *b"process.--------";
        id[8..].copy_from_slice(&self.ids.to_be_bytes());
        id
    }

    fn run(&mut self, script: &str, args: &[&[u8]]) -> i64 {
        let mut call: Vec<&[u8]> = vec![b"EVAL", script.as_bytes(), b"1", KEY.as_bytes()];
        call.extend_from_slice(args);
        match self.redis.call(&call) {
            Reply::Int(reply) => reply,
            reply => panic!("{reply:?}"),
        }
    }

    fn fill(&mut self, expected: RawId, entry: &[u8], kind: &[u8]) -> i64 {
        self.run(FILL, &[&expected, entry, b"60000", kind])
    }

    fn set(&mut self, entry: &[u8]) {
        let reply = self.redis.call(&[b"SET", KEY.as_bytes(), entry]);
        assert_eq!(reply, Reply::Simple("OK".to_owned()));
    }

    fn get(&mut self) -> Option<Vec<u8>> {
        self.redis.call(&["GET", KEY]).bytes()
    }

    fn unlink(&mut self) {
        self.redis.call(&["UNLINK", KEY]);
    }

    fn ttl(&mut self) -> i64 {
        match self.redis.call(&["PTTL", KEY]) {
            Reply::Int(ttl) => ttl,
            reply => panic!("{reply:?}"),
        }
    }

    fn probe(&mut self, id: RawId) -> Option<Vec<u8>> {
        let lease = entry(b'L', id, 0, 0, b"");
        let call: [&[u8]; 7] = [b"SET", KEY.as_bytes(), &lease, b"NX", b"GET", b"PX", b"3000"];
        self.redis.call(&call).bytes()
    }

    /// A fresh lease on an absent key.
    fn lease(&mut self) -> RawId {
        self.unlink();
        let id = self.id();
        assert_eq!(self.probe(id), None);
        id
    }

    fn floor(&mut self) -> u64 {
        let stored = self.get().unwrap();
        u64::from_be_bytes(stored[20..28].try_into().unwrap())
    }

    fn value(&mut self, payload: &[u8]) -> Vec<u8> {
        let id = self.id();
        entry(b'V', id, 0, 0, payload)
    }

    fn payload(&mut self) -> Vec<u8> {
        self.get().unwrap()[56..].to_vec()
    }
}

/// The cases, each a test under the C locale; then all of them where `<` on strings is not that of bytes.
macro_rules! cases {
    ($($case:ident)*) => {
        mod under_c {
            $(
                #[test]
                fn $case() {
                    let server = super::RedisServer::start_with(&[], &[("LC_ALL", "C")]);
                    super::$case(&mut super::Bench::new(&server));
                }
            )*
        }

        const CASES: &[fn(&mut Bench)] = &[$($case),*];
    };
}

cases! {
    a_lease_is_filled_once_by_its_holder
    a_value_is_refreshed_by_its_own_id_but_never_as_a_lease
    a_fill_after_an_invalidation_is_refused
    extend_and_cas_del_touch_their_own_lease_only
    a_value_below_the_floor_is_refused_and_the_floor_is_carried
    floors_are_ordered_as_numbers_whatever_the_locale
    cas_lease_takes_the_seen_entry_and_keeps_its_floor
    an_inhibit_withstands_every_script
    invalidate_keep_removes_anything_else
    a_damaged_entry_is_never_taken_for_the_expected_one
}

#[test]
fn every_case_holds_under_another_collation() {
    let locales = tempfile::tempdir().unwrap();
    if !make_locale(locales.path()) {
        println!(
            "note: en_US.UTF-8 cannot be made here (apt-get install locales); tested under C only"
        );
        return;
    }
    let path = locales.path().display().to_string();
    let environment = [("LOCPATH", path.as_str()), ("LC_ALL", "en_US.UTF-8")];
    let server = RedisServer::start_with(&[], &environment);
    let mut bench = Bench::new(&server);
    assert_eq!(bench.run("return ('a' < 'B') and 1 or 0", &[]), 1, "the locale is in force");
    for case in CASES {
        bench.unlink();
        case(&mut bench);
    }
}

fn make_locale(folder: &Path) -> bool {
    let target = folder.join("en_US.UTF-8");
    Command::new("localedef")
        .args(["-i", "en_US", "-f", "UTF-8"])
        .arg(&target)
        .status()
        .is_ok_and(|status| status.success())
        && target.is_dir()
}

fn a_lease_is_filled_once_by_its_holder(bench: &mut Bench) {
    let lease = bench.lease();
    let other = bench.id();
    assert_eq!(bench.probe(other).unwrap()[4..20], lease, "the second prober sees the lease");
    let value = bench.value(b"v0");
    assert_eq!(bench.fill(other, &value, b"L"), 0, "another's id");
    assert_eq!(bench.fill(lease, &value, b"L"), 1);
    assert_eq!(bench.payload(), b"v0");
    assert!(bench.ttl() > 50_000);
    assert_eq!(bench.fill(lease, &value, b"L"), 1, "the same fill, sent twice");
    let older = bench.value(b"old");
    assert_eq!(bench.fill(lease, &older, b"L"), 0, "a second fill under one lease");
    assert_eq!(bench.payload(), b"v0");
}

fn a_value_is_refreshed_by_its_own_id_but_never_as_a_lease(bench: &mut Bench) {
    let (lease, value) = (bench.lease(), bench.value(b"v0"));
    assert_eq!(bench.fill(lease, &value, b"L"), 1);
    let seen: RawId = value[4..20].try_into().unwrap();
    let fresh = bench.value(b"v1");
    assert_eq!(bench.fill(seen, &fresh, b"L"), 0, "no lease is there");
    assert_eq!(bench.fill(seen, &fresh, b""), 1);
    assert_eq!(bench.payload(), b"v1");
}

fn a_fill_after_an_invalidation_is_refused(bench: &mut Bench) {
    let voided = bench.lease();
    let holder = bench.lease();
    let stale = bench.value(b"stale");
    assert_eq!(bench.fill(voided, &stale, b"L"), 0, "leased again by another");
    let value = bench.value(b"v1");
    assert_eq!(bench.fill(holder, &value, b"L"), 1);
    bench.unlink();
    assert_eq!(bench.fill(holder, &stale, b"L"), 0, "absent");
    assert_eq!(bench.get(), None);
}

fn extend_and_cas_del_touch_their_own_lease_only(bench: &mut Bench) {
    let lease = bench.lease();
    let other = bench.id();
    assert_eq!(bench.run(EXTEND, &[&other, b"9000"]), 0);
    assert_eq!(bench.run(EXTEND, &[&lease, b"9000"]), 1);
    assert!(bench.ttl() > 8_000);
    assert_eq!(bench.run(DEL, &[&other]), 0);
    assert_eq!(bench.run(DEL, &[&lease]), 1);
    assert_eq!(bench.get(), None);
    assert_eq!(bench.run(EXTEND, &[&lease, b"9000"]), 0, "absent");
    assert_eq!(bench.run(DEL, &[&lease]), 0, "absent");
    let (lease, value) = (bench.lease(), bench.value(b"v"));
    assert_eq!(bench.fill(lease, &value, b"L"), 1);
    assert_eq!(bench.run(EXTEND, &[&value[4..20], b"1"]), 0, "a value is never extended");
    assert_eq!(bench.run(DEL, &[&value[4..20]]), 1, "a repair removes a value by its id");
}

fn a_value_below_the_floor_is_refused_and_the_floor_is_carried(bench: &mut Bench) {
    let (tombstone, id) = (bench.id(), bench.id());
    bench.set(&entry(b'T', tombstone, 20, 0, b""));
    assert_eq!(bench.probe(id).unwrap()[2], b'T', "a tombstone answers the probe");
    assert_eq!(bench.fill(tombstone, &entry(b'V', id, 0, 15, b"old"), b""), -1);
    assert_eq!(bench.fill(tombstone, &entry(b'V', id, 0, 20, b"new"), b""), 1);
    assert_eq!((bench.floor(), bench.payload()), (20, b"new".to_vec()));
}

fn floors_are_ordered_as_numbers_whatever_the_locale(bench: &mut Bench) {
    let floors = [9, 65, 97, 256, 0x4100, 0x6100, 0x6141, 0xc3a9, 1 << 32, (1 << 40) + 5];
    let others = [10, 66, 96, 255, 0x4161, 0x00e9, (1 << 32) - 1, (1 << 53) + 1];
    for floor in floors {
        for other in others {
            let (tombstone, id) = (bench.id(), bench.id());
            bench.set(&entry(b'T', tombstone, floor, 0, b""));
            let by_version = bench.fill(tombstone, &entry(b'V', id, 0, other, b""), b"");
            assert_eq!(by_version, if other < floor { -1 } else { 1 }, "{other} at {floor}");
            bench.set(&entry(b'T', tombstone, floor, 0, b""));
            let id = bench.id();
            let newest = entry(b'V', id, other, u64::MAX, b"");
            assert_eq!(bench.fill(tombstone, &newest, b""), 1);
            assert_eq!(bench.floor(), floor.max(other));
        }
    }
}

fn cas_lease_takes_the_seen_entry_and_keeps_its_floor(bench: &mut Bench) {
    let (seen, fresh, stranger) = (bench.id(), bench.id(), bench.id());
    let lease = entry(b'L', fresh, 0, 0, b"");
    for kind in [b'T', b'V', b'N'] {
        bench.set(&entry(kind, seen, 77, 0, b"payload"));
        assert_eq!(bench.run(LEASE, &[&stranger, &lease, b"3000"]), 0);
        assert_eq!(bench.run(LEASE, &[&seen, &lease, b"3000"]), 1);
        assert_eq!(bench.get().unwrap(), entry(b'L', fresh, 77, 0, b""));
        assert!((1..=3000).contains(&bench.ttl()));
        assert_eq!(bench.run(LEASE, &[&seen, &lease, b"3000"]), 0, "the seen entry is gone");
    }
    bench.unlink();
    assert_eq!(bench.run(LEASE, &[&seen, &lease, b"3000"]), 0, "absent");
}

fn an_inhibit_withstands_every_script(bench: &mut Bench) {
    let (inhibit, lease) = (bench.id(), bench.lease());
    let mut inhibited = entry(b'I', inhibit, 3, 0, b"");
    inhibited.extend_from_slice(&[b'W'; 16]);
    bench.set(&inhibited);
    let (value, fresh) = (bench.value(b"v"), bench.id());
    let fresh = entry(b'L', fresh, 0, 0, b"");
    assert_eq!(bench.fill(lease, &value, b"L"), 0, "the lease it replaced");
    assert_eq!(bench.fill(inhibit, &value, b""), -2);
    assert_eq!(bench.fill(inhibit, &value, b"L"), -2);
    assert_eq!(bench.run(DEL, &[&inhibit]), -2);
    assert_eq!(bench.run(LEASE, &[&inhibit, &fresh, b"3000"]), 0);
    assert_eq!(bench.run(EXTEND, &[&inhibit, b"3000"]), 0);
    assert_eq!(bench.run(KEEP, &[]), 2);
    assert_eq!(bench.get(), Some(inhibited));
    assert_eq!(bench.ttl(), -1);
}

fn invalidate_keep_removes_anything_else(bench: &mut Bench) {
    assert_eq!(bench.run(KEEP, &[]), 0, "absent");
    bench.lease();
    assert_eq!(bench.run(KEEP, &[]), 1);
    // The third byte of a foreign value says nothing.
    bench.set(b"xxI: not ours");
    assert_eq!(bench.run(KEEP, &[]), 1);
    bench.redis.call(&["RPUSH", KEY, "a", "list"]);
    assert_eq!(bench.run(KEEP, &[]), 1);
    assert_eq!(bench.get(), None);
}

fn a_damaged_entry_is_never_taken_for_the_expected_one(bench: &mut Bench) {
    let (id, value) = (bench.id(), bench.value(b"v"));
    let whole = entry(b'L', id, 0, 0, b"");
    for length in [0, 3, 19, 20, 27] {
        bench.set(&whole[..length]);
        assert_eq!(bench.fill(id, &value, b"L"), 0, "{length} bytes");
        assert_eq!(bench.run(LEASE, &[&id, &whole, b"3000"]), 0, "{length} bytes");
    }
}
