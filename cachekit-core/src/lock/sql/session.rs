//! The connection that has a lock, or may have it: it is never given to anybody else with it.

use std::{fmt, sync::Arc, time::Duration};

use sqlx::pool::PoolConnection;
use uuid::Uuid;

use super::{ANSWER, row};
use crate::{
    error::{Error, ErrorKind},
    key::Key,
    lock::{
        database::LockDatabase,
        errors::RELEASE,
        fencing::{Fence, of_database},
        hold::{Hold, Loss, millis, safe_until},
        keeping::{Kept, Renewal},
    },
    retry,
    sync::{Runtime, sleep, within},
};

/// A connection and what is locked over it. Dropped before the lock was given up, it closes the connection; a lock that
/// does not end with that is released in the background.
pub(super) struct Session<DB: LockDatabase> {
    connection: Option<PoolConnection<DB>>,
    namespace: Arc<str>,
    key: Key,
    token: [u8; 16],
}

impl<DB: LockDatabase> Session<DB> {
    pub(super) fn new(connection: PoolConnection<DB>, namespace: Arc<str>, key: Key) -> Self {
        let token = *Uuid::now_v7().as_bytes();
        Session { connection: Some(connection), namespace, key, token }
    }

    /// What a statement needs.
    pub(super) fn parts(&mut self) -> Option<Parts<'_, DB>> {
        let connection = self.connection.as_deref_mut()?;
        let row = row(&self.namespace, &self.key);
        Some(Parts { connection, row, token: &self.token })
    }

    pub(super) fn fence(&self, number: u64) -> Fence {
        Fence::new(self.key.clone(), number).namespace(&*self.namespace).holder(self.token)
    }

    pub(super) fn kept_for(self, lease: Duration) -> KeptSession<DB> {
        KeptSession { session: self, lease }
    }

    /// The lock is not held, for certain: somebody else may use the connection.
    pub(super) fn is_free(mut self) {
        drop(self.connection.take());
    }

    pub(super) fn failed(&self, operation: &'static str, error: sqlx::Error) -> Error {
        of_database(operation, self.key.to_template(), error)
    }

    pub(super) fn unanswered(&self, operation: &'static str) -> Error {
        let message = "the database did not answer in time";
        Error::new(ErrorKind::Timeout, operation, message).with_template(self.key.to_template())
    }

    /// Gives the lock up, and says whether it was held.
    async fn let_go(mut self) -> Result<bool, Error> {
        let Some(Parts { connection, row, token }) = self.parts() else { return Ok(false) };
        let released = match within(ANSWER, DB::let_go(connection, row, token)).await {
            Some(Ok(released)) => released,
            Some(Err(error)) => return Err(self.failed(RELEASE, error)),
            None => return Err(self.unanswered(RELEASE)),
        };
        if released || !DB::OF_CONNECTION {
            self.is_free();
        }
        Ok(released)
    }
}

/// A connection, and what is locked by whom.
pub(super) struct Parts<'a, DB: LockDatabase> {
    pub(super) connection: &'a mut DB::Connection,
    pub(super) row: crate::lock::database::Row<'a>,
    pub(super) token: &'a [u8],
}

impl<DB: LockDatabase> Drop for Session<DB> {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        if DB::OF_CONNECTION {
            // Handed back to the pool it would answer its next user with the lock in its hands.
            drop(connection.detach());
            return;
        }
        let (namespace, key, token) = (self.namespace.clone(), self.key.clone(), self.token);
        Runtime::current().spawn(async move {
            let mut connection = connection;
            // What does not get through ends with the lease.
            let _ = within(ANSWER, DB::let_go(&mut connection, row(&namespace, &key), &token)).await;
        });
    }
}

impl<DB: LockDatabase> fmt::Debug for Session<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The key may hold personal data.
        f.debug_struct("Session").field("template", &self.key.template()).finish_non_exhaustive()
    }
}

/// A session whose lock is held.
pub(super) struct KeptSession<DB: LockDatabase> {
    session: Session<DB>,
    lease: Duration,
}

impl<DB: LockDatabase> Kept for KeptSession<DB> {
    async fn renew(&mut self, hold: &Hold) -> Renewal {
        let (lease, sent_ms) = (self.lease, hold.clock().now_ms());
        let limit = Duration::from_millis(hold.ends_ms().saturating_sub(sent_ms));
        let Some(Parts { connection, row, token }) = self.session.parts() else {
            return Renewal::Lost(Loss::Disconnected);
        };
        match within(limit, DB::keep(connection, row, token, lease)).await {
            Some(Ok(true)) => Renewal::Until(safe_until(sent_ms, lease)),
            Some(Ok(false)) if DB::OF_CONNECTION => Renewal::Lost(Loss::Disconnected),
            Some(Ok(false)) => Renewal::Lost(Loss::Deleted),
            Some(Err(error)) if !DB::OF_CONNECTION && retry::gave_way(&error) => Renewal::Unknown,
            // The connection cannot be used any more, and the lock was its.
            Some(Err(_)) | None => Renewal::Lost(Loss::Disconnected),
        }
    }

    async fn release(self) -> Result<(), Error> {
        let template = self.session.key.to_template();
        if self.session.let_go().await? {
            return Ok(());
        }
        let message = "it was not held any more: others may have been at work";
        Err(Error::new(ErrorKind::LockLost, RELEASE, message).with_template(template))
    }

    async fn leave(mut self) {
        sleep(Duration::from_millis(millis(self.lease))).await;
        if !DB::OF_CONNECTION {
            // The row has run out, or is somebody else's.
            drop(self.session.connection.take());
        }
    }
}
