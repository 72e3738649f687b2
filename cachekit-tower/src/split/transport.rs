//! How a token travels.

use std::time::Duration;

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::Kind;

const COOKIE: &str = "__Host-cachekit";
const HEADER: HeaderName = HeaderName::from_static("cachekit-session");
const METADATA: HeaderName = HeaderName::from_static("cachekit-session-bin");
/// What is longer is no token, and is not decoded.
const LONGEST: usize = 1024;

/// How a session's token travels over HTTP. Over gRPC it is the metadata `cachekit-session-bin`, both ways.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Transport {
    /// The cookie `__Host-cachekit`, which browsers bring back by themselves, over TLS only.
    #[default]
    Cookie,
    /// The header `Cachekit-Session`, which the client has to bring back.
    Header,
}

/// What a request brought for a token: nothing, something that is none, or its bytes.
pub(super) enum Brought {
    Nothing,
    Garbage,
    Token(Vec<u8>),
}

impl Transport {
    /// Takes the token out of a request: nobody inside is to see it.
    pub(super) fn take(self, kind: Kind, headers: &mut HeaderMap) -> Brought {
        let text = match (kind, self) {
            (Kind::Grpc, _) => headers.remove(METADATA),
            (Kind::Http, Self::Header) => headers.remove(HEADER),
            (Kind::Http, Self::Cookie) => take_cookie(headers),
        };
        let Some(text) = text else { return Brought::Nothing };
        if text.len() > LONGEST {
            return Brought::Garbage;
        }
        let text = text.as_bytes();
        let bytes = match kind {
            // Clients may pad it.
            Kind::Grpc => STANDARD_NO_PAD.decode(
                text.strip_suffix(b"=")
                    .map_or(text, |text| text.strip_suffix(b"=").unwrap_or(text)),
            ),
            Kind::Http => URL_SAFE_NO_PAD.decode(text),
        };
        bytes.map_or(Brought::Garbage, Brought::Token)
    }

    /// Puts a token into a response.
    pub(super) fn put(self, kind: Kind, headers: &mut HeaderMap, token: &[u8], max_age: Duration) {
        let text = match kind {
            Kind::Grpc => STANDARD_NO_PAD.encode(token),
            Kind::Http => URL_SAFE_NO_PAD.encode(token),
        };
        let (name, text) = match (kind, self) {
            (Kind::Grpc, _) => (METADATA, text),
            (Kind::Http, Self::Header) => (HEADER, text),
            (Kind::Http, Self::Cookie) => (header::SET_COOKIE, cookie(&text, max_age)),
        };
        let value = HeaderValue::try_from(text).expect("base64 is fit for a header");
        if name == header::SET_COOKIE {
            headers.append(name, value);
        } else {
            headers.insert(name, value);
        }
    }
}

fn cookie(text: &str, max_age: Duration) -> String {
    let seconds = max_age.as_secs();
    format!("{COOKIE}={text}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={seconds}")
}

/// Takes our cookie out of the lines of cookies and leaves the others as they are.
fn take_cookie(headers: &mut HeaderMap) -> Option<HeaderValue> {
    let has_ours = |line: &HeaderValue| pairs(line.as_bytes()).any(|pair| ours(pair).is_some());
    if !headers.get_all(header::COOKIE).iter().any(has_ours) {
        return None;
    }
    let lines: Vec<_> = headers.get_all(header::COOKIE).iter().cloned().collect();
    headers.remove(header::COOKIE);
    let mut taken = None;
    for line in lines {
        let mut rest = Vec::with_capacity(line.len());
        for pair in pairs(line.as_bytes()) {
            match ours(pair) {
                Some(text) => taken = taken.or_else(|| HeaderValue::from_bytes(text).ok()),
                None if rest.is_empty() => rest.extend(pair),
                None => rest.extend([b"; ", pair].concat()),
            }
        }
        if let (false, Ok(rest)) = (rest.is_empty(), HeaderValue::from_bytes(&rest)) {
            headers.append(header::COOKIE, rest);
        }
    }
    taken
}

fn pairs(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|byte| *byte == b';').map(<[u8]>::trim_ascii).filter(|pair| !pair.is_empty())
}

fn ours(pair: &[u8]) -> Option<&[u8]> {
    pair.strip_prefix(COOKIE.as_bytes())?.strip_prefix(b"=")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookies(lines: &[&'static str]) -> HeaderMap {
        lines.iter().map(|line| (header::COOKIE, HeaderValue::from_static(line))).collect()
    }

    fn taken(headers: &mut HeaderMap) -> Option<Vec<u8>> {
        match Transport::Cookie.take(Kind::Http, headers) {
            Brought::Nothing => None,
            Brought::Garbage => Some(b"garbage".to_vec()),
            Brought::Token(token) => Some(token),
        }
    }

    #[test]
    fn our_cookie_is_taken_and_the_others_stay() {
        let mut headers = cookies(&["a=1; __Host-cachekit=YWJj; b=2", "__Host-cachekit=eA", "c=3"]);
        assert_eq!(taken(&mut headers).as_deref(), Some(&b"abc"[..]));
        let left: Vec<_> = headers.get_all(header::COOKIE).iter().collect();
        assert_eq!(left, ["a=1; b=2", "c=3"]);
        let mut alone = cookies(&["__Host-cachekit=YWJj"]);
        assert!(taken(&mut alone).is_some() && alone.is_empty());
        let mut others = cookies(&["a=1;b=2", "x__Host-cachekit=YWJj", "__Host-cachekitten=1"]);
        let before = others.clone();
        assert_eq!((taken(&mut others), others), (None, before));
    }

    #[test]
    fn what_is_no_base64_or_too_long_is_garbage() {
        let long = format!("__Host-cachekit={}", "A".repeat(1025));
        for text in ["__Host-cachekit=**", "__Host-cachekit=a", &long] {
            let value = HeaderValue::from_str(text).unwrap();
            let mut headers = HeaderMap::from_iter([(header::COOKIE, value)]);
            assert_eq!(taken(&mut headers).as_deref(), Some(&b"garbage"[..]), "{text}");
            assert!(headers.is_empty(), "nobody inside is to see it");
        }
    }

    #[test]
    fn a_token_comes_back_as_it_went() {
        let token: Vec<u8> = (0..=255).collect();
        for (kind, transport) in [(Kind::Grpc, Transport::Cookie), (Kind::Http, Transport::Header)]
        {
            let mut headers = HeaderMap::new();
            transport.put(kind, &mut headers, &token, Duration::from_secs(65));
            let Brought::Token(back) = transport.take(kind, &mut headers) else { panic!() };
            assert_eq!(back, token);
            assert!(headers.is_empty());
        }
        let mut headers = HeaderMap::new();
        headers.append(header::SET_COOKIE, HeaderValue::from_static("own=1"));
        Transport::Cookie.put(Kind::Http, &mut headers, b"abc", Duration::from_secs(65));
        let lines: Vec<_> = headers.get_all(header::SET_COOKIE).iter().collect();
        let ours = "__Host-cachekit=YWJj; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=65";
        assert_eq!(lines, ["own=1", ours]);
    }

    #[test]
    fn padded_metadata_is_read() {
        let padded = HeaderValue::from_static("YQ==");
        let mut headers = HeaderMap::from_iter([(METADATA, padded)]);
        let Brought::Token(token) = Transport::Cookie.take(Kind::Grpc, &mut headers) else {
            panic!()
        };
        assert_eq!(token, b"a");
    }
}
