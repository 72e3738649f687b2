//! A request's way to its answer: from the cache, from a run of its own, or from another's.

use std::{marker::PhantomData, panic::resume_unwind, sync::Arc, time::SystemTime};

use cachekit_core::{Status, with_status};
use http::{Request, Response, request::Parts};
use tower_service::Service;

use super::{
    cache_status::{CacheStatus, Forward},
    driven::{Driven, Looked},
    gates::Seat,
    observe::{self, Outcome},
    request::Wanted,
    respond::Given,
    rfc9111,
    run::{Brought, End, Extras, Failure, Loading, Own, Run},
    settings::Shared,
    snapshot::Snapshot,
};
use crate::{
    Body, Rejection,
    handler::{Handler, Readable},
    security::Sharing,
};

/// A request that is on its way.
pub(crate) struct Drive {
    shared: Arc<Shared>,
    wanted: Arc<Wanted>,
    arrived_ms: u64,
    /// Why nothing is there, should that be so.
    why: Forward,
}

/// What a request is given, or that nothing is known yet.
#[allow(clippy::large_enum_variant, reason = "it is taken apart where it is made")]
enum Step<R, E> {
    Answer(Result<Response<Body<R>>, E>),
    /// Its own run is to begin, and nobody else's to be waited for.
    Alone,
    /// The handler is to be asked for just this.
    Ask,
}

/// Whether a look runs the handler where it finds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Runs {
    Never,
    IfMissing,
    /// Whatever there is.
    Always,
}

impl Drive {
    pub(crate) fn new(shared: Arc<Shared>, wanted: Arc<Wanted>) -> Self {
        let arrived_ms = rfc9111::unix_ms(SystemTime::now());
        Self { shared, wanted, arrived_ms, why: Forward::UriMiss }
    }

    /// Answers; `parts` are the request as it came. A service need not be `Sync`: none is borrowed over an await.
    pub(crate) async fn answer<S, B, R>(
        self,
        service: S,
        parts: Parts,
    ) -> Result<Response<Body<R>>, S::Error>
    where
        S: Handler<B, R>,
        B: Send + 'static,
        R: Readable,
    {
        if let Some(response) = self.at_once() {
            return Ok(response);
        }
        // A future of its own, which a hit need not allocate.
        Box::pin(self.sit_down::<S, B, R>(service, parts)).await
    }

    /// What this process has, if nothing is to be done about it: nobody has to sit down for that.
    fn at_once<R>(&self) -> Option<Response<Body<R>>> {
        let Shared { settings, gates, .. } = &*self.shared;
        let Wanted { groups, entry, digest, anew, .. } = &*self.wanted;
        if *anew || gates.markers.may_mark(digest) {
            return None;
        }
        let tagged = settings.cache.try_tagged(groups.iter().cloned()).ok()?;
        let snapshot = tagged.hit::<Snapshot>(entry, &settings.policy)?;
        (snapshot.identity == *digest).then(|| self.give(&snapshot, Status::Hit, None))
    }

    /// Waits among those who want the same for what is loaded, by itself or by another one.
    async fn sit_down<S, B, R>(
        mut self,
        service: S,
        parts: Parts,
    ) -> Result<Response<Body<R>>, S::Error>
    where
        S: Handler<B, R>,
        B: Send + 'static,
        R: Readable,
    {
        self.why = self.why();
        let seat = Arc::new(self.shared.gates.sit(self.wanted.digest));
        let first = if self.wanted.anew || self.is_marked().await {
            Step::Alone
        } else {
            let own = Own::new();
            let runs = match self.wanted.is_head || self.wanted.only_if_cached {
                true => Runs::Never,
                false => Runs::IfMissing,
            };
            let driven = self.look::<S, B, R>(service.clone(), &seat, &own, runs);
            match patient(driven, &own, &seat, self.shared.settings.wait_timeout).await {
                Some(looked) => self.settle(looked, &own, &parts),
                None => Step::Alone,
            }
        };
        match first {
            Step::Answer(answer) => answer,
            Step::Ask => self.ask::<S, B, R>(service, parts).await,
            Step::Alone if self.wanted.only_if_cached => {
                Ok(self.reject(&Rejection::OnlyIfCached, &parts))
            }
            Step::Alone if self.wanted.is_head => self.ask::<S, B, R>(service, parts).await,
            Step::Alone => self.alone::<S, B, R>(service, &seat, &parts).await,
        }
    }

    async fn is_marked(&self) -> bool {
        let Shared { gates, settings, .. } = &*self.shared;
        gates.markers.is_marked(&self.wanted.digest, &settings.cache).await
    }

    /// Past what others do; what comes of it is stored all the same, if it may be.
    async fn alone<S, B, R>(
        &self,
        service: S,
        seat: &Arc<Seat>,
        parts: &Parts,
    ) -> Result<Response<Body<R>>, S::Error>
    where
        S: Handler<B, R>,
        B: Send + 'static,
        R: Readable,
    {
        let own = Own::new();
        let looked = self.look::<S, B, R>(service, seat, &own, Runs::Always).await;
        match self.settle(looked, &own, parts) {
            Step::Answer(answer) => answer,
            Step::Alone | Step::Ask => Ok(self.reject(&Rejection::FlightFailed, parts)),
        }
    }

    /// A look into the cache.
    fn look<S, B, R>(
        &self,
        service: S,
        seat: &Arc<Seat>,
        own: &Arc<Own<R, S::Error>>,
        runs: Runs,
    ) -> Driven<R, S::Error>
    where
        S: Handler<B, R>,
        B: Send + 'static,
        R: Readable,
    {
        let (shared, wanted) = (self.shared.clone(), self.wanted.clone());
        let end = End { shared, wanted, seat: seat.clone(), own: own.clone() };
        let run = Run { service, end, body: PhantomData };
        let (shared, wanted) = (self.shared.clone(), self.wanted.clone());
        let looking = async move {
            let settings = &shared.settings;
            let Ok(tagged) = settings.cache.try_tagged(wanted.groups.iter().cloned()) else {
                return (Err(Failure::Failed), Status::Bypassed);
            };
            let load = move || match runs {
                Runs::Never => not_run(),
                Runs::IfMissing | Runs::Always => run.load(),
            };
            let policy = match runs {
                Runs::Never => settings.look_only(),
                Runs::IfMissing | Runs::Always => settings.policy,
            };
            let read = tagged.get_or_refresh_told(wanted.entry.clone(), &policy, load);
            match runs {
                Runs::Never | Runs::IfMissing => with_status(read).await,
                Runs::Always => with_status(cachekit_core::refresh(read)).await,
            }
        };
        let cache = self.shared.settings.cache.clone();
        Driven::new(Box::pin(looking), cache, seat.clone(), own.clone())
    }

    /// Passes the request on, as it came.
    async fn ask<S, B, R>(
        &self,
        mut service: S,
        parts: Parts,
    ) -> Result<Response<Body<R>>, S::Error>
    where
        S: Service<Request<Body<B>>, Response = Response<R>>,
    {
        std::future::poll_fn(|cx| service.poll_ready(cx)).await?;
        let response = service.call(Request::from_parts(parts, Body::empty())).await?;
        let mut response = response.map(Body::through);
        observe::request(&self.shared.settings.name, Outcome::Bypass, "head");
        let status = CacheStatus::Forwarded {
            why: Forward::UriMiss,
            status: Some(response.status()),
            stored: false,
            collapsed: false,
            detail: Some("head"),
        };
        self.shared.settings.tell(&mut response, status, None);
        Ok(response)
    }

    fn reject<R>(&self, rejection: &Rejection, parts: &Parts) -> Response<Body<R>> {
        observe::request(&self.shared.settings.name, Outcome::Bypass, "rejected");
        self.shared.settings.rejecter.response_of(self.wanted.kind, rejection, parts)
    }

    /// What a look comes to.
    fn settle<R, E>(&self, (found, status): Looked, own: &Own<R, E>, parts: &Parts) -> Step<R, E> {
        let settings = &self.shared.settings;
        let brought = own.take();
        let found = match (found, status) {
            // An answer of its own that is no failure goes before one that is out of date.
            (Ok(_), Status::Stale) if matches!(brought, Some(Brought::Response(..))) => {
                Err(Failure::Own)
            }
            (found, _) => found,
        };
        let answer = match (found, brought) {
            (Ok(snapshot) | Err(Failure::Response(snapshot)), brought) => {
                if snapshot.identity != self.wanted.digest {
                    return Step::Alone;
                }
                let extras = match brought {
                    Some(Brought::Extras(extras)) if status != Status::Stale => Some(extras),
                    _ => None,
                };
                if snapshot.is_kept() && status == Status::Loaded {
                    self.shared.gates.markers.unmark(&self.wanted.digest);
                }
                // By another process: it was not noted here.
                if snapshot.is_kept() && status == Status::Hit {
                    self.shared.note(&self.wanted, &snapshot);
                }
                Ok(self.give(&snapshot, status, extras))
            }
            (Err(Failure::NotRun), _) if self.wanted.only_if_cached => {
                Ok(self.reject(&Rejection::OnlyIfCached, parts))
            }
            (Err(Failure::NotRun), _) => return Step::Ask,
            (Err(Failure::Failed), _) => Ok(self.reject(&Rejection::FlightFailed, parts)),
            (
                Err(Failure::Own | Failure::Apart),
                Some(Brought::Response(response, reason) | Brought::Failed(response, reason)),
            ) => {
                observe::request(&settings.name, Outcome::Uncacheable, reason);
                let status = self.forwarded(response.status(), Some(reason));
                Ok(settings.respond_own(&self.wanted, response, status))
            }
            (Err(Failure::Own | Failure::Apart), Some(Brought::Error(error))) => Err(error),
            (Err(Failure::Own | Failure::Apart), Some(Brought::Panic(panic))) => {
                resume_unwind(panic)
            }
            (Err(Failure::Own | Failure::Apart), Some(Brought::Extras(_)) | None) => {
                return Step::Alone;
            }
        };
        Step::Answer(answer)
    }

    /// Answers with a snapshot.
    fn give<R>(
        &self,
        snapshot: &Snapshot,
        status: Status,
        extras: Option<Extras>,
    ) -> Response<Body<R>> {
        let settings = &self.shared.settings;
        let status = self.status_of(snapshot, status, extras.as_ref());
        observe::answered(settings, status, snapshot);
        settings.respond(&self.wanted, snapshot, Given { status, extras })
    }

    fn status_of(
        &self,
        snapshot: &Snapshot,
        status: Status,
        extras: Option<&Extras>,
    ) -> CacheStatus {
        let settings = &self.shared.settings;
        if extras.is_none() {
            match status {
                Status::Stale => return settings.hit(snapshot, true),
                Status::Hit => return settings.hit(snapshot, false),
                // It was there before: who joined a look found it with the others.
                Status::Joined if snapshot.stored_ms < self.arrived_ms && snapshot.is_kept() => {
                    return settings.hit(snapshot, false);
                }
                _ => {}
            }
        }
        let detail = extras.and_then(|extras| extras.detail);
        CacheStatus::Forwarded {
            why: self.why,
            status: Some(snapshot.status),
            stored: snapshot.is_kept() && status != Status::Bypassed,
            collapsed: extras.is_none(),
            detail: detail.or((status == Status::Bypassed).then_some("bypass")),
        }
    }

    fn forwarded(&self, status: http::StatusCode, detail: Option<&'static str>) -> CacheStatus {
        let (stored, collapsed) = (false, false);
        CacheStatus::Forwarded { why: self.why, status: Some(status), stored, collapsed, detail }
    }

    fn why(&self) -> Forward {
        if self.wanted.anew {
            return Forward::Request;
        }
        let settings = &self.shared.settings;
        let Wanted { place, digest, .. } = &*self.wanted;
        let varies = !settings.declared.is_empty()
            && matches!(settings.credentials.sharing, Sharing::Bypass);
        self.shared.memory.why(*place, digest, varies, self.arrived_ms)
    }
}

fn not_run() -> Loading {
    Box::pin(async { Err(Failure::NotRun) })
}

/// Waits for a look until there is nothing to wait for, or for too long. Its own run is seen to its end.
async fn patient<R: Send + 'static, E: Send + 'static>(
    mut driven: Driven<R, E>,
    own: &Own<R, E>,
    seat: &Seat,
    wait: std::time::Duration,
) -> Option<Looked> {
    let impatient = async {
        tokio::select! {
            () = seat.released() => {}
            () = seat.stand_by(|| own.has_begun()) => {}
            () = tokio::time::sleep(wait) => {}
        }
    };
    tokio::select! {
        biased;
        looked = &mut driven => return Some(looked),
        () = impatient => {}
    }
    if own.has_begun() { Some(driven.await) } else { None }
}
