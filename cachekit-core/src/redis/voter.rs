//! One of several independent servers that vote on a lock.

use std::sync::{Arc, LazyLock};

use redis::Cmd;

use super::connect::Connector;
use super::link::Link;
use super::names::{self, StoreKey};
use super::options::RedisOptions;
use super::reply::{self, Reply, StoreError};
use super::script::Script;
use super::supervisor::{Purpose, Supervisor};
use super::task::Task;
use crate::Error;

// Both are sent in full: one command does it, even if nobody is left to read the reply.
static EXTEND: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("lua/vote_extend.lua")));
static WITHDRAW: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("lua/vote_withdraw.lua")));

/// A link of its own to one server.
#[derive(Debug)]
pub(crate) struct Voter {
    link: Arc<Link>,
    _supervisor: Task,
}

/// What a server says to a holder who asks for more time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The vote is still the holder's.
    Ours,
    /// There is none.
    Gone,
    /// It is somebody else's.
    Theirs,
}

impl Voter {
    /// Connects to `url`. A server that is away is no error: the link keeps trying.
    pub(crate) async fn connect(url: &str, options: &RedisOptions) -> Result<Voter, Error> {
        options.check()?;
        let connector = Connector::new(url, options)?;
        let link = Arc::new(Link::new());
        let timeout = options.response_timeout;
        let mut supervisor =
            Supervisor::new(Arc::clone(&link), connector, timeout, Purpose::Votes);
        let running = supervisor.first().await?;
        let supervisor = Task::spawn(|stop| supervisor.run(running, stop));
        Ok(Voter { link, _supervisor: supervisor })
    }

    /// Votes for the token for `px` ms, unless another has the vote.
    pub(crate) async fn vote(&self, key: &str, token: &str, px: u64) -> Result<bool, StoreError> {
        let mut command = Cmd::new();
        command.arg("SET").arg(key).arg(token).arg("NX").arg("PX").arg(px.max(1));
        match self.link.send(command).await? {
            Reply::Nil => Ok(false),
            Reply::Error(error) => Err(StoreError::from(&*error)),
            _ => Ok(true),
        }
    }

    /// Lets the vote last for `px` ms from now.
    pub(crate) async fn extend(
        &self,
        key: &str,
        token: &str,
        px: u64,
    ) -> Result<Standing, StoreError> {
        let px = px.max(1).to_string();
        let command = EXTEND.in_full(StoreKey::whole(key), &[token.as_bytes(), px.as_bytes()]);
        match reply::int(self.link.send(command).await?)? {
            1 => Ok(Standing::Ours),
            0 => Ok(Standing::Gone),
            _ => Ok(Standing::Theirs),
        }
    }

    /// Takes the vote back, and says whether there was one.
    pub(crate) async fn withdraw(&self, key: &str, token: &str) -> Result<bool, StoreError> {
        let command = WITHDRAW.in_full(StoreKey::whole(key), &[token.as_bytes()]);
        Ok(reply::int(self.link.send(command).await?)? == 1)
    }
}

/// Whether `name` can be the namespace of locks.
pub(crate) fn check_namespace(name: &str) -> Result<(), Error> {
    names::check("namespace", name)
}
