//! Numbers in a column of the user's own.

use cachekit::{Error, ErrorKind, fencing::expect_unfenced};
use sqlx::Pool;

use super::bank::{Bank, cents, on_all, open};

on_all!(former_holder_s_write_changes_no_row);

async fn former_holder_s_write_changes_no_row<DB: Bank>(pool: &Pool<DB>) {
    open(pool).await;
    let mut conn = pool.acquire().await.unwrap();
    let mut pay = async |amount, fence| {
        let rows = DB::pay(&mut conn, amount, fence).await.unwrap();
        let paid: Result<(), Error> = expect_unfenced(&rows);
        (paid.err().map(|error| error.kind()), cents::<DB>(&mut conn).await)
    };
    assert_eq!(pay(100, 7).await, (None, 100));
    assert_eq!(pay(100, 7).await, (None, 100), "a row that stays as it is was written too");
    assert_eq!(pay(666, 6).await, (Some(ErrorKind::Fenced), 100));
    assert_eq!(pay(200, 8).await, (None, 200));
}
