//! The key of a call under way: on the stack, hashed once.

use std::{
    fmt,
    hash::{BuildHasher, Hasher},
    sync::LazyLock,
};

use arrayvec::ArrayString;
use foldhash::quality::RandomState;

use super::{Key, KeyRef, MAX_TEXT, SegmentWriter, Template, tag};

/// Drawn for each process, since keys come from users; so a key's hash means nothing outside it.
static HASHING: LazyLock<RandomState> = LazyLock::new(RandomState::default);

#[inline]
pub(super) fn hash_text(text: &str) -> u64 {
    let mut hasher = HASHING.build_hasher();
    hasher.write(text.as_bytes());
    hasher.finish()
}

/// A key on the stack, as the hit path uses it.
pub struct KeyBuf {
    template: Template,
    hash: u64,
    text: ArrayString<MAX_TEXT>,
}

impl KeyBuf {
    /// Expands a key; `template` is what `write` writes, kept for logs.
    #[inline]
    pub fn new(template: &'static str, write: impl FnOnce(&mut SegmentWriter<'_>)) -> KeyBuf {
        let mut key = KeyBuf::blank(template);
        key.write(write);
        key
    }

    /// A key with no text yet: see [`write`](Self::write).
    #[doc(hidden)]
    #[inline(always)]
    pub fn blank(template: &'static str) -> KeyBuf {
        KeyBuf::empty(Template::Static(template))
    }

    /// Writes the text of a blank key where it stands: moving one takes as long as writing it.
    #[doc(hidden)]
    #[inline]
    pub fn write(&mut self, write: impl FnOnce(&mut SegmentWriter<'_>)) {
        self.text.clear();
        let mut writer = SegmentWriter::new(&mut self.text);
        write(&mut writer);
        writer.finish();
        self.hash = hash_text(&self.text);
    }

    #[inline(always)]
    fn empty(template: Template) -> KeyBuf {
        KeyBuf { template, hash: 0, text: ArrayString::new_const() }
    }

    /// The template.
    #[inline]
    pub fn template(&self) -> &Template {
        &self.template
    }

    /// What a look-up needs.
    // Not `AsRef`: the result is a value that borrows.
    #[allow(clippy::should_implement_trait)]
    #[inline]
    pub fn as_ref(&self) -> KeyRef<'_> {
        KeyRef { hash: self.hash, text: &self.text }
    }

    /// The key in its owned form.
    pub fn into_key(self) -> Key {
        self.to_key()
    }

    /// An owned copy.
    pub fn to_key(&self) -> Key {
        Key::from_parts(self.template.clone(), self.hash, &self.text)
    }
}

impl From<Key> for KeyBuf {
    fn from(key: Key) -> Self {
        let mut buf = KeyBuf::empty(key.template.clone());
        if key.is_tag() {
            buf.text = tag::outside(key.as_str());
            buf.hash = hash_text(&buf.text);
            return buf;
        }
        buf.text.push_str(key.as_str());
        buf.hash = key.hash();
        buf
    }
}

impl fmt::Debug for KeyBuf {
    /// Shows the template only: the text may hold personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeyBuf").field(&self.template).finish()
    }
}
