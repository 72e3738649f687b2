//! Which errors may be gone at the next attempt.

use std::{error, io};

use crate::Error;

/// Tells errors that may be gone at the next attempt from those that will not.
///
/// Transient: a server that cannot be reached or is starting, a broken connection, a pool without a free connection, a
/// transaction that the database gave up in favour of another (serialization failure, deadlock, lock time-out).
/// Permanent: all else, such as a violated constraint or an error in SQL. When in doubt an error is permanent.
///
/// ```
/// use cachekit_core::retry::Transient;
///
/// #[derive(Debug)]
/// enum ImportError {
///     Database(std::io::Error),
///     BadLine(u32),
/// }
///
/// impl Transient for ImportError {
///     fn is_transient(&self) -> bool {
///         match self {
///             ImportError::Database(error) => error.is_transient(),
///             ImportError::BadLine(_) => false,
///         }
///     }
/// }
///
/// assert!(!ImportError::BadLine(7).is_transient());
/// ```
pub trait Transient {
    /// Whether the same attempt may succeed later with nothing changed.
    fn is_transient(&self) -> bool;
}

impl Transient for Error {
    fn is_transient(&self) -> bool {
        self.is_transient()
    }
}

impl Transient for io::Error {
    fn is_transient(&self) -> bool {
        use io::ErrorKind::{
            AddrNotAvailable, BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset,
            HostUnreachable, Interrupted, NetworkDown, NetworkUnreachable, NotConnected, TimedOut,
            UnexpectedEof, WouldBlock,
        };
        matches!(
            self.kind(),
            AddrNotAvailable
                | BrokenPipe
                | ConnectionAborted
                | ConnectionRefused
                | ConnectionReset
                | HostUnreachable
                | Interrupted
                | NetworkDown
                | NetworkUnreachable
                | NotConnected
                | TimedOut
                | UnexpectedEof
                | WouldBlock
        )
    }
}

#[cfg(feature = "redis")]
impl Transient for redis::RedisError {
    fn is_transient(&self) -> bool {
        if self.is_io_error() || self.is_connection_dropped() {
            return true;
        }
        let codes = ["LOADING", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "BUSY", "READONLY"];
        self.code().is_some_and(|code| codes.contains(&code) || code == "NOREPLICAS")
    }
}

/// Looks for one of the known errors, in the error itself or in what caused it.
impl Transient for dyn error::Error + 'static {
    fn is_transient(&self) -> bool {
        let causes = std::iter::successors(Some(self), |error| error.source());
        causes.take(16).any(known_to_be_transient)
    }
}

impl Transient for Box<dyn error::Error + Send + Sync> {
    fn is_transient(&self) -> bool {
        let error: &(dyn error::Error + 'static) = &**self;
        error.is_transient()
    }
}

fn known_to_be_transient(error: &(dyn error::Error + 'static)) -> bool {
    #[cfg(feature = "_sqlx")]
    if let Some(error) = error.downcast_ref::<sqlx::Error>() {
        return error.is_transient();
    }
    #[cfg(feature = "redis")]
    if let Some(error) = error.downcast_ref::<redis::RedisError>() {
        return error.is_transient();
    }
    if let Some(error) = error.downcast_ref::<Error>() {
        return error.is_transient();
    }
    error.downcast_ref::<io::Error>().is_some_and(Transient::is_transient)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn an_error_is_known_by_what_caused_it() {
        let cause = io::Error::from(io::ErrorKind::ConnectionReset);
        let error = Error::new(ErrorKind::Unexpected, "test", "wrapped").with_source(cause);
        assert!(!Transient::is_transient(&error), "by its own kind it is not");
        let error: Box<dyn error::Error + Send + Sync> = Box::new(error);
        assert!(error.is_transient());
        let text: Box<dyn error::Error + Send + Sync> = "no such thing".into();
        assert!(!text.is_transient());
    }

    #[test]
    fn a_file_that_is_missing_stays_missing() {
        assert!(!io::Error::from(io::ErrorKind::NotFound).is_transient());
        assert!(io::Error::from(io::ErrorKind::TimedOut).is_transient());
    }

    #[cfg(feature = "redis")]
    #[test]
    fn redis_errors_are_told_apart_by_their_code() {
        for (line, transient) in [
            ("LOADING Redis is loading the dataset in memory", true),
            ("READONLY You can't write against a read only replica.", true),
            ("NOREPLICAS Not enough good replicas to write.", true),
            ("WRONGTYPE Operation against a key", false),
            ("NOPERM this user has no permissions", false),
            ("ERR unknown command", false),
        ] {
            let value = redis::parse_redis_value(format!("-{line}\r\n").as_bytes()).unwrap();
            let error = value.extract_error().unwrap_err();
            assert_eq!(error.is_transient(), transient, "{line}");
        }
        let broken = redis::RedisError::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert!(broken.is_transient());
    }
}
