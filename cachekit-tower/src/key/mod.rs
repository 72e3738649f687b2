//! Keys of requests: what writers name.
//!
//! | piece of a template | is |
//! |---|---|
//! | `<name>` | a parameter of the path, as the router decoded it |
//! | `<query.name>`, `<header.name>` | its value; a `_` in a header's name stands for `-` |
//! | `<host>` | the authority, in lower case, without the default port |
//!
//! What is missing, or is there twice, makes [`KeyMissing`]. Up to eight keys.

mod host;
mod keys;
mod path;
mod query;
mod template;

pub use keys::KeyMissing;
use path::{PathPattern, is_matched};
pub(crate) use {
    host::host,
    keys::{KeyFn, Keys},
    path::original_uri,
    query::Rule,
};
