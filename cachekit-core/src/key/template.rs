//! The text a key is expanded from, as it is carried along for logs, metrics and the audit.

use std::{fmt, sync::Arc};

/// The template of a key, such as `user:<id>`. Holds no data of any call.
#[derive(Clone)]
pub enum Template {
    /// Written in the source.
    Static(&'static str),
    /// Read at run time.
    Shared(Arc<str>),
}

impl Template {
    /// The template as it was written.
    #[inline]
    pub fn as_str(&self) -> &str {
        match self {
            Template::Static(text) => text,
            Template::Shared(text) => text,
        }
    }

    /// The template without the names of its placeholders, `user:<>`: equal for templates that expand alike.
    pub fn shape(&self) -> String {
        let mut shape = String::with_capacity(self.as_str().len());
        let mut rest = self.as_str();
        while let Some((literal, tail)) = rest.split_once('<') {
            shape.push_str(literal);
            shape.push_str("<>");
            rest = tail.split_once('>').map_or("", |(_, rest)| rest);
        }
        shape + rest
    }
}

impl PartialEq for Template {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Template {}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<&'static str> for Template {
    fn from(text: &'static str) -> Self {
        Template::Static(text)
    }
}
