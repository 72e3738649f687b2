//! A command on its way to the server, and its reply on its way back.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use super::keys::Keys;

/// What is left to do of a command that has run: to send its reply.
pub(super) type Reply = Box<dyn FnOnce() + Send>;

/// A command that was sent. It runs even if nobody waits for it any more.
pub(super) struct Command {
    pub(super) name: &'static str,
    pub(super) run: Box<dyn FnOnce(&mut Keys) -> Reply + Send>,
    /// Tells the caller that its connection broke.
    pub(super) cut: Box<dyn FnOnce() + Send>,
}

/// A command, and where its reply comes out: an error once the connection broke.
pub(super) fn command<T: Send + 'static>(
    name: &'static str,
    run: impl FnOnce(&mut Keys) -> T + Send + 'static,
) -> (Command, oneshot::Receiver<T>) {
    let (sender, receiver) = oneshot::channel();
    let line = Line(Arc::new(Mutex::new(Some(sender))));
    let cut = line.clone();
    let run = move |keys: &mut Keys| -> Reply {
        let out = run(keys);
        Box::new(move || line.send(out))
    };
    (Command { name, run: Box::new(run), cut: Box::new(move || drop(cut.take())) }, receiver)
}

/// The way back to a caller that may be gone.
struct Line<T>(Arc<Mutex<Option<oneshot::Sender<T>>>>);

impl<T> Clone for Line<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Line<T> {
    fn take(&self) -> Option<oneshot::Sender<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn send(&self, out: T) {
        if let Some(sender) = self.take() {
            let _caller_is_there = sender.send(out).is_ok();
        }
    }
}
