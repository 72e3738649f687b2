//! The tables are made once, however many make them.

use cachekit::sql::outbox::{MYSQL_SCHEMA, POSTGRES_SCHEMA, SQLITE_SCHEMA, migrate};
use sqlx::{MySql, Postgres, Sqlite};

use super::databases::{Server, Tested, count, on_each_database, row, write};

on_each_database! {
    processes_that_start_at_once_make_the_tables_together,
}

async fn processes_that_start_at_once_make_the_tables_together<DB: Tested>() {
    let Server { pool, _server } = DB::start().await;
    let start = |_| {
        let pool = pool.clone();
        tokio::spawn(async move { migrate(&pool).await })
    };
    let starts: Vec<_> = (0..8).map(start).collect();
    for start in starts {
        start.await.unwrap().unwrap();
    }
    write(&pool, &row("user:1")).await;
    migrate(&pool).await.unwrap();
    assert_eq!(count(&pool, "1 = 1").await, 1);
}

async fn as_a_migration<DB: Tested>(schema: &str) {
    let Server { pool, _server } = DB::start().await;
    for _ in 0..2 {
        DB::run(&pool, schema.to_owned()).await.unwrap();
    }
    write(&pool, &row("user:1")).await;
}

#[tokio::test]
async fn the_schema_can_be_copied_into_a_migration() {
    as_a_migration::<Sqlite>(SQLITE_SCHEMA).await;
    as_a_migration::<Postgres>(POSTGRES_SCHEMA).await;
    as_a_migration::<MySql>(MYSQL_SCHEMA).await;
}

#[tokio::test]
async fn tables_that_are_there_are_not_waited_for() {
    let Server { pool, _server } = Server::<Postgres>::start().await;
    let mut writing = pool.begin().await.unwrap();
    <Postgres as cachekit::sql::outbox::Backend>::insert(&mut writing, &row("user:1"))
        .await
        .unwrap();
    cachekit_tests::soon(migrate(&pool)).await.unwrap();
}
