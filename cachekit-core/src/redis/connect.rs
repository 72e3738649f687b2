//! One attempt to connect: socket, TLS, log-in, and a look at who answered.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, ErrorKind as RedisErrorKind, Pipeline, RedisError, Value};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::node::Node;
use super::options::RedisOptions;
use super::url::{Address, Target, Tls};
use crate::{Error, ErrorKind};

/// Commands that wait for the driver; more of them in one write cost the server fewer reads.
const PIPELINE_BUFFER: usize = 1024;

/// Where to connect, and how.
#[derive(Debug)]
pub(super) struct Connector {
    target: Target,
    limit: Duration,
    #[cfg(feature = "redis-tls")]
    tls: Option<super::tls::Connector>,
}

/// A connection that has logged in and whose server may serve as a cache.
#[derive(Debug)]
pub(super) struct Fresh {
    pub(super) connection: MultiplexedConnection,
    pub(super) driver: Driver,
    pub(super) node: Node,
}

/// The task that moves bytes for a connection. Dropping it fails whoever still awaits a reply, at once.
#[derive(Debug)]
pub(super) struct Driver(JoinHandle<()>);

impl Driver {
    /// Resolves when the connection has broken.
    pub(super) async fn broken(&mut self) {
        let _ = (&mut self.0).await;
    }

    /// Ends the connection and waits until every reply still awaited has failed.
    pub(super) async fn end(mut self) {
        self.0.abort();
        if !self.0.is_finished() {
            self.broken().await;
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum Fault {
    /// Nothing but a change of the configuration will help.
    Permanent(Error),
    /// It may work later.
    Transient(String),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Fault {
        Fault::Transient(error.to_string())
    }
}

trait Stream: AsyncRead + AsyncWrite + Send {}

impl<S: AsyncRead + AsyncWrite + Send> Stream for S {}

type BoxStream = Pin<Box<dyn Stream>>;

impl Connector {
    pub(super) fn new(url: &str, options: &RedisOptions) -> Result<Connector, Error> {
        let target = Target::parse(url)?;
        Ok(Connector {
            #[cfg(feature = "redis-tls")]
            tls: super::tls::Connector::new(&target.address, options)?,
            target,
            limit: options.connect_timeout,
        })
    }

    /// Where this connects to, without the password.
    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    /// Connects, logs in, selects the database, and looks at the server: all within the time-out.
    pub(super) async fn open(&self) -> Result<Fresh, Fault> {
        self.in_time(self.attempt(config())).await
    }

    pub(super) async fn in_time(
        &self,
        attempt: impl Future<Output = Result<Fresh, Fault>>,
    ) -> Result<Fresh, Fault> {
        match timeout(self.limit, attempt).await {
            Ok(result) => result,
            Err(_) => Err(Fault::Transient(format!("no connection within {:?}", self.limit))),
        }
    }

    pub(super) async fn attempt(&self, config: AsyncConnectionConfig) -> Result<Fresh, Fault> {
        let stream = self.stream().await?;
        let login = &self.target.login;
        let (mut connection, driver) =
            MultiplexedConnection::new_with_config(login, stream, config)
                .await
                .map_err(|error| self.refused_login(&error))?;
        let driver = Driver(tokio::spawn(driver));
        let node = self.inspect(&mut connection).await?;
        Ok(Fresh { connection, driver, node })
    }

    async fn stream(&self) -> Result<BoxStream, Fault> {
        #[cfg(feature = "testing")]
        if let Address::Tcp { host, .. } = &self.target.address
            && let Some(stream) = super::double::dial(host)
        {
            return Ok(Box::pin(stream?));
        }
        match &self.target.address {
            Address::Tcp { host, port, tls } => {
                let stream = tcp(host, *port, self.limit).await?;
                if *tls == Tls::Off { Ok(Box::pin(stream)) } else { self.encrypt(stream).await }
            }
            #[cfg(unix)]
            Address::Unix(path) => Ok(Box::pin(tokio::net::UnixStream::connect(path).await?)),
            #[cfg(not(unix))]
            Address::Unix(_) => Err(io::Error::from(io::ErrorKind::Unsupported).into()),
        }
    }

    #[cfg(feature = "redis-tls")]
    async fn encrypt(&self, stream: TcpStream) -> Result<BoxStream, Fault> {
        let Some(tls) = &self.tls else {
            return Err(Fault::Transient("TLS is not set up".to_owned()));
        };
        match tls.connect(stream).await {
            Ok(stream) => Ok(Box::pin(stream)),
            Err(error) if super::tls::is_distrust(&error) => {
                Err(self.permanent(format!("TLS failed: {error}; {}", super::tls::ADVICE)))
            }
            Err(error) => Err(error.into()),
        }
    }

    #[cfg(not(feature = "redis-tls"))]
    async fn encrypt(&self, _stream: TcpStream) -> Result<BoxStream, Fault> {
        Err(Fault::Transient("built without the feature `redis-tls`".to_owned()))
    }

    /// Selects the database and asks the server who it is.
    async fn inspect(&self, connection: &mut MultiplexedConnection) -> Result<Node, Fault> {
        let database = self.target.database;
        let mut pipeline = Pipeline::with_capacity(3);
        pipeline.add_command(command(&["SELECT", &database.to_string()]));
        pipeline.add_command(command(&["INFO"]));
        pipeline.add_command(command(&["CONFIG", "GET", "save", "appendonly"]));
        let replies = connection
            .send_packed_commands(&pipeline, 0, 3)
            .await
            .map_err(|error| Fault::Transient(error.to_string()))?;
        let [selected, info, config] = <[Value; 3]>::try_from(replies)
            .map_err(|_| Fault::Transient("the server's answers do not fit".to_owned()))?;
        self.accept(&selected, "SELECT")?;
        self.accept(&info, "INFO")?;
        self.judge(Node::parse(text(&info), &config))
    }

    fn judge(&self, node: Node) -> Result<Node, Fault> {
        if let Some(text) = node.unsuitable() {
            return Err(self.permanent(text));
        }
        match node.not_now() {
            Some(text) => Err(Fault::Transient(text.to_owned())),
            None => Ok(node),
        }
    }

    fn accept(&self, reply: &Value, command: &str) -> Result<(), Fault> {
        let Value::ServerError(error) = reply else { return Ok(()) };
        let detail = error.details().unwrap_or_default();
        let text = format!("the server refused {command}: {} {detail}", error.code());
        match error.code() {
            "NOPERM" | "NOAUTH" => Err(self.permanent(format!("{text}; {}", PERMISSIONS))),
            "ERR" if command == "SELECT" => Err(self.permanent(text)),
            _ => Err(Fault::Transient(text)),
        }
    }

    fn refused_login(&self, error: &RedisError) -> Fault {
        if error.kind() == RedisErrorKind::RESP3NotSupported || is_unknown_command(error) {
            return self.permanent(NO_RESP3.to_owned());
        }
        match error.code().unwrap_or_default() {
            "WRONGPASS" => self.permanent("wrong user or password (WRONGPASS)".to_owned()),
            "NOAUTH" => self.permanent(NO_PASSWORD.to_owned()),
            "NOPERM" => self.permanent(format!("the server refused HELLO (NOPERM); {PERMISSIONS}")),
            "NOPROTO" => self.permanent(NO_RESP3.to_owned()),
            "DENIED" => self.permanent(PROTECTED.to_owned()),
            _ => Fault::Transient(error.to_string()),
        }
    }

    pub(super) fn permanent(&self, text: String) -> Fault {
        let message = format!("{}: {text}", self.target);
        Fault::Permanent(Error::new(ErrorKind::Config, super::CONNECT, message))
    }
}

const NO_RESP3: &str = "the server does not take HELLO 3; cachekit needs Redis 7.0 or newer, or Valkey, with HELLO not renamed";
const NO_PASSWORD: &str = "the server wants a password and the URL has none (NOAUTH); \
    write `redis://user:password@host`";
const PROTECTED: &str =
    "the server is in protected mode (DENIED); give it a password or bind it to this host alone";

/// What the log-in of a cache must be allowed to do.
const PERMISSIONS: &str = "allow the user `+@connection +info +set +get +getex +mget +pttl +getrange +unlink +pexpire +scan \
    +eval +evalsha` on `~ck:*`";

pub(super) fn config() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_response_timeout(None)
        .set_pipeline_buffer_size(PIPELINE_BUFFER)
}

pub(super) fn command(words: &[&str]) -> Cmd {
    let mut command = Cmd::new();
    command.arg(words);
    command
}

/// A server that does not know HELLO repeats its arguments: such a text must not be shown, it holds the password.
fn is_unknown_command(error: &RedisError) -> bool {
    error.detail().is_some_and(|detail| detail.starts_with("unknown command"))
}

fn text(info: &Value) -> &str {
    match info {
        Value::VerbatimString { text, .. } | Value::SimpleString(text) => text,
        Value::BulkString(bytes) => std::str::from_utf8(bytes).unwrap_or_default(),
        _ => "",
    }
}

/// Tries every address of the host, each with its share of the time: a dead one must not use it up.
async fn tcp(host: &str, port: u16, limit: Duration) -> io::Result<TcpStream> {
    let addresses = tokio::net::lookup_host((host, port)).await?.collect::<Vec<_>>();
    let share = limit / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in addresses {
        match timeout(share, open(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(last)
}

async fn open(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let keep_alive = TcpKeepalive::new()
        .with_time(Duration::from_secs(30))
        .with_interval(Duration::from_secs(10));
    SockRef::from(&stream).set_tcp_keepalive(&keep_alive)?;
    Ok(stream)
}
