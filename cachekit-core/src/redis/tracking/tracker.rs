//! The task that keeps the tracking link: connects, sends heartbeats, notices when they do not come back, connects again.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::beat::{Beat, Beats};
use super::pushes::Pushes;
use super::{Sink, Tracking};
use crate::Error;
use crate::entry::IdSource;
use crate::redis::backoff::Backoff;
use crate::redis::connect::{Connector, Driver, Fault};
use crate::redis::link::Link;
use crate::redis::names::Names;
use crate::redis::supervisor::Stop;

/// Keeps one tracking link; dropping it ends all copies.
#[derive(Debug)]
pub(in crate::redis) struct Tracker {
    data: Arc<Link>,
    connector: Connector,
    keys: String,
    beats: String,
    sink: Arc<dyn Sink>,
    heartbeat: Duration,
    backoff: Backoff,
    down_because: Option<String>,
}

/// A connection that is told of everything.
#[derive(Debug)]
pub(in crate::redis) struct Following {
    pushes: Arc<Pushes>,
    driver: Driver,
    /// Its driver ends with the last handle.
    _connection: MultiplexedConnection,
    /// Whatever ends this ends the copies too.
    lost: Lost,
}

/// Says that a link is gone when it is dropped.
#[derive(Debug)]
struct Lost {
    sink: Arc<dyn Sink>,
    link: u64,
}

impl Drop for Lost {
    fn drop(&mut self) {
        self.sink.lost(self.link);
    }
}

/// Why a connection is not used any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Stop,
    Broken,
    Silent,
}

impl Tracker {
    pub(in crate::redis) fn new(
        data: Arc<Link>,
        connector: Connector,
        names: &Names,
        Tracking { sink, heartbeat }: Tracking,
    ) -> Tracker {
        let (keys, beats) = (names.prefix().to_owned(), names.heartbeats());
        let backoff = Backoff::default();
        Tracker { data, connector, keys, beats, sink, heartbeat, backoff, down_because: None }
    }

    /// The first attempt, made by whoever builds the store: only a permanent fault is an error.
    pub(in crate::redis) async fn first(&mut self) -> Result<Option<Following>, Error> {
        match self.connect().await {
            Ok(following) => Ok(Some(following)),
            Err(Fault::Permanent(error)) => Err(error),
            Err(Fault::Transient(reason)) => {
                self.tell_down(&reason);
                Ok(None)
            }
        }
    }

    /// Keeps the link until `stop` changes.
    pub(in crate::redis) async fn run(mut self, mut following: Option<Following>, mut stop: Stop) {
        loop {
            let end = match following.take() {
                Some(following) => self.serve(following, &mut stop).await,
                None => End::Broken,
            };
            if end == End::Stop {
                return;
            }
            self.sink.tick();
            let pause = self.backoff.after_loss();
            following = tokio::select! {
                biased;
                _ = stop.changed() => return,
                following = self.reconnect(pause) => following,
            };
        }
    }

    async fn connect(&self) -> Result<Following, Fault> {
        let link = self.sink.open();
        let lost = Lost { sink: Arc::clone(&self.sink), link };
        // Drawn for each connection: a cloned machine's heartbeats are of another clock.
        let instance = u128::from_be_bytes(IdSource::new().next().0);
        let beats = format!("{}{instance:032x}:", self.beats);
        let pushes = Pushes::new(Arc::clone(&self.sink), link, self.keys.clone(), beats);
        let pushes = Arc::new(pushes);
        let told = Arc::clone(&pushes);
        let take = move |push| -> Result<(), ()> {
            told.take(&push);
            Ok(())
        };
        let fresh = self.connector.open_tracking(pushes.prefixes(), take).await?;
        self.sink.up(link);
        let (driver, connection) = (fresh.driver, fresh.connection);
        Ok(Following { pushes, driver, _connection: connection, lost })
    }

    /// Serves one connection to its end, and ends the copies before anything else happens.
    async fn serve(&mut self, mut following: Following, stop: &mut Stop) -> End {
        self.tell_up();
        let end = self.watch(&mut following, stop).await;
        let Following { driver, lost, .. } = following;
        drop(lost);
        driver.end().await;
        match end {
            End::Stop => {}
            End::Broken => self.tell_down("the connection broke"),
            End::Silent => self.tell_down(
                "heartbeats that the server took did not come back: the connection is dead, or does not lead to the \
                 server that the cache uses",
            ),
        }
        end
    }

    async fn watch(&mut self, following: &mut Following, stop: &mut Stop) -> End {
        let mut beats = Beats::new(Arc::clone(&self.data), Arc::clone(&following.pushes));
        let mut beat: Option<Beat> = None;
        let mut tick = interval(self.heartbeat);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                _ = stop.changed() => return End::Stop,
                () = following.driver.broken() => return End::Broken,
                sent_ms = Beats::answer(&mut beat) => {
                    if let Some(sent_ms) = sent_ms {
                        beats.expect(sent_ms);
                    }
                }
                _ = tick.tick() => {
                    self.sink.tick();
                    if beats.are_missing() {
                        return End::Silent;
                    }
                    if beat.is_none() {
                        beat = Some(beats.begin(self.sink.now_ms()));
                    }
                }
            }
        }
    }

    async fn reconnect(&mut self, pause: Duration) -> Option<Following> {
        sleep(pause).await;
        let reason = match self.connect().await {
            Ok(following) => {
                self.backoff.connected();
                return Some(following);
            }
            Err(Fault::Permanent(error)) => error.message().to_owned(),
            Err(Fault::Transient(reason)) => reason,
        };
        self.tell_down(&reason);
        None
    }

    fn tell_up(&mut self) {
        if self.down_because.take().is_some() {
            let redis = self.connector.target();
            tracing::info!(%redis, "the link that tells of invalidations is up");
        }
    }

    fn tell_down(&mut self, reason: &str) {
        if self.down_because.as_deref() != Some(reason) {
            let redis = self.connector.target();
            tracing::warn!(
                %redis,
                reason,
                "nobody tells this process of invalidations; its copies are not served, reads go to Redis"
            );
            self.down_because = Some(reason.to_owned());
        }
    }
}
