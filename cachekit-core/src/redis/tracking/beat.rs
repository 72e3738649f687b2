//! Heartbeats on their way out, and whether they come back.

use std::sync::Arc;

use redis::{Cmd, RedisWrite};

use super::pushes::Pushes;
use crate::redis::link::{Link, Sending};
use crate::redis::reply::{Reply, StoreError};

/// How many heartbeats may be due after one that was acknowledged and has not come back, before the link counts as
/// dead. Counted in heartbeats and not in time: a process that stood still has not listened.
const PATIENCE: u32 = 8;

/// How long a heartbeat stays in Redis: nobody reads it.
const KEPT_MS: &[u8] = b"1000";

/// The heartbeats of one tracking connection.
#[derive(Debug)]
pub(super) struct Beats {
    data: Arc<Link>,
    pushes: Arc<Pushes>,
    /// The oldest that was acknowledged and has not come back.
    missing_ms: Option<u64>,
    /// How many were due since.
    due_since: u32,
}

/// A heartbeat that was sent.
pub(super) struct Beat {
    sending: Sending,
    sent_ms: u64,
}

impl Beats {
    pub(super) fn new(data: Arc<Link>, pushes: Arc<Pushes>) -> Beats {
        Beats { data, pushes, missing_ms: None, due_since: 0 }
    }

    /// A heartbeat with the time `now_ms`, sent when it is first waited for.
    pub(super) fn begin(&self, now_ms: u64) -> Beat {
        let [_, prefix] = self.pushes.prefixes();
        let key = format!("{prefix}{now_ms}");
        let sending = self.data.send_short(|command| write(command, &key));
        Beat { sending, sent_ms: now_ms }
    }

    /// Waits for the answer; whether the server carried it out.
    pub(super) async fn answer(beat: &mut Option<Beat>) -> Option<u64> {
        let Some(Beat { sending, sent_ms }) = beat else { return std::future::pending().await };
        let reply: Result<Reply, StoreError> = sending.await;
        let done = match reply {
            Ok(Reply::Error(error)) => {
                tracing::debug!(code = error.code(), "a heartbeat was refused");
                false
            }
            Ok(_) => true,
            Err(_) => false,
        };
        let sent_ms = done.then_some(*sent_ms);
        *beat = None;
        sent_ms
    }

    /// A heartbeat was carried out, so it has to come back.
    pub(super) fn expect(&mut self, sent_ms: u64) {
        if self.missing_ms.is_none() {
            self.missing_ms = Some(sent_ms);
            self.due_since = 0;
        }
    }

    /// Whether the connection is dead, as far as that can be told; to be asked once a heartbeat.
    pub(super) fn are_missing(&mut self) -> bool {
        if self.missing_ms.is_none_or(|sent_ms| self.pushes.has_echoed(sent_ms)) {
            self.missing_ms = None;
            return false;
        }
        self.due_since += 1;
        self.due_since > PATIENCE
    }
}

fn write(command: &mut Cmd, key: &str) {
    command.write_arg(b"SET");
    command.write_arg(key.as_bytes());
    command.write_arg(b"");
    command.write_arg(b"PX");
    command.write_arg(KEPT_MS);
}
