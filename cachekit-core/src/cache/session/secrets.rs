//! The secrets that tokens are signed with, and when a token is good.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::{
    Session,
    pins::{MOST, Pinned},
    token,
};
use crate::{
    cache::{Cache, Scope},
    error::{Error, ErrorKind},
};

/// How far the clocks of two processes may be apart.
const SKEW: Duration = Duration::from_secs(5);
/// A secret is at least so long.
const LEAST: usize = 32;

/// Signs what a scope wrote into a token for its client, and reads the tokens that clients bring back.
///
/// All processes that serve a client need the same secret. To change it, give the new one and name the old one as
/// [previous](Self::and_previous) everywhere, for as long as tokens live: a minute by default. Where not all processes
/// can change at once, roll out the new one as the previous first.
///
#[cfg_attr(feature = "session", doc = "```")]
#[cfg_attr(not(feature = "session"), doc = "```ignore")]
/// use cachekit::key;
/// use cachekit_core::{Cache, Scope, SessionBounds, SessionSecrets};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), cachekit_core::Error> {
/// let cache = Cache::builder().build()?;
/// let secrets = SessionSecrets::new(b"a secret of 32 bytes or more, from a safe place")?;
///
/// let id = 7;
/// let scope = Scope::new(cache.clone());
/// scope.run(cache.invalidate(key!("user:<id>"))).await;
/// let token = secrets.issue(&scope, SessionBounds::of(&cache)).expect("something was written");
///
/// let later = Scope::new(cache);
/// let session = secrets.read(&token).expect("it is our own");
/// assert_eq!(session.len(), 1);
/// later.pin(session);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SessionSecrets {
    hashers: Arc<Hashers>,
    clock: Arc<dyn Fn() -> SystemTime + Send + Sync>,
}

/// Where tokens are kept to: what other processes may be behind.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Bounds {
    /// How far copies in any process may be behind.
    pub staleness: Duration,
    /// How far a replica may be behind; 60 s by default.
    pub replica_lag: Duration,
}

impl Bounds {
    /// The staleness of this cache's own local tier.
    #[must_use]
    pub fn of(cache: &Cache) -> Self {
        let staleness = cache.engine().map_or(Duration::ZERO, |engine| engine.staleness());
        Self { staleness, replica_lag: Duration::from_secs(60) }
    }

    /// How long a key is pinned that was written now.
    fn for_keys(self) -> Duration {
        self.staleness.saturating_mul(2).saturating_add(SKEW)
    }

    /// How long a key is pinned whose invalidation is under way still: nobody knows when it gets through.
    fn for_pending(self) -> Duration {
        self.for_keys().saturating_add(Duration::from_secs(60))
    }
}

/// Why a token is of no use. None of it is the client's fault, nor to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refused {
    /// It is longer than 1 KiB, or no token at all.
    Malformed,
    /// None of the secrets has signed it.
    Forged,
    /// All it says has had its time.
    Expired,
}

impl Refused {
    /// One word for metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Forged => "forged",
            Self::Expired => "expired",
        }
    }
}

impl SessionSecrets {
    /// One secret, which signs and verifies.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if it is shorter than 32 bytes.
    pub fn new(secret: impl AsRef<[u8]>) -> Result<Self, Error> {
        let hashers = Arc::new(Hashers(vec![Hasher::new(secret.as_ref())?]));
        Ok(Self { hashers, clock: Arc::new(SystemTime::now) })
    }

    /// A second secret, which only verifies.
    ///
    /// # Errors
    ///
    /// As with [`new`](Self::new).
    pub fn and_previous(mut self, secret: impl AsRef<[u8]>) -> Result<Self, Error> {
        let previous = Hasher::new(secret.as_ref())?;
        Arc::make_mut(&mut self.hashers).0.push(previous);
        Ok(self)
    }

    /// Tells the time, by the system's clock if this is not called: for tests.
    #[must_use]
    pub fn with_clock(self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self { clock: Arc::new(clock), ..self }
    }

    /// The token that tells what was written in this scope, and what its client had written before that; `None` if
    /// nothing was written in it. For how many seconds it is of use is [`max_age`](Self::max_age).
    #[must_use]
    pub fn issue(&self, scope: &Scope, bounds: Bounds) -> Option<Vec<u8>> {
        if !scope.has_written() {
            return None;
        }
        let now = self.now_ms();
        let mut session = self.fresh(now);
        if let Some(received) = scope.session() {
            session.pins.clone_from(&received.pins);
            session.add_all(received.all_until, received.all_dirty);
            (session.replicas_until, session.position) =
                (received.replicas_until, received.position);
        }
        session.forget(now);
        self.add_written(&mut session, scope, bounds, now);
        Some(token::write(&session, now, self.hashers.current()))
    }

    /// What a token says.
    ///
    /// # Errors
    ///
    /// Why it is to be ignored.
    pub fn read(&self, token: &[u8]) -> Result<Session, Refused> {
        let now = self.now_ms();
        let mut session = token::read(token, &self.hashers.0, self.fresh(now))?;
        session.forget(now);
        if session.until() == 0 { Err(Refused::Expired) } else { Ok(session) }
    }

    /// For how long a token that was issued within these bounds is of use.
    #[must_use]
    pub fn max_age(bounds: Bounds) -> Duration {
        bounds.for_pending().max(bounds.replica_lag.saturating_add(SKEW))
    }

    fn add_written(&self, session: &mut Session, scope: &Scope, bounds: Bounds, now: u64) {
        let after = |time: Duration| now.saturating_add(ms(time));
        let dirty_until = after(bounds.for_pending());
        let engine = scope.cache().engine();
        if scope.has_more_than_it_names() {
            session.add_all(dirty_until, true);
        }
        let pending = engine.is_some_and(|engine| engine.all_barred().is_some());
        let keys = scope.invalidated();
        // More than there is room for are all keys, whatever their hashes.
        if pending || keys.len() > MOST {
            let dirty = |key| engine.is_some_and(|engine| engine.barred(key).is_some());
            let dirty = pending || keys.iter().any(dirty);
            session.add_all(if dirty { dirty_until } else { after(bounds.for_keys()) }, dirty);
        } else {
            for key in &keys {
                let dirty = engine.is_some_and(|engine| engine.barred(key).is_some());
                let until = if dirty { dirty_until } else { after(bounds.for_keys()) };
                let hash = self.hashers.current();
                let (hash, secret) = (hash.hash(key.as_str()), hash.id);
                session.add(Pinned { hash, secret, until, dirty });
            }
        }
        session.replicas_until = after(bounds.replica_lag.saturating_add(SKEW));
        // Where this write is nobody has told: an earlier position would not do.
        session.position =
            scope.noted_position().map(|noted| noted.max(session.position.unwrap_or_default()));
    }

    fn fresh(&self, now: u64) -> Session {
        Session {
            hashers: self.hashers.clone(),
            pins: Vec::new(),
            all_until: 0,
            all_dirty: false,
            replicas_until: 0,
            position: None,
            read_at: now,
        }
    }

    fn now_ms(&self) -> u64 {
        ms((self.clock)().duration_since(UNIX_EPOCH).unwrap_or_default())
    }
}

impl fmt::Debug for SessionSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionSecrets")
            .field("secrets", &self.hashers.0.len())
            .finish_non_exhaustive()
    }
}

fn ms(time: Duration) -> u64 {
    time.as_millis().try_into().unwrap_or(u64::MAX)
}

/// All secrets, the one that signs first.
#[derive(Clone)]
pub(super) struct Hashers(Vec<Hasher>);

/// One secret, as keys for its two uses.
#[derive(Clone)]
pub(super) struct Hasher {
    pub(super) id: u8,
    pub(super) signing: [u8; 32],
    hashing: [u8; 32],
}

/// A key's hash under one secret.
pub(super) struct Hash {
    hash: u64,
    secret: u8,
}

impl Hash {
    pub(super) fn is(&self, pin: &Pinned) -> bool {
        (self.hash, self.secret) == (pin.hash, pin.secret)
    }
}

impl Hashers {
    fn current(&self) -> &Hasher {
        self.0.first().expect("made with one")
    }

    pub(super) fn hashes(&self, text: &str) -> Vec<Hash> {
        let hash = |hasher: &Hasher| Hash { hash: hasher.hash(text), secret: hasher.id };
        self.0.iter().map(hash).collect()
    }

    /// Whether keys can be told that were hashed under this secret.
    pub(super) fn knows(hashers: &[Hasher], id: u8) -> bool {
        hashers.iter().any(|hasher| hasher.id == id)
    }
}

impl Hasher {
    fn new(secret: &[u8]) -> Result<Self, Error> {
        if secret.len() < LEAST {
            let message =
                format!("a session secret has {LEAST} bytes or more, this has {}", secret.len());
            return Err(Error::new(ErrorKind::Config, "set up session tokens", message));
        }
        let key = |purpose: &str| blake3::derive_key(purpose, secret);
        Ok(Self {
            id: key("cachekit 1 session id of a secret")[0],
            signing: key("cachekit 1 session token signature"),
            hashing: key("cachekit 1 session hash of a key"),
        })
    }

    fn hash(&self, text: &str) -> u64 {
        let hash = blake3::keyed_hash(&self.hashing, text.as_bytes());
        let mut first = [0; 8];
        first.copy_from_slice(&hash.as_bytes()[..8]);
        u64::from_le_bytes(first)
    }
}
