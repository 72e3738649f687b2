//! Tests of the entry's layout.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

const ID: Id = Id([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);

const META: Meta<'static> = Meta {
    id: ID,
    floor: 0x2021_2223_2425_2627,
    flags: flags::COMPRESSED | flags::NO_L1,
    version: 0x3031_3233_3435_3637,
    as_of: 0x4041_4243_4445_4647,
    soft_ttl: 0x5051_5253,
    load_cost: 0x6061_6263,
    schema: 0x7071_7273,
    stamps: &[],
};

const LEASE: &str = "ca014c00 000102030405060708090a0b0c0d0e0f 0000000000000000";
const VALUE: &str = "ca015609 000102030405060708090a0b0c0d0e0f 2021222324252627 \
                     3031323334353637 4041424344454647 50515253 60616263 70717273 \
                     7061796c6f6164 556458bc";
const NEGATIVE: &str = "ca014e09 000102030405060708090a0b0c0d0e0f 2021222324252627 \
                        3031323334353637 4041424344454647 50515253 60616263 70717273 2b494a81";
const TOMBSTONE: &str = "ca015400 000102030405060708090a0b0c0d0e0f 2021222324252627";
const INHIBIT: &str = "ca014900 000102030405060708090a0b0c0d0e0f 2021222324252627 \
                       ffffffffffffffffffffffffffffffff";

fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect()
}

fn parsed_value(payload: &[u8]) -> Parsed<'_> {
    let Meta { id, floor, flags, version, as_of, soft_ttl, load_cost, schema, .. } = META;
    let stamps = &[][..];
    Parsed::Value { id, floor, flags, version, as_of, soft_ttl, load_cost, schema, stamps, payload }
}

/// The bytes of a release are read by every other: a failure here is a break of the format, not of the test.
#[test]
fn the_layout_is_the_protocol_s() {
    assert_eq!(lease_bytes(ID).as_slice(), hex(LEASE));
    assert_eq!(encode_value(&META, b"payload"), hex(VALUE));
    assert_eq!(encode_negative(&META), hex(NEGATIVE));

    assert_eq!(Entry::parse(&hex(LEASE)), Parsed::Lease { id: ID, floor: 0 });
    assert_eq!(Entry::parse(&hex(VALUE)), parsed_value(b"payload"));
    let Meta { id, floor, flags, version, as_of, soft_ttl, load_cost, schema, .. } = META;
    let stamps = &[][..];
    let negative =
        Parsed::Negative { id, floor, flags, version, as_of, soft_ttl, load_cost, schema, stamps };
    assert_eq!(Entry::parse(&hex(NEGATIVE)), negative);
    assert_eq!(Entry::parse(&hex(TOMBSTONE)), Parsed::Tombstone { id, floor });
    assert_eq!(Entry::parse(&hex(INHIBIT)), Parsed::Inhibit { id, floor });
}

const TAGGED: &str = "ca01560b 000102030405060708090a0b0c0d0e0f 2021222324252627 \
                      3031323334353637 4041424344454647 50515253 60616263 70717273 02 \
                      8081828384858687 9091929394959697 0000000000000001 0000000000000002 \
                      7061796c6f6164 00000000";

#[test]
fn tags_stand_before_the_payload() {
    let written = [
        Stamp { tag: 0x8081_8283_8485_8687, generation: 0x9091_9293_9495_9697 },
        Stamp { tag: 1, generation: 2 },
    ];
    let meta = Meta { stamps: &written, ..META };
    let value = encode_value(&meta, b"payload");
    assert_eq!(value[..value.len() - 4], hex(TAGGED)[..value.len() - 4]);
    let Parsed::Value { stamps: found, payload, flags, .. } = Entry::parse(&value) else {
        panic!("it is a value")
    };
    assert_eq!((payload, flags), (&b"payload"[..], META.flags | flags::TAGS));
    assert_eq!(stamps(found).as_deref(), Some(&written[..]));
    let negative = encode_negative(&meta);
    let Parsed::Negative { stamps: found, .. } = Entry::parse(&negative) else {
        panic!("it is a negative")
    };
    assert_eq!(stamps(found).as_deref(), Some(&written[..]));
    assert_eq!(stamps(&[]), None);
}

/// Whatever the number of tags says, it is checked against what is there.
#[test]
fn tags_that_are_not_all_there_are_damage() {
    for (count, stamps) in [(0, 0), (1, 15), (2, 16), (255, 4079)] {
        let mut payload = vec![count];
        payload.resize(1 + stamps, 0);
        let entry = encode_value(&Meta { flags: flags::TAGS, ..META }, &payload);
        assert_eq!(Entry::parse(&entry), Parsed::Corrupt { id: Some(ID) }, "{count}");
    }
    let entry = encode_value(&Meta { flags: flags::TAGS, ..META }, b"");
    assert_eq!(Entry::parse(&entry), Parsed::Corrupt { id: Some(ID) });
}

#[test]
fn a_payload_may_be_encoded_in_place() {
    let mut entry = EntryWriter::value(&META, 0);
    entry.payload().extend_from_slice(b"payload");
    assert_eq!(entry.finish(), hex(VALUE));
    assert_eq!(Entry::parse(&encode_value(&META, b"")), parsed_value(b""));
}

#[test]
fn a_damaged_value_is_told_by_its_id() {
    let value = hex(VALUE);
    for at in 28..value.len() {
        let mut damaged = value.clone();
        damaged[at] ^= 1;
        assert_eq!(Entry::parse(&damaged), Parsed::Corrupt { id: Some(ID) }, "byte {at}");
    }
    for end in 28..value.len() {
        assert_eq!(Entry::parse(&value[..end]), Parsed::Corrupt { id: Some(ID) }, "cut at {end}");
    }
}

#[test]
fn a_lease_or_tombstone_is_its_header_alone() {
    for kind in [LEASE, TOMBSTONE] {
        let longer = [hex(kind), vec![0]].concat();
        assert_eq!(Entry::parse(&longer), Parsed::Corrupt { id: Some(ID) });
    }
}

#[test]
fn an_inhibit_holds_whatever_its_list() {
    let floor = META.floor;
    for end in 28..=hex(INHIBIT).len() {
        assert_eq!(Entry::parse(&hex(INHIBIT)[..end]), Parsed::Inhibit { id: ID, floor });
    }
}

#[test]
fn what_is_not_ours_is_foreign() {
    let value = hex(VALUE);
    for end in 0..28 {
        assert_eq!(Entry::parse(&value[..end]), Parsed::Foreign);
    }
    for (at, byte) in [(0, 0xCB), (1, 0), (1, 2), (2, b'X'), (2, 0)] {
        let mut other = value.clone();
        other[at] = byte;
        assert_eq!(Entry::parse(&other), Parsed::Foreign, "{at} = {byte}");
    }
}

#[test]
fn flags_of_later_releases_are_not_served() {
    for flag in [1 << 4, 1 << 7] {
        let entry = encode_value(&Meta { flags: flag, ..META }, b"payload");
        assert_eq!(Entry::parse(&entry), Parsed::Corrupt { id: Some(ID) });
    }
}

#[test]
fn rewriting_the_floor_keeps_the_value() {
    let mut bytes = hex(VALUE);
    bytes[20..28].copy_from_slice(&u64::MAX.to_be_bytes());
    assert!(matches!(
        Entry::parse(&bytes),
        Parsed::Value { floor: u64::MAX, id: ID, payload: b"payload", .. }
    ));
}

#[test]
fn ids_are_never_used_twice() {
    let sources: Vec<_> = (0..50).map(|_| IdSource::new()).collect();
    let ids: HashSet<_> = (0..100).flat_map(|_| sources.iter().map(IdSource::next)).collect();
    assert_eq!(ids.len(), 5_000);

    let source = IdSource::new();
    let ids: Vec<_> = (0..300).map(|_| source.next()).collect();
    assert!(ids.iter().all(|id| id.as_bytes()[..8] == ids[0].as_bytes()[..8]));
    assert!(ids.is_sorted());
    assert_eq!(format!("{ID:?}"), "Id(000102030405060708090a0b0c0d0e0f)");
}

#[test]
fn ids_of_one_source_differ_across_threads() {
    let source = IdSource::new();
    let mut ids: Vec<Id> = std::thread::scope(|scope| {
        let drawn = || (0..2_000).map(|_| source.next()).collect::<Vec<_>>();
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(drawn)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 8_000);
}

proptest! {
    #[test]
    fn any_bytes_give_an_answer(bytes: Vec<u8>) {
        let _ = Entry::parse(&bytes);
    }

    #[test]
    fn any_bytes_after_a_header_give_an_answer(kind in "[VNLTIX]", flags: u8, rest: Vec<u8>) {
        let mut bytes = hex(LEASE);
        bytes[2] = kind.as_bytes()[0];
        bytes[3] = flags;
        bytes.extend(rest);
        match Entry::parse(&bytes) {
            Parsed::Foreign => prop_assert_eq!(kind, "X"),
            Parsed::Inhibit { id, .. } | Parsed::Lease { id, .. } | Parsed::Tombstone { id, .. }
            | Parsed::Corrupt { id: Some(id) } => prop_assert_eq!(id, ID),
            other => prop_assert!(false, "a random CRC fits: {:?}", other),
        }
    }

    #[test]
    fn values_come_back(payload: Vec<u8>, floor: u64) {
        let bytes = encode_value(&Meta { floor, ..META }, &payload);
        let Parsed::Value { payload: read, floor: kept, .. } = Entry::parse(&bytes) else {
            panic!("not a value");
        };
        prop_assert_eq!((read, kept), (&payload[..], floor));
    }
}
