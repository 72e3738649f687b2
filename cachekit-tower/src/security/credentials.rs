//! Credentials: what is one, and whether it lets a request in.

use std::{fmt, sync::Arc};

use http::{Extensions, HeaderName, header, request::Parts};

use crate::{
    builder::Mistakes,
    headers::has_any,
    identity::{IdentityWriter, Part},
};

/// Who a request is from, as the application knows it: a user's id, say.
///
/// As an extension of the request it is a credential: the request is neither looked up, stored nor shared unless the
/// builder says by name how. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Principal(Arc<[u8]>);

impl Principal {
    /// A principal with this name. Two with one name are one to the layers.
    #[must_use]
    pub fn new(name: impl AsRef<[u8]>) -> Self {
        Self(name.as_ref().into())
    }
}

impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Principal(..)")
    }
}

/// The certificate of a client, for servers that have one to put into a request's extensions. It is a credential.
///
/// What a server puts there by itself, such as tonic's `TlsConnectInfo`, is not known to be one: say so by
/// `credential_when`, or put this there.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PeerCertificate(Arc<[u8]>);

impl PeerCertificate {
    /// A certificate by its DER encoding.
    #[must_use]
    pub fn new(der: impl AsRef<[u8]>) -> Self {
        Self(der.as_ref().into())
    }
}

impl fmt::Debug for PeerCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PeerCertificate(..)")
    }
}

/// Headers that are credentials, for gRPC as well.
const HEADERS: [HeaderName; 6] = [
    header::AUTHORIZATION,
    header::PROXY_AUTHORIZATION,
    header::COOKIE,
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("x-auth-token"),
    HeaderName::from_static("x-amz-security-token"),
];

/// Tells whether a request has a credential that only the application knows of.
#[derive(Clone)]
pub(super) struct When(Arc<dyn Fn(&Parts) -> bool + Send + Sync>);

impl fmt::Debug for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("When(..)")
    }
}

/// Tells who a request is from.
type WhoIs = dyn Fn(&Parts) -> Option<Principal> + Send + Sync;

/// How a request with credentials may take part.
#[derive(Clone, Default)]
pub(crate) enum Sharing {
    /// Not at all.
    #[default]
    Bypass,
    /// With those of the same principal; a request without one takes no part.
    PerPrincipal(Arc<WhoIs>),
    /// With those that have the same credentials.
    PerCredential,
    /// With all, its credentials being taken away.
    AcrossUsers,
}

/// What is a credential to a layer, and what follows.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    pub(super) headers: Vec<HeaderName>,
    pub(super) extensions: Vec<Extension>,
    pub(super) whens: Vec<When>,
    pub(crate) sharing: Sharing,
    /// What hashes of secrets are keyed with.
    pub(crate) secret: [u8; 32],
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Extension {
    is_in: fn(&Extensions) -> bool,
    remove: fn(&mut Extensions),
}

/// The request has credentials that do not let it in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotAdmitted;

impl Default for Credentials {
    fn default() -> Self {
        Self {
            headers: HEADERS.to_vec(),
            extensions: Vec::new(),
            whens: Vec::new(),
            sharing: Sharing::default(),
            secret: fresh_secret(),
        }
    }
}

impl Credentials {
    pub(crate) fn add_headers(&mut self, names: impl IntoIterator<Item = HeaderName>) {
        self.headers.extend(names);
    }

    pub(crate) fn add_extension<T: Clone + Send + Sync + 'static>(&mut self) {
        let is_in = |extensions: &Extensions| extensions.get::<T>().is_some();
        let remove = |extensions: &mut Extensions| drop(extensions.remove::<T>());
        self.extensions.push(Extension { is_in, remove });
    }

    pub(crate) fn add_when(&mut self, has_one: impl Fn(&Parts) -> bool + Send + Sync + 'static) {
        self.whens.push(When(Arc::new(has_one)));
    }

    /// Says how requests with credentials take part. That is said once.
    pub(crate) fn share(&mut self, sharing: Sharing, mistakes: &mut Mistakes) {
        if !matches!(self.sharing, Sharing::Bypass) {
            mistakes.add(
                "`per_principal`, `per_credential` and `share_across_users` exclude one another",
            );
        }
        self.sharing = sharing;
    }

    pub(crate) fn is_one(&self, name: &HeaderName) -> bool {
        self.headers.contains(name)
    }

    pub(crate) fn are_in(&self, parts: &Parts) -> bool {
        has_any(&parts.headers, &self.headers)
            || parts.extensions.get::<Principal>().is_some()
            || parts.extensions.get::<PeerCertificate>().is_some()
            || self.has_foreign(parts)
    }

    /// Whether the user's own kind of credential is there, which nothing here can tell apart.
    fn has_foreign(&self, parts: &Parts) -> bool {
        self.extensions.iter().any(|extension| (extension.is_in)(&parts.extensions))
            || self.whens.iter().any(|When(has_one)| has_one(parts))
    }

    /// Lets a request in by what the builder says, and writes whose it is into its identity.
    ///
    /// # Errors
    ///
    /// [`NotAdmitted`]: it takes no part.
    pub(crate) fn admit(
        &self,
        parts: &Parts,
        identity: &mut IdentityWriter,
    ) -> Result<(), NotAdmitted> {
        match &self.sharing {
            Sharing::Bypass if self.are_in(parts) => Err(NotAdmitted),
            Sharing::Bypass | Sharing::AcrossUsers => Ok(()),
            Sharing::PerPrincipal(who_is) => {
                let principal = who_is(parts).ok_or(NotAdmitted)?;
                identity.secret(Part::Principal, &self.secret, &principal.0);
                Ok(())
            }
            Sharing::PerCredential if self.has_foreign(parts) => Err(NotAdmitted),
            Sharing::PerCredential => {
                self.write(parts, identity);
                Ok(())
            }
        }
    }

    fn write(&self, parts: &Parts, identity: &mut IdentityWriter) {
        for name in &self.headers {
            for line in parts.headers.get_all(name) {
                identity.part(Part::HeaderName, name.as_str());
                identity.secret(Part::Credential, &self.secret, line.as_bytes());
            }
        }
        if let Some(Principal(name)) = parts.extensions.get() {
            identity.secret(Part::Principal, &self.secret, name);
        }
        if let Some(PeerCertificate(der)) = parts.extensions.get() {
            identity.secret(Part::Credential, &self.secret, der);
        }
    }

    /// Whether a run sees the credentials: they are in its identity.
    pub(crate) fn are_shown(&self) -> bool {
        matches!(self.sharing, Sharing::PerCredential)
    }

    /// Takes credentials out of the extensions of a request whose run serves all users.
    pub(crate) fn strip(&self, extensions: &mut Extensions) {
        if matches!(self.sharing, Sharing::AcrossUsers) {
            extensions.remove::<Principal>();
            extensions.remove::<PeerCertificate>();
            self.extensions.iter().for_each(|extension| (extension.remove)(extensions));
        }
    }
}

/// For hashes that no other process has to understand.
fn fresh_secret() -> [u8; 32] {
    use std::hash::{BuildHasher as _, RandomState};
    let mut secret = [0; 32];
    for (at, piece) in secret.chunks_exact_mut(8).enumerate() {
        piece.copy_from_slice(&RandomState::new().hash_one(at).to_ne_bytes());
    }
    secret
}

impl fmt::Debug for Sharing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bypass => "Bypass",
            Self::PerPrincipal(_) => "PerPrincipal(..)",
            Self::PerCredential => "PerCredential",
            Self::AcrossUsers => "AcrossUsers",
        })
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::{Kind, identity::Identity};

    fn parts(lines: &[(&str, &str)]) -> Parts {
        let request =
            lines.iter().fold(Request::get("/"), |r, (name, value)| r.header(*name, *value));
        request.body(()).unwrap().into_parts().0
    }

    fn with(extension: impl Clone + Send + Sync + 'static) -> Parts {
        let mut parts = parts(&[]);
        parts.extensions.insert(extension);
        parts
    }

    fn admit(credentials: &Credentials, parts: &Parts) -> Result<Identity, NotAdmitted> {
        let mut identity = IdentityWriter::new("l", Kind::Http);
        credentials.admit(parts, &mut identity).map(|()| identity.finish())
    }

    #[derive(Clone)]
    struct Session;

    #[test]
    fn credentials_bypass() {
        let mut credentials = Credentials::default();
        credentials.add_headers([HeaderName::from_static("x-own")]);
        credentials.add_extension::<Session>();
        let names = [
            "authorization",
            "proxy-authorization",
            "cookie",
            "x-api-key",
            "x-auth-token",
            "x-amz-security-token",
            "x-own",
        ];
        for name in names {
            assert_eq!(admit(&credentials, &parts(&[(name, "a")])), Err(NotAdmitted), "{name}");
        }
        let extended = [with(Principal::new("a")), with(PeerCertificate::new("a")), with(Session)];
        for parts in &extended {
            assert_eq!(admit(&credentials, parts), Err(NotAdmitted));
        }
        assert!(admit(&credentials, &parts(&[("accept", "a")])).is_ok());
    }

    #[test]
    fn a_credential_may_be_what_only_the_application_knows_of() {
        let mut credentials = Credentials::default();
        credentials.add_when(|parts| parts.extensions.get::<u8>() == Some(&1));
        assert_eq!(admit(&credentials, &with(1_u8)), Err(NotAdmitted));
        assert!(admit(&credentials, &with(0_u8)).is_ok());
        credentials.sharing = Sharing::PerCredential;
        assert_eq!(admit(&credentials, &with(1_u8)), Err(NotAdmitted), "it cannot be told apart");
    }

    #[test]
    fn per_principal_is_explicit() {
        let who_is = |parts: &Parts| parts.extensions.get::<Principal>().cloned();
        let sharing = Sharing::PerPrincipal(Arc::new(who_is));
        let credentials = Credentials { sharing, ..Credentials::default() };
        let a = admit(&credentials, &with(Principal::new("a"))).unwrap();
        assert_eq!(a, admit(&credentials, &with(Principal::new("a"))).unwrap());
        assert_ne!(a, admit(&credentials, &with(Principal::new("b"))).unwrap());
        assert_eq!(admit(&credentials, &parts(&[("cookie", "a")])), Err(NotAdmitted));
        assert_eq!(admit(&credentials, &parts(&[])), Err(NotAdmitted));
        assert!(!credentials.are_shown());
    }

    #[test]
    fn per_credential_is_all_of_them() {
        let mut credentials =
            Credentials { sharing: Sharing::PerCredential, ..Credentials::default() };
        credentials.add_extension::<Session>();
        let all = [
            parts(&[]),
            parts(&[("cookie", "a")]),
            parts(&[("cookie", "b")]),
            parts(&[("authorization", "a")]),
            parts(&[("cookie", "a"), ("cookie", "b")]),
            parts(&[("cookie", "a"), ("authorization", "a")]),
            with(Principal::new("a")),
            with(PeerCertificate::new("a")),
        ];
        let all: Vec<_> = all.iter().map(|parts| admit(&credentials, parts).unwrap()).collect();
        for (at, one) in all.iter().enumerate() {
            assert_eq!(all.iter().position(|other| other == one), Some(at));
        }
        assert_eq!(admit(&credentials, &with(Session)), Err(NotAdmitted));
        assert!(credentials.are_shown());
    }

    #[test]
    fn across_users_nobody_is_anybody() {
        let mut credentials =
            Credentials { sharing: Sharing::AcrossUsers, ..Credentials::default() };
        credentials.add_extension::<Session>();
        let mut a = with(Principal::new("a"));
        a.extensions.insert(Session);
        assert_eq!(admit(&credentials, &a), admit(&credentials, &parts(&[("cookie", "b")])));
        credentials.strip(&mut a.extensions);
        assert!(!credentials.are_in(&a));
    }

    #[test]
    fn every_layer_has_a_secret_of_its_own() {
        assert_ne!(Credentials::default().secret, Credentials::default().secret);
        assert_eq!(format!("{:?}", Principal::new("ada")), "Principal(..)");
    }
}
