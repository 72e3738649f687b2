//! A writer whose transaction commits later.

use cachekit::invalidates;

trait Executor {}
struct PgConnection;

#[invalidates("user:<id>")]
async fn on_connection(db: &mut PgConnection, id: i64) {
    let _ = (db, id);
}

#[invalidates("user:<id>")]
async fn on_executor(db: impl Executor, id: i64) {
    let _ = (db, id);
}

fn main() {}
