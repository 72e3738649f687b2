//! Values kept in each process, and cleared by a message after each write.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use cachekit_torture::history::Source;
use redis::{AsyncCommands as _, aio::MultiplexedConnection};
use std::error::Error;
use tokio::time::{self, Duration};

use crate::ordeal::Failed;

const CHANNEL: &str = "naive:invalidate";

/// The values, and where messages are sent.
pub(crate) struct LocalTier {
    values: Arc<Mutex<HashMap<u32, u64>>>,
    redis: MultiplexedConnection,
}

impl LocalTier {
    pub(crate) async fn open(url: &str) -> Result<LocalTier, Box<dyn Error>> {
        let client = redis::Client::open(url)?;
        let redis = client.get_multiplexed_async_connection().await?;
        let values = Arc::new(Mutex::new(HashMap::new()));
        let mut pubsub = client.get_async_pubsub().await?;
        pubsub.subscribe(CHANNEL).await?;
        let cleared = values.clone();
        tokio::spawn(async move {
            let (_sink, mut messages) = pubsub.split();
            while let Some(id) = next(&mut messages).await {
                lock(&cleared).remove(&id);
            }
        });
        Ok(LocalTier { values, redis })
    }

    pub(crate) async fn read(
        &self,
        id: u32,
        call: impl Future<Output = Result<(u64, Source), Failed>>,
    ) -> Result<(u64, Source), Failed> {
        let found = lock(&self.values).get(&id).copied();
        if let Some(version) = found {
            return Ok((version, Source::Cache));
        }
        let (version, source) = call.await?;
        // What any service does before it keeps the value: it decodes it, checks it, is preempted.
        time::sleep(Duration::from_micros(fastrand::u64(..500))).await;
        lock(&self.values).insert(id, version);
        Ok((version, source))
    }

    pub(crate) async fn invalidate(&self, ids: &[u32]) -> Result<(), Failed> {
        for id in ids {
            lock(&self.values).remove(id);
            let _listeners: i64 = self.redis.clone().publish(CHANNEL, *id).await?;
        }
        Ok(())
    }
}

async fn next(messages: &mut redis::aio::PubSubStream) -> Option<u32> {
    let message = std::future::poll_fn(|cx| {
        futures_core::Stream::poll_next(std::pin::Pin::new(messages), cx)
    });
    message.await?.get_payload().ok()
}

fn lock(values: &Mutex<HashMap<u32, u64>>) -> MutexGuard<'_, HashMap<u32, u64>> {
    values.lock().unwrap_or_else(PoisonError::into_inner)
}
