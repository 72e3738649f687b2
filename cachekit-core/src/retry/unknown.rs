//! The error of a COMMIT of which nobody can say what became.

use std::{error::Error, fmt, io};

/// Whether a transaction was committed is not known: the answer to COMMIT was lost, and the database could not be asked
/// in time.
///
/// It comes as an [`sqlx::Error::Io`]; [`of`](Self::of) finds it there. To do the whole work again may do it twice: look
/// first. This process reads past the cache for the keys of the transaction, until it has heard from the database what
/// became of it.
///
/// ```
/// use cachekit_core::OutcomeUnknown;
///
/// fn tell(error: &sqlx::Error) -> &'static str {
///     match OutcomeUnknown::of(error) {
///         Some(_) => "it may have been done; please look before you try again",
///         None => "nothing was done",
///     }
/// }
/// assert_eq!(tell(&sqlx::Error::RowNotFound), "nothing was done");
/// ```
#[derive(Debug)]
pub struct OutcomeUnknown {
    source: Option<sqlx::Error>,
}

impl OutcomeUnknown {
    /// The unknown outcome that `error` stands for, if it does.
    #[must_use]
    pub fn of(error: &sqlx::Error) -> Option<&Self> {
        match error {
            sqlx::Error::Io(error) => error.get_ref()?.downcast_ref(),
            _ => None,
        }
    }

    pub(crate) fn after(source: sqlx::Error) -> sqlx::Error {
        sqlx::Error::Io(io::Error::other(Self { source: Some(source) }))
    }

    pub(crate) fn after_end_of_task() -> sqlx::Error {
        sqlx::Error::Io(io::Error::other(Self { source: None }))
    }
}

impl fmt::Display for OutcomeUnknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "commit: the outcome is unknown, look whether it was done before you do it again: ",
        )?;
        match &self.source {
            Some(source) => write!(f, "{source}"),
            None => f.write_str("the runtime was shut down meanwhile"),
        }
    }
}

impl Error for OutcomeUnknown {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_found_in_the_error_of_sqlx_and_nowhere_else() {
        let lost = sqlx::Error::Io(io::ErrorKind::ConnectionReset.into());
        assert!(OutcomeUnknown::of(&lost).is_none());
        let error = OutcomeUnknown::after(lost);
        let found = OutcomeUnknown::of(&error).expect("it was put there");
        assert!(matches!(found.source, Some(sqlx::Error::Io(_))));
        assert!(error.to_string().contains("the outcome is unknown"), "{error}");
    }
}
