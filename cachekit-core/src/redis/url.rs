//! The Redis URL: taken apart once, and never shown with its password.

use std::fmt;
use std::path::PathBuf;

use redis::{ConnectionAddr, IntoConnectionInfo, ProtocolVersion, RedisConnectionInfo};

use crate::{Error, ErrorKind};

/// Where Redis is, and who we are there. `Debug` and `Display` show no password.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) address: Address,
    /// User, password, protocol. The database is selected by us, so that a refusal can be told apart.
    pub(super) login: RedisConnectionInfo,
    pub(super) database: i64,
    shown: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    Tcp { host: String, port: u16, tls: Tls },
    Unix(PathBuf),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tls {
    Off,
    Verified,
    /// `rediss://…#insecure`: encrypted, but with whoever answers.
    Insecure,
}

impl Target {
    /// Takes a URL apart. No message repeats it: a URL that does not parse may still hold a password.
    pub(super) fn parse(url: &str) -> Result<Target, Error> {
        let mut parsed = redis::parse_redis_url(url).ok_or_else(|| config(EXPECTED))?;
        let tls = tls(parsed.scheme(), parsed.fragment())?;
        if tls != Tls::Off {
            // The TLS stream is ours; the rest of the URL reads as without it.
            parsed.set_scheme("redis").map_err(|()| config(EXPECTED))?;
        }
        let info = parsed.into_connection_info().map_err(|_| config(EXPECTED))?;
        let (login, database) = (info.redis_settings(), info.redis_settings().db());
        let address = match info.addr() {
            ConnectionAddr::Tcp(host, port) => {
                Address::Tcp { host: host.clone(), port: *port, tls }
            }
            ConnectionAddr::Unix(path) if cfg!(unix) => Address::Unix(path.clone()),
            _ => return Err(config(EXPECTED)),
        };
        let shown = shown(&address, login, database);
        let login = login
            .clone()
            .set_db(0)
            .set_protocol(ProtocolVersion::RESP3)
            .set_lib_name("cachekit", env!("CARGO_PKG_VERSION"));
        Ok(Target { address, login, database, shown })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Target").field(&self.shown).finish()
    }
}

const EXPECTED: &str = "the URL is not one of Redis; expected \
    `redis://[user:password@]host[:port][/database]`, `rediss://…` for TLS, or `unix:///path/to/socket`";

fn config(message: &'static str) -> Error {
    Error::new(ErrorKind::Config, super::CONNECT, message)
}

fn tls(scheme: &str, fragment: Option<&str>) -> Result<Tls, Error> {
    if !matches!(scheme, "rediss" | "valkeys") {
        return Ok(Tls::Off);
    }
    if cfg!(not(feature = "redis-tls")) {
        return Err(config("`rediss://` needs cachekit's feature `redis-tls`"));
    }
    match fragment {
        None | Some("") => Ok(Tls::Verified),
        Some("insecure") => Ok(Tls::Insecure),
        Some(_) => Err(config("the only fragment of a `rediss://` URL is `#insecure`")),
    }
}

/// The URL with `***` for the password, and without what we do not know.
fn shown(address: &Address, login: &RedisConnectionInfo, database: i64) -> String {
    let user = login.username().unwrap_or_default();
    let login = match login.password() {
        Some(_) => format!("{user}:***@"),
        None if user.is_empty() => String::new(),
        None => format!("{user}@"),
    };
    match address {
        Address::Tcp { host, port, tls } => {
            let scheme = if *tls == Tls::Off { "redis" } else { "rediss" };
            let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
            let insecure = if *tls == Tls::Insecure { "#insecure" } else { "" };
            format!("{scheme}://{login}{open}{host}{close}:{port}/{database}{insecure}")
        }
        Address::Unix(path) => format!("unix://{login}{}?db={database}", path.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_form_shows_the_password() {
        for (url, shown) in [
            ("redis://:s3cret@cache.internal", "redis://:***@cache.internal:6379/0"),
            ("redis://app:s3cret@[::1]:7000/3", "redis://app:***@[::1]:7000/3"),
            ("redis://app:s3cret@cache/1?protocol=resp2", "redis://app:***@cache:6379/1"),
            (
                "unix:///run/redis.sock?db=2&user=app&pass=s3cret",
                "unix://app:***@/run/redis.sock?db=2",
            ),
        ] {
            let target = Target::parse(url).unwrap();
            assert_eq!(target.to_string(), shown);
            assert!(!format!("{target:?}").contains("s3cret"));
            assert_eq!(target.login.password(), Some("s3cret"));
        }
    }

    #[test]
    fn an_unusable_url_is_refused_without_repeating_it() {
        for url in [
            "",
            "s3cret",
            "http://:s3cret@host",
            "redis://",
            "redis://:s3cret@0.0.0.0",
            "redis://:s3cret@host/s3cret",
            "redis://:s3cret@host:99999",
            "redis://:s3cret@ho st",
        ] {
            let error = Target::parse(url).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{url}");
            let chain = format!("{error} {error:?}");
            assert!(!chain.contains("s3cret"), "{chain}");
        }
    }

    #[test]
    fn user_password_and_database_are_taken_from_the_url() {
        let target = Target::parse("redis://app:p%40ss@cache/5").unwrap();
        assert_eq!(target.login.username(), Some("app"));
        assert_eq!(target.login.password(), Some("p@ss"));
        assert_eq!(target.database, 5);
    }

    #[cfg(feature = "redis-tls")]
    #[test]
    fn tls_is_verified_unless_the_fragment_says_otherwise() {
        let tls = |url| match Target::parse(url).unwrap().address {
            Address::Tcp { tls, .. } => tls,
            Address::Unix(_) => Tls::Off,
        };
        assert_eq!(tls("rediss://host"), Tls::Verified);
        assert_eq!(tls("rediss://host#insecure"), Tls::Insecure);
        let error = Target::parse("rediss://:s3cret@host#s3cret").unwrap_err();
        assert!(!error.to_string().contains("s3cret"));
        let shown = Target::parse("rediss://:s3cret@host/2#insecure").unwrap().to_string();
        assert_eq!(shown, "rediss://:***@host:6379/2#insecure");
    }

    #[cfg(not(feature = "redis-tls"))]
    #[test]
    fn tls_without_the_feature_names_the_feature() {
        let error = Target::parse("rediss://host").unwrap_err();
        assert!(error.message().contains("`redis-tls`"), "{error}");
    }
}
