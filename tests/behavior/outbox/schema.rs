//! The tables are made once, however many make them.

use cachekit::sql::outbox::{Backend, MYSQL_SCHEMA, POSTGRES_SCHEMA, SQLITE_SCHEMA, migrate};
use cachekit_tests::{Polls, soon};
use sqlx::{MySql, Pool, Postgres, Sqlite};

use super::databases::{Tested, count, fresh, row, write};

async fn together_and_from_files<DB: Tested>(schema: &str) {
    let host = DB::host();
    let pool = DB::fresh(&host).await;
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

    copied(DB::fresh(&host).await, schema).await;
}

async fn copied<DB: Tested>(pool: Pool<DB>, schema: &str) {
    for _ in 0..2 {
        DB::run(&pool, schema.to_owned()).await.unwrap();
    }
    write(&pool, &row("user:1")).await;
}

#[tokio::test]
async fn processes_that_start_at_once_make_the_tables_of_postgres_together() {
    together_and_from_files::<Postgres>(POSTGRES_SCHEMA).await;
}

#[tokio::test]
async fn processes_that_start_at_once_make_the_tables_of_mariadb_together() {
    together_and_from_files::<MySql>(MYSQL_SCHEMA).await;
}

#[tokio::test]
async fn processes_that_start_at_once_make_the_tables_of_sqlite_together() {
    together_and_from_files::<Sqlite>(SQLITE_SCHEMA).await;
}

#[tokio::test]
async fn tables_that_are_there_are_not_waited_for() {
    let host = Postgres::host();
    let pool = fresh::<Postgres>(&host).await;
    let mut writing = pool.begin().await.unwrap();
    Postgres::insert(&mut writing, &row("user:1")).await.unwrap();
    soon(migrate(&pool)).await.unwrap();
}

#[tokio::test]
async fn a_migration_that_is_dropped_in_mid_way_can_be_repeated() {
    let host = Sqlite::host();
    let pool = Sqlite::fresh(&host).await;
    let mut polls = 0;
    while Polls::new(migrate(&pool), polls).await.is_none() {
        polls += 1;
    }
    assert!(polls > 1, "there was a way to go");
    soon(migrate(&pool)).await.unwrap();
    write(&pool, &row("user:1")).await;
}
