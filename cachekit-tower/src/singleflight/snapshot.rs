//! A response that several requests are given.

use http::{HeaderMap, Response, StatusCode, Version, response::Parts};

use crate::{Body, collect::Whole};

/// All of a response but its extensions.
#[derive(Debug)]
pub(super) struct Snapshot {
    status: StatusCode,
    version: Version,
    headers: HeaderMap,
    whole: Whole,
}

impl Snapshot {
    pub(super) fn of(parts: &Parts, whole: Whole) -> Self {
        let (status, version) = (parts.status, parts.version);
        Self { status, version, headers: parts.headers.clone(), whole }
    }

    pub(super) fn response<R>(&self) -> Response<Body<R>> {
        let mut response = Response::new(self.whole.clone().into_body());
        *response.status_mut() = self.status;
        *response.version_mut() = self.version;
        *response.headers_mut() = self.headers.clone();
        response
    }
}
