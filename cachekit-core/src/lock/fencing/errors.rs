//! What is said of a number that was refused, and of a database that did not answer as it should.

use crate::{
    error::{Error, ErrorKind},
    key::Template,
    retry::Transient,
};

const SHOW: &str = "show the fencing number";

pub(super) fn refused(template: Template) -> Error {
    let message = "a later holder of the lock was there before; roll back and acquire the lock again";
    Error::new(ErrorKind::Fenced, SHOW, message).with_template(template)
}

pub(super) fn not_shown(template: Template, error: sqlx::Error) -> Error {
    of_database(SHOW, template, error)
}

/// What may be gone at the next attempt is [`ErrorKind::Unavailable`].
pub(in crate::lock) fn of_database(
    operation: &'static str,
    template: Template,
    error: sqlx::Error,
) -> Error {
    let (kind, message) = match &error {
        error if is_missing_table(error) => (ErrorKind::Config, MISSING),
        error if error.is_transient() => {
            (ErrorKind::Unavailable, "the database gave it up, or cannot be reached; try again")
        }
        _ => (ErrorKind::Unexpected, "the database refused it"),
    };
    Error::new(kind, operation, message).with_template(template).with_source(error)
}

const MISSING: &str = "the table `cachekit_fences` is missing; call `fencing::migrate`, or put its SQL into a migration";

fn is_missing_table(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(error) = error else { return false };
    match error.code().as_deref() {
        Some("42P01" | "42S02") => true,
        Some("1") => error.message().starts_with("no such table"),
        _ => false,
    }
}
