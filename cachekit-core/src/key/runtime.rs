//! Templates read at run time, from a configuration or a layer's builder.

use std::{ops::Range, sync::Arc};

use super::{
    Key, SegmentWriter, Template,
    parse::{Piece, parse},
};
use crate::error::{Error, ErrorKind};

/// A key template that is read at run time.
///
/// The grammar and the escaping are those of `key!`: literal text, which it begins with, and placeholders, between two
/// of which stands a `:` (or a space or brace).
///
/// ```
/// use cachekit_core::{Segment, key::RuntimeTemplate};
///
/// let template = RuntimeTemplate::parse("user:<tenant>:<id>")?;
/// let key = template.expand(|name, w| {
///     match name {
///         "tenant" => "a:b".write(w),
///         _ => 7.write(w),
///     }
///     Ok::<(), cachekit_core::Error>(())
/// })?;
/// assert_eq!(key.as_str(), "user:a%3Ab:7");
/// # Ok::<(), cachekit_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct RuntimeTemplate {
    text: Arc<str>,
    pieces: Arc<[Part]>,
}

#[derive(Clone, Debug)]
enum Part {
    Literal(Range<usize>),
    Placeholder(Range<usize>),
}

impl RuntimeTemplate {
    /// Reads a template.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidKey`], with what is wrong and what to write instead.
    pub fn parse(template: &str) -> Result<RuntimeTemplate, Error> {
        let text: Arc<str> = template.into();
        let pieces = parse(&text).map_err(|message| {
            Error::new(ErrorKind::InvalidKey, "parse key template", message)
                .with_template(Template::Shared(text.clone()))
        })?;
        let mut end = 0;
        let pieces = pieces.into_iter().map(|piece| Part::after(&mut end, piece)).collect();
        Ok(RuntimeTemplate { text, pieces })
    }

    /// The template as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The template in the form keys carry it.
    pub fn template(&self) -> Template {
        Template::Shared(self.text.clone())
    }

    /// The placeholders' names in their order, such as `id` or `user.id`; a name used twice is given twice.
    pub fn placeholders(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|part| match part {
            Part::Placeholder(name) => Some(&self.text[name.clone()]),
            Part::Literal(_) => None,
        })
    }

    /// Makes a key; `write` is called for each placeholder, in order, with its name.
    ///
    /// # Errors
    ///
    /// The first error of `write`.
    pub fn expand<E>(
        &self,
        mut write: impl FnMut(&str, &mut SegmentWriter<'_>) -> Result<(), E>,
    ) -> Result<Key, E> {
        Key::try_new(&self.text, |w| {
            self.pieces.iter().try_for_each(|part| match part {
                Part::Literal(text) => {
                    w.literal(&self.text[text.clone()]);
                    Ok(())
                }
                Part::Placeholder(name) => w.try_segment(|w| write(&self.text[name.clone()], w)),
            })
        })
    }
}

impl Part {
    /// The part that follows `end`, which moves behind it.
    fn after(end: &mut usize, piece: Piece<'_>) -> Part {
        let start = *end;
        match piece {
            Piece::Literal(text) => {
                *end += text.len();
                Part::Literal(start..*end)
            }
            Piece::Placeholder(name) => {
                *end += "<>".len() + name.len();
                Part::Placeholder(start + 1..*end - 1)
            }
        }
    }
}
