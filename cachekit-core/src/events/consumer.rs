//! Setting a consumer up.

use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::dead::Grave;
use super::handler::{Fault, Handler};
use super::in_hand::InHand;
use super::lag::Watch;
use super::lanes::Lanes;
use super::patience::Stop;
use super::reader::Reader;
use super::work::Worker;
use super::{ConsumerHandle, Lag, Message, keeper};
use crate::observe::Hook;
use crate::redis::{Group, Kind, RedisOptions, Wire, check_name, stream_key};
use crate::retry::RetryPolicy;
use crate::{Error, ErrorKind};

/// The shortest time after which a message may be taken over.
const LEAST_IDLE: Duration = Duration::from_millis(300);

/// Consumes the events of one topic, as one of a group.
///
/// ```no_run
/// use cachekit_core::events::{Consumer, Message};
///
/// #[derive(serde::Deserialize)]
/// struct PriceChanged {
///     cents: u64,
/// }
///
/// # async fn example() -> Result<(), cachekit_core::Error> {
/// let consumer = Consumer::new("prices", "search")
///     .namespace("shop")
///     .start("redis://events.internal", |message: Message<PriceChanged>| async move {
///         // Write it where it belongs; an error is tried again.
///         Ok::<_, std::io::Error>(drop(message.payload.cents))
///     })
///     .await?;
///
/// // When the process ends:
/// consumer.shutdown().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "call `start`"]
pub struct Consumer {
    topic: String,
    group: String,
    namespace: String,
    name: String,
    options: RedisOptions,
    concurrency: usize,
    batch: usize,
    block: Duration,
    claim_idle: Duration,
    policy: RetryPolicy,
    max_deliveries: u64,
    alert_after: Duration,
    on_lag: Hook<Lag>,
    at_the_end: bool,
}

impl Consumer {
    /// A consumer of `topic` in `group`. Each group is given every event; name it after what the consumers do.
    pub fn new(topic: impl Into<String>, group: impl Into<String>) -> Consumer {
        Consumer {
            topic: topic.into(),
            group: group.into(),
            namespace: String::new(),
            name: Uuid::now_v7().to_string(),
            options: RedisOptions::new(),
            concurrency: 8,
            batch: 64,
            block: Duration::from_secs(1),
            claim_idle: Duration::from_secs(30),
            policy: RetryPolicy::new().max_attempts(8).cap(Duration::from_secs(5)),
            max_deliveries: 10,
            alert_after: Duration::from_secs(60),
            on_lag: Hook::default(),
            at_the_end: false,
        }
    }

    /// The namespace of whoever publishes. Needed.
    pub fn namespace(mut self, namespace: impl Into<String>) -> Consumer {
        self.namespace = namespace.into();
        self
    }

    /// The name of this process in the group; a random one by default. With a name that is the same after a restart,
    /// and never used by two at a time, what was in hand before goes on at once and in order.
    pub fn name(mut self, name: impl Into<String>) -> Consumer {
        self.name = name.into();
        self
    }

    /// Time-outs and certificates of the connections.
    pub fn redis_options(mut self, options: RedisOptions) -> Consumer {
        self.options = options;
        self
    }

    /// How many messages are handled at once (default 8, at least 1). Messages with the same key are not.
    pub fn concurrency(mut self, handlers: usize) -> Consumer {
        self.concurrency = handlers.max(1);
        self
    }

    /// How many messages this process has in hand at most (default 64, at least 1), and as many that it took over.
    pub fn batch(mut self, messages: usize) -> Consumer {
        self.batch = messages.max(1);
        self
    }

    /// How long one read waits for a message (default 1 s). A shutdown may take as long.
    pub fn block(mut self, wait: Duration) -> Consumer {
        self.block = wait;
        self
    }

    /// After how long the messages of a consumer that died are taken over (default 30 s, at least 300 ms), at latest a
    /// third of that later. A consumer that lives keeps its messages, however long a handler takes.
    pub fn claim_idle(mut self, idle: Duration) -> Consumer {
        self.claim_idle = idle;
        self
    }

    /// How often a handler that fails is called again, and with which pauses, before the message is given up (default 8
    /// times within 30 s). Messages with the same key wait meanwhile.
    ///
    /// Errors that are [`Transient`](crate::retry::Transient), by themselves or by what caused them, do not count: a
    /// database that is away is not the message's fault.
    pub fn retry(mut self, policy: RetryPolicy) -> Consumer {
        self.policy = policy;
        self
    }

    /// How often a message may be delivered and not settled before it is given up unhandled (default 10): one that
    /// kills its consumer never comes back as an error.
    pub fn max_deliveries(mut self, deliveries: u64) -> Consumer {
        self.max_deliveries = deliveries.max(1);
        self
    }

    /// Called each time messages begin to wait for longer than [`alert_after`](Self::alert_after). It must not block.
    pub fn on_lag(mut self, hook: impl Fn(&Lag) + Send + Sync + 'static) -> Consumer {
        self.on_lag = Hook::new(hook);
        self
    }

    /// How long a message may wait before the log has a warning and [`on_lag`](Self::on_lag) is called (default 1 min);
    /// looked at every 5 s at most.
    pub fn alert_after(mut self, wait: Duration) -> Consumer {
        self.alert_after = wait;
        self
    }

    /// Begins with the events published from now on, if the group is new. By default it begins with all that is kept.
    pub fn from_now_on(mut self) -> Consumer {
        self.at_the_end = true;
        self
    }

    /// Connects to `url` and handles messages until the handle is dropped or shut down. A server that is away is no
    /// error.
    ///
    /// A message is acknowledged when `handler` has returned `Ok` for it. Payloads that are no `T` are given up at once.
    /// A panic of the handler counts as an error.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] for what will not mend itself: a URL that is none, a namespace, topic or group that names no
    /// stream, a wrong password.
    ///
    /// # Cancel safety
    ///
    /// Dropped in mid-way nothing stays behind.
    pub async fn start<T, E, F, Fut>(self, url: &str, handler: F) -> Result<ConsumerHandle, Error>
    where
        T: DeserializeOwned + Send + 'static,
        E: Into<Fault> + 'static,
        F: Fn(Message<T>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
    {
        let key = self.key()?;
        let control = Wire::connect(url, &self.options, Duration::ZERO).await?;
        let reading = Wire::connect(url, &self.options, self.block).await?;
        let source = control.stream(key.clone());
        let worker = Arc::new(Worker {
            group: Group::new(source.clone(), &self.group, &self.name),
            group_name: self.group.clone(),
            handler: Handler::new(handler),
            in_hand: InHand::default(),
            grave: Grave {
                dead: source.below(&self.group).below("dead"),
                source,
                group: self.group.clone(),
            },
            watch: Watch::new(&self.topic, &self.group, self.alert_after, self.on_lag.clone()),
            policy: self.policy,
            max_deliveries: self.max_deliveries,
            claim_idle: self.claim_idle,
        });
        let group = Group::new(reading.stream(key), &self.group, &self.name);
        Ok(self.spawn(worker, group, [control, reading]))
    }

    fn spawn(self, worker: Arc<Worker>, group: Group, wires: [Wire; 2]) -> ConsumerHandle {
        let (stop, asked) = watch::channel(false);
        let asked = Stop(asked);
        let (mut tasks, mut keeper) = (JoinSet::new(), JoinSet::new());
        let lanes = Lanes::start(&worker, self.concurrency, self.batch, &asked, &mut tasks);
        let reader = Reader {
            group,
            worker: Arc::clone(&worker),
            lanes: lanes.clone(),
            batch: self.batch,
            block: self.block,
            at_the_end: self.at_the_end,
        };
        tasks.spawn(reader.run(asked.clone()));
        keeper.spawn(keeper::run(Arc::clone(&worker), lanes, asked));
        ConsumerHandle { worker, stop, tasks, keeper, wires }
    }

    /// The stream's key, if everything can name one.
    fn key(&self) -> Result<String, Error> {
        check_name("group", &self.group)?;
        if self.claim_idle < LEAST_IDLE {
            let given = self.claim_idle;
            let message = format!("`claim_idle` is {given:?}; give at least {LEAST_IDLE:?}");
            return Err(Error::new(ErrorKind::Config, "start consumer", message));
        }
        stream_key(&self.namespace, Kind::Events, &self.topic)
    }
}
