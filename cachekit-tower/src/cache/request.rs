//! What a request may have of the cache: an answer, none, or that its groups are dropped.

use std::sync::Arc;

use bytes::Bytes;
use cachekit_core::{Key, Scope};
use http::{Method, header, request::Parts};
use http_body::Body as HttpBody;

use super::{Forward, gates::Digest, learned, settings::Shared};
use crate::{
    Kind,
    conditional::Conditions,
    grpc::{accepted_encodings, normalize_encodings},
    identity::{IdentityWriter, Part},
    key,
    security::Sharing,
};

/// What is done with a request.
#[derive(Debug)]
pub(crate) enum Admission {
    /// It is passed on as it is.
    Pass(Passed),
    /// It is a write: passed on, and its groups are dropped.
    Write(Vec<Key>),
    /// Its body is part of what it asks for, and is to be read first.
    Read,
    /// It is answered from the cache, or its answer is stored.
    Wanted(Arc<Wanted>),
}

/// Why a request is passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Passed {
    pub(crate) kind: Kind,
    pub(crate) why: Forward,
    pub(crate) reason: &'static str,
}

impl Passed {
    pub(crate) fn bypass(kind: Kind, reason: &'static str) -> Self {
        Self { kind, why: Forward::Bypass, reason }
    }

    /// What `Cache-Status` says besides.
    pub(crate) fn detail(self) -> Option<&'static str> {
        (self.why == Forward::Bypass).then_some(self.reason)
    }
}

/// A request for something that is shared.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) kind: Kind,
    pub(crate) digest: Digest,
    /// Host, path and query.
    pub(crate) place: u64,
    /// And what else is known that its answer depends on.
    pub(crate) groups: Vec<Key>,
    /// How many of them the request itself has.
    pub(crate) own_groups: usize,
    pub(crate) entry: Key,
    /// What runs see of it.
    pub(crate) seen: Parts,
    pub(crate) body: Bytes,
    pub(crate) is_head: bool,
    pub(crate) conditions: Conditions,
    pub(crate) only_if_cached: bool,
    pub(crate) anew: bool,
    /// Credentials were taken away.
    pub(crate) shared_across_users: bool,
}

fn bypass(reason: &'static str) -> Passed {
    Passed::bypass(Kind::Http, reason)
}

impl Shared {
    /// Says what to do with a request before its body is read. The parts are the same afterwards.
    pub(crate) fn admit<B: HttpBody>(&self, parts: &mut Parts, body: &B) -> Admission {
        let kind = self.settings.kind(parts);
        let admitted = match kind {
            Kind::Grpc if self.settings.calls.has(parts.uri.path()) => return Admission::Read,
            Kind::Grpc => Err(Passed::bypass(kind, "unlisted")),
            Kind::Http => match self.admit_http(parts, body) {
                Ok(Some(admission)) => return admission,
                Ok(None) => self.wanted(parts, kind, None),
                Err(passed) => Err(passed),
            },
        };
        match admitted {
            Ok(wanted) => Admission::Wanted(wanted),
            Err(passed) => Admission::Pass(passed),
        }
    }

    /// `None`: it is looked up without a body.
    fn admit_http<B: HttpBody>(
        &self,
        parts: &mut Parts,
        body: &B,
    ) -> Result<Option<Admission>, Passed> {
        let settings = &self.settings;
        let is_keyed = settings.keyed_methods.contains(&parts.method);
        let is_get = settings.get && parts.method == Method::GET;
        let is_head = settings.head && parts.method == Method::HEAD;
        if !is_keyed && is_write(&parts.method) {
            return Ok(Some(Admission::Write(self.groups(parts).unwrap_or_default())));
        }
        if !is_keyed && !is_get && !is_head {
            return Err(Passed { kind: Kind::Http, why: Forward::Method, reason: "method" });
        }
        pass_by_head(parts)?;
        if !settings.keys.is_routed(parts) {
            self.warn_of_no_route();
            return Err(bypass("unmatched"));
        }
        if is_keyed {
            return Ok(Some(Admission::Read));
        }
        if has_body(parts, body) { Err(bypass("body")) } else { Ok(None) }
    }

    /// What a request asks for whose body, if it counts, is `body`.
    pub(crate) fn wanted(
        &self,
        parts: &mut Parts,
        kind: Kind,
        body: Option<&Bytes>,
    ) -> Result<Arc<Wanted>, Passed> {
        let settings = &self.settings;
        let asked = settings.directives.of(parts);
        if asked.no_store {
            return Err(Passed { kind, why: Forward::Request, reason: "no-store" });
        }
        let host = key::host(parts).ok_or(Passed::bypass(kind, "host"))?.into_owned();
        let mut groups = match kind {
            Kind::Http => self.groups(parts).ok_or(Passed::bypass(kind, "key_missing"))?,
            Kind::Grpc => self.groups_of_call(parts, body)?,
        };
        let mut seen = parts.clone();
        for declared in &settings.declared {
            declared.apply(&mut seen.headers);
        }
        let mut identity = IdentityWriter::new(&settings.name, kind);
        identity.part(Part::Method, class(&parts.method));
        identity.part(Part::Authority, &host);
        identity.part(Part::Path, key::original_uri(parts).path());
        let uri = settings.shown.query.rewritten(key::original_uri(parts));
        let query = uri.as_ref().unwrap_or(key::original_uri(parts)).query();
        if let Some(query) = query {
            identity.part(Part::Query, query);
        }
        settings.shown.write_rewritten(parts, &mut identity);
        for group in &groups {
            identity.part(Part::Group, group.as_str());
        }
        settings.shown.write(&seen.headers, &mut identity);
        settings
            .credentials
            .admit(parts, &mut identity)
            .map_err(|_| Passed::bypass(kind, "credentials"))?;
        if let Some(body) = body {
            write_body(parts, kind, body, &mut identity);
        }
        let digest = identity.finish().digest(&settings.digest_key);
        Conditions::hide(&mut seen.headers);
        settings.shown.hide(&mut seen, &settings.credentials, kind, Some(&host), body.is_some());
        // The client's own deadline is not that of a run which serves others too.
        seen.headers.remove("grpc-timeout");
        if kind == Kind::Grpc {
            normalize_encodings(&mut seen.headers);
        }
        let across = matches!(settings.credentials.sharing, Sharing::AcrossUsers)
            && settings.credentials.are_in(parts);
        let own_groups = groups.len();
        let mut entry = digest;
        if let Some(tags) = self.learned.of(&digest) {
            entry = learned::place(&digest, &tags, &settings.digest_key);
            groups.extend_from_slice(&tags);
            // The handler may not be asked, and another layer outside has to know as well.
            if let Some(scope) = parts.extensions.get::<Scope>() {
                tags.iter().for_each(|tag| scope.tag(tag.clone()));
            }
        }
        Ok(Arc::new(Wanted {
            kind,
            digest,
            place: self.memory.place(&host, key::original_uri(parts).path(), query),
            entry: settings.entry_key(&entry),
            groups,
            own_groups,
            is_head: parts.method == Method::HEAD,
            conditions: Conditions::of(&parts.method, &parts.headers),
            only_if_cached: asked.only_if_cached && kind == Kind::Http,
            anew: asked.anew,
            shared_across_users: across,
            seen,
            body: body.cloned().unwrap_or_default(),
        }))
    }

    /// What writers name to drop the answer to this request.
    fn groups(&self, parts: &mut Parts) -> Option<Vec<Key>> {
        let settings = &self.settings;
        if settings.keys.is_empty() {
            let host = key::host(parts)?;
            return Some(vec![settings.place(&host, parts)]);
        }
        settings.keys.of(parts).ok()
    }

    fn groups_of_call(&self, parts: &Parts, body: Option<&Bytes>) -> Result<Vec<Key>, Passed> {
        let body = body.map(Bytes::as_ref).unwrap_or_default();
        let key = self.settings.calls.key(parts.uri.path(), body);
        key.map(|key| vec![key]).map_err(|why| Passed::bypass(Kind::Grpc, why.reason()))
    }

    fn warn_of_no_route(&self) {
        self.warned.call_once(|| {
            tracing::warn!(
                layer = %self.settings.name,
                "a request without a matched route is passed by: put the layer on routes, not around a router, or name \
                 `.path(..)` or `.any_path()`"
            );
        });
    }
}

/// Anything but what is known to change nothing.
fn is_write(method: &Method) -> bool {
    let safe = [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE, Method::CONNECT];
    !safe.contains(method) && method.as_str() != "QUERY"
}

/// What the head of a request asks for that no stored response answers.
fn pass_by_head(parts: &Parts) -> Result<(), Passed> {
    const NO_LOOKUP: [(header::HeaderName, &str); 5] = [
        (header::RANGE, "range"),
        (header::IF_MATCH, "if-match"),
        (header::IF_UNMODIFIED_SINCE, "if-unmodified-since"),
        (header::UPGRADE, "upgrade"),
        (header::EXPECT, "expect"),
    ];
    let found = NO_LOOKUP.iter().find(|(name, _)| parts.headers.contains_key(name));
    match found {
        Some((_, reason)) => Err(bypass(reason)),
        // An extended CONNECT over HTTP/2 is told apart by its method.
        None if parts.method == Method::CONNECT => Err(bypass("connect")),
        None => Ok(()),
    }
}

/// Whether a request has a body, or may have one.
fn has_body<B: HttpBody>(parts: &Parts, body: &B) -> bool {
    let said = parts.headers.get(header::CONTENT_LENGTH).is_some_and(|length| length != "0");
    let coded = parts.headers.contains_key(header::TRANSFER_ENCODING);
    said || coded || !(body.is_end_stream() || body.size_hint().exact() == Some(0))
}

/// `HEAD` asks for the head of what `GET` asks for.
fn class(method: &Method) -> &str {
    if *method == Method::HEAD { Method::GET.as_str() } else { method.as_str() }
}

/// The body and what its bytes mean.
fn write_body(parts: &Parts, kind: Kind, body: &Bytes, identity: &mut IdentityWriter) {
    let names: &[&str] = match kind {
        Kind::Http => &["content-type", "content-encoding"],
        Kind::Grpc => &["content-type", "content-encoding", "grpc-encoding"],
    };
    for name in names {
        identity.lines(&parts.headers, name);
    }
    if kind == Kind::Grpc {
        identity.part(Part::HeaderName, "grpc-accept-encoding");
        identity.part(Part::HeaderValue, accepted_encodings(&parts.headers));
    }
    identity.part(Part::Body, body);
}
