//! The key that callers hold: owned, short ones inline.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use arrayvec::ArrayString;

use super::{KeyRef, SegmentWriter, Template, buf::hash_text};

/// The longest text kept without an allocation.
const INLINE: usize = 62;

/// A cache key.
///
/// Made by `key!("user:<id>")`, a companion function (`find_user_key(7)`), or by
/// [`RuntimeTemplate::expand`](super::RuntimeTemplate::expand). `Debug` shows the template only, since the text may hold
/// personal data; there is no `Display`.
#[derive(Clone)]
pub struct Key {
    pub(super) template: Template,
    hash: u64,
    text: Repr,
}

#[derive(Clone)]
enum Repr {
    Inline(ArrayString<INLINE>),
    Boxed(Box<str>),
}

impl Key {
    /// Expands a key; `template` is what `write` writes, kept for logs.
    pub(super) fn try_new<E>(
        template: &Arc<str>,
        write: impl FnOnce(&mut SegmentWriter<'_>) -> Result<(), E>,
    ) -> Result<Key, E> {
        let mut text = ArrayString::new_const();
        let mut writer = SegmentWriter::new(&mut text);
        write(&mut writer)?;
        writer.finish();
        Ok(Key::from_parts(Template::Shared(template.clone()), hash_text(&text), &text))
    }

    pub(super) fn from_parts(template: Template, hash: u64, text: &str) -> Key {
        let text = ArrayString::from(text).map_or_else(|_| Repr::Boxed(text.into()), Repr::Inline);
        Key { template, hash, text }
    }

    /// The key whose text was kept, as [`as_str`](Self::as_str) gave it. Its template is not known any more.
    #[cfg(any(feature = "events", feature = "_sqlx"))]
    #[cfg_attr(not(feature = "events"), allow(dead_code))]
    pub(crate) fn from_text(text: &str) -> Option<Key> {
        let subject = super::tag::subject_of(text);
        let fits = !subject.is_empty() && subject.len() <= super::MAX_TEXT;
        let odd = text.contains(|c: char| c.is_control() || matches!(c, '{' | '}'));
        let hash = hash_text(text);
        (fits && !odd).then(|| Key::from_parts(Template::Static("(stored)"), hash, text))
    }

    /// The template this key was expanded from, such as `user:<id>`.
    pub fn template(&self) -> &str {
        self.template.as_str()
    }

    /// The template in the form it is carried in.
    pub fn to_template(&self) -> Template {
        self.template.clone()
    }

    /// The expanded text, at most [`MAX_TEXT`](super::MAX_TEXT) bytes. It may hold personal data: log the template.
    pub fn as_str(&self) -> &str {
        match &self.text {
            Repr::Inline(text) => text,
            Repr::Boxed(text) => text,
        }
    }

    /// The hash of the text, valid in this process only.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// What a look-up needs.
    // Not `AsRef`: the result is a value that borrows.
    #[allow(clippy::should_implement_trait)]
    pub fn as_ref(&self) -> KeyRef<'_> {
        KeyRef { hash: self.hash, text: self.as_str() }
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl fmt::Debug for Key {
    /// Shows the template only: the text may hold personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Key").field(&self.template).finish()
    }
}
