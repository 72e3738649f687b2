//! Making a stored response of one that was read.

use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header, response::Parts};
use http_body::Body as HttpBody;

use super::{
    headers,
    request::Wanted,
    rfc9111,
    run::{End, Extras},
    settings::{Settings, Shared},
    snapshot::{Snapshot, Span, Stored},
};
use crate::{BoxError, Kind, collect::Whole};

impl Settings {
    /// What the clock on the wall says, as `Date` and `Age` have it.
    pub(super) fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

impl<R, E> End<R, E>
where
    R: HttpBody<Data = Bytes>,
    R::Error: Into<BoxError>,
{
    /// Takes what is stored of a response, and leaves the rest with the caller.
    pub(super) fn snapshot(
        &self,
        parts: Parts,
        whole: Whole,
        span: Span,
        detail: Option<&'static str>,
    ) -> Snapshot {
        let settings = &self.shared.settings;
        let Parts { status, mut headers, extensions, .. } = parts;
        let now = settings.now();
        let received_age = rfc9111::received_age(&headers);
        headers::drop_hop_by_hop(&mut headers);
        let own = headers::take_unstored(&mut headers, &settings.dropped);
        if self.wanted.kind == Kind::Http {
            add_date(&mut headers, now);
            if settings.etag && status == StatusCode::OK {
                add_etag(&mut headers, &whole.data);
            }
        }
        self.leave(Extras { headers: own, extensions, detail });
        let snapshot = Snapshot::new(Stored {
            identity: self.wanted.digest,
            status,
            headers,
            body: whole.data,
            trailers: whole.trailers,
            stored_ms: rfc9111::unix_ms(now),
            received_age,
            span,
        });
        if snapshot.is_kept() {
            self.shared.note(&self.wanted, &snapshot);
        }
        snapshot
    }
}

impl Shared {
    /// Remembers until when the place of a request has this.
    pub(super) fn note(&self, wanted: &Wanted, snapshot: &Snapshot) {
        let end_ms = snapshot.stored_ms.saturating_add(snapshot.span.fresh_ms);
        self.memory.note(wanted.place, wanted.digest, end_ms);
    }
}

fn add_date(headers: &mut HeaderMap, now: SystemTime) {
    if !headers.contains_key(header::DATE)
        && let Ok(date) = HeaderValue::try_from(httpdate::fmt_http_date(now))
    {
        headers.insert(header::DATE, date);
    }
}

/// A weak one: compression outside changes the bytes.
fn add_etag(headers: &mut HeaderMap, body: &[u8]) {
    if headers.contains_key(header::ETAG) {
        return;
    }
    let hash = blake3::hash(body).to_hex();
    if let Ok(tag) = HeaderValue::try_from(format!("W/\"{}\"", &hash[..22])) {
        headers.insert(header::ETAG, tag);
    }
}
