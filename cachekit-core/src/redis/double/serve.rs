//! Connections to the double: streams in memory, each served by a task of its own.

use std::{io, sync::Arc};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream},
    sync::broadcast::error::RecvError,
};

use super::{
    command,
    faults::{Double, Fate},
    resp::{Incoming, Reply, Words},
};

/// As much as a socket buffers.
const BUFFER: usize = 64 * 1024;

/// A connection to the double whose host is so called; `None` where that is none.
pub(in super::super) fn dial(host: &str) -> Option<io::Result<DuplexStream>> {
    let double = Double::of(host)?;
    if !*double.up.borrow() {
        return Some(Err(io::ErrorKind::ConnectionRefused.into()));
    }
    let (ours, theirs) = tokio::io::duplex(BUFFER);
    tokio::spawn(serve(double, theirs));
    Some(Ok(ours))
}

/// One connection.
struct Client {
    double: Arc<Double>,
    incoming: Incoming,
    /// The beginnings of keys that this connection is to be told of.
    tracked: Option<Vec<Vec<u8>>>,
}

async fn serve(double: Arc<Double>, mut stream: DuplexStream) {
    let (mut up, mut touched) = (double.up.subscribe(), double.touched.subscribe());
    // Keeps the keys alive for no longer than somebody holds the handle.
    let mut client = Client { double, incoming: Incoming::default(), tracked: None };
    let mut buffer = vec![0; BUFFER];
    loop {
        let mut out = Vec::new();
        let goes_on = tokio::select! {
            biased;
            _ = up.changed() => false,
            // Told before whatever is answered later.
            key = touched.recv() => client.tell(key, &mut out),
            read = stream.read(&mut buffer) => match read {
                Ok(count) if count > 0 => {
                    client.incoming.take_in(&buffer[..count]);
                    client.answer(&mut out).await
                }
                _ => false,
            },
        };
        if stream.write_all(&out).await.is_err() || !goes_on {
            return;
        }
    }
}

impl Client {
    /// Answers every whole command; whether the connection goes on.
    async fn answer(&mut self, out: &mut Vec<u8>) -> bool {
        while let Some(words) = self.incoming.next() {
            let delay = self.double.delay();
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            match self.reply(&words) {
                Some(reply) => reply.write(out),
                None => return false,
            }
        }
        true
    }

    /// The reply to a command; `None` where it is lost.
    fn reply(&mut self, words: &Words) -> Option<Reply> {
        let name = words.first().map(Vec::as_slice).unwrap_or_default();
        if command::is_of_the_connection(name) {
            return Some(self.of_the_connection(words));
        }
        let fate = self.double.fate();
        if fate == Fate::Refused {
            return Some(Reply::error("ERR refused by the test"));
        }
        let reply = self.double.change(|keys| command::run(keys, words));
        (fate == Fate::Done).then_some(reply)
    }

    fn of_the_connection(&mut self, words: &Words) -> Reply {
        let upper: Vec<_> = words.iter().map(|word| word.to_ascii_uppercase()).collect();
        let upper: Vec<_> = upper.iter().map(Vec::as_slice).collect();
        match &upper[..] {
            [b"HELLO", ..] => Reply::Map(vec![
                (Reply::text("proto"), Reply::Int(3)),
                (Reply::text("server"), Reply::text("redis")),
            ]),
            [b"INFO", ..] => self.double.info(),
            [b"CONFIG", ..] => {
                let off =
                    |name| (Reply::text(name), Reply::text(if name == "save" { "" } else { "no" }));
                Reply::Map(vec![off("save"), off("appendonly")])
            }
            [b"CLIENT", b"ID"] => Reply::Int(1),
            [b"CLIENT", b"TRACKING", b"ON", ..] => {
                let is_prefix = |at: &usize| *at > 0 && upper[at - 1] == b"PREFIX";
                let prefixes = (0..words.len()).filter(is_prefix).map(|at| words[at].clone());
                self.tracked = Some(prefixes.collect());
                Reply::Ok
            }
            [b"PING"] => Reply::Pong,
            _ => Reply::Ok,
        }
    }

    /// Tells of a key, if it is tracked; whether the connection goes on.
    fn tell(&self, key: Result<Option<Vec<u8>>, RecvError>, out: &mut Vec<u8>) -> bool {
        let Some(prefixes) = &self.tracked else { return true };
        match key {
            Ok(None) => Reply::Invalidate(None).write(out),
            Ok(Some(key)) => {
                if prefixes.is_empty() || prefixes.iter().any(|prefix| key.starts_with(prefix)) {
                    Reply::Invalidate(Some(key)).write(out);
                }
            }
            // Too slow, as Redis sees it whose output buffer is full.
            Err(_) => return false,
        }
        true
    }
}
