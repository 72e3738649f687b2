//! A connection whose server tells of every change to some keys.

use redis::aio::{AsyncPushSender, MultiplexedConnection};
use redis::{Pipeline, Value};

use crate::redis::connect::{Connector, Fault, Fresh, command, config};

/// What an in-process tier needs besides.
const TRACKING_PERMISSIONS: &str = "allow the user `+client|tracking` and `+set` on `~ck~hb:*`";
const NO_TRACKING: &str = "the server, or a proxy before it, has no CLIENT TRACKING, which the in-process tier \
    hears of invalidations by; connect to Redis itself, or accept copies that are only as fresh as their age with \
    `LocalTier::by_ttl_only(..)`";

impl Connector {
    /// [`open`](Self::open), and has the server tell of every change to a key that begins with one of `prefixes`, as
    /// pushes to `pushes`, called in the order of the wire. A server that cannot do that is a permanent fault.
    pub(super) async fn open_tracking(
        &self,
        prefixes: [&str; 2],
        pushes: impl AsyncPushSender,
    ) -> Result<Fresh, Fault> {
        let config = config().set_push_sender(pushes);
        let attempt = async {
            let mut fresh = self.attempt(config).await?;
            self.track(&mut fresh.connection, prefixes).await?;
            Ok(fresh)
        };
        self.in_time(attempt).await
    }

    /// Turns tracking on, and tries whether this user may send what is to come back.
    async fn track(
        &self,
        connection: &mut MultiplexedConnection,
        [keys, beats]: [&str; 2],
    ) -> Result<(), Fault> {
        let mut pipeline = Pipeline::with_capacity(2);
        let tracking = ["CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", keys, "PREFIX", beats];
        pipeline.add_command(command(&tracking));
        pipeline.add_command(command(&["SET", &format!("{beats}0"), "", "PX", "1000"]));
        let replies = connection
            .send_packed_commands(&pipeline, 0, 2)
            .await
            .map_err(|error| Fault::Transient(error.to_string()))?;
        let code = |reply: Option<&Value>| match reply {
            Some(Value::ServerError(error)) => error.code().to_owned(),
            _ => String::new(),
        };
        match (code(replies.first()).as_str(), code(replies.get(1)).as_str()) {
            ("", "NOPERM") | ("NOPERM", _) => Err(self.permanent(format!(
                "the server refused what an in-process tier needs (NOPERM); {TRACKING_PERMISSIONS}"
            ))),
            ("ERR" | "UNKNOWN", _) => Err(self.permanent(NO_TRACKING.to_owned())),
            // A heartbeat may be refused for a while; none comes back then.
            ("", _) => Ok(()),
            (code, _) => {
                Err(Fault::Transient(format!("the server refused CLIENT TRACKING: {code}")))
            }
        }
    }
}
