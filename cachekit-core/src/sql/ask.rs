//! Asking a database what became of a transaction, until it says so.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use super::{
    home::Home,
    outbox::{RowId, Verdict},
};
use crate::{engine::Engine, sync};

/// How long one question may take in the background: it waits for a connection as well.
const QUESTION: Duration = Duration::from_secs(10);

/// Pauses double from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LAST_PAUSE: Duration = Duration::from_secs(5);

/// Asks until there is a verdict.
pub(super) async fn until_known(home: &dyn Home, id: RowId, namespace: &str) -> Verdict {
    let mut pause = FIRST_PAUSE;
    loop {
        match home.verdict(id, namespace).await {
            Ok(verdict) => return verdict,
            Err(error) => tracing::debug!(row = %id, %error, "no verdict yet"),
        }
        rest(&mut pause).await;
    }
}

/// Asks until there is a verdict, somebody else has it, or nobody is left who would use it.
pub(super) async fn in_background(
    engine: Weak<Engine>,
    home: Box<dyn Home>,
    id: RowId,
    namespace: String,
) {
    let mut pause = FIRST_PAUSE;
    loop {
        rest(&mut pause).await;
        let Some(engine) = engine.upgrade().filter(|engine| engine.sql.doubts.holds(id)) else {
            return;
        };
        if home.is_closed() {
            tracing::warn!(row = %id, "the pool was closed before the outcome of a COMMIT was known");
            return;
        }
        if let Some(verdict) = question(&engine, &*home, id, &namespace).await {
            engine.sql.doubts.resolve(&engine, id, verdict);
            return;
        }
    }
}

async fn question(
    engine: &Arc<Engine>,
    home: &dyn Home,
    id: RowId,
    namespace: &str,
) -> Option<Verdict> {
    let _turn = engine.sql.doubts.asking.acquire().await.ok()?;
    sync::within(QUESTION, home.verdict(id, namespace)).await?.ok()
}

/// Half of the pause at least, so that it does grow.
async fn rest(pause: &mut Duration) {
    sync::sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
    *pause = (*pause * 2).min(LAST_PAUSE);
}
