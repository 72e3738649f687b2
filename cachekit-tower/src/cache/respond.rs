//! The response that one request is given of one that many are.

use std::time::SystemTime;

use http::{HeaderValue, Response, StatusCode, header};

use super::{
    cache_status::CacheStatus, request::Wanted, rfc9111, run::Extras, settings::Settings,
    snapshot::Snapshot,
};
use crate::{Body, Kind, conditional};

/// What a response is made of besides the snapshot.
#[derive(Debug)]
pub(crate) struct Given {
    pub(crate) status: CacheStatus,
    /// From its own run.
    pub(crate) extras: Option<Extras>,
}

impl Settings {
    /// Answers a request with a snapshot.
    pub(crate) fn respond<R>(
        &self,
        wanted: &Wanted,
        snapshot: &Snapshot,
        given: Given,
    ) -> Response<Body<R>> {
        match wanted.kind {
            Kind::Http => self.respond_http(wanted, snapshot, given),
            Kind::Grpc => self.respond_grpc(snapshot, given),
        }
    }

    fn respond_http<R>(
        &self,
        wanted: &Wanted,
        snapshot: &Snapshot,
        given: Given,
    ) -> Response<Body<R>> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = snapshot.status;
        *response.headers_mut() = snapshot.headers.clone();
        let has_length = snapshot.trailers.is_none() && snapshot.status != StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        if has_length {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(snapshot.body.len()));
        }
        let is_hit = matches!(given.status, CacheStatus::Hit { .. });
        if self.age && (is_hit || snapshot.received_age > 0) {
            headers.insert(header::AGE, HeaderValue::from(self.age_of(snapshot)));
        }
        if let Some(extras) = given.extras {
            headers.extend(extras.headers);
            *response.extensions_mut() = extras.extensions;
        }
        self.tell(&mut response, given.status, Some(wanted));
        if wanted.conditions.hold_for(snapshot.status, &snapshot.headers) {
            return not_modified(response);
        }
        if !wanted.is_head {
            let (data, trailers) = (snapshot.body.clone(), snapshot.trailers.clone());
            let exact = trailers.is_none();
            *response.body_mut() = Body::replay(data, trailers, exact);
        }
        response
    }

    fn respond_grpc<R>(&self, snapshot: &Snapshot, given: Given) -> Response<Body<R>> {
        let (data, trailers) = (snapshot.body.clone(), snapshot.trailers.clone());
        let mut response = Response::new(Body::replay(data, trailers, false));
        *response.headers_mut() = snapshot.headers.clone();
        if let Some(extras) = given.extras {
            response.headers_mut().extend(extras.headers);
            *response.extensions_mut() = extras.extensions;
        }
        response
    }

    /// What is a run's own caller's, with the conditions that were hidden from the run.
    pub(crate) fn respond_own<R>(
        &self,
        wanted: &Wanted,
        mut response: Response<Body<R>>,
        status: CacheStatus,
    ) -> Response<Body<R>> {
        if wanted.kind == Kind::Grpc {
            return response;
        }
        self.tell(&mut response, status, Some(wanted));
        match wanted.conditions.hold_for(response.status(), response.headers()) {
            true => not_modified(response),
            false => response,
        }
    }

    /// Appends `Cache-Status`.
    pub(crate) fn tell<R>(
        &self,
        response: &mut Response<Body<R>>,
        status: CacheStatus,
        wanted: Option<&Wanted>,
    ) {
        if self.cache_status {
            let key = wanted.filter(|_| self.expose_key).and_then(|wanted| wanted.groups.first());
            status.append_to(response.headers_mut(), key.map(cachekit_core::Key::as_str));
        }
    }

    fn age_of(&self, snapshot: &Snapshot) -> u64 {
        let now = rfc9111::unix_ms(self.now());
        rfc9111::age_secs(snapshot.received_age, snapshot.stored_ms, now)
    }

    /// How a snapshot is told that was there before.
    pub(crate) fn hit(&self, snapshot: &Snapshot, stale: bool) -> CacheStatus {
        let left = |now: SystemTime| {
            let end = snapshot.stored_ms.saturating_add(snapshot.span.fresh_ms);
            (end.cast_signed() - rfc9111::unix_ms(now).cast_signed()).div_euclid(1000)
        };
        CacheStatus::Hit { ttl: left(self.now()), stale }
    }
}

fn not_modified<R>(mut response: Response<Body<R>>) -> Response<Body<R>> {
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    conditional::not_modified(response.headers_mut());
    *response.body_mut() = Body::empty();
    response
}
