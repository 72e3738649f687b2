//! Request headers that responses may depend on, and how their values are made few.

use std::{fmt, sync::Arc};

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// The encodings that are told apart, best first.
const ENCODINGS: [&str; 3] = ["br", "zstd", "gzip"];

/// Makes one value of a request header's lines: what is part of identities, and what the handler sees in their place.
///
/// Implemented for closures. Requests whose values come out the same share responses.
pub trait Normalize: Send + Sync + 'static {
    /// The value for these lines, of which there may be none; `None` hides the header.
    fn normalize(&self, lines: &[&HeaderValue]) -> Option<HeaderValue>;
}

impl<F> Normalize for F
where
    F: Fn(&[&HeaderValue]) -> Option<HeaderValue> + Send + Sync + 'static,
{
    fn normalize(&self, lines: &[&HeaderValue]) -> Option<HeaderValue> {
        self(lines)
    }
}

/// A request header that is part of identities.
#[derive(Clone)]
pub(crate) struct Declared {
    pub(crate) name: HeaderName,
    normalize: Arc<dyn Normalize>,
}

impl Declared {
    /// With the normaliser that its name has by default.
    pub(crate) fn new(name: HeaderName) -> Self {
        match name {
            header::ACCEPT_ENCODING => Self::with(name, best_encoding),
            _ => Self::with(name, joined),
        }
    }

    pub(crate) fn with(name: HeaderName, normalize: impl Normalize) -> Self {
        Self { name, normalize: Arc::new(normalize) }
    }

    /// Puts the one value in the place of what a request says.
    pub(crate) fn apply(&self, headers: &mut HeaderMap) {
        let lines: Vec<_> = headers.get_all(&self.name).iter().collect();
        match self.normalize.normalize(&lines) {
            Some(value) => drop(headers.insert(self.name.clone(), value)),
            None => drop(headers.remove(&self.name)),
        }
    }
}

impl fmt::Debug for Declared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.name, f)
    }
}

/// `Accept-Language`: the first of these that the client takes, by its weights; else the first one.
#[derive(Clone, Debug)]
pub(crate) struct Languages(pub(crate) Vec<String>);

impl Normalize for Languages {
    fn normalize(&self, lines: &[&HeaderValue]) -> Option<HeaderValue> {
        let wanted = weighted(lines);
        let rank = |offered: &String| {
            let fits = wanted.iter().filter(|(range, _)| covers(range, offered));
            fits.map(|(range, weight)| (range.len(), *weight)).max().map_or(0, |(_, weight)| weight)
        };
        let best = self.0.iter().rev().max_by_key(|offered| rank(offered))?;
        HeaderValue::try_from(best.as_str()).ok()
    }
}

fn covers(range: &str, offered: &str) -> bool {
    let offered = offered.to_ascii_lowercase();
    range == "*"
        || offered == range
        || offered.strip_prefix(range).is_some_and(|rest| rest.starts_with('-'))
}

/// The best of `br`, `zstd` and `gzip` that the client takes, else `identity`.
fn best_encoding(lines: &[&HeaderValue]) -> Option<HeaderValue> {
    let wanted = weighted(lines);
    let weight = |name: &str| {
        let own = wanted.iter().find(|(coding, _)| coding == name);
        let any = || wanted.iter().find(|(coding, _)| coding == "*");
        own.or_else(any).map_or(0, |(_, weight)| *weight)
    };
    let best = ENCODINGS.iter().find(|name| weight(name) > 0);
    Some(HeaderValue::from_static(best.copied().unwrap_or("identity")))
}

/// The members of a list with their weights in thousandths.
fn weighted(lines: &[&HeaderValue]) -> Vec<(String, u16)> {
    let members =
        lines.iter().filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','));
    members.filter_map(weighted_member).collect()
}

fn weighted_member(member: &str) -> Option<(String, u16)> {
    let mut parts = member.split(';').map(str::trim);
    let name = parts.next().filter(|name| !name.is_empty())?.to_ascii_lowercase();
    let quality = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
    let weight = match quality {
        None => 1000,
        Some(text) => text.parse::<f32>().ok().map_or(0, |q| (q.clamp(0.0, 1.0) * 1000.0) as u16),
    };
    Some((name, weight))
}

/// Trimmed, and several lines joined.
fn joined(lines: &[&HeaderValue]) -> Option<HeaderValue> {
    let parts: Vec<_> = lines.iter().map(|line| line.as_bytes().trim_ascii()).collect();
    (!parts.is_empty()).then(|| HeaderValue::from_bytes(&parts.join(&b", "[..])).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(declared: &Declared, lines: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(declared.name.clone(), line.parse().unwrap());
        }
        declared.apply(&mut headers);
        assert!(headers.get_all(&declared.name).iter().count() <= 1);
        headers.get(&declared.name).map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn encodings_become_one_of_four() {
        let encoding = Declared::new(header::ACCEPT_ENCODING);
        let table: &[(&[&str], &str)] = &[
            (&[], "identity"),
            (&["gzip"], "gzip"),
            (&["gzip, deflate, BR"], "br"),
            (&["gzip", "zstd;q=0.5"], "zstd"),
            (&["br;q=0, gzip;q=0.1"], "gzip"),
            (&["*"], "br"),
            (&["br;q=0, *;q=0.5"], "zstd"),
            (&["deflate"], "identity"),
            (&["br;q=x"], "identity"),
        ];
        for (lines, expected) in table {
            assert_eq!(normal(&encoding, lines).as_deref(), Some(*expected), "{lines:?}");
        }
    }

    #[test]
    fn languages_become_one_of_those_offered() {
        let offered = ["en", "de-AT", "fr"].map(str::to_owned).to_vec();
        let language = Declared::with(header::ACCEPT_LANGUAGE, Languages(offered));
        let table: &[(&[&str], &str)] = &[
            (&[], "en"),
            (&["de"], "de-AT"),
            (&["de-CH"], "en"),
            (&["fr;q=0.5, de;q=0.9"], "de-AT"),
            (&["it, *;q=0.1"], "en"),
            (&["fr;q=0.2, *;q=0.1"], "fr"),
            (&["en;q=0, fr;q=0.1"], "fr"),
        ];
        for (lines, expected) in table {
            assert_eq!(normal(&language, lines).as_deref(), Some(*expected), "{lines:?}");
        }
    }

    #[test]
    fn others_are_trimmed_and_joined() {
        let plain = Declared::new(HeaderName::from_static("x-tenant"));
        assert_eq!(normal(&plain, &[]), None);
        assert_eq!(normal(&plain, &[" a "]).as_deref(), Some("a"));
        assert_eq!(normal(&plain, &["a", " b"]).as_deref(), Some("a, b"));
    }
}
