//! A proxy before any server, which cuts a connection at the request that a test names.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Where a connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Both sides, before the server was given the request.
    BeforeServer,
    /// Both sides, when the server has answered: it did what it was asked to, and nobody hears of it.
    BeforeClient,
    /// The client's side only. The server is not given the request, and takes the client for alive.
    ClientOnly,
    /// Neither, until the client goes: the server is not given the request, and the client waits for an answer.
    StallBeforeServer,
    /// Neither, until the client goes: the server has answered, and the client waits for that answer.
    StallBeforeClient,
}

/// Forwards every connection to one port of this host; dropping it cuts them all.
#[derive(Debug)]
pub struct TcpProxy {
    port: u16,
    hub: Arc<Hub>,
}

#[derive(Debug)]
struct Hub {
    upstream: u16,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    plan: Option<(Vec<u8>, Cut)>,
    links: Vec<[TcpStream; 2]>,
    /// The server's sides of connections whose client was cut off.
    kept: Vec<TcpStream>,
    stalled: usize,
    refusing: bool,
    stopped: bool,
}

impl TcpProxy {
    /// Listens on a free loopback port and forwards to `upstream`.
    ///
    /// # Panics
    /// When there is no free port.
    #[must_use]
    pub fn start(upstream: u16) -> TcpProxy {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free loopback port");
        let port = listener.local_addr().expect("the port just bound").port();
        let hub = Arc::new(Hub { upstream, state: Mutex::default() });
        let accepting = Arc::clone(&hub);
        thread::spawn(move || accept(&accepting, &listener));
        TcpProxy { port, hub }
    }

    /// The port it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Cuts the connection over which the next request comes that contains `bytes`.
    pub fn cut_at(&self, bytes: &[u8], cut: Cut) {
        self.hub.lock().plan = Some((bytes.to_vec(), cut));
    }

    /// Whether the cut that was asked for is still to come.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.hub.lock().plan.is_some()
    }

    /// How many connections have come to a standstill so far.
    #[must_use]
    pub fn stalled(&self) -> usize {
        self.hub.lock().stalled
    }

    /// From now on closes new connections at once, or takes them again.
    pub fn refuse(&self, refuse: bool) {
        self.hub.lock().refusing = refuse;
    }

    /// Cuts every connection there is, at both sides.
    pub fn cut(&self) {
        for end in self.hub.lock().links.drain(..).flatten() {
            let _ = end.shutdown(Shutdown::Both);
        }
    }

    /// Lets the server know of the clients that were cut off.
    pub fn end_kept(&self) {
        for server in self.hub.lock().kept.drain(..) {
            let _ = server.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for TcpProxy {
    fn drop(&mut self) {
        let mut state = self.hub.lock();
        state.stopped = true;
        for end in state.links.drain(..).flatten() {
            let _ = end.shutdown(Shutdown::Both);
        }
        drop(state);
        self.end_kept();
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl Hub {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is to happen at this request.
    fn take(&self, request: &[u8]) -> Option<Cut> {
        let mut state = self.lock();
        let (bytes, cut) = state.plan.as_ref()?;
        let found = request.windows(bytes.len()).any(|window| window == bytes);
        let cut = found.then_some(*cut);
        if found {
            state.plan = None;
        }
        cut
    }
}

fn accept(hub: &Arc<Hub>, listener: &TcpListener) {
    while let Ok((client, _)) = listener.accept() {
        let mut state = hub.lock();
        if state.stopped {
            return;
        }
        if state.refusing {
            continue;
        }
        let Ok(server) = TcpStream::connect(("127.0.0.1", hub.upstream)) else { continue };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let (Ok(near), Ok(far)) = (client.try_clone(), server.try_clone()) else { continue };
        state.links.push([near, far]);
        drop(state);
        serve(hub, &client, &server);
    }
}

fn serve(hub: &Arc<Hub>, client: &TcpStream, server: &TcpStream) {
    let clones = || Some((client.try_clone().ok()?, server.try_clone().ok()?));
    let (Some(asking), Some(answering)) = (clones(), clones()) else { return };
    let (hub, answers) = (Arc::clone(hub), Arc::clone(hub));
    let fate = Arc::new(Fate::default());
    let fate_of_answers = Arc::clone(&fate);
    thread::spawn(move || {
        let (client, server) = asking;
        if !matches!(requests(&hub, &client, &server, &fate), Ok(Some(Cut::ClientOnly))) {
            let _ = server.shutdown(Shutdown::Write);
        }
    });
    thread::spawn(move || {
        let (client, server) = answering;
        let _ = replies(&answers, &client, &server, &fate_of_answers);
        let _ = (client.shutdown(Shutdown::Both), server.shutdown(Shutdown::Both));
    });
}

/// What becomes of the next answer.
#[derive(Debug, Default)]
struct Fate {
    lost: AtomicBool,
    stalled: AtomicBool,
}

/// Passes requests on until the client is gone, or a cut ended the connection.
fn requests(
    hub: &Hub,
    mut client: &TcpStream,
    mut server: &TcpStream,
    fate: &Fate,
) -> io::Result<Option<Cut>> {
    let mut buffer = [0; 16 * 1024];
    loop {
        let length = client.read(&mut buffer)?;
        if length == 0 {
            return Ok(None);
        }
        let request = &buffer[..length];
        match hub.take(request) {
            None => server.write_all(request)?,
            Some(Cut::BeforeClient) => {
                fate.lost.store(true, Ordering::SeqCst);
                server.write_all(request)?;
            }
            Some(Cut::StallBeforeClient) => {
                fate.stalled.store(true, Ordering::SeqCst);
                server.write_all(request)?;
            }
            Some(Cut::StallBeforeServer) => {
                hub.lock().stalled += 1;
                // It has no more to say before it goes: it waits.
                io::copy(&mut client, &mut io::sink())?;
                return Ok(Some(Cut::StallBeforeServer));
            }
            Some(Cut::BeforeServer) => {
                let _ = (client.shutdown(Shutdown::Both), server.shutdown(Shutdown::Both));
                return Ok(Some(Cut::BeforeServer));
            }
            Some(Cut::ClientOnly) => {
                hub.lock().kept.extend(server.try_clone());
                let _ = client.shutdown(Shutdown::Both);
                return Ok(Some(Cut::ClientOnly));
            }
        }
    }
}

fn replies(
    hub: &Hub,
    mut client: &TcpStream,
    mut server: &TcpStream,
    fate: &Fate,
) -> io::Result<()> {
    let mut buffer = [0; 16 * 1024];
    loop {
        let length = server.read(&mut buffer)?;
        if length == 0 || fate.lost.load(Ordering::SeqCst) {
            return Ok(());
        }
        if fate.stalled.load(Ordering::SeqCst) {
            hub.lock().stalled += 1;
            io::copy(&mut server, &mut io::sink())?;
            return Ok(());
        }
        client.write_all(&buffer[..length])?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Connection, RedisServer, Reply};

    #[test]
    fn a_request_is_cut_before_or_after_the_server_got_it() {
        let server = RedisServer::start();
        let proxy = TcpProxy::start(server.port());
        let stored = || server.connection().call(&["GET", "k"]).bytes();
        let set = |value| Connection::open(proxy.port()).unwrap().try_call(&["SET", "k", value]);
        assert_eq!(set("1").unwrap(), Reply::Simple("OK".to_owned()));
        proxy.cut_at(b"SET", Cut::BeforeServer);
        assert!(set("2").is_err());
        assert_eq!(stored(), Some(b"1".to_vec()));
        proxy.cut_at(b"SET", Cut::BeforeClient);
        assert!(set("3").is_err());
        assert_eq!(stored(), Some(b"3".to_vec()));
        proxy.cut_at(b"SET", Cut::ClientOnly);
        assert!(set("4").is_err());
        assert_eq!(stored(), Some(b"3".to_vec()));
        assert!(!proxy.is_waiting());
        proxy.refuse(true);
        assert!(set("5").is_err());
    }

    #[test]
    fn a_client_is_kept_waiting_before_or_after_the_server_got_its_request() {
        let server = RedisServer::start();
        let proxy = TcpProxy::start(server.port());
        let stored = || server.connection().call(&["GET", "k"]).bytes();
        for (stall, kept) in
            [(Cut::StallBeforeServer, None), (Cut::StallBeforeClient, Some(b"1".to_vec()))]
        {
            let mut client = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
            proxy.cut_at(b"SET", stall);
            let stalled = proxy.stalled();
            client.write_all(b"SET k 1\r\n").unwrap();
            assert!(
                crate::wait_until(std::time::Duration::from_secs(5), || proxy.stalled() > stalled)
            );
            client.set_nonblocking(true).unwrap();
            assert_eq!(client.read(&mut [0]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
            assert_eq!(stored(), kept);
        }
    }
}
