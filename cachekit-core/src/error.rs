//! The one error type of cachekit: what went wrong, doing what, for which key template.

use std::{borrow::Cow, error, fmt};

use crate::key::Template;

type Source = Box<dyn error::Error + Send + Sync>;

/// An error of cachekit itself.
///
/// It names the operation that failed and, where there is one, the key's *template*: never the expanded key,
/// which may hold personal data. What caused it is chained as [`source`](error::Error::source).
///
/// ```
/// use cachekit_core::{ErrorKind, Ttl};
///
/// let error = Ttl::parse("30x").unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::InvalidTtl);
/// assert!(!error.is_transient());
/// assert_eq!(
///     error.to_string(),
///     "parse ttl: unknown unit `x`; expected one of `ms`, `s`, `m`, `h`, `d`",
/// );
/// ```
pub struct Error {
    kind: ErrorKind,
    operation: &'static str,
    template: Option<Template>,
    message: Cow<'static, str>,
    source: Option<Source>,
}

/// What kind of thing went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A key template, or a part of a key, is not usable.
    InvalidKey,
    /// A time to live is not usable.
    InvalidTtl,
    /// The configuration is wrong: nothing but a change of it will help.
    Config,
    /// The store cannot be reached, or refuses commands for now.
    Unavailable,
    /// There was no answer in time. Of a store: whether it did the work is unknown. Of a read: its
    /// `hard_timeout` ran out.
    Timeout,
    /// Too many loads wait for their turn.
    Overloaded,
    /// Somebody else holds the lock that was asked for.
    Busy,
    /// The lock that was asked for was not free in the time that its caller would wait.
    WaitExhausted,
    /// A lock is held no more, though its holder did not release it: others may be at work.
    LockLost,
    /// A write came with a fencing token older than what it would have replaced, and was refused.
    Fenced,
    /// A value could not be encoded or decoded.
    Codec,
    /// A cache is already installed in this process.
    Installed,
    /// The cache is shutting down.
    ShuttingDown,
    /// Something that should not happen: please report it.
    Unexpected,
}

impl Error {
    pub(crate) fn new(
        kind: ErrorKind,
        operation: &'static str,
        message: impl Into<Cow<'static, str>>,
    ) -> Error {
        Error { kind, operation, template: None, message: message.into(), source: None }
    }

    #[must_use]
    pub(crate) fn with_template(mut self, template: Template) -> Error {
        self.template = Some(template);
        self
    }

    #[must_use]
    #[cfg_attr(not(feature = "redis"), allow(dead_code))]
    pub(crate) fn with_source(mut self, source: impl Into<Source>) -> Error {
        self.source = Some(source.into());
        self
    }

    /// What kind of thing went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What was being done, such as `"parse ttl"`.
    pub fn operation(&self) -> &'static str {
        self.operation
    }

    /// The template of the key concerned, such as `user:<id>`.
    pub fn template(&self) -> Option<&str> {
        self.template.as_ref().map(Template::as_str)
    }

    /// What went wrong, without the operation and the template.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Whether the same call may succeed later with nothing changed by the caller.
    pub fn is_transient(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::Unavailable
                | ErrorKind::Timeout
                | ErrorKind::Overloaded
                | ErrorKind::Busy
                | ErrorKind::WaitExhausted
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.operation)?;
        if let Some(template) = &self.template {
            write!(f, " `{}`", template.as_str().escape_debug())?;
        }
        write!(f, ": {}", self.message)
    }
}

/// One line to read, since it is what `main` prints of an error; `{:#?}` shows the fields.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !f.alternate() {
            write!(f, "{self} ({:?})", self.kind)?;
            return match &self.source {
                Some(source) => write!(f, ": {source}"),
                None => Ok(()),
            };
        }
        f.debug_struct("Error")
            .field("kind", &self.kind)
            .field("operation", &self.operation)
            .field("template", &self.template())
            .field("message", &self.message)
            .field("source", &self.source)
            .finish()
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn display_is_one_line_and_leaves_the_source_to_the_chain() {
        let error = Error::new(ErrorKind::Unavailable, "invalidate", "redis refused the command")
            .with_template(Template::Static("user:<id>"))
            .with_source("READONLY");
        assert_eq!(error.to_string(), "invalidate `user:<id>`: redis refused the command");
        assert_eq!(error.source().unwrap().to_string(), "READONLY");
        assert!(error.is_transient());
    }

    #[test]
    fn debug_reads_as_a_sentence() {
        let error = Error::new(ErrorKind::Config, "connect to redis", "the url is unusable")
            .with_source("no port");
        let line = "connect to redis: the url is unusable (Config): no port";
        assert_eq!(format!("{error:?}"), line);
        assert!(format!("{error:#?}").starts_with("Error {\n"));
    }

    #[test]
    fn a_line_break_in_a_template_does_not_break_the_line() {
        let error = Error::new(ErrorKind::InvalidKey, "parse key template", "odd")
            .with_template(Template::Static("a\nb"));
        assert_eq!(error.to_string(), r"parse key template `a\nb`: odd");
    }

    #[test]
    fn errors_are_small_and_can_be_sent() {
        fn sendable<T: Send + Sync + 'static>() {}
        sendable::<Error>();
        assert!(size_of::<Error>() <= 96, "{}", size_of::<Error>());
    }
}
