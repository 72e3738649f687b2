//! Takes pushes apart, in the task that reads the connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use redis::{PushInfo, PushKind, Value};

use super::Sink;

/// Where the pushes of one connection go.
#[derive(Debug)]
pub(super) struct Pushes {
    sink: Arc<dyn Sink>,
    link: u64,
    keys: String,
    beats: String,
    /// The latest heartbeat that came back.
    echoed_ms: AtomicU64,
}

impl Pushes {
    pub(super) fn new(sink: Arc<dyn Sink>, link: u64, keys: String, beats: String) -> Pushes {
        Pushes { sink, link, keys, beats, echoed_ms: AtomicU64::new(0) }
    }

    /// What keys, and what heartbeats, begin with.
    pub(super) fn prefixes(&self) -> [&str; 2] {
        [&self.keys, &self.beats]
    }

    /// Whether this heartbeat, or a later one, came back.
    pub(super) fn has_echoed(&self, sent_ms: u64) -> bool {
        self.echoed_ms.load(Ordering::Acquire) >= sent_ms
    }

    pub(super) fn take(&self, push: &PushInfo) {
        match push.kind {
            PushKind::Invalidate => match push.data.first() {
                Some(Value::Array(keys)) => keys.iter().for_each(|key| self.changed(key)),
                // Nil: all keys. Whatever else it may be is taken for the worst.
                _ => self.sink.flushed(),
            },
            PushKind::Disconnection => self.sink.lost(self.link),
            _ => {}
        }
    }

    fn changed(&self, key: &Value) {
        let bytes = match key {
            Value::BulkString(bytes) => bytes.as_slice(),
            Value::SimpleString(text) => text.as_bytes(),
            _ => return self.sink.flushed(),
        };
        // A key that is no text is none of ours.
        let Ok(key) = std::str::from_utf8(bytes) else { return };
        if let Some(text) = key.strip_prefix(&self.keys) {
            self.sink.changed(text);
        } else if let Some(sent) = key.strip_prefix(&self.beats)
            && let Ok(sent_ms) = sent.parse()
        {
            self.sink.echoed(self.link, sent_ms);
            self.echoed_ms.fetch_max(sent_ms, Ordering::AcqRel);
        }
    }
}
