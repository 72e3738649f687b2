//! Queries: their parameters, and those that a layer hides.

use std::borrow::Cow;

use http::Uri;

/// The one value of a parameter. None, or more than one: `None`.
pub(super) fn single<'q>(query: Option<&'q str>, name: &str) -> Option<Cow<'q, str>> {
    let mut values = pairs(query?).filter(|(key, _)| decoded(key).as_deref() == Some(name));
    let (_, value) = values.next()?;
    if values.next().is_some() {
        return None;
    }
    decoded(value)
}

/// Name and value of each parameter, as they are written. `&` alone stands between them.
fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    let pieces = query.split('&').filter(|piece| !piece.is_empty());
    pieces.map(|piece| piece.split_once('=').unwrap_or((piece, "")))
}

/// A text of a form without its escapes; `None` where that is no UTF-8.
fn decoded(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains(['%', '+']) {
        return Some(Cow::Borrowed(text));
    }
    unescaped(text, true).map(Cow::Owned)
}

/// A text without its escapes. Those that are none stand as they are.
pub(super) fn unescaped(text: &str, plus_is_space: bool) -> Option<String> {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(&byte) = bytes.get(at) {
        let pair = bytes.get(at + 1).zip(bytes.get(at + 2)).filter(|_| byte == b'%');
        let value = pair.and_then(|(high, low)| Some(digit(*high)? << 4 | digit(*low)?));
        out.push(match byte {
            b'+' if plus_is_space => b' ',
            _ => value.unwrap_or(byte),
        });
        at += if value.is_some() { 3 } else { 1 };
    }
    String::from_utf8(out).ok()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// Which parameters count. The others are hidden from the handler as well.
#[derive(Clone, Debug, Default)]
pub(crate) enum Rule {
    #[default]
    All,
    Only(Vec<String>),
    /// A `*` at the end stands for anything.
    Ignore(Vec<String>),
}

impl Rule {
    fn keeps(&self, name: &str) -> bool {
        let Some(name) = decoded(name) else { return matches!(self, Self::All | Self::Ignore(_)) };
        match self {
            Self::All => true,
            Self::Only(names) => names.iter().any(|only| *only == *name),
            Self::Ignore(patterns) => !patterns.iter().any(|pattern| matches(pattern, &name)),
        }
    }

    /// The URI without what does not count; `None`: all of it does.
    pub(crate) fn rewritten(&self, uri: &Uri) -> Option<Uri> {
        if matches!(self, Self::All) {
            return None;
        }
        let kept: Vec<_> =
            uri.query()?.split('&').filter(|piece| self.keeps_piece(piece)).collect();
        let path = match kept.is_empty() {
            true => uri.path().to_owned(),
            false => format!("{}?{}", uri.path(), kept.join("&")),
        };
        let mut parts = uri.clone().into_parts();
        parts.path_and_query = Some(path.parse().ok()?);
        Uri::from_parts(parts).ok()
    }

    fn keeps_piece(&self, piece: &str) -> bool {
        !piece.is_empty() && self.keeps(piece.split('=').next().unwrap_or(piece))
    }
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => pattern == name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_is_found_and_two_are_none() {
        let single = |query, name| single(Some(query), name).map(Cow::into_owned);
        assert_eq!(single("a=1&b=x%20y+z", "b").unwrap(), "x y z");
        assert_eq!(single("%61=1", "a").unwrap(), "1");
        assert_eq!(single("a", "a").unwrap(), "");
        assert_eq!(single("a=1&a=2", "a"), None);
        assert_eq!(single("a=1&%61=2", "a"), None);
        assert_eq!(single("a=1;b=2", "b"), None);
        assert_eq!(single("a=%ff", "a"), None);
        assert_eq!(single("a=%zz%4", "a").unwrap(), "%zz%4");
    }

    #[test]
    fn what_does_not_count_is_taken_out() {
        let only = Rule::Only(vec!["a".into(), "b".into()]);
        let ignore = Rule::Ignore(vec!["utm_*".into(), "ref".into()]);
        let uri: Uri = "/p?b=2&utm_x=1&a=1&%75tm_y=2&ref=3&refs=4&utm_z".parse().unwrap();
        assert_eq!(only.rewritten(&uri).unwrap(), "/p?b=2&a=1");
        assert_eq!(ignore.rewritten(&uri).unwrap(), "/p?b=2&a=1&refs=4");
        assert_eq!(only.rewritten(&"http://h/p?c=1".parse().unwrap()).unwrap(), "http://h/p");
        assert_eq!(Rule::All.rewritten(&uri), None);
    }
}
