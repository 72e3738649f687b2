//! A background task that ends with whoever keeps it.

use std::future::Future;

use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A task that ends when nobody waits for it any more.
#[derive(Debug)]
pub(super) struct Task {
    stop: watch::Sender<bool>,
    handle: JoinHandle<()>,
}

impl Task {
    pub(super) fn spawn<F: Future<Output = ()> + Send + 'static>(
        task: impl FnOnce(watch::Receiver<bool>) -> F,
    ) -> Task {
        let (stop, stopped) = watch::channel(false);
        Task { stop, handle: tokio::spawn(task(stopped)) }
    }

    /// Asks the task to finish and waits for it.
    pub(super) async fn finish(mut self) {
        let _ = self.stop.send(true);
        let _ = (&mut self.handle).await;
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.handle.abort();
    }
}
