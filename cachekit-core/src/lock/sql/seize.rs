//! Taking a lock over a connection: the database waits, or we ask again.

use std::time::Duration;

use super::{
    ANSWER,
    session::{Parts, Session},
};
use crate::{
    clock::Clock,
    error::{Error, ErrorKind},
    lock::{
        database::{LockDatabase, Times},
        errors::ACQUIRE,
        hold::safe_until,
        request::Asked,
    },
    retry::{self, doubled, full_jitter},
    sync::{sleep, within},
};

/// Where the database does not wait, or counts in seconds: pauses double from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LAST_PAUSE: Duration = Duration::from_millis(100);

/// Waits for the lock, and says which number it has and until when it is held.
pub(super) async fn seize<DB: LockDatabase>(
    mut session: Session<DB>,
    asked: &Asked<'_>,
    clock: &Clock,
) -> Result<(Session<DB>, u64, u64), Error> {
    let lease = asked.terms.lease;
    let mut attempts = 0;
    loop {
        let sent_ms = clock.now_ms();
        if let Some(number) = attempt(&mut session, asked).await? {
            // A row lasts from when it was written; a connection was alive when its answer came.
            let since_ms = if DB::OF_CONNECTION { clock.now_ms() } else { sent_ms };
            let until_ms = safe_until(since_ms, lease);
            // It is released as it is dropped.
            return match clock.now_ms() < until_ms {
                true => Ok((session, number, until_ms)),
                false => Err(session.unanswered(ACQUIRE)),
            };
        }
        let left = asked.patience.left();
        if left.is_zero() {
            session.hand_back();
            return Err(asked.in_vain());
        }
        sleep(full_jitter(doubled(FIRST_PAUSE, attempts, LAST_PAUSE)).min(left)).await;
        attempts += 1;
    }
}

/// `None`: somebody else has it. After an error nothing is known of the connection.
async fn attempt<DB: LockDatabase>(
    session: &mut Session<DB>,
    asked: &Asked<'_>,
) -> Result<Option<u64>, Error> {
    let times = Times { wait: asked.patience.left(), lease: asked.terms.lease };
    let Some(Parts { connection, row, token }) = session.parts() else { return Ok(None) };
    let seized = within(times.wait + ANSWER, DB::seize(connection, row, token, times)).await;
    match seized {
        Some(Ok(number)) => number.map(checked).transpose(),
        // Somebody else writes to the file.
        Some(Err(error)) if !DB::OF_CONNECTION && retry::gave_way(&error) => Ok(None),
        Some(Err(error)) => Err(session.failed(ACQUIRE, error)),
        None => Err(session.unanswered(ACQUIRE)),
    }
}

fn checked(number: i64) -> Result<u64, Error> {
    let odd = |_| {
        let message = "`cachekit_fences` has a number below zero, which nobody was given";
        Error::new(ErrorKind::Unexpected, ACQUIRE, message)
    };
    u64::try_from(number).map_err(odd)
}
