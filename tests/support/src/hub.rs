//! The inside of a [`Proxy`](crate::Proxy): its connections, and what passes on them under which rule.

use std::io::{self, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::frames;
use crate::proxy::Command;
use crate::rule::Gate;

#[derive(Debug)]
pub(crate) struct Hub {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) upstream: u16,
    pub(crate) commands: Vec<Command>,
    pub(crate) gates: Vec<Arc<Gate>>,
    pub(crate) links: Vec<(usize, [TcpStream; 2])>,
    /// Connections that asked to be told of changes.
    pub(crate) trackers: Vec<usize>,
    connections: usize,
    pub(crate) forgetful: bool,
    pub(crate) refusing: bool,
    pub(crate) stopped: bool,
}

impl Hub {
    pub(crate) fn new(upstream: u16) -> Arc<Hub> {
        let state = State { upstream, ..State::default() };
        Arc::new(Hub { state: Mutex::new(state) })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn remove(&self, gate: &Arc<Gate>) {
        self.lock().gates.retain(|held| !Arc::ptr_eq(held, gate));
    }

    /// Notes a command and finds the rule that it falls under: the newest one that picks it.
    fn note(&self, command: Command) -> Option<Arc<Gate>> {
        let mut state = self.lock();
        let gate = state.gates.iter().rev().find(|gate| gate.picks(&command)).cloned();
        if command.is("CLIENT") && command.args.get(1).is_some_and(|arg| arg == b"TRACKING") {
            state.trackers.push(command.connection);
        }
        if !state.forgetful {
            state.commands.push(command);
        }
        gate
    }

    /// The rule that a push falls under: the newest one for pushes.
    fn push_gate(&self) -> Option<Arc<Gate>> {
        self.lock().gates.iter().rev().find(|gate| gate.is_of_pushes()).cloned()
    }
}

/// Takes the clients of a proxy until that is dropped.
pub(crate) fn accept(hub: &Arc<Hub>, listener: &TcpListener) {
    for client in listener.incoming().flatten() {
        let mut state = hub.lock();
        if state.stopped {
            return;
        }
        if state.refusing {
            continue;
        }
        let Ok(server) = TcpStream::connect(("127.0.0.1", state.upstream)) else { continue };
        let connection = state.connections;
        state.connections += 1;
        let (Ok(near), Ok(far)) = (client.try_clone(), server.try_clone()) else { continue };
        state.links.push((connection, [near, far]));
        drop(state);
        serve(hub, connection, client, server);
    }
}

fn serve(hub: &Arc<Hub>, connection: usize, client: TcpStream, server: TcpStream) {
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (Ok(answered), Ok(answering)) = (client.try_clone(), server.try_clone()) else { return };
    let (gates, passed) = channel();
    let (hub, replying) = (Arc::clone(hub), Arc::clone(hub));
    thread::spawn(move || {
        let _ = requests(&hub, connection, &client, &server, &gates);
        let _ = server.shutdown(Shutdown::Write);
    });
    thread::spawn(move || {
        let _ = replies(&replying, &answering, &answered, &passed);
        close(&[answering, answered]);
    });
}

fn requests(
    hub: &Hub,
    connection: usize,
    client: &TcpStream,
    mut server: &TcpStream,
    gates: &Sender<Option<Arc<Gate>>>,
) -> io::Result<()> {
    let mut client = BufReader::new(client);
    loop {
        let mut raw = Vec::new();
        let args = frames::request(&mut client, &mut raw)?;
        let gate = hub.note(Command { connection, args });
        if let Some(gate) = &gate {
            gate.before_request();
        }
        // Before the command: its reply must find the rule.
        let _ = gates.send(gate);
        server.write_all(&raw)?;
    }
}

fn replies(
    hub: &Hub,
    server: &TcpStream,
    mut client: &TcpStream,
    gates: &Receiver<Option<Arc<Gate>>>,
) -> io::Result<()> {
    let mut server = BufReader::new(server);
    loop {
        let mut raw = Vec::new();
        frames::reply(&mut server, &mut raw)?;
        let is_push = raw.first() == Some(&b'>');
        if is_push {
            if let Some(gate) = hub.push_gate() {
                gate.before_request();
            }
        } else if let Ok(Some(gate)) = gates.recv() {
            gate.before_reply()?;
        }
        client.write_all(&raw)?;
    }
}

pub(crate) fn close(link: &[TcpStream; 2]) {
    for end in link {
        let _ = end.shutdown(Shutdown::Both);
    }
}
