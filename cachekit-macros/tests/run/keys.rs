//! `key!` and `crate = "..."`.

use cachekit::{Key, isolated, key};

mod facade {
    pub(crate) mod inner {
        pub(crate) use cachekit::{
            __private, Key, Segment, SegmentWriter, cached, invalidates, key,
        };
    }
}

#[test]
fn a_key_is_made_of_the_names_in_scope() {
    struct User {
        id: i64,
        r#type: &'static str,
    }
    let user = User { id: 7, r#type: "x" };
    let pair = (1, "a b");
    let made: Key = key!("scope:<user.id>:<user.type>:<pair.1>");
    assert_eq!(made.as_str(), "scope:7:x:a%20b");
    let ret = 3;
    assert_eq!(key!("ret:<ret>").as_str(), "ret:3");
    assert_eq!(key!("static").as_str(), "static");
}

macro_rules! find_in {
    ($name:ident, $key:ident, $table:literal, $arg:ident) => {
        #[cachekit::cached(key = $table, ttl = "1h")]
        async fn $name($arg: i64) -> i64 {
            $arg
        }
    };
}

find_in!(find_order, find_order_key, "order:<id>", id);

#[tokio::test]
#[isolated]
async fn a_macro_may_write_the_function() {
    assert_eq!(find_order(7).await, 7);
    assert_eq!(find_order_key(7).as_str(), "order:7");
}

#[facade::inner::cached(key = "facade:<id>", ttl = "1h", crate = "facade::inner")]
async fn through_facade(id: i64) -> i64 {
    id
}

#[facade::inner::invalidates(through_facade(id), crate = "facade::inner")]
async fn write_through_facade(id: i64) {
    let _ = id;
}

#[derive(facade::inner::Segment)]
#[segment(crate = "facade::inner")]
struct Id(i64);

#[tokio::test]
#[isolated]
async fn crate_path_override() {
    assert_eq!(through_facade(7).await, 7);
    write_through_facade(7).await;
    let id = Id(7);
    assert_eq!(facade::inner::key!("facade:<id>", crate = "facade::inner").as_str(), "facade:7");
}
