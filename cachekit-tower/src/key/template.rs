//! A key template over the pieces of a request.

use std::borrow::Cow;

use cachekit_core::{Key, SegmentWriter, key::RuntimeTemplate};
use http::{HeaderName, request::Parts};

use super::{KeyMissing, PathPattern, host, original_uri, path, query};

/// A template, its placeholders understood.
#[derive(Clone, Debug)]
pub(super) struct Template {
    template: RuntimeTemplate,
    pieces: Vec<(String, Piece)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Path,
    Query(String),
    Header(HeaderName),
    Host,
}

impl Template {
    pub(super) fn parse(written: &str) -> Result<Self, String> {
        let template = RuntimeTemplate::parse(written).map_err(|error| error.to_string())?;
        let piece = |name: &str| Piece::parse(name).map(|piece| (name.to_owned(), piece));
        let pieces = template.placeholders().map(piece).collect::<Result<_, _>>();
        let pieces = pieces.map_err(|wrong| {
            let known = "`<name>` (of the path), `<query.name>`, `<header.name>` or `<host>`";
            format!("key template `{}`: `<{wrong}>` is none of {known}", written.escape_debug())
        })?;
        Ok(Self { template, pieces })
    }

    /// The headers that it names.
    pub(super) fn headers(&self) -> impl Iterator<Item = &HeaderName> {
        self.pieces.iter().filter_map(|(_, piece)| match piece {
            Piece::Header(name) => Some(name),
            _ => None,
        })
    }

    /// The parameters of the path that it names.
    pub(super) fn params(&self) -> impl Iterator<Item = &str> {
        let own = |(name, piece): &(String, Piece)| *piece == Piece::Path && !name.is_empty();
        self.pieces.iter().filter(move |piece| own(piece)).map(|(name, _)| name.as_str())
    }

    /// How many placeholders it has.
    pub(super) fn placeholders(&self) -> usize {
        self.pieces.len()
    }

    /// The text of its first placeholder.
    pub(super) fn first(&self, parts: &mut Parts, pattern: Option<&PathPattern>) -> Option<String> {
        let (name, piece) = self.pieces.first()?;
        piece.text(name, parts, pattern).map(Cow::into_owned)
    }

    pub(super) fn expand(
        &self,
        parts: &mut Parts,
        pattern: Option<&PathPattern>,
    ) -> Result<Key, KeyMissing> {
        let mut pieces = self.pieces.iter();
        self.template.expand(|_, w| {
            let (name, piece) = pieces.next().ok_or(KeyMissing)?;
            piece.write(name, parts, pattern, w).ok_or(KeyMissing)
        })
    }
}

impl Piece {
    fn parse(name: &str) -> Result<Self, String> {
        let wrong = || name.to_owned();
        match name.split_once('.') {
            None if name == "host" => Ok(Self::Host),
            None if name.contains("::") => Err(wrong()),
            None => Ok(Self::Path),
            Some(("query", rest)) => Ok(Self::Query(rest.to_owned())),
            Some(("header", rest)) => {
                let header = rest.replace('_', "-").parse().map_err(|_| wrong())?;
                Ok(Self::Header(header))
            }
            Some(_) => Err(wrong()),
        }
    }

    fn write(
        &self,
        name: &str,
        parts: &mut Parts,
        pattern: Option<&PathPattern>,
        w: &mut SegmentWriter<'_>,
    ) -> Option<()> {
        w.str(&self.text(name, parts, pattern)?);
        Some(())
    }

    fn text<'p>(
        &self,
        name: &str,
        parts: &'p mut Parts,
        pattern: Option<&PathPattern>,
    ) -> Option<Cow<'p, str>> {
        match self {
            Self::Path => match pattern {
                Some(pattern) => pattern.param(original_uri(parts).path(), name),
                None => path::routed(parts, name).map(Cow::Owned),
            },
            Self::Query(name) => query::single(parts.uri.query(), name),
            Self::Header(name) => header(parts, name).map(Cow::Borrowed),
            Self::Host => host(parts),
        }
    }
}

fn header<'p>(parts: &'p Parts, name: &HeaderName) -> Option<&'p str> {
    let mut lines = parts.headers.get_all(name).iter();
    let (line, None) = (lines.next()?, lines.next()) else { return None };
    line.to_str().ok().map(str::trim)
}
