//! What Redis answered, and why a command failed: refused for certain, or with an unknown outcome.

use redis::{RedisError, ServerError, Value};

/// What Redis answered, as far as it matters here.
#[derive(Debug)]
pub(super) enum Reply {
    Nil,
    Int(i64),
    Bytes(Vec<u8>),
    Error(Box<ServerError>),
    /// Of any other shape.
    Other(Box<Value>),
}

impl From<Value> for Reply {
    fn from(value: Value) -> Self {
        match value {
            Value::Nil => Self::Nil,
            Value::Int(number) => Self::Int(number),
            Value::BulkString(bytes) => Self::Bytes(bytes),
            Value::ServerError(error) => Self::Error(Box::new(error)),
            other => Self::Other(Box::new(other)),
        }
    }
}

impl From<Reply> for Value {
    fn from(reply: Reply) -> Self {
        match reply {
            Reply::Nil => Self::Nil,
            Reply::Int(number) => Self::Int(number),
            Reply::Bytes(bytes) => Self::BulkString(bytes),
            Reply::Error(error) => Self::ServerError(*error),
            Reply::Other(value) => *value,
        }
    }
}

/// Why a command gave no result.
// In whole words, as all that is part of a hit's outcome: an enum whose variants begin with a byte
// is copied in odd pieces, and each copy of a copy then stalls the processor.
#[repr(usize)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoreError {
    /// The link was down: nothing was sent.
    Down,
    /// Redis did not answer in time: the command may still be carried out.
    Timeout,
    /// Redis is at its memory limit and took no write.
    OutOfMemory,
    /// Redis refused the command and did nothing.
    Refused(Refusal),
    /// The connection broke: the command may have been carried out.
    Io,
}

/// Why Redis refused a command.
#[repr(usize)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is a replica.
    ReadOnly,
    /// Too few replicas are connected to take a write.
    NoReplicas,
    /// It cannot persist, and was told to refuse writes then.
    Misconfigured,
    /// The log-in is not valid any more.
    Unauthenticated,
    /// The user may not do this.
    Forbidden,
    /// It is reading its data set.
    Loading,
    /// The cluster does not serve this key now, or not here.
    Cluster,
    /// The key holds another type.
    WrongType,
    /// Something else.
    Other,
}

impl StoreError {
    /// Whether the command may have been carried out, now or later.
    pub(crate) fn outcome_unknown(self) -> bool {
        matches!(self, StoreError::Timeout | StoreError::Io)
    }
}

impl From<&ServerError> for StoreError {
    fn from(error: &ServerError) -> StoreError {
        let refusal = match error.code() {
            "OOM" => return StoreError::OutOfMemory,
            "READONLY" => Refusal::ReadOnly,
            "NOREPLICAS" => Refusal::NoReplicas,
            "MISCONF" => Refusal::Misconfigured,
            "NOAUTH" | "WRONGPASS" => Refusal::Unauthenticated,
            "NOPERM" => Refusal::Forbidden,
            "LOADING" | "MASTERDOWN" => Refusal::Loading,
            "CLUSTERDOWN" | "MOVED" | "ASK" | "TRYAGAIN" => Refusal::Cluster,
            "WRONGTYPE" => Refusal::WrongType,
            _ => Refusal::Other,
        };
        StoreError::Refused(refusal)
    }
}

/// A broken connection; a link that was cut because Redis stalled says so itself.
pub(super) fn broken(error: &RedisError) -> StoreError {
    if error.is_timeout() { StoreError::Timeout } else { StoreError::Io }
}

/// An integer reply. Any other shape leaves the outcome unknown: it is not a reply to what was sent.
pub(super) fn int(reply: Reply) -> Result<i64, StoreError> {
    match reply {
        Reply::Int(number) => Ok(number),
        Reply::Error(error) => Err(StoreError::from(&*error)),
        _ => Err(StoreError::Io),
    }
}

/// A string reply, or nothing.
pub(super) fn bytes(reply: Reply) -> Result<Option<Vec<u8>>, StoreError> {
    match reply {
        Reply::Bytes(bytes) => Ok(Some(bytes)),
        Reply::Nil => Ok(None),
        Reply::Error(error) => Err(StoreError::from(&*error)),
        _ => Err(StoreError::Io),
    }
}

/// Whether a script must be sent in full because the server does not know it.
pub(super) fn is_unknown_script(reply: &Reply) -> bool {
    matches!(reply, Reply::Error(error) if error.code() == "NOSCRIPT")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(line: &str) -> StoreError {
        let value = redis::parse_redis_value(format!("-{line}\r\n").as_bytes()).unwrap();
        int(value.into()).unwrap_err()
    }

    #[test]
    fn a_server_error_is_a_definite_refusal_by_its_code() {
        for (line, refusal) in [
            ("READONLY You can't write against a read only replica.", Refusal::ReadOnly),
            ("NOREPLICAS Not enough good replicas to write.", Refusal::NoReplicas),
            ("MISCONF Errors writing to the AOF file", Refusal::Misconfigured),
            ("NOAUTH Authentication required.", Refusal::Unauthenticated),
            ("NOPERM this user has no permissions", Refusal::Forbidden),
            ("LOADING Redis is loading the dataset in memory", Refusal::Loading),
            ("CLUSTERDOWN Hash slot not served", Refusal::Cluster),
            ("MOVED 3999 127.0.0.1:6381", Refusal::Cluster),
            ("WRONGTYPE Operation against a key", Refusal::WrongType),
            ("ERR something new", Refusal::Other),
        ] {
            assert_eq!(refused(line), StoreError::Refused(refusal), "{line}");
            assert!(!refused(line).outcome_unknown());
        }
        assert_eq!(refused("OOM command not allowed"), StoreError::OutOfMemory);
        assert!(!StoreError::OutOfMemory.outcome_unknown() && !StoreError::Down.outcome_unknown());
    }

    #[test]
    fn a_reply_of_another_shape_leaves_the_outcome_unknown() {
        assert!(int(Value::Okay.into()).unwrap_err().outcome_unknown());
        assert!(bytes(Reply::Int(1)).unwrap_err().outcome_unknown());
        assert_eq!(bytes(Reply::Nil), Ok(None));
        assert!(StoreError::Timeout.outcome_unknown() && StoreError::Io.outcome_unknown());
    }
}
