//! Which servers vote, and how long one of them may take.

use std::{collections::HashSet, sync::Arc, time::Duration};

use super::{Inner, Redlock, quorum::gather};
use crate::{
    clock::Clock,
    error::{Error, ErrorKind},
    redis::{RedisOptions, Voter, check_namespace},
};

/// Fewer can spare none.
const LEAST_SERVERS: usize = 3;
const MOST_SERVERS: usize = 31;

const LEAST_TIMEOUT: Duration = Duration::from_millis(1);
const MOST_TIMEOUT: Duration = Duration::from_secs(10);

/// A [`Redlock`] that is about to connect.
#[derive(Clone, Debug)]
#[must_use = "nothing happens before `connect`"]
pub struct RedlockBuilder {
    urls: Urls,
    namespace: String,
    node_timeout: Duration,
    options: RedisOptions,
}

/// Not shown: there may be passwords in them.
#[derive(Clone)]
struct Urls(Vec<String>);

impl std::fmt::Debug for Urls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} servers", self.0.len())
    }
}

impl RedlockBuilder {
    pub(super) fn of(urls: Vec<String>) -> RedlockBuilder {
        RedlockBuilder {
            urls: Urls(urls),
            namespace: "locks".to_owned(),
            node_timeout: Duration::from_millis(50),
            options: RedisOptions::new(),
        }
    }

    /// What the names of the locks begin with on the servers; `locks` by default. Only those who use the same one exclude
    /// one another.
    pub fn namespace(mut self, namespace: impl Into<String>) -> RedlockBuilder {
        self.namespace = namespace.into();
        self
    }

    /// How long one server may take to answer before it counts as one that did not vote; 50 ms by default, 1 ms to 10 s.
    /// Keep it small beside the lease: what an attempt takes is time that the lock is held for nothing.
    pub fn node_timeout(mut self, limit: Duration) -> RedlockBuilder {
        self.node_timeout = limit;
        self
    }

    /// How the links behave; of the leases in it nothing is used.
    pub fn redis_options(mut self, options: RedisOptions) -> RedlockBuilder {
        self.options = options;
        self
    }

    /// Connects to all servers at once. Those that are away are no error, they are tried again in the background.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] for what only a change of the configuration can mend: fewer than three servers or more than
    /// 31, one that is named twice, a URL, namespace or time-out that is not usable, a log-in that was refused, a server
    /// older than 7.0.
    ///
    /// # Cancel safety
    ///
    /// Dropped in mid-way what was connected is closed.
    pub async fn connect(self) -> Result<Redlock, Error> {
        self.check()?;
        let connecting = self.urls.0.iter().map(|url| Voter::connect(url, &self.options));
        let (mut voters, mut refused) = (Vec::with_capacity(self.urls.0.len()), None);
        gather(connecting, |connected| {
            match connected {
                Ok(voter) => voters.push(voter),
                Err(error) => refused = Some(error),
            }
            false
        })
        .await;
        match refused {
            Some(error) => Err(error),
            None => Ok(Redlock { inner: Arc::new(self.inner(voters)) }),
        }
    }

    fn inner(self, voters: Vec<Voter>) -> Inner {
        Inner {
            voters,
            namespace: self.namespace,
            node_timeout: self.node_timeout,
            queue: Arc::default(),
            clock: Clock::boot(),
        }
    }

    fn check(&self) -> Result<(), Error> {
        check_namespace(&self.namespace)?;
        let servers = self.urls.0.len();
        if !(LEAST_SERVERS..=MOST_SERVERS).contains(&servers) {
            return refuse(format!(
                "{servers} servers; give {LEAST_SERVERS} to {MOST_SERVERS}, or use `Cache::lock` with one"
            ));
        }
        if self.urls.0.iter().collect::<HashSet<_>>().len() < servers {
            return refuse("a server is named twice, and would vote twice".to_owned());
        }
        if !(LEAST_TIMEOUT..=MOST_TIMEOUT).contains(&self.node_timeout) {
            return refuse(format!(
                "`node_timeout` is {:?}; give {LEAST_TIMEOUT:?} to {MOST_TIMEOUT:?}",
                self.node_timeout
            ));
        }
        Ok(())
    }
}

fn refuse(message: String) -> Result<(), Error> {
    Err(Error::new(ErrorKind::Config, "connect to redlock servers", message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(builder: &RedlockBuilder) -> String {
        let error = builder.check().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        error.to_string()
    }

    #[test]
    fn servers_that_can_never_work_are_refused_with_what_to_give() {
        let three = Redlock::new(["redis://a", "redis://b", "redis://c"]);
        assert!(three.check().is_ok());
        assert!(refused(&Redlock::new(["redis://a", "redis://b"])).contains("3 to 31"));
        let twice = Redlock::new(["redis://a", "redis://b", "redis://a"]);
        assert!(refused(&twice).contains("named twice"));
        assert!(refused(&three.clone().node_timeout(Duration::ZERO)).contains("1ms to 10s"));
        assert!(three.clone().namespace("a:b").check().is_err());
    }

    #[test]
    fn passwords_are_not_shown() {
        let builder = Redlock::new(["redis://:secret@a", "redis://b", "redis://c"]);
        assert!(!format!("{builder:?}").contains("secret"));
    }
}
