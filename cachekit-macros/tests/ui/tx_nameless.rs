//! A transaction without a name.

use cachekit::{Transaction, invalidates};
use sqlx::Sqlite;

#[invalidates("user:<id>")]
async fn nameless(_: &mut Transaction<'_, Sqlite>, id: i64) {
    let _ = id;
}

fn main() {}
