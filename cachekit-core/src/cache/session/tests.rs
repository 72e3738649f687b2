//! What a token tells, to whom, and for how long.

use std::{
    convert::Infallible,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use proptest::prelude::*;

use super::{Bounds, Pin, Refused, Session, SessionSecrets, pins::MOST};
use crate::{
    cache::{Cache, Policy, ReadPreference, Scope, Status, with_status},
    key::{Key, KeyBuf, Tag},
    ttl::Ttl,
};

const OLD: [u8; 32] = [1; 32];
const NEW: [u8; 32] = [2; 32];
const POLICY: Policy = Policy::from_parts(Ttl::from_millis(60_000, 0), None);

fn key(id: u64) -> Key {
    KeyBuf::new("item:<id>", |w| {
        w.literal("item:");
        w.value(&id);
    })
    .into_key()
}

fn cache() -> Cache {
    Cache::builder().build().expect("nothing is asked of it")
}

fn bounds() -> Bounds {
    Bounds { staleness: Duration::from_secs(1), replica_lag: Duration::from_secs(60) }
}

/// Seconds since the epoch at which a process believes to be.
fn at(seconds: u64) -> impl Fn() -> SystemTime + Send + Sync + 'static {
    move || UNIX_EPOCH + Duration::from_secs(seconds)
}

fn secrets() -> SessionSecrets {
    SessionSecrets::new(NEW).expect("32 bytes").with_clock(at(1000))
}

async fn written(ids: impl IntoIterator<Item = u64>) -> Scope {
    let scope = Scope::new(cache());
    scope.run(scope.cache().invalidate_many(ids.into_iter().map(key))).await;
    scope
}

fn pin(session: &Session, id: u64) -> Option<Pin> {
    session.pin(&key(id).as_ref(), &[])
}

#[tokio::test]
async fn a_token_names_the_keys_that_were_written_and_no_others() {
    let token = secrets().issue(&written([1, 2]).await, bounds()).unwrap();
    let session = secrets().read(&token).unwrap();
    assert_eq!(session.len(), 2);
    assert_eq!(pin(&session, 1), Some(Pin::Copies));
    assert_eq!(pin(&session, 2), Some(Pin::Copies));
    assert_eq!(pin(&session, 3), None);
}

#[tokio::test]
async fn who_wrote_nothing_gets_no_token() {
    let scope = Scope::new(cache());
    scope.pin(secrets().read(&secrets().issue(&written([1]).await, bounds()).unwrap()).unwrap());
    assert_eq!(secrets().issue(&scope, bounds()), None);
}

#[tokio::test]
async fn a_tag_that_was_written_pins_what_is_read_under_it() {
    let tag = Tag::from(&key(7));
    let under = |session: &Session| session.pin(&key(1).as_ref(), std::slice::from_ref(&tag));
    let token = secrets().issue(&written([7]).await, bounds()).unwrap();
    assert_eq!(under(&secrets().read(&token).unwrap()), Some(Pin::Copies));
    let scope = Scope::new(cache());
    scope.run(scope.cache().invalidate_tag(key(7))).await;
    let session = secrets().read(&secrets().issue(&scope, bounds()).unwrap()).unwrap();
    assert_eq!(under(&session), Some(Pin::Copies));
    assert_eq!(pin(&session, 7), None, "the entry of the tag's own key stays");
}

#[tokio::test]
async fn overflow_flags_all_keys() {
    let most = MOST as u64;
    let session = secrets().read(&secrets().issue(&written(0..most).await, bounds()).unwrap());
    let session = session.unwrap();
    assert_eq!((session.len(), session.means_all()), (MOST, false));
    assert_eq!(pin(&session, 1_000_000), None);
    // One more in a later request.
    let scope = written([most]).await;
    scope.pin(session);
    let token = secrets().issue(&scope, bounds()).unwrap();
    let session = secrets().read(&token).unwrap();
    assert!(session.means_all() && session.is_empty());
    assert_eq!(pin(&session, 1_000_000), Some(Pin::Copies));
    // And at once; more than a scope remembers.
    for ids in [0..most + 1, 0..1100] {
        let token = secrets().issue(&written(ids).await, bounds()).unwrap();
        assert!(token.len() <= 492);
        assert!(secrets().read(&token).unwrap().means_all());
    }
}

#[tokio::test]
async fn the_longest_token_is_read() {
    let token = secrets().issue(&written(0..MOST as u64).await, bounds()).unwrap();
    assert_eq!(token.len(), 492);
    assert!(token.len().div_ceil(3) * 4 < 1024, "as text too it is below 1 KiB");
    assert_eq!(secrets().read(&token).unwrap().len(), MOST);
}

#[tokio::test]
async fn any_changed_bit_is_a_forgery() {
    let token = secrets().issue(&written([1]).await, bounds()).unwrap();
    for bit in 0..token.len() * 8 {
        let mut forged = token.clone();
        forged[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(secrets().read(&forged).unwrap_err(), Refused::Forged, "bit {bit}");
    }
    for length in 0..token.len() {
        assert!(secrets().read(&token[..length]).is_err(), "cut at {length}");
    }
}

proptest! {
    #[test]
    fn whatever_comes_is_refused_and_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..1200)) {
        prop_assert!(secrets().read(&bytes).is_err());
    }
}

#[tokio::test]
async fn rotation_keeps_what_was_signed_before() {
    let old = SessionSecrets::new(OLD).unwrap().with_clock(at(1000));
    let both = SessionSecrets::new(NEW).unwrap().and_previous(OLD).unwrap().with_clock(at(1000));
    let token = old.issue(&written([1]).await, bounds()).unwrap();
    assert_eq!(
        secrets().read(&token).unwrap_err(),
        Refused::Forged,
        "it does not know the old one"
    );
    let session = both.read(&token).unwrap();
    assert_eq!((pin(&session, 1), pin(&session, 2)), (Some(Pin::Copies), None));
    // Signed anew, both writes are told apart from others still.
    let scope = written([2]).await;
    scope.pin(session);
    let token = both.issue(&scope, bounds()).unwrap();
    let session = both.read(&token).unwrap();
    assert_eq!([1, 2, 3].map(|id| pin(&session, id)), [Some(Pin::Copies), Some(Pin::Copies), None]);
    // Who has forgotten the old secret cannot tell which key it was.
    assert!(secrets().read(&token).unwrap().means_all());
}

#[tokio::test]
async fn clocks_five_seconds_apart_leave_the_bound_whole() {
    let token = secrets().issue(&written([1]).await, bounds()).unwrap();
    let two_bounds = 2;
    // The reader's clock is five seconds ahead, and the write twice the staleness ago.
    let ahead = secrets().with_clock(at(1000 + two_bounds + 4));
    assert_eq!(pin(&ahead.read(&token).unwrap(), 1), Some(Pin::Copies));
    let behind = secrets().with_clock(at(1000 - 5));
    assert_eq!(pin(&behind.read(&token).unwrap(), 1), Some(Pin::Copies));
    let later = secrets().with_clock(at(1000 + two_bounds + 5));
    assert_eq!(pin(&later.read(&token).unwrap(), 1), None);
}

#[tokio::test]
async fn a_token_ends_when_all_it_says_has_had_its_time() {
    let token = secrets().issue(&written([1]).await, bounds()).unwrap();
    let read = |seconds: u64| secrets().with_clock(at(1000 + seconds)).read(&token);
    assert!(read(64).unwrap().outruns_replicas());
    assert_eq!(read(65).unwrap_err(), Refused::Expired);
    assert!(SessionSecrets::max_age(bounds()) >= Duration::from_secs(65));
}

#[tokio::test]
async fn later_writes_keep_earlier_ones_and_their_time() {
    static NOW: AtomicU64 = AtomicU64::new(1000);
    let secrets = secrets().with_clock(|| at(NOW.load(Ordering::Acquire))());
    let token = secrets.issue(&written([1]).await, bounds()).unwrap();
    NOW.store(1003, Ordering::Release);
    let scope = written([2]).await;
    scope.pin(secrets.read(&token).unwrap());
    let token = secrets.issue(&scope, bounds()).unwrap();
    assert_eq!(secrets.read(&token).unwrap().len(), 2);
    NOW.store(1008, Ordering::Release);
    let session = secrets.read(&token).unwrap();
    assert_eq!((pin(&session, 1), pin(&session, 2)), (None, Some(Pin::Copies)));
}

#[tokio::test]
async fn a_short_secret_is_refused() {
    let error = SessionSecrets::new([0; 31]).unwrap_err();
    assert!(error.to_string().contains("32 bytes"), "{error}");
}

/// Reads key 1 in a scope with this session; by default from what the cache has.
async fn read_in(cache: &Cache, session: Option<Session>) -> Status {
    let scope = Scope::new(cache.clone());
    session.into_iter().for_each(|session| scope.pin(session));
    let load = async || Ok::<_, Infallible>(1_u64);
    let read = async { cache.get_or_load(key(1), &POLICY, load).await };
    with_status(scope.run(read)).await.1
}

#[tokio::test]
async fn without_a_shared_tier_a_pinned_key_is_loaded() {
    let cache = cache();
    assert_eq!(read_in(&cache, None).await, Status::Loaded);
    assert_eq!(read_in(&cache, None).await, Status::Hit);
    let session = |token: &[u8]| secrets().read(token).unwrap();
    let token = secrets().issue(&written([1]).await, bounds()).unwrap();
    assert_eq!(read_in(&cache, Some(session(&token))).await, Status::Bypassed);
    let other = secrets().issue(&written([2]).await, bounds()).unwrap();
    assert_eq!(read_in(&cache, Some(session(&other))).await, Status::Hit);
    // A scope inside the request's has its session.
    let scope = Scope::new(cache.clone());
    scope.pin(session(&token));
    assert_eq!(scope.run(async { read_in(&cache, None).await }).await, Status::Bypassed);
}

#[tokio::test]
async fn replicas_are_read_until_something_is_written() {
    let scope = Scope::new(cache());
    assert_eq!(scope.read_preference(), ReadPreference::Primary, "nobody allowed them");
    scope.prefer_replicas(true);
    assert_eq!(scope.read_preference(), ReadPreference::Replica { at_least: None });
    scope.run(scope.cache().invalidate(key(1))).await;
    assert_eq!(scope.read_preference(), ReadPreference::Primary);
}

#[tokio::test]
async fn a_session_reads_replicas_from_the_position_of_its_last_write() {
    let preference = |session: Session| {
        let scope = Scope::new(cache());
        scope.prefer_replicas(true);
        scope.pin(session);
        scope.read_preference()
    };
    let issue = |scope: &Scope| secrets().read(&secrets().issue(scope, bounds()).unwrap()).unwrap();
    let scope = written([1]).await;
    scope.note_position(42);
    let first = issue(&scope);
    assert_eq!(preference(first.clone()), ReadPreference::Replica { at_least: Some(42) });
    // Where the second write is nobody has told.
    let scope = written([2]).await;
    scope.pin(first.clone());
    assert_eq!(preference(issue(&scope)), ReadPreference::Primary);
    let scope = written([2]).await;
    scope.pin(first);
    scope.note_position(41);
    assert_eq!(preference(issue(&scope)), ReadPreference::Replica { at_least: Some(42) });
}

#[tokio::test]
async fn a_scope_inside_another_tells_it_what_is_written() {
    let outer = Scope::new(cache());
    let inner = outer.enter(|| Scope::new(cache()));
    inner.run(inner.cache().invalidate(key(1))).await;
    assert_eq!(outer.invalidated(), [key(1)]);
    assert_eq!(Scope::current().map(|_| ()), None);
    assert!(inner.enter(Scope::current).is_some());
}
