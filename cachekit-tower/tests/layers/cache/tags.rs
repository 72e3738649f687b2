//! Responses that depend on what their handlers learn while they read.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use cachekit_core::{Cache, Key, Scope};
use cachekit_test_support::RedisServer;
use cachekit_tower::Body;
use http::{Request, Response};
use tokio::sync::Semaphore;
use tower::{Layer as _, ServiceExt as _, service_fn};

use crate::replies::{Front, Reply, Site, Whole, cache, front, get, key, reply, send, users, with};

/// An organisation with a name, and a handler that shows it to its users.
#[derive(Clone)]
struct Org {
    version: Arc<AtomicUsize>,
    /// Where handlers wait when they have read, and have not said yet what.
    gate: Arc<Semaphore>,
    read: Arc<Semaphore>,
}

fn org() -> Key {
    key("org:<id>", "7")
}

impl Org {
    fn new() -> Self {
        let (version, read) = (Arc::default(), Arc::new(Semaphore::new(0)));
        Self { version, gate: Arc::new(Semaphore::new(100)), read }
    }

    fn site(&self) -> Site {
        let own = self.clone();
        Site::new(move |request| {
            let own = own.clone();
            async move {
                let version = own.version.load(SeqCst);
                own.read.add_permits(1);
                own.gate.acquire().await.unwrap().forget();
                request.extensions().get::<Scope>().unwrap().tag(org());
                with(&[], version.to_string())
            }
        })
    }

    async fn rename(&self, cache: &Cache) {
        self.version.fetch_add(1, SeqCst);
        cache.invalidate(org()).await;
    }
}

/// As behind a `ScopeLayer`.
fn scoped(cache: &Cache) -> Request<Whole> {
    let mut request = get("/users/1");
    request.extensions_mut().insert(Scope::new(cache.clone()));
    request
}

async fn ask(front: &Front, cache: &Cache) -> (String, bool) {
    let reply = send(front, scoped(cache)).await;
    (reply.text().to_owned(), reply.is_hit())
}

#[tokio::test]
async fn whoever_invalidates_a_tag_of_the_handler_s_drops_the_response() {
    let (cache, own) = (cache(), Org::new());
    let front = front(users(&cache), &own.site());
    let first = send(&front, scoped(&cache)).await;
    assert!(first.cache().ends_with("detail=late-tag"), "{}", first.cache());
    assert_eq!(ask(&front, &cache).await, ("0".into(), false));
    assert_eq!(ask(&front, &cache).await, ("0".into(), true));
    own.rename(&cache).await;
    assert_eq!(ask(&front, &cache).await, ("1".into(), false));
    assert_eq!(ask(&front, &cache).await, ("1".into(), true));
    // Those of its group still do as well.
    cache.invalidate(key("user:<id>", "1")).await;
    assert_eq!(ask(&front, &cache).await, ("1".into(), false));
}

/// The handler has read, then the data is written, then the handler says what it has read.
#[tokio::test]
async fn late_tag_is_impossible() {
    let (cache, own) = (cache(), Org::new());
    let front = front(users(&cache), &own.site());
    own.gate.forget_permits(100);
    let send_one = || {
        let (front, request) = (front.clone(), scoped(&cache));
        tokio::spawn(async move { send(&front, request).await })
    };
    // Before it is known that there is a tag, and after.
    for (before, after) in [("0", "1"), ("1", "2")] {
        // What the last round has stored is not to answer.
        cache.invalidate(org()).await;
        let reads = send_one();
        own.read.acquire().await.unwrap().forget();
        own.rename(&cache).await;
        // Came after the write had returned.
        let late = send_one();
        for _ in 0..64 {
            tokio::task::yield_now().await;
        }
        own.gate.add_permits(100);
        let told: Reply = reads.await.unwrap();
        assert!([before, after].contains(&told.text()), "{}", told.text());
        assert_eq!(late.await.unwrap().text(), after);
        assert_eq!(ask(&front, &cache).await.0, after);
        own.gate.forget_permits(1_000);
        own.read.forget_permits(1_000);
    }
}

/// The inner one answers in the handler's place, and the outer one has to be told all the same.
#[tokio::test]
async fn a_layer_around_another_one_learns_the_tags_of_what_that_one_stored() {
    let (cache, own) = (cache(), Org::new());
    let version = own.version.clone();
    let handler = service_fn(move |request: Request<Body<Body<Whole>>>| {
        request.extensions().get::<Scope>().unwrap().tag(org());
        let answer = Response::new(Whole::from(version.load(SeqCst).to_string()));
        async move { Ok::<_, Infallible>(answer) }
    });
    let layer = |name| users(&cache).name(name).build().unwrap();
    let inner = layer("inner").layer(handler);
    // The inner one has stored it before the outer one is asked.
    for _ in 0..2 {
        let (parts, body) = scoped(&cache).into_parts();
        let request = Request::from_parts(parts, Body::through(body));
        inner.clone().oneshot(request).await.unwrap();
    }
    let service = layer("outer").layer(inner);
    let ask = async || reply(service.clone().oneshot(scoped(&cache)).await.unwrap()).await;
    for _ in 0..3 {
        assert_eq!(ask().await.text(), "0");
    }
    assert!(ask().await.is_hit());
    own.rename(&cache).await;
    assert_eq!(ask().await.text(), "1");
}

#[tokio::test]
async fn every_process_learns_by_itself_and_finds_what_another_stored() {
    let (server, own) = (RedisServer::start(), Org::new());
    let mut fronts = Vec::new();
    for _ in 0..2 {
        let cache = Cache::builder().namespace("n").redis(&server.url()).await.unwrap();
        let cache = cache.build().unwrap();
        fronts.push((front(users(&cache), &own.site()), cache));
    }
    let [(one, of_one), (other, of_other)] = &fronts[..] else { panic!() };
    ask(one, of_one).await;
    assert_eq!(ask(one, of_one).await, ("0".into(), false));
    assert_eq!(ask(one, of_one).await, ("0".into(), true));
    assert_eq!(ask(other, of_other).await, ("0".into(), false));
    assert_eq!(ask(other, of_other).await, ("0".into(), true));
    own.rename(of_other).await;
    assert_eq!(ask(one, of_one).await, ("1".into(), false));
    assert_eq!(ask(other, of_other).await, ("1".into(), true));
}

#[tokio::test]
async fn a_response_with_more_tags_than_it_may_have_is_never_stored() {
    let cache = cache();
    let site = Site::new(|request| async move {
        let scope = request.extensions().get::<Scope>().unwrap();
        (0..8).for_each(|id| scope.tag(key("org:<id>", &id.to_string())));
        with(&[], "a user")
    });
    let front = front(users(&cache), &site);
    for _ in 0..3 {
        let reply = send(&front, scoped(&cache)).await;
        assert!(reply.cache().ends_with("detail=too-many-tags"), "{}", reply.cache());
    }
    assert_eq!(site.calls(), 3);
}
