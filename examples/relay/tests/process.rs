//! The process relays what it finds, and ends when it is asked to.

use std::process::{Command, Stdio};
use std::time::Duration;

use cachekit::outbox::{Backend, OutboxRow, RowId, migrate};
use cachekit_test_support::{RedisServer, Reply, wait_until};
use sqlx::{Sqlite, SqlitePool, sqlite::SqliteConnectOptions};

async fn write_row(url: &str) {
    let options: SqliteConnectOptions = url.parse().expect("a url");
    let pool = SqlitePool::connect_with(options.create_if_missing(true)).await.expect("a database");
    migrate(&pool).await.expect("the tables");
    let keys = vec!["item:1".to_owned()];
    let row =
        OutboxRow { id: RowId::new(), namespace: "shop".to_owned(), keys, events: Vec::new() };
    let mut conn = pool.acquire().await.expect("a connection");
    Sqlite::insert(&mut conn, &row).await.expect("the row");
}

#[tokio::test]
async fn what_a_transaction_left_is_invalidated_and_a_signal_ends_the_process() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite:{}", folder.path().join("shop.db").display());
    write_row(&url).await;
    let server = RedisServer::start();
    let mut redis = server.connection();
    redis.call(&["SET", "ck:shop:item:1", "old"]);

    let relay = Command::new(env!("CARGO_BIN_EXE_cachekit-relay"))
        .envs([("DATABASE_URL", &url), ("REDIS_URL", &server.url())])
        .env("NAMESPACE", "shop")
        .stdout(Stdio::piped())
        .spawn()
        .expect("the relay");
    let mut gone = || redis.call(&["EXISTS", "ck:shop:item:1"]) == Reply::Int(0);
    assert!(wait_until(Duration::from_secs(20), &mut gone), "the entry is still there");
    let asked = Command::new("kill").args(["-TERM", &relay.id().to_string()]).status();
    assert!(asked.expect("kill").success());
    let output = relay.wait_with_output().expect("its end");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("0 rows wait, 0 are dead"), "{said}");
}
