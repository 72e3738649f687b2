//! A link for streams: supervised like the cache's, and without leases.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::connect::Connector;
use super::link::Link;
use super::options::RedisOptions;
use super::streams::Stream;
use super::supervisor::{Purpose, Supervisor};
use super::task::Task;
use crate::Error;

/// One connection that is made again for ever; clones share it. When the last is dropped its task ends.
#[derive(Clone, Debug)]
pub(crate) struct Wire {
    link: Arc<Link>,
    supervisor: Arc<Mutex<Option<Task>>>,
}

impl Wire {
    /// Connects to `url`. A server that is away is no error; commands may stay unanswered for `blocked` longer than the
    /// options say.
    pub(crate) async fn connect(
        url: &str,
        options: &RedisOptions,
        blocked: Duration,
    ) -> Result<Wire, Error> {
        options.check()?;
        let connector = Connector::new(url, options)?;
        let link = Arc::new(Link::new());
        let limit = options.response_timeout + blocked;
        let mut supervisor = Supervisor::new(Arc::clone(&link), connector, limit, Purpose::Streams);
        let running = supervisor.first().await?;
        let task = Task::spawn(|stop| supervisor.run(running, stop));
        Ok(Wire { link, supervisor: Arc::new(Mutex::new(Some(task))) })
    }

    pub(crate) fn stream(&self, key: String) -> Stream {
        Stream::new(Arc::clone(&self.link), key)
    }

    pub(crate) async fn shutdown(&self) {
        let task = self.supervisor.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            task.finish().await;
        }
    }
}
