//! A proxy before a Redis that records every command and can hold, slow, lose or cut what passes.
//!
//! A rule meets the commands that its closure picks, for as long as its [`Rule`] handle lives:
//!
//! ```no_run
//! use cachekit_test_support::{Proxy, RedisServer, named};
//!
//! let server = RedisServer::start();
//! let proxy = Proxy::start(server.port());
//! let unlinks = proxy.hold(named("UNLINK")); // the server does not see them yet
//! // … a client connects to `proxy.url()`; once `unlinks.waiting() == 1`:
//! unlinks.release(1);
//! ```
//!
//! Commands of one connection keep their order: what comes after a held one waits behind it. A command that is
//! held while its client goes away is still carried out on release, like one that was stuck in the network.

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::hub::{Hub, State, accept, close};
use crate::rule::{Act, Gate, Matcher, Rule};

/// A command as a client sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The connection it came over: 0 for the first one the proxy took, and so on.
    pub connection: usize,
    /// Its name and arguments.
    pub args: Vec<Vec<u8>>,
}

impl Command {
    /// Whether its name is `name`, in upper case.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.args.first().is_some_and(|arg| arg.eq_ignore_ascii_case(name.as_bytes()))
    }

    /// How many arguments a script gets besides its one key; none for other commands.
    #[must_use]
    pub fn script_args(&self) -> Option<usize> {
        let is_script = self.is("EVALSHA") || self.is("EVAL");
        is_script.then(|| self.args.len().saturating_sub(4))
    }
}

/// Picks commands by their name.
pub fn named(name: &'static str) -> impl Fn(&Command) -> bool + Send + Sync + 'static {
    move |command| command.is(name)
}

/// Picks the commands that invalidate keys, without those for what is stamped with them as tags.
pub fn invalidation(command: &Command) -> bool {
    let of_a_tag = |key: &Vec<u8>| key.windows(4).any(|part| part == b":~t:");
    command.is("UNLINK") && !command.args.get(1).is_some_and(of_a_tag)
}

/// Forwards every connection to one port of this host; dropping it cuts them all.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    hub: Arc<Hub>,
}

impl Proxy {
    /// Listens on a free loopback port and forwards to `upstream`, which need not listen yet.
    ///
    /// # Panics
    /// When there is no free port.
    #[must_use]
    pub fn start(upstream: u16) -> Proxy {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free loopback port");
        let port = listener.local_addr().expect("the port just bound").port();
        let hub = Hub::new(upstream);
        let accepting = Arc::clone(&hub);
        thread::spawn(move || accept(&accepting, &listener));
        Proxy { port, hub }
    }

    /// `redis://127.0.0.1:<port>`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Keeps the picked commands from the server until they are released.
    pub fn hold(&self, picks: impl Fn(&Command) -> bool + Send + Sync + 'static) -> Rule {
        self.rule(Act::Hold, Box::new(picks))
    }

    /// Lets the server carry the picked commands out, and keeps their replies from the client until released.
    pub fn hold_replies(&self, picks: impl Fn(&Command) -> bool + Send + Sync + 'static) -> Rule {
        self.rule(Act::HoldReply, Box::new(picks))
    }

    /// Lets the server carry the picked commands out, and cuts the connection instead of passing the reply on.
    pub fn lose_replies(&self, picks: impl Fn(&Command) -> bool + Send + Sync + 'static) -> Rule {
        self.rule(Act::LoseReply, Box::new(picks))
    }

    /// Passes the picked commands on after `delay`.
    pub fn delay(
        &self,
        delay: Duration,
        picks: impl Fn(&Command) -> bool + Send + Sync + 'static,
    ) -> Rule {
        self.rule(Act::Delay(delay), Box::new(picks))
    }

    /// Lets the server carry the picked commands out, and passes their replies on after `delay`.
    pub fn delay_replies(
        &self,
        delay: Duration,
        picks: impl Fn(&Command) -> bool + Send + Sync + 'static,
    ) -> Rule {
        self.rule(Act::DelayReply(delay), Box::new(picks))
    }

    fn rule(&self, act: Act, matches: Matcher) -> Rule {
        let gate = Arc::new(Gate::new(act, matches));
        self.hub.lock().gates.push(Arc::clone(&gate));
        Rule::new(Arc::clone(&self.hub), gate)
    }

    /// Keeps pushes from their clients until they are released. What the server says after one on the same connection
    /// waits behind it.
    pub fn hold_pushes(&self) -> Rule {
        self.push_rule(Act::Hold)
    }

    /// Passes pushes on after `delay`, one after the other.
    pub fn delay_pushes(&self, delay: Duration) -> Rule {
        self.push_rule(Act::Delay(delay))
    }

    fn push_rule(&self, act: Act) -> Rule {
        let gate = Arc::new(Gate::of_pushes(act));
        self.hub.lock().gates.push(Arc::clone(&gate));
        Rule::new(Arc::clone(&self.hub), gate)
    }

    /// Cuts every connection; commands on their way to the server still arrive there.
    pub fn cut(&self) {
        for (_, link) in self.hub.lock().links.drain(..) {
            close(&link);
        }
    }

    /// Cuts the connections that asked to be told of changes (`CLIENT TRACKING`), and says how many there were.
    pub fn cut_trackers(&self) -> usize {
        self.cut_some(true)
    }

    /// Cuts every other connection.
    pub fn cut_all_but_trackers(&self) -> usize {
        self.cut_some(false)
    }

    fn cut_some(&self, trackers: bool) -> usize {
        let mut state = self.hub.lock();
        let State { links, trackers: known, .. } = &mut *state;
        let (cut, kept) = std::mem::take(links)
            .into_iter()
            .partition::<Vec<_>, _>(|(connection, _)| known.contains(connection) == trackers);
        *links = kept;
        known.retain(|connection| links.iter().any(|(kept, _)| kept == connection));
        cut.iter().for_each(|(_, link)| close(link));
        cut.len()
    }

    /// Leads connections that are made from now on to another port of this host.
    pub fn lead_to(&self, upstream: u16) {
        self.hub.lock().upstream = upstream;
    }

    /// From now on keeps no record of commands: for long runs.
    pub fn forget(&self) {
        let mut state = self.hub.lock();
        state.forgetful = true;
        state.commands.clear();
    }

    /// From now on closes new connections at once, or takes them again.
    pub fn refuse(&self, refuse: bool) {
        self.hub.lock().refusing = refuse;
    }

    /// Every command since the start, in the order in which they came.
    #[must_use]
    pub fn commands(&self) -> Vec<Command> {
        self.hub.lock().commands.clone()
    }

    /// How many commands so far `picks` picks.
    pub fn count(&self, picks: impl Fn(&Command) -> bool) -> usize {
        self.hub.lock().commands.iter().filter(|command| picks(command)).count()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let gates = {
            let mut state = self.hub.lock();
            state.stopped = true;
            std::mem::take(&mut state.gates)
        };
        gates.iter().for_each(|gate| gate.open());
        self.cut();
        // Wakes the thread that accepts, which ends now.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};

    use super::*;
    use crate::{Connection, RedisServer, Reply, wait_until};

    const PATIENCE: Duration = Duration::from_secs(10);

    fn connect(proxy: &Proxy) -> Connection {
        Connection::open(proxy.port).unwrap()
    }

    #[test]
    fn commands_pass_and_are_recorded() {
        let server = RedisServer::start();
        let proxy = Proxy::start(server.port());
        let mut redis = connect(&proxy);
        assert_eq!(redis.call(&["SET", "k", "a\r\nb"]), Reply::Simple("OK".to_owned()));
        assert_eq!(redis.call(&["GET", "k"]), Reply::Bulk(Some(b"a\r\nb".to_vec())));
        assert_eq!(redis.call(&["EVAL", "return 1", "1", "k", "v"]), Reply::Int(1));
        let commands = proxy.commands();
        assert_eq!(commands[0].args, [&b"SET"[..], b"k", b"a\r\nb"]);
        assert_eq!(commands[2].script_args(), Some(1));
        assert_eq!(proxy.count(named("GET")), 1);
    }

    #[test]
    fn a_held_command_reaches_the_server_on_release_even_when_its_client_is_gone() {
        let server = RedisServer::start();
        let proxy = Proxy::start(server.port());
        let held = proxy.hold(named("SET"));
        let mut gone = TcpStream::connect(("127.0.0.1", proxy.port)).unwrap();
        gone.write_all(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n").unwrap();
        assert!(wait_until(PATIENCE, || held.waiting() == 1));
        drop(gone);
        let mut redis = server.connection();
        assert_eq!(redis.call(&["GET", "k"]), Reply::Bulk(None));
        drop(held);
        let stored = || redis.call(&["GET", "k"]).bytes() == Some(b"v".to_vec());
        assert!(wait_until(PATIENCE, stored));
    }

    #[test]
    fn pushes_are_held_and_their_connection_alone_is_cut() {
        let server = RedisServer::start();
        let proxy = Proxy::start(server.port());
        let mut tracker = TcpStream::connect(("127.0.0.1", proxy.port)).unwrap();
        tracker.write_all(b"*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n").unwrap();
        let tracking = b"*4\r\n$6\r\nCLIENT\r\n$8\r\nTRACKING\r\n$2\r\nON\r\n$5\r\nBCAST\r\n";
        tracker.write_all(tracking).unwrap();
        let mut redis = connect(&proxy);
        let held = proxy.hold_pushes();
        let told = || {
            redis.call(&["SET", "k", "v"]);
            held.waiting() == 1
        };
        assert!(wait_until(PATIENCE, told));
        assert_eq!(redis.call(&["GET", "k"]).bytes(), Some(b"v".to_vec()));
        drop(held);
        assert_eq!(proxy.cut_trackers(), 1);
        assert!(io::copy(&mut tracker, &mut io::sink()).is_ok_and(|heard| heard > 0));
        assert_eq!(redis.call(&["PING"]), Reply::Simple("PONG".to_owned()));
        proxy.forget();
        redis.call(&["PING"]);
        assert_eq!(proxy.commands(), []);
    }

    #[test]
    fn a_lost_reply_is_of_a_command_that_was_carried_out() {
        let server = RedisServer::start();
        let proxy = Proxy::start(server.port());
        let lost = proxy.lose_replies(named("SET"));
        assert!(connect(&proxy).try_call(&["SET", "k", "v"]).is_err());
        assert_eq!(lost.met(), 1);
        assert_eq!(server.connection().call(&["GET", "k"]).bytes(), Some(b"v".to_vec()));
        drop(lost);
        assert_eq!(connect(&proxy).call(&["SET", "k", "w"]), Reply::Simple("OK".to_owned()));
        proxy.refuse(true);
        assert!(connect(&proxy).try_call(&["PING"]).is_err());
    }
}
