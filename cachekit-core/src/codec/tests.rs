//! Tests of the formats.

use std::{collections::BTreeMap, error::Error as _, sync::Arc};

use proptest::prelude::*;
use serde::{Deserialize, Serialize, Serializer};

use super::*;

const FORMATS: &[Format] = &[
    Format::MessagePack,
    #[cfg(feature = "postcard")]
    Format::Postcard,
    #[cfg(feature = "json")]
    Format::Json,
];

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct User {
    id: i64,
    name: String,
    email: Option<String>,
    roles: Vec<Role>,
    limits: BTreeMap<String, u64>,
    parent: Option<Arc<User>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Role {
    Admin,
    Member { since: u32 },
    Guest(u8, char),
}

fn user() -> User {
    let parent = User {
        id: i64::MIN,
        name: String::new(),
        email: None,
        roles: vec![Role::Admin],
        limits: BTreeMap::new(),
        parent: None,
    };
    User {
        id: 7,
        name: "Ada 🦀".into(),
        email: Some("ada@example.org".into()),
        roles: vec![Role::Member { since: 1843 }, Role::Guest(1, 'é')],
        limits: BTreeMap::from([("rows".into(), u64::MAX)]),
        parent: Some(Arc::new(parent)),
    }
}

fn encoded<T: Serialize + ?Sized>(format: Format, value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    encode(format, value, &mut out).unwrap();
    out
}

#[test]
fn values_come_back_in_every_format() {
    for &format in FORMATS {
        assert_eq!(
            decode::<User>(format, &encoded(format, &user())).unwrap(),
            user(),
            "{format:?}"
        );
        assert_eq!(decode::<Option<()>>(format, &encoded(format, &None::<()>)).unwrap(), None);
        assert_eq!(
            decode::<Arc<str>>(format, &encoded(format, "text")).unwrap(),
            Arc::<str>::from("text")
        );
    }
}

#[test]
fn encoding_appends() {
    for &format in FORMATS {
        let mut out = b"header".to_vec();
        encode(format, &user(), &mut out).unwrap();
        assert_eq!(out[6..], encoded(format, &user()));
        assert!(out.starts_with(b"header"));
    }
}

#[test]
fn bytes_left_over_are_an_error() {
    for &format in FORMATS {
        for more in [&b"\0"[..], b"\xC0", b"\x91", b"\xD9", b"0", b"}"] {
            let bytes = [&encoded(format, &user()), more].concat();
            let error = decode::<User>(format, &bytes).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Codec, "{format:?} {more:?}");
        }
    }
}

#[test]
fn a_cut_value_is_an_error() {
    for &format in FORMATS {
        let bytes = encoded(format, &user());
        for end in 0..bytes.len() {
            assert!(decode::<User>(format, &bytes[..end]).is_err(), "{format:?} {end}");
        }
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Older {
    id: i64,
    retired: bool,
    name: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Newer {
    name: String,
    #[serde(default)]
    score: u32,
    id: i64,
}

#[test]
fn a_struct_may_gain_default_fields_lose_others_and_change_their_order() {
    let older = Older { id: 7, retired: true, name: "Ada".into() };
    let newer = Newer { name: "Ada".into(), score: 0, id: 7 };
    let bytes = encoded(Format::MessagePack, &older);
    assert_eq!(decode::<Newer>(Format::MessagePack, &bytes).unwrap(), newer);
    let bytes = encoded(Format::MessagePack, &newer);
    let error = decode::<Older>(Format::MessagePack, &bytes).unwrap_err();
    assert!(error.source().unwrap().to_string().contains("missing field `retired`"));
}

#[test]
fn another_type_is_an_error() {
    let bytes = encoded(Format::MessagePack, &user());
    assert!(decode::<String>(Format::MessagePack, &bytes).is_err());
    assert!(decode::<Vec<u8>>(Format::MessagePack, &bytes).is_err());
    let bytes = encoded(Format::MessagePack, "text");
    let error = decode::<i64>(Format::MessagePack, &bytes).unwrap_err();
    assert_eq!(error.to_string(), "decode value: the stored bytes are not a `i64`");
    assert!(decode::<u8>(Format::MessagePack, &encoded(Format::MessagePack, &256)).is_err());
}

struct Stubborn;

impl Serialize for Stubborn {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        "written".serialize(serializer)?;
        Err(serde::ser::Error::custom("no"))
    }
}

#[test]
fn a_failed_encoding_leaves_nothing_behind() {
    for &format in FORMATS {
        let mut out = b"header".to_vec();
        let error = encode(format, &Stubborn, &mut out).unwrap_err();
        assert_eq!((error.kind(), &*out), (ErrorKind::Codec, &b"header"[..]), "{format:?}");
    }
}

#[test]
fn the_schema_tells_types_and_formats_apart() {
    let mut schemas: Vec<_> = FORMATS.iter().map(|format| format.schema("shop::User")).collect();
    schemas.push(Format::MessagePack.schema("shop::Users"));
    let count = schemas.len();
    schemas.sort_unstable();
    schemas.dedup();
    assert_eq!(schemas.len(), count);
    // Written into entries: another value here makes every entry of an older release a miss.
    assert_eq!(Format::MessagePack.schema("shop::User"), 0x28CE_FAE5);
}

proptest! {
    #[test]
    fn any_bytes_give_a_value_or_an_error(bytes: Vec<u8>) {
        for &format in FORMATS {
            let _ = decode::<User>(format, &bytes);
            let _ = decode::<Vec<Vec<String>>>(format, &bytes);
        }
    }
}
