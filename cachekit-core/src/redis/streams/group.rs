//! A consumer in a group of a stream.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use redis::{Cmd, Value};

use super::super::reply::{self, StoreError};
use super::entry::{self, Entry};
use super::stream::{Stream, StreamError};

/// One consumer of one group.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) stream: Stream,
    group: String,
    consumer: String,
}

/// From where a group, or a read, goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum From {
    /// What was delivered to this consumer after this id and is still pending.
    Pending(String),
    /// What nobody in the group was given yet.
    Next,
}

/// What a group has left to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Backlog {
    /// Delivered and not acknowledged.
    pub(crate) pending: u64,
    /// Not delivered; `None` where the server cannot tell.
    pub(crate) waiting: Option<u64>,
    /// Since when the oldest of both waits.
    pub(crate) oldest: Option<Duration>,
}

impl Group {
    pub(crate) fn new(stream: Stream, group: &str, consumer: &str) -> Group {
        Group { stream, group: group.to_owned(), consumer: consumer.to_owned() }
    }

    /// Creates the group, and the stream, unless they are there: before the first entry, or after the last.
    pub(crate) async fn create(&self, at_the_end: bool) -> Result<(), StoreError> {
        let start = if at_the_end { "$" } else { "0" };
        let mut command = Cmd::new();
        command.arg("XGROUP").arg("CREATE").arg(&self.stream.key);
        command.arg(&self.group).arg(start).arg("MKSTREAM");
        match self.stream.link.send(command).await?.into() {
            Value::ServerError(error) if error.code() == "BUSYGROUP" => Ok(()),
            Value::ServerError(error) => Err(StoreError::from(&error)),
            _ => Ok(()),
        }
    }

    /// Reads up to `count` entries; waits for the first one for `block`.
    pub(crate) async fn read(
        &self,
        from: &From,
        count: usize,
        block: Duration,
    ) -> Result<Vec<Entry>, StreamError> {
        let mut command = Cmd::new();
        command.arg("XREADGROUP").arg("GROUP").arg(&self.group).arg(&self.consumer);
        command.arg("COUNT").arg(count);
        let from = match from {
            From::Pending(id) => id,
            From::Next => {
                command.arg("BLOCK").arg(block.as_millis().max(1).to_string());
                ">"
            }
        };
        command.arg("STREAMS").arg(&self.stream.key).arg(from);
        Ok(entry::of_one_stream(self.send(command).await?)?)
    }

    /// Takes over up to `count` entries that nobody has touched for `idle`; says where to go on.
    pub(crate) async fn claim(
        &self,
        cursor: &str,
        idle: Duration,
        count: usize,
    ) -> Result<(String, Vec<Entry>), StreamError> {
        let mut command = self.command("XAUTOCLAIM");
        command.arg(&self.consumer).arg(ms(idle)).arg(cursor).arg("COUNT").arg(count);
        let Value::Array(mut parts) = self.send(command).await? else {
            return Err(StoreError::Io.into());
        };
        if parts.len() < 2 {
            return Err(StoreError::Io.into());
        }
        let entries = entry::entries(parts.swap_remove(1))?;
        Ok((entry::text(parts.swap_remove(0))?, entries))
    }

    /// Says that this consumer still works on them.
    pub(crate) async fn keep(&self, ids: &[String]) -> Result<(), StreamError> {
        let mut command = self.command("XCLAIM");
        command.arg(&self.consumer).arg(0).arg(ids).arg("JUSTID");
        self.send(command).await.map(drop)
    }

    /// Leaves them to whoever looks next for entries that were idle for so long.
    pub(crate) async fn release(&self, id: &str, idle: Duration) -> Result<(), StreamError> {
        let mut command = self.command("XCLAIM");
        command.arg(&self.consumer).arg(0).arg(id).arg("IDLE").arg(ms(idle)).arg("JUSTID");
        self.send(command).await.map(drop)
    }

    /// Says that the entry is dealt with.
    pub(crate) async fn ack(&self, id: &str) -> Result<(), StoreError> {
        let mut command = self.command("XACK");
        command.arg(id);
        reply::int(self.stream.send(command).await?.into()).map(drop)
    }

    /// How often a pending entry was delivered; 0 if it is not pending.
    pub(crate) async fn deliveries(&self, id: &str) -> Result<u64, StreamError> {
        let mut command = self.command("XPENDING");
        command.arg(id).arg(id).arg(1);
        let Value::Array(mut rows) = self.send(command).await? else {
            return Err(StoreError::Io.into());
        };
        let Some(Value::Array(row)) = rows.pop() else { return Ok(0) };
        match row.get(3) {
            Some(Value::Int(count)) => Ok(count.unsigned_abs()),
            _ => Err(StoreError::Io.into()),
        }
    }

    /// Takes this consumer off the group's list, unless entries are pending for it.
    pub(crate) async fn leave(&self) -> Result<(), StreamError> {
        let mut command = self.command("XPENDING");
        command.arg("-").arg("+").arg(1).arg(&self.consumer);
        let Value::Array(rows) = self.send(command).await? else { return Ok(()) };
        if !rows.is_empty() {
            return Ok(());
        }
        let mut command = Cmd::new();
        command.arg("XGROUP").arg("DELCONSUMER").arg(&self.stream.key);
        command.arg(&self.group).arg(&self.consumer);
        self.send(command).await.map(drop)
    }

    /// Delivers again what was added since then. Never goes forward: that would leave out what is still to come.
    pub(crate) async fn go_back_to(&self, time: SystemTime) -> Result<(), StreamError> {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let since = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        let facts = self.facts().await?;
        if entry::added_ms(&facts.last_delivered).is_some_and(|last| since > last) {
            return Ok(());
        }
        // Entries after this id: the first of that millisecond included.
        let before = match since {
            0 => "0-0".to_owned(),
            ms => format!("{}-{}", ms - 1, u64::MAX),
        };
        let mut command = Cmd::new();
        command.arg("XGROUP").arg("SETID").arg(&self.stream.key).arg(&self.group).arg(before);
        self.send(command).await.map(drop)
    }

    /// What the group has left to do.
    pub(crate) async fn backlog(&self) -> Result<Backlog, StreamError> {
        let facts = self.facts().await?;
        let oldest = self.oldest_ms(&facts).await?;
        let now = self.stream.now_ms().await?;
        let age = |added: u64| Duration::from_millis(now.saturating_sub(added));
        Ok(Backlog { pending: facts.pending, waiting: facts.lag, oldest: oldest.map(age) })
    }

    async fn facts(&self) -> Result<Facts, StreamError> {
        let mut command = Cmd::new();
        command.arg("XINFO").arg("GROUPS").arg(&self.stream.key);
        let Value::Array(groups) = self.send(command).await? else {
            return Err(StoreError::Io.into());
        };
        let mut facts = groups.into_iter().filter_map(Facts::parse);
        facts.find(|facts| facts.name == self.group).ok_or(StreamError::NoGroup)
    }

    async fn oldest_ms(&self, facts: &Facts) -> Result<Option<u64>, StreamError> {
        let after = format!("({}", facts.last_delivered);
        let waiting = self.stream.range(&after, 1).await?;
        let waiting = waiting.first().map(|entry| entry.id.clone());
        let pending = match facts.pending {
            0 => None,
            _ => self.oldest_pending().await?,
        };
        let oldest = [waiting, pending].into_iter().flatten();
        Ok(oldest.filter_map(|id| entry::added_ms(&id)).min())
    }

    async fn oldest_pending(&self) -> Result<Option<String>, StreamError> {
        let summary = self.send(self.command("XPENDING")).await?;
        let Value::Array(mut parts) = summary else { return Err(StoreError::Io.into()) };
        if parts.len() < 2 {
            return Err(StoreError::Io.into());
        }
        Ok(entry::text(parts.swap_remove(1)).ok())
    }

    /// `NAME key group`.
    fn command(&self, name: &str) -> Cmd {
        let mut command = self.stream.command(name);
        command.arg(&self.group);
        command
    }

    async fn send(&self, command: Cmd) -> Result<Value, StreamError> {
        match self.stream.link.send(command).await?.into() {
            Value::ServerError(error) if is_gone(&error) => Err(StreamError::NoGroup),
            Value::ServerError(error) => Err(StoreError::from(&error).into()),
            value => Ok(value),
        }
    }
}

/// The stream or the group was deleted, perhaps while a read was waiting.
fn is_gone(error: &redis::ServerError) -> bool {
    let no_key = error.details().is_some_and(|text| text.starts_with("no such key"));
    matches!(error.code(), "NOGROUP" | "UNBLOCKED") || no_key
}

fn ms(time: Duration) -> u64 {
    time.as_millis().try_into().unwrap_or(u64::MAX)
}

/// What the server says of a group.
struct Facts {
    name: String,
    pending: u64,
    last_delivered: String,
    lag: Option<u64>,
}

impl Facts {
    fn parse(value: Value) -> Option<Facts> {
        let Value::Map(pairs) = value else { return None };
        let mut facts =
            Facts { name: String::new(), pending: 0, last_delivered: String::new(), lag: None };
        for (name, value) in pairs {
            match (entry::text(name).ok()?.as_str(), value) {
                ("name", value) => facts.name = entry::text(value).ok()?,
                ("pending", Value::Int(count)) => facts.pending = count.unsigned_abs(),
                ("last-delivered-id", value) => facts.last_delivered = entry::text(value).ok()?,
                ("lag", Value::Int(count)) => facts.lag = Some(count.unsigned_abs()),
                _ => {}
            }
        }
        Some(facts)
    }
}
