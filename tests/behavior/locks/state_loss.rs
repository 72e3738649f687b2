//! Redis may forget which numbers it gave: the database does not.

use cachekit::ErrorKind;
use cachekit_test_support::RedisServer;
use cachekit_tests::{cache, item, soon};
use sqlx::Pool;

use super::bank::{Bank, on_all, open};

fn forget(server: &RedisServer) {
    server.connection().call(&["FLUSHALL"]);
}

on_all!(numbers_grow_over_a_loss_of_all_that_redis_has);

async fn numbers_grow_over_a_loss_of_all_that_redis_has<DB: Bank>(pool: &Pool<DB>) {
    open(pool).await;
    let server = RedisServer::start();
    let (one, other) = (cache(&server.url()).await, cache(&server.url()).await);
    let mut conn = pool.acquire().await.unwrap();
    let mut last = 0;
    for _ in 0..3 {
        let former = one.lock(item(1)).above(last).acquire().await.unwrap();
        assert!(former.fencing_token() > last);
        former.fence(&mut *conn).await.unwrap();
        former.release().await.unwrap();
        let former = one.lock(item(1)).acquire().await.unwrap();
        former.fence(&mut *conn).await.unwrap();
        forget(&server);

        let floor = other.fencing_floor(pool, &item(1)).await.unwrap();
        assert_eq!(floor, former.fencing_token());
        let next = soon(other.lock(item(1)).above(floor).acquire()).await.unwrap();
        assert!(next.fencing_token() > former.fencing_token());
        next.fence(&mut *conn).await.unwrap();
        let refused = former.fence(&mut *conn).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Fenced);
        last = next.fencing_token();
        next.release().await.unwrap();
        drop(former);
    }
}

on_all!(holder_without_the_floor_is_refused_and_not_let_through);

async fn holder_without_the_floor_is_refused_and_not_let_through<DB: Bank>(pool: &Pool<DB>) {
    open(pool).await;
    let server = RedisServer::start();
    let cache = cache(&server.url()).await;
    let mut conn = pool.acquire().await.unwrap();
    let former = cache.lock(item(1)).above(7).acquire().await.unwrap();
    former.fence(&mut *conn).await.unwrap();
    former.release().await.unwrap();
    forget(&server);
    let next = cache.lock(item(1)).acquire().await.unwrap();
    assert_eq!(next.fencing_token(), 1);
    assert_eq!(next.fence(&mut *conn).await.unwrap_err().kind(), ErrorKind::Fenced);
}

on_all!(number_that_was_given_twice_is_the_first_one_s_who_shows_it);

/// The first of two was given a number, and Redis forgot it before the database knew.
async fn number_that_was_given_twice_is_the_first_one_s_who_shows_it<DB: Bank>(pool: &Pool<DB>) {
    let server = RedisServer::start();
    let (one, other) = (cache(&server.url()).await, cache(&server.url()).await);
    for newer_is_quicker in [true, false] {
        open(pool).await;
        forget(&server);
        let former = one.lock(item(1)).acquire().await.unwrap();
        forget(&server);
        let floor = other.fencing_floor(pool, &item(1)).await.unwrap();
        let next = soon(other.lock(item(1)).above(floor).acquire()).await.unwrap();
        assert_eq!(next.fencing_token(), former.fencing_token(), "nobody could know");
        let mut conn = pool.acquire().await.unwrap();
        let (first, second) = if newer_is_quicker { (&next, &former) } else { (&former, &next) };
        first.fence(&mut *conn).await.unwrap();
        let refused = second.fence(&mut *conn).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Fenced);
        first.fence(&mut *conn).await.unwrap();
        drop(former);
        next.release().await.unwrap();

        let floor = other.fencing_floor(pool, &item(1)).await.unwrap();
        let next = other.lock(item(1)).above(floor).acquire().await.unwrap();
        next.fence(&mut *conn).await.unwrap();
        next.release().await.unwrap();
    }
}
