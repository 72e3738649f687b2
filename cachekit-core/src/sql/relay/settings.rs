//! How a relay works.

use std::time::Duration;

use super::dead::DeadRow;
use crate::{observe::Hook, sql::outbox::Backlog};

/// Times, numbers and hooks of one relay.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) poll: Duration,
    pub(super) batch: u32,
    pub(super) lease: Duration,
    pub(super) attempts: u32,
    pub(super) retention: Duration,
    pub(super) drain: Duration,
    pub(super) lag: Duration,
    pub(super) on_dead: Hook<DeadRow>,
    pub(super) on_lag: Hook<Backlog>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            poll: Duration::from_millis(200),
            batch: 256,
            lease: Duration::from_secs(30),
            attempts: 20,
            retention: Duration::from_secs(15 * 60),
            drain: Duration::from_secs(10),
            lag: Duration::from_secs(5),
            on_dead: Hook::default(),
            on_lag: Hook::default(),
        }
    }
}
