//! A raw connection to Redis, for tests that must not depend on the client under test.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// A reply of the server (RESP2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// `+OK` and its like.
    Simple(String),
    /// The whole error line, its code first.
    Error(String),
    /// An integer.
    Int(i64),
    /// Bytes, or nil.
    Bulk(Option<Vec<u8>>),
    /// A list.
    Array(Vec<Reply>),
}

impl Reply {
    /// The bytes of a bulk reply.
    #[must_use]
    pub fn bytes(self) -> Option<Vec<u8>> {
        match self {
            Reply::Bulk(bytes) => bytes,
            _ => None,
        }
    }
}

/// A blocking connection that sends one command at a time, as `redis-cli` does.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// Connects to a loopback port; replies are awaited for at most ten seconds.
    ///
    /// # Errors
    /// When nothing listens there.
    pub fn open(port: u16) -> io::Result<Connection> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        Ok(Connection { stream: BufReader::new(stream) })
    }

    /// Sends a command and returns its reply, error replies included.
    ///
    /// # Panics
    /// When the connection fails.
    pub fn call<A: AsRef<[u8]>>(&mut self, args: &[A]) -> Reply {
        self.try_call(args).expect("the connection to the test's Redis")
    }

    /// As [`call`](Connection::call), for servers that may be gone.
    ///
    /// # Errors
    /// When the connection fails.
    pub fn try_call<A: AsRef<[u8]>>(&mut self, args: &[A]) -> io::Result<Reply> {
        let mut packed = format!("*{}\r\n", args.len()).into_bytes();
        for arg in args {
            let arg = arg.as_ref();
            packed.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
            packed.extend_from_slice(arg);
            packed.extend_from_slice(b"\r\n");
        }
        self.stream.get_mut().write_all(&packed)?;
        self.read()
    }

    fn read(&mut self) -> io::Result<Reply> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let (kind, rest) = line.trim_end().split_at(1);
        let number = || rest.parse::<i64>().map_err(io::Error::other);
        Ok(match kind {
            "+" => Reply::Simple(rest.to_owned()),
            "-" => Reply::Error(rest.to_owned()),
            ":" => Reply::Int(number()?),
            "$" => Reply::Bulk(self.bulk(number()?)?),
            "*" => {
                let items = (0..number()?).map(|_| self.read());
                Reply::Array(items.collect::<io::Result<_>>()?)
            }
            _ => return Err(io::Error::other(format!("unknown reply {line:?}"))),
        })
    }

    fn bulk(&mut self, length: i64) -> io::Result<Option<Vec<u8>>> {
        let Ok(length) = usize::try_from(length) else { return Ok(None) };
        let mut bytes = vec![0; length + 2];
        self.stream.read_exact(&mut bytes)?;
        bytes.truncate(length);
        Ok(Some(bytes))
    }
}
