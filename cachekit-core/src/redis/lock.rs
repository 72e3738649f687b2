//! The commands of locks. Their keys share a slot of a cluster, so that a script may touch them together.

use std::fmt;
use std::sync::LazyLock;
use std::time::Duration;

use redis::{Cmd, RedisWrite, Value};

use super::link::Link;
use super::reply::{self, Reply, StoreError};
use super::script::{self, Script};
use super::store::RedisStore;

macro_rules! lock_script {
    ($($part:literal),*) => {
        LazyLock::new(|| Script::new(concat!($(include_str!(concat!("lua/lock_", $part, ".lua"))),*)))
    };
}

static ACQUIRE: LazyLock<Script> = lock_script!("take", "acquire");
static ACQUIRE_FAIR: LazyLock<Script> = lock_script!("line", "take", "acquire_fair");
static WAIT: LazyLock<Script> = lock_script!("line", "take", "wait");
static RELEASE: LazyLock<Script> = lock_script!("release", "line", "wake");
static LEAVE: LazyLock<Script> = lock_script!("line", "leave");
static EXTEND: LazyLock<Script> = lock_script!("extend");

/// Commands in one write.
const BATCH: usize = 256;

/// The keys of one lock: what their names end with, the namespace and the text.
pub(crate) struct LockKeys(Box<str>);

impl fmt::Debug for LockKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The key may hold personal data.
        f.debug_struct("LockKeys").finish_non_exhaustive()
    }
}

/// What a lock is asked for with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LockAsk<'a> {
    /// What nobody else has, and a label.
    pub(crate) token: &'a str,
    pub(crate) lease: Duration,
    /// The fencing token is to be above this.
    pub(crate) floor: u64,
    /// Whether those who wait go first.
    pub(crate) fair: bool,
}

/// What came of asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LockTaken {
    /// It is taken, under this fencing token.
    Granted(u64),
    /// Somebody has it, for so long yet if that is known; and whether the asker is the first of those who wait.
    Busy { left: Option<Duration>, first: bool },
}

/// How it stands with a lock that was to be extended or released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LockFound {
    /// It was the caller's.
    Own {
        /// Somebody was woken by the release.
        woken: bool,
    },
    /// There is none.
    Gone,
    /// It is another's.
    Foreign,
}

/// A lock to be extended.
#[derive(Debug)]
pub(crate) struct LockDue<'a> {
    pub(crate) keys: &'a LockKeys,
    pub(crate) token: &'a str,
    pub(crate) lease: Duration,
}

/// What the names of the channels begin with that the waiters of this namespace are woken on.
#[derive(Debug)]
pub(super) struct WakeChannels<'a>(&'a str);

impl fmt::Display for WakeChannels<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ck~wake:{}:", self.0)
    }
}

/// What the names of a script's keys begin with.
type Prefixes = &'static [&'static str];

const OF_WAITERS: Prefixes = &["ck~lock", "ck~line", "ck~beats"];
const ALL: Prefixes = &["ck~lock", "ck~fence", "ck~line", "ck~beats"];

impl RedisStore {
    /// The keys of the lock with this text.
    pub(crate) fn lock_keys(&self, text: &str) -> LockKeys {
        LockKeys(format!("{}:{{{text}}}", self.lock_namespace()).into())
    }

    /// Takes the lock if it is free.
    pub(crate) async fn lock_acquire(
        &self,
        keys: &LockKeys,
        ask: LockAsk<'_>,
    ) -> Result<LockTaken, StoreError> {
        let (script, prefixes) = match ask.fair {
            true => (&ACQUIRE_FAIR, ALL),
            false => (&ACQUIRE, &ALL[..2]),
        };
        let args: [Arg<'_>; 3] = [&ask.token, &ask.lease.as_millis(), &ask.floor];
        taken(run(self.link(), script, keys, prefixes, &args).await?)
    }

    /// Stands in line as `waiter`, which comes back within `beat`, and takes the lock if it may.
    pub(crate) async fn lock_wait(
        &self,
        keys: &LockKeys,
        ask: LockAsk<'_>,
        waiter: &str,
        beat: Duration,
    ) -> Result<LockTaken, StoreError> {
        let (lease, beat, fair) = (ask.lease.as_millis(), beat.as_millis(), u8::from(ask.fair));
        let args: [Arg<'_>; 6] = [&ask.token, &lease, &ask.floor, &waiter, &beat, &fair];
        taken(run(self.link(), &WAIT, keys, ALL, &args).await?)
    }

    /// Removes the lock if it has this token, and wakes who is first in line.
    pub(crate) async fn lock_release(
        &self,
        keys: &LockKeys,
        token: &str,
    ) -> Result<LockFound, StoreError> {
        let args: [Arg<'_>; 2] = [&token, &self.wake_channels()];
        found(run(self.link(), &RELEASE, keys, OF_WAITERS, &args).await?)
    }

    /// [`lock_release`](Self::lock_release) of many in one write; each has its own outcome.
    pub(crate) async fn lock_release_all(
        &self,
        locks: &[(&LockKeys, &str)],
    ) -> Vec<Result<LockFound, StoreError>> {
        let channels = self.wake_channels();
        run_all(self.link(), locks, |(keys, token), in_full| {
            command(&RELEASE, in_full, keys, OF_WAITERS, &[token, &channels])
        })
        .await
    }

    /// Has these waiters leave their lines, many in one write. Whether they did is not told.
    pub(crate) async fn lock_leave_all(&self, waiters: &[(&LockKeys, &str)]) {
        let channels = self.wake_channels();
        for batch in waiters.chunks(BATCH) {
            let _ = run_batch(self.link(), batch, |(keys, waiter), in_full| {
                command(&LEAVE, in_full, keys, OF_WAITERS, &[waiter, &channels])
            })
            .await;
        }
    }

    /// Lets locks run on that still have these tokens, many in one write; each has its own outcome.
    pub(crate) async fn lock_extend(
        &self,
        due: &[LockDue<'_>],
    ) -> Vec<Result<LockFound, StoreError>> {
        run_all(self.link(), due, |due, in_full| {
            let args: [Arg<'_>; 2] = [&due.token, &due.lease.as_millis()];
            command(&EXTEND, in_full, due.keys, &ALL[..1], &args)
        })
        .await
    }

    /// What the names of the channels begin with that waiters are woken on.
    pub(super) fn wake_channels(&self) -> WakeChannels<'_> {
        WakeChannels(self.lock_namespace())
    }
}

/// Runs a script once for each, many in one write.
async fn run_all<T>(
    link: &Link,
    calls: &[T],
    write: impl Fn(&T, bool) -> Cmd,
) -> Vec<Result<LockFound, StoreError>> {
    let mut results = Vec::with_capacity(calls.len());
    for batch in calls.chunks(BATCH) {
        match run_batch(link, batch, &write).await {
            Ok(replies) => results.extend(replies.into_iter().map(found)),
            Err(error) => results.extend(batch.iter().map(|_| Err(error))),
        }
    }
    results
}

/// Sends the hashes, and those that the server does not know once more in full: a refused hash did nothing.
async fn run_batch<T>(
    link: &Link,
    calls: &[T],
    write: impl Fn(&T, bool) -> Cmd,
) -> Result<Vec<Reply>, StoreError> {
    let by_hash = calls.iter().map(|call| write(call, false));
    let mut replies = link.send_all(&script::pipeline(by_hash)).await?;
    let refused = replies.iter().zip(calls).filter(|(reply, _)| reply::is_unknown_script(reply));
    let in_full: Vec<_> = refused.map(|(_, call)| write(call, true)).collect();
    let mut repeated = link.send_all(&script::pipeline(in_full.into_iter())).await?.into_iter();
    for reply in replies.iter_mut().filter(|reply| reply::is_unknown_script(reply)) {
        *reply = repeated.next().ok_or(StoreError::Io)?;
    }
    Ok(replies)
}

/// What a script is given beside its keys.
type Arg<'a> = &'a (dyn fmt::Display + Sync);

async fn run(
    link: &Link,
    script: &Script,
    keys: &LockKeys,
    prefixes: Prefixes,
    args: &[Arg<'_>],
) -> Result<Reply, StoreError> {
    let by_hash = |command: &mut Cmd| write(command, script, false, keys, prefixes, args);
    let reply = link.send_short(by_hash).await?;
    if reply::is_unknown_script(&reply) {
        return link.send(command(script, true, keys, prefixes, args)).await;
    }
    Ok(reply)
}

fn command(
    script: &Script,
    in_full: bool,
    keys: &LockKeys,
    prefixes: Prefixes,
    args: &[Arg<'_>],
) -> Cmd {
    let mut command = Cmd::new();
    write(&mut command, script, in_full, keys, prefixes, args);
    command
}

fn write(
    command: &mut Cmd,
    script: &Script,
    in_full: bool,
    keys: &LockKeys,
    prefixes: Prefixes,
    args: &[Arg<'_>],
) {
    let (verb, body) = match in_full {
        true => ("EVAL", script.source()),
        false => ("EVALSHA", script.hash()),
    };
    command.write_arg(verb.as_bytes());
    command.write_arg(body.as_bytes());
    command.write_arg_fmt(prefixes.len());
    for prefix in prefixes {
        command.write_arg_fmt(format_args!("{prefix}:{}", keys.0));
    }
    for arg in args {
        command.write_arg_fmt(arg);
    }
}

/// An integer if it was taken, one or two in an array if not. Any other shape leaves the outcome unknown.
fn taken(reply: Reply) -> Result<LockTaken, StoreError> {
    let values = match reply {
        Reply::Int(fence) if fence > 0 => return Ok(LockTaken::Granted(fence.unsigned_abs())),
        Reply::Error(error) => return Err(StoreError::from(&*error)),
        Reply::Other(value) => match *value {
            Value::Array(values) => values,
            _ => return Err(StoreError::Io),
        },
        _ => return Err(StoreError::Io),
    };
    match values[..] {
        [Value::Int(left)] => Ok(busy(left, 0)),
        [Value::Int(left), Value::Int(first)] => Ok(busy(left, first)),
        _ => Err(StoreError::Io),
    }
}

fn busy(left_ms: i64, first: i64) -> LockTaken {
    let left = u64::try_from(left_ms).ok().map(Duration::from_millis);
    LockTaken::Busy { left, first: first == 1 }
}

fn found(reply: Reply) -> Result<LockFound, StoreError> {
    Ok(match reply::int(reply)? {
        0 => LockFound::Gone,
        -1 => LockFound::Foreign,
        reply => LockFound::Own { woken: reply == 2 },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_of_another_shape_leaves_the_outcome_unknown() {
        let array = |values: Vec<Value>| taken(Value::Array(values).into());
        assert_eq!(taken(Reply::Int(7)), Ok(LockTaken::Granted(7)));
        let left = Some(Duration::from_millis(40));
        let busy = LockTaken::Busy { left, first: true };
        assert_eq!(array(vec![Value::Int(40), Value::Int(1)]), Ok(busy));
        let unknown = LockTaken::Busy { left: None, first: false };
        assert_eq!(array(vec![Value::Int(-1)]), Ok(unknown));
        for odd in [vec![], vec![Value::Nil], vec![Value::Int(1), Value::Nil]] {
            assert!(array(odd).unwrap_err().outcome_unknown());
        }
        assert!(taken(Reply::Int(0)).unwrap_err().outcome_unknown());
        assert_eq!(found(Reply::Int(2)), Ok(LockFound::Own { woken: true }));
        assert_eq!(found(Reply::Int(-1)), Ok(LockFound::Foreign));
    }
}
