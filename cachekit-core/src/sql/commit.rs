//! COMMIT, out of reach of the caller's cancellation, and what follows it.

use sqlx::Connection as _;
use tokio::sync::oneshot;
use tracing::Instrument as _;

use super::{Committed, Transaction, doubt::InDoubt, home::Home, outbox::Backend};
use crate::{
    cache::{Context, Outcome},
    lock::Under,
    retry::OutcomeUnknown,
    sync::Runtime,
};

/// Commits in a task of its own, and waits for it.
pub(super) async fn detached<DB: Backend>(tx: Transaction<'static, DB>) -> sqlx::Result<Committed> {
    let (answer, answered) = oneshot::channel();
    // Whoever has the lock next must find what is committed.
    let under = Under::current();
    let work = async move {
        let result = commit(tx).await;
        drop(under);
        // A caller that went away has no use for it.
        let _unheard = answer.send(result);
    };
    let work = Context::current().scope(work).instrument(tracing::Span::current());
    Runtime::current().spawn(work);
    answered.await.unwrap_or_else(|_| Err(OutcomeUnknown::after_end_of_task()))
}

async fn commit<DB: Backend>(tx: Transaction<'static, DB>) -> sqlx::Result<Committed> {
    #[cfg_attr(not(feature = "bloom"), allow(unused_mut))]
    let Transaction { mut inner, mut records, cache, pool } = tx;
    records.check()?;
    if !inner.is_in_transaction() {
        let message = "there is no transaction any more: a statement, or a savepoint that was dropped in mid-way, ended it";
        return Err(sqlx::Error::Protocol(message.to_owned()));
    }
    #[cfg(feature = "bloom")]
    let added = super::filters::add(&mut records).await?;
    let engine = match cache.engine() {
        Some(engine) if !records.is_empty() => engine,
        _ => {
            let committed = plainly(inner).await;
            #[cfg(feature = "bloom")]
            super::filters::confirm(added).await;
            return committed;
        }
    };
    let (row, keys) = records.into_row(engine.namespace());
    DB::insert(&mut inner, &row).await.map_err(explain)?;
    let home = pool.map(|pool| Box::new(pool) as Box<dyn Home>);
    let doubt = InDoubt::new(engine, &row, keys, home);
    let answer = inner.commit().await;
    // Whatever became of it: an id more does no harm.
    #[cfg(feature = "bloom")]
    super::filters::confirm(added).await;
    match answer {
        Ok(()) => Ok(doubt.committed().await),
        Err(error) if is_definite(&error) => {
            doubt.aborted();
            Err(error)
        }
        Err(error) => doubt.settle(error).await,
    }
}

/// Without a row nobody can be asked.
async fn plainly<DB: Backend>(tx: sqlx::Transaction<'static, DB>) -> sqlx::Result<Committed> {
    match tx.commit().await {
        Ok(()) => Ok(Committed::new(Outcome::Applied)),
        Err(error) if is_definite(&error) => Err(error),
        Err(error) => Err(OutcomeUnknown::after(error)),
    }
}

/// Whether the error proves that nothing was committed.
fn is_definite(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| is_refusal(&code))
}

/// Codes with which the transaction ends, or stays open to be rolled back. Every other code leaves it open whether the
/// transaction was committed: of an ended connection (`08`, `57P01`), of a broken disk, and those without a meaning of
/// their own (`HY000`). To ask the database then costs one statement.
fn is_refusal(code: &str) -> bool {
    if code.len() == 5 {
        // 40003: statement completion unknown. 25P03, 25P04: the connection was ended for its slowness.
        let known = ["22", "23", "25", "40", "42", "44", "55", "P0"];
        let open = ["40003", "25P03", "25P04"];
        return known.contains(&&code[..2]) && !open.contains(&code);
    }
    // SQLite's extended codes: busy, locked, read-only, constraint.
    code.parse::<u32>().is_ok_and(|code| matches!(code & 0xff, 5 | 6 | 8 | 19))
}

/// Says what to do where the table is missing.
fn explain(error: sqlx::Error) -> sqlx::Error {
    let missing = error.as_database_error().is_some_and(|error| {
        matches!(error.code().as_deref(), Some("42P01" | "42S02"))
            || error.message().starts_with("no such table")
    });
    if !missing {
        return error;
    }
    let message = "the table `cachekit_outbox` is missing; call `cachekit::outbox::migrate(&pool)` before the first transaction";
    sqlx::Error::Configuration(message.into())
}

#[cfg(test)]
mod tests {
    use super::is_refusal;

    #[test]
    fn only_a_refusal_proves_that_nothing_was_committed() {
        for code in ["23503", "40001", "40P01", "25P02", "P0001", "22012", "23000"] {
            assert!(is_refusal(code), "{code}");
        }
        for code in ["57P01", "57014", "08006", "40003", "25P04", "HY000", "XX000", "58030", ""] {
            assert!(!is_refusal(code), "{code}");
        }
    }

    #[test]
    fn codes_of_sqlite_are_told_by_their_low_byte() {
        for code in ["5", "261", "517", "6", "787", "2067", "8"] {
            assert!(is_refusal(code), "{code}");
        }
        for code in ["10", "778", "13", "1", "11"] {
            assert!(!is_refusal(code), "{code}");
        }
    }
}
