//! Logging in: users, passwords, permissions, databases, and what must never be shown.

use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex};

use cachekit_test_support::{RedisServer, Reply, redis_with};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Record};
use tracing::{Event, Id as SpanId, Metadata, Subscriber};

use super::lease;
use crate::redis::{RedisOptions, RedisStore};
use crate::{Error, ErrorKind};

const SECRET: &str = "s3cret-pass";

async fn connect(server: &RedisServer, login: &str, path: &str) -> Result<RedisStore, Error> {
    let url = format!("redis://{login}127.0.0.1:{}{path}", server.port());
    RedisStore::connect(&url, "test", RedisOptions::new()).await
}

fn with_password() -> RedisServer {
    redis_with(&["--requirepass", "the-right-one"])
}

#[tokio::test]
async fn a_wrong_password_is_an_error_that_does_not_show_it() {
    let server = with_password();
    let error = connect(&server, &format!(":{SECRET}@"), "").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let text = format!("{error} {error:?}");
    assert!(text.contains("WRONGPASS") && text.contains(":***@127.0.0.1"), "{text}");
    assert!(!text.contains(SECRET), "{text}");
}

#[tokio::test]
async fn a_server_that_repeats_what_it_does_not_know_does_not_make_us_repeat_the_password() {
    let server = redis_with(&["--rename-command", "HELLO", ""]);
    let error = connect(&server, &format!(":{SECRET}@"), "").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let text = format!("{error} {error:?}");
    assert!(text.contains("7.0 or newer") && !text.contains("s3cret"), "{text}");
}

#[tokio::test]
async fn a_missing_password_is_an_error_that_says_how_to_give_one() {
    let error = connect(&with_password(), "", "").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.message().contains("redis://user:password@host"), "{error}");
}

#[tokio::test]
async fn a_user_with_the_named_permissions_can_do_everything() {
    let server = RedisServer::start();
    let mut redis = server.connection();
    let permissions = "ACL SETUSER app on >s3cret-pass ~ck:* +@connection +info +set +get +getex +mget +pttl \
        +getrange +unlink +pexpire +scan +eval +evalsha";
    let words = permissions.split_whitespace().collect::<Vec<_>>();
    assert_eq!(redis.call(&words), Reply::Simple("OK".to_owned()));
    let store = connect(&server, &format!("app:{SECRET}@"), "/2").await.unwrap();
    let id = lease(&store, "k").await;
    let fresh = store.fresh_id().unwrap();
    assert_eq!(store.cas_lease("k", id, fresh).await, Ok(true));
    assert_eq!(store.unlink_foreign("k").await, Ok(true));
    assert_eq!(store.sweep().await, Ok(0));
    assert!(store.get("k").await.unwrap().is_none());
}

#[tokio::test]
async fn a_user_who_may_not_look_is_told_what_to_allow() {
    let server = RedisServer::start();
    let setuser = ["ACL", "SETUSER", "app", "on", ">s3cret-pass", "~*", "+@connection", "+set"];
    assert_eq!(server.connection().call(&setuser), Reply::Simple("OK".to_owned()));
    let error = connect(&server, &format!("app:{SECRET}@"), "").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.message().contains("NOPERM") && error.message().contains("+info"), "{error}");
}

#[tokio::test]
async fn a_database_that_does_not_exist_is_an_error() {
    let error = connect(&RedisServer::start(), "", "/99").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.message().contains("SELECT"), "{error}");
}

#[tokio::test]
async fn an_unusable_namespace_is_an_error_before_anything_is_sent() {
    for namespace in ["", "a:b", "a.b", "a{b", "a}b", "line\nbreak", &"x".repeat(65)] {
        let connect = RedisStore::connect("redis://127.0.0.1:1", namespace, RedisOptions::new());
        let error = connect.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{namespace:?}");
        assert!(!error.to_string().contains('\n'));
    }
}

#[tokio::test]
async fn neither_logs_nor_debug_show_the_password() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let mut server = redis_with(&["--requirepass", SECRET, "--save", "60 1"]);
    let store = connect(&server, &format!(":{SECRET}@"), "").await.unwrap();
    assert!(!format!("{store:?}").contains(SECRET));
    server.kill();
    super::becomes(&store, false).await;
    store.shutdown().await;
    let text = log.text();
    assert!(text.contains("appendonly no"), "persistence is warned of: {text}");
    assert!(text.contains("the Redis link is down"), "{text}");
    assert!(text.contains(":***@") && !text.contains(SECRET), "{text}");
}

/// Collects every event as text.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl Log {
    fn text(&self) -> String {
        self.0.lock().unwrap().clone()
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> SpanId {
        SpanId::from_u64(1)
    }

    fn record(&self, _: &SpanId, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &SpanId, _: &SpanId) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut Line(&mut self.0.lock().unwrap()));
    }

    fn enter(&self, _: &SpanId) {}

    fn exit(&self, _: &SpanId) {}
}

struct Line<'a>(&'a mut String);

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        writeln!(self.0, "{field}={value:?}").unwrap();
    }
}
