//! Which requests take part, and as what.

use cachekit_core::{Key, Scope};
use http::{HeaderName, Method, header, request::Parts};

use super::config::{Config, NAME};
use crate::{
    Kind,
    conditional::Conditions,
    grpc::{accepted_encodings, normalize_encodings},
    headers::has_any,
    identity::{Identity, IdentityWriter, Part},
    key::{host, original_uri},
    security::has_host,
};

/// A request that takes part.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) kind: Kind,
    pub(super) method: Method,
    pub(super) identity: Identity,
    pub(super) keys: Vec<Key>,
    /// As the identity has it, where the request does not have it in one `Host` line of its own.
    pub(super) host: Option<String>,
    pub(super) conditions: Conditions,
}

/// What is to be done with a request.
#[derive(Debug)]
pub(super) enum Admission {
    /// Passed on as it is, for this reason.
    Pass(&'static str),
    /// Its body is read first: it is part of the identity.
    Read(Kind),
    Take(Plan),
}

/// Headers of requests whose answers are not for others.
const APART: [HeaderName; 5] =
    [header::RANGE, header::IF_MATCH, header::IF_UNMODIFIED_SINCE, header::UPGRADE, header::EXPECT];

const TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

impl Config {
    pub(super) fn admit(&self, parts: &mut Parts, has_body: bool) -> Admission {
        let kind = Kind::of(&parts.headers);
        if let Some(reason) = self.excluded(kind, parts) {
            return Admission::Pass(reason);
        }
        match (is_keyed(kind, &parts.method), has_body) {
            (false, true) => Admission::Pass("body"),
            (true, _) => Admission::Read(kind),
            (false, false) => match self.plan(parts, Kind::Http, None) {
                Ok(plan) => Admission::Take(plan),
                Err(reason) => Admission::Pass(reason),
            },
        }
    }

    /// Why a request with this head takes no part, whatever its body and its keys are.
    fn excluded(&self, kind: Kind, parts: &Parts) -> Option<&'static str> {
        match kind {
            Kind::Grpc if parts.method != Method::POST || !self.calls.has(parts.uri.path()) => {
                return Some("method");
            }
            Kind::Http if !self.methods.contains(&parts.method) => return Some("method"),
            Kind::Http if !self.keys.is_routed(parts) => return Some("unmatched"),
            _ => {}
        }
        has_any(&parts.headers, &APART).then_some("header")
    }

    /// How a request takes part; `body`: what is read of it, where that is part of the identity.
    pub(super) fn plan(
        &self,
        parts: &mut Parts,
        kind: Kind,
        body: Option<&[u8]>,
    ) -> Result<Plan, &'static str> {
        let host = host(parts).ok_or("host")?;
        let mut writer = IdentityWriter::new(NAME, kind);
        writer.part(Part::Authority, host.as_bytes());
        let host = (!has_host(&parts.headers, &host)).then(|| host.into_owned());
        self.credentials.admit(parts, &mut writer).map_err(|_| "credentials")?;
        let keys = match (kind, body) {
            (Kind::Grpc, Some(body)) => {
                let key = self.calls.key(parts.uri.path(), body);
                vec![key.map_err(crate::grpc::NoKey::reason)?]
            }
            _ => self.keys.of(parts).map_err(|_| "key_missing")?,
        };
        // A key may be made of what nothing else of the identity has, such as an extension.
        keys.iter().for_each(|key| writer.part(Part::Group, key.as_str()));
        self.write(parts, kind, body, &mut writer);
        let identity = writer.finish();
        if self.marks.is_marked(&identity) {
            return Err("uncacheable");
        }
        if self.is_dirty(&keys) {
            return Err("dirty");
        }
        if outran_others(parts, &keys) {
            return Err("session");
        }
        let method = parts.method.clone();
        let conditions = Conditions::of(&method, &parts.headers);
        Ok(Plan { kind, method, identity, keys, host, conditions })
    }

    fn write(&self, parts: &Parts, kind: Kind, body: Option<&[u8]>, writer: &mut IdentityWriter) {
        writer.part(Part::Method, parts.method.as_str());
        let uri = original_uri(parts);
        writer.part(Part::Path, uri.path());
        let rewritten = self.shown.query.rewritten(uri);
        if let Some(query) = rewritten.as_ref().unwrap_or(uri).query() {
            writer.part(Part::Query, query);
        }
        self.shown.write_rewritten(parts, writer);
        self.shown.write(&parts.headers, writer);
        let Some(body) = body else { return };
        for name in [header::CONTENT_TYPE, header::CONTENT_ENCODING] {
            writer.lines(&parts.headers, name.as_str());
        }
        if kind == Kind::Grpc {
            writer.lines(&parts.headers, "grpc-encoding");
            writer.part(Part::HeaderValue, accepted_encodings(&parts.headers));
        }
        writer.part(Part::Body, body);
    }

    /// Takes from a request what its run may not see.
    pub(super) fn hide(&self, parts: &mut Parts, plan: &Plan) {
        let keyed_body = is_keyed(plan.kind, &plan.method);
        self.shown.hide(parts, &self.credentials, plan.kind, plan.host.as_deref(), keyed_body);
        Conditions::hide(&mut parts.headers);
        parts.headers.remove(TIMEOUT);
        if plan.kind == Kind::Grpc {
            normalize_encodings(&mut parts.headers);
        }
    }
}

/// Whether the body is part of the identity.
fn is_keyed(kind: Kind, method: &Method) -> bool {
    kind == Kind::Grpc || !matches!(*method, Method::GET | Method::HEAD)
}

/// Whether the client's session wrote what the run of another request may not see: from a copy, or from a replica.
fn outran_others(parts: &Parts, keys: &[Key]) -> bool {
    let scope = parts.extensions.get::<Scope>().cloned().or_else(Scope::current);
    let Some((scope, session)) = scope.and_then(|scope| Some((scope.clone(), scope.session()?)))
    else {
        return false;
    };
    // Without keys nobody knows what the answer is made of.
    let unknown = keys.is_empty() && (session.means_all() || !session.is_empty());
    unknown || session.outruns_replicas() || scope.is_pinned(keys)
}
