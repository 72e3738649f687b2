//! The exact text of keys, their length limit, and the forms they are kept in.

use std::{borrow::Cow, hash::BuildHasher, sync::Arc};

use equivalent::Equivalent;

use crate::key::{
    Key, KeyBuf, MAX_TEXT, PassThroughState, RuntimeTemplate, Segment, SegmentWriter, StoredKey,
    text,
};

/// The text of one part after `k:`.
fn part(value: &(impl Segment + ?Sized)) -> String {
    let key = key(value);
    key.as_str().strip_prefix("k:").unwrap().to_owned()
}

fn key(value: &(impl Segment + ?Sized)) -> Key {
    KeyBuf::new("k:<v>", |w| {
        w.literal("k:");
        w.value(value);
    })
    .into_key()
}

#[test]
fn values_are_written_as_the_table_says() {
    assert_eq!(part(&-7), "-7");
    assert_eq!(part(&i128::MIN), i128::MIN.to_string());
    assert_eq!(part(&u128::MAX), u128::MAX.to_string());
    assert_eq!(part(&true), "true");
    assert_eq!(part(&':'), "%3A");
    assert_eq!(part("a%b:c{d}e f"), "a%25b%3Ac%7Bd%7De%20f");
    assert_eq!(part("\0\n\x1f\x7f\u{85}"), "%00%0A%1F%7F%C2%85");
    assert_eq!(part("<£é日🦀>"), "<£é日🦀>");
    assert_eq!(part(""), "%e");
    assert_eq!(part(&Some("")), "%e");
    assert_eq!(part(&None::<u8>), "%n");
    assert_eq!(part(&Some(None::<u8>)), "%s%n");
    assert_eq!(part(&Some(Some(7))), "%s7");
    assert_eq!(part(&Some(Some(None::<u8>))), "%s%s%n");
    assert_eq!(part(&["a", "", "b:c"]), "a%,%,b%3Ac%,%.");
    assert_eq!(part(&Vec::<u8>::new()), "%.");
    assert_eq!(part(&(1, "x", None::<u8>)), "1%,x%,%n%,%.");
    assert_eq!(part(&vec![vec![1], vec![]]), "%[1%,%.%,%[%.%,%.");
    assert_eq!(part(&text(&1.5)), "1.5");
    assert_eq!(part(&text("a:b")), "a%3Ab");
}

#[cfg(feature = "uuid")]
#[test]
fn uuids_are_written_with_hyphens() {
    let id = uuid::Uuid::from_u128(0xA1A2_A3A4_B1B2_C1C2_D1D2_D3D4_D5D6_D7D8);
    assert_eq!(part(&id), "a1a2a3a4-b1b2-c1c2-d1d2-d3d4d5d6d7d8");
}

#[test]
fn same_text_for_same_value() {
    let sevens = [
        part(&7_i32),
        part(&7_i64),
        part(&7_u8),
        part(&&7),
        part(&Some(7)),
        part(&Some(&7)),
        part(&Box::new(7)),
        part(&Arc::new(Some(7))),
        part("7"),
        part(&text(&7)),
    ];
    assert!(sevens.iter().all(|text| text == "7"), "{sevens:?}");

    let texts = [
        part("a:b"),
        part(&String::from("a:b")),
        part(&Cow::Borrowed("a:b")),
        part(&Cow::<str>::Owned("a:b".into())),
        part(&Box::<str>::from("a:b")),
        part(&Arc::<str>::from("a:b")),
        part(&&&"a:b"),
        part(&Some("a:b")),
    ];
    assert!(texts.iter().all(|text| text == "a%3Ab"), "{texts:?}");

    let lists = [
        part(&[1, 2]),
        part(&vec![1_u64, 2]),
        part(&[1_i8, 2][..]),
        part(&Some(vec![Some(1), Some(2)])),
        part(&(1, "2")),
        part(&Cow::Borrowed(&[1, 2][..])),
    ];
    assert!(lists.iter().all(|text| text == "1%,2%,%."), "{lists:?}");
}

struct Wrapper<T>(T);

impl<T: Segment> Segment for Wrapper<T> {
    fn write(&self, w: &mut SegmentWriter<'_>) {
        self.0.write(w);
    }
}

#[test]
fn a_newtype_of_an_option_is_an_option() {
    assert_eq!(part(&Wrapper(None::<u8>)), "%n");
    assert_eq!(part(&Some(Wrapper(None::<u8>))), "%s%n");
    assert_eq!(part(&Some(Wrapper(Box::new(Some(7))))), "%s7");
    assert_eq!(part(&Some(vec![None::<u8>])), "%n%,%.");
    assert_eq!(part(&vec![Some(vec![None::<u8>])]), "%[%n%,%.%,%.");
}

struct Both<A, B>(A, B);

impl<A: Segment, B: Segment> Segment for Both<A, B> {
    fn write(&self, w: &mut SegmentWriter<'_>) {
        self.0.write(w);
        self.1.write(w);
    }
}

#[test]
fn what_one_value_opened_does_not_reach_the_next() {
    assert_eq!(part(&Both(Some(""), None::<u8>)), "%n");
    assert_eq!(part(&Both([[1]], [2])), "%[1%,%.%,%.2%,%.");
}

#[test]
fn a_long_key_is_hashed_and_stays_the_same() {
    let longest = "x".repeat(MAX_TEXT - 2);
    assert_eq!(part(&longest), longest);

    let hashed = |text: &str| {
        KeyBuf::new("k:<v>", |w| {
            w.literal("k:");
            w.value(text);
        })
        .into_key()
        .as_str()
        .to_owned()
    };
    let long = "x".repeat(MAX_TEXT - 1);
    // BLAKE3 of `k:` and 199 times `x`, first half: entries of a fleet depend on it.
    assert_eq!(
        hashed(&long),
        format!("#{}", &blake3::hash(format!("k:{long}").as_bytes()).to_hex()[..32])
    );
    assert_eq!(hashed(&long), GOLDEN);
    assert_ne!(hashed(&long), hashed(&"y".repeat(MAX_TEXT - 1)));
    assert_ne!(hashed(&long), hashed(&format!("{long}x")));
}

const GOLDEN: &str = "#03f4d846a77a819e76b2f686fdf2942d";

#[test]
fn a_hashed_key_is_the_hash_of_its_whole_escaped_text() {
    let parts = ["a:b".repeat(30), "c".repeat(150), String::new(), "{}".repeat(90)];
    let short: String = parts.iter().map(|text| part_unlimited(text) + ":").collect();
    let key = KeyBuf::new("k", |w| {
        for part in &parts {
            w.value(part);
            w.literal(":");
        }
    });
    let expected = blake3::hash(short.as_bytes()).to_hex();
    assert_eq!(key.as_ref().text, format!("#{}", &expected[..32]));
}

fn part_unlimited(text: &str) -> String {
    if text.is_empty() {
        return "%e".into();
    }
    text.replace('%', "%25").replace(':', "%3A").replace('{', "%7B").replace('}', "%7D")
}

#[test]
fn two_templates_with_the_same_text_give_the_same_key() {
    let short = |value: &str| {
        let inline = KeyBuf::new("a:b:<v>", |w| {
            w.literal("a:b:");
            w.value(value);
        });
        let split = KeyBuf::new("a:<x>:<v>", |w| {
            w.literal("a:");
            w.value("b");
            w.literal(":");
            w.value(value);
        });
        let read = RuntimeTemplate::parse("a:b:<other>").unwrap();
        let read = read.expand(|_, w| {
            value.write(w);
            Ok::<(), std::convert::Infallible>(())
        });
        [inline.into_key(), split.into_key(), read.unwrap()]
    };
    for value in ["", "v", &"long".repeat(100)] {
        let [a, b, c] = short(value);
        assert_eq!((&a, a.hash()), (&b, b.hash()));
        assert_eq!((&a, a.hash()), (&c, c.hash()));
    }
}

#[test]
fn a_runtime_template_hands_on_the_first_error_and_marks_empty_parts() {
    let template = RuntimeTemplate::parse("k:<a>:<b>").unwrap();
    let mut asked = Vec::new();
    let result = template.expand(|name, _| {
        asked.push(name.to_owned());
        if name == "a" { Err("no a") } else { Ok(()) }
    });
    assert_eq!(result.unwrap_err(), "no a");
    assert_eq!(asked, ["a"]);
    let key = template.expand(|_, _| Ok::<(), ()>(())).unwrap();
    assert_eq!((key.as_str(), key.template()), ("k:%e:%e", "k:<a>:<b>"));
}

#[test]
fn the_forms_of_a_key_agree() {
    for value in ["v".to_owned(), "v".repeat(63), "v".repeat(150), "v".repeat(1_000)] {
        let key = key(&value);
        let buf = KeyBuf::from(key.clone());
        let stored = StoredKey::from(&buf.as_ref());
        assert_eq!((buf.as_ref(), buf.template()), (key.as_ref(), &key.to_template()));
        assert_eq!(buf.as_ref().hash, key.hash());
        assert!(buf.as_ref().equivalent(&stored));
        let hashes = [
            PassThroughState.hash_one(key.as_ref()),
            PassThroughState.hash_one(&stored),
            PassThroughState.hash_one(&key),
        ];
        assert_eq!(hashes, [key.hash(); 3]);
        assert_eq!(buf.into_key(), key);
    }
}

#[test]
fn debug_shows_no_data() {
    let buf = KeyBuf::new("user:<name>", |w| {
        w.literal("user:");
        w.value("secret");
    });
    let stored = StoredKey::from(buf.as_ref());
    let shown = format!("{buf:?} {:?} {stored:?}", buf.as_ref());
    let key = buf.into_key();
    let shown = format!("{shown} {key:?}");
    assert!(!shown.contains("secret"), "{shown}");
    assert_eq!(format!("{key:?}"), r#"Key("user:<name>")"#);
}
