//! What an error of a database says about the next attempt.

use std::borrow::Cow;

use sqlx::Error;
use sqlx::error::DatabaseError;

use super::{OutcomeUnknown, Transient};

/// Why a database failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    /// It gave up this transaction in favour of another.
    GaveWay,
    /// It cannot be reached, or serves nobody now.
    Away,
    /// It would fail again.
    Permanent,
}

impl Transient for Error {
    fn is_transient(&self) -> bool {
        class(self) != Class::Permanent
    }
}

/// Whether the database gave up this transaction in favour of another: a serialization failure, a deadlock, a lock that
/// was not to be had in time.
pub(crate) fn gave_way(error: &Error) -> bool {
    class(error) == Class::GaveWay
}

fn class(error: &Error) -> Class {
    match error {
        // It may have been done.
        Error::Io(_) if OutcomeUnknown::of(error).is_some() => Class::Permanent,
        Error::Io(_) | Error::PoolTimedOut => Class::Away,
        Error::Database(error) => of_database(&**error),
        _ => Class::Permanent,
    }
}

fn of_database(error: &dyn DatabaseError) -> Class {
    #[cfg(feature = "sqlx-mysql")]
    if let Some(error) = error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>() {
        return of_mysql(error.number());
    }
    let code = error.code().unwrap_or(Cow::Borrowed(""));
    #[cfg(feature = "sqlx-sqlite")]
    if error.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some() {
        return of_sqlite(&code);
    }
    of_sqlstate(&code)
}

/// As PostgreSQL gives them.
fn of_sqlstate(code: &str) -> Class {
    match code {
        // Serialization failure, deadlock, lock not available.
        "40001" | "40P01" | "55P03" => Class::GaveWay,
        // Out of connections; shutting down, crashed, starting.
        "53300" => Class::Away,
        _ if code.starts_with("57P") || code.starts_with("08") => Class::Away,
        _ => Class::Permanent,
    }
}

#[cfg(feature = "sqlx-mysql")]
fn of_mysql(number: u16) -> Class {
    match number {
        // Deadlock, lock wait time-out, a row that changed since the snapshot (MariaDB), a lock taken with NOWAIT.
        1213 | 1205 | 1020 | 3572 => Class::GaveWay,
        // Too many connections, shutting down, broken connections.
        1040 | 1053 | 1079 | 1152 | 1158..=1161 | 1184 | 1203 | 1226 | 3168 => Class::Away,
        _ => Class::Permanent,
    }
}

/// By the primary result code, which is the lowest byte: SQLITE_BUSY and SQLITE_LOCKED.
#[cfg(feature = "sqlx-sqlite")]
fn of_sqlite(code: &str) -> Class {
    match code.parse::<u32>().unwrap_or_default() & 0xff {
        5 | 6 => Class::GaveWay,
        _ => Class::Permanent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_told_apart() {
        for code in ["40001", "40P01", "55P03"] {
            assert_eq!(of_sqlstate(code), Class::GaveWay, "{code}");
        }
        for code in ["08006", "57P01", "57P03", "53300"] {
            assert_eq!(of_sqlstate(code), Class::Away, "{code}");
        }
        for code in ["23505", "42601", "22001", "57014", ""] {
            assert_eq!(of_sqlstate(code), Class::Permanent, "{code}");
        }
    }

    #[cfg(feature = "sqlx-mysql")]
    #[test]
    fn a_deadlock_of_mysql_gave_way_and_a_duplicate_did_not() {
        assert_eq!(of_mysql(1213), Class::GaveWay);
        assert_eq!(of_mysql(1205), Class::GaveWay);
        assert_eq!(of_mysql(1040), Class::Away);
        assert_eq!(of_mysql(1062), Class::Permanent);
    }

    #[cfg(feature = "sqlx-sqlite")]
    #[test]
    fn extended_codes_of_sqlite_count_as_their_primary_one() {
        // BUSY, BUSY_SNAPSHOT, LOCKED_SHAREDCACHE; CONSTRAINT_UNIQUE.
        for code in ["5", "517", "262"] {
            assert_eq!(of_sqlite(code), Class::GaveWay, "{code}");
        }
        assert_eq!(of_sqlite("2067"), Class::Permanent);
    }

    #[test]
    fn errors_of_the_driver_are_told_apart() {
        assert!(Error::PoolTimedOut.is_transient());
        assert!(Error::Io(std::io::Error::other("broken")).is_transient());
        let lost = OutcomeUnknown::after(Error::PoolTimedOut);
        assert!(!lost.is_transient(), "to do it again may do it twice");
        assert!(!Error::RowNotFound.is_transient());
        assert!(!Error::PoolClosed.is_transient());
    }
}
