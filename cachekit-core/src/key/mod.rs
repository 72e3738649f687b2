//! Keys: templates, the parts they are expanded with, and the forms a key is kept in.
//!
//! A template is literal text with placeholders, such as `user:<id>`. Expanded, its parts are escaped so that two
//! different argument lists never give one key:
//!
//! | written | for |
//! |---|---|
//! | `%25` `%3A` `%7B` `%7D`, `%XX` | `%` `:` `{` `}`, space and control characters in a value (each byte) |
//! | `%e` | an empty part |
//! | `%n` | `None`; `Some(v)` is written as `v`, after `%s` where `v` is itself an `Option` |
//! | `%,` after each item, `%.` at the end | sequences and tuples |
//! | `%[` | before a sequence or tuple that stands inside another |
//!
//! A key longer than [`MAX_TEXT`] bytes is replaced by `#` and 32 hexadecimal digits of its BLAKE3 hash.

mod arg;
mod buf;
mod escape;
mod owned;
mod parse;
mod response;
mod runtime;
mod segment;
mod stored;
mod tag;
mod template;
mod writer;

#[cfg(test)]
mod tests;

#[cfg(feature = "redis")]
pub(crate) use self::tag::fnv1a;
#[cfg(any(feature = "redis", shuttle))]
pub(crate) use self::tag::generation_of;
pub(crate) use self::tag::tag_template;
pub use self::{
    arg::KeyArg,
    buf::KeyBuf,
    owned::Key,
    response::ResponseKeys,
    runtime::RuntimeTemplate,
    segment::{Segment, Text, text},
    stored::{KeyRef, PassThrough, PassThroughState, StoredKey},
    tag::Tag,
    template::Template,
    writer::SegmentWriter,
};

/// The longest text of a key, in bytes; a longer one is replaced by its hash.
pub const MAX_TEXT: usize = 200;
