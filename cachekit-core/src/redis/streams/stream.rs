//! One stream: adding, looking, trimming.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use redis::{Cmd, RedisWrite, Value};

use super::super::link::Link;
use super::super::reply::{self, StoreError};
use super::entry::{self, Entry, Fields};

/// How much of a stream is kept, roughly: Redis trims whole blocks of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retention {
    /// This many entries.
    Length(u64),
    /// The entries of so long.
    Age(Duration),
}

/// A stream over a link.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    pub(super) link: Arc<Link>,
    pub(super) key: String,
}

/// Why a command on a stream gave no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamError {
    /// The group is gone, and the stream perhaps with it.
    NoGroup,
    /// All else.
    Store(StoreError),
}

impl From<StoreError> for StreamError {
    fn from(error: StoreError) -> Self {
        StreamError::Store(error)
    }
}

impl Stream {
    pub(in super::super) fn new(link: Arc<Link>, key: String) -> Stream {
        Stream { link, key }
    }

    /// The stream of what was given up of this one.
    pub(crate) fn below(&self, name: &str) -> Stream {
        Stream { link: Arc::clone(&self.link), key: format!("{}:{name}", self.key) }
    }

    pub(crate) fn is_up(&self) -> bool {
        self.link.is_up()
    }

    /// Resolves at the next change between up and down, counted from this call.
    pub(crate) fn changed(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut changes = self.link.changes();
        async move {
            let _ = changes.changed().await;
        }
    }

    /// Adds an entry, and trims the stream; says its id.
    pub(crate) async fn add(
        &self,
        fields: &Fields,
        retention: Retention,
    ) -> Result<String, StoreError> {
        let mut command = self.command("XADD");
        match retention {
            Retention::Length(length) => command.arg("MAXLEN").arg("~").arg(length),
            Retention::Age(age) => command.arg("MINID").arg("~").arg(ms_ago(age)),
        };
        command.arg("*");
        for (name, value) in &fields.0 {
            command.arg(name).arg(value);
        }
        entry::text(self.send(command).await?)
    }

    /// Up to `count` entries, from this id on.
    pub(crate) async fn range(&self, from: &str, count: usize) -> Result<Vec<Entry>, StoreError> {
        let mut command = self.command("XRANGE");
        command.arg(from).arg("+").arg("COUNT").arg(count);
        entry::entries(self.send(command).await?)
    }

    pub(crate) async fn delete(&self, ids: &[String]) -> Result<(), StoreError> {
        let mut command = self.command("XDEL");
        command.arg(ids);
        reply::int(self.send(command).await?.into()).map(drop)
    }

    pub(crate) async fn len(&self) -> Result<u64, StoreError> {
        let length = reply::int(self.send(self.command("XLEN")).await?.into())?;
        Ok(length.unsigned_abs())
    }

    /// The server's time, in milliseconds.
    pub(super) async fn now_ms(&self) -> Result<u64, StoreError> {
        let mut command = Cmd::new();
        command.arg("TIME");
        let Value::Array(parts) = self.send(command).await? else { return Err(StoreError::Io) };
        let numbers =
            parts.into_iter().map(|part| entry::text(part).map(|text| text.parse::<u64>()));
        match numbers.collect::<Result<Vec<_>, _>>()?.as_slice() {
            [Ok(seconds), Ok(micros)] => Ok(seconds * 1000 + micros / 1000),
            _ => Err(StoreError::Io),
        }
    }

    /// `NAME key`.
    pub(super) fn command(&self, name: &str) -> Cmd {
        let mut command = Cmd::with_capacity(16, 256);
        command.write_arg(name.as_bytes());
        command.arg(&self.key);
        command
    }

    pub(super) async fn send(&self, command: Cmd) -> Result<Value, StoreError> {
        match self.link.send(command).await?.into() {
            Value::ServerError(error) => Err(StoreError::from(&error)),
            value => Ok(value),
        }
    }
}

fn ms_ago(age: Duration) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.saturating_sub(age).as_millis().try_into().unwrap_or(0)
}
