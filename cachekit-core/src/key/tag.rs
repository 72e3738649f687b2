//! Tags: keys that entries are stamped with, and the keys that their generations are kept under.

use std::fmt;

use arrayvec::ArrayString;

use super::{Key, KeyRef, MAX_TEXT, SegmentWriter, Template, buf::hash_text};

/// What the key of a generation begins with. No template does.
pub(super) const PREFIX: &str = "~t:";

const LONGEST: usize = MAX_TEXT + PREFIX.len();

/// The key that a tag's generation is kept under, on the stack.
#[derive(Clone)]
pub struct Tag {
    template: Template,
    hash: u64,
    text: ArrayString<LONGEST>,
}

impl Tag {
    /// Expands a tag; `template` is what `write` writes, kept for the audit.
    #[inline]
    pub fn new(template: &'static str, write: impl FnOnce(&mut SegmentWriter<'_>)) -> Tag {
        let mut text = ArrayString::new_const();
        let mut writer = SegmentWriter::new(&mut text);
        write(&mut writer);
        writer.finish();
        Tag::of(Template::Static(template), &text)
    }

    #[inline]
    fn of(template: Template, subject: &str) -> Tag {
        let mut text = ArrayString::new_const();
        text.push_str(PREFIX);
        text.push_str(subject);
        Tag { template, hash: hash_text(&text), text }
    }

    /// The tag that a key is, unless it is that of a generation already.
    pub(crate) fn of_key(key: &KeyRef<'_>) -> Option<Tag> {
        (!is_reserved(key.text)).then(|| Tag::of(Template::Static(""), key.text))
    }

    /// The template of the tag itself.
    pub(crate) fn template(&self) -> &str {
        self.template.as_str()
    }

    /// The key of the generation.
    // Not `AsRef`: the result is a value that borrows.
    #[allow(clippy::should_implement_trait)]
    #[inline]
    pub fn as_ref(&self) -> KeyRef<'_> {
        KeyRef { hash: self.hash, text: &self.text }
    }

    /// The key that the tag is.
    pub(crate) fn subject(&self) -> KeyRef<'_> {
        let text = &self.text[PREFIX.len()..];
        KeyRef { hash: hash_text(text), text }
    }

    /// The key of the generation, owned.
    #[cfg(any(feature = "redis", shuttle))]
    pub(crate) fn to_key(&self) -> Key {
        Key::from_parts(self.template.clone(), self.hash, &self.text)
    }

    /// The tag's name in entries: the same in every process.
    #[cfg_attr(not(feature = "redis"), allow(dead_code))]
    pub(crate) fn name(&self) -> u64 {
        fnv1a(self.text[PREFIX.len()..].as_bytes())
    }
}

impl From<&Key> for Tag {
    fn from(key: &Key) -> Tag {
        let (text, template) = (key.as_str(), key.template());
        match (text.strip_prefix(PREFIX), tag_template(template)) {
            (Some(subject), Some(template)) => Tag::of(Template::Shared(template.into()), subject),
            (Some(subject), None) => Tag::of(key.template.clone(), subject),
            (None, _) => Tag::of(key.template.clone(), text),
        }
    }
}

impl From<Key> for Tag {
    fn from(key: Key) -> Tag {
        Tag::from(&key)
    }
}

impl fmt::Debug for Tag {
    /// Shows the template only: the text may hold personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tag").field(&self.template).finish()
    }
}

impl Key {
    /// The key that stands for this tag wherever keys are invalidated.
    ///
    /// `cache.invalidate(key.to_tag())` is [`Cache::invalidate_tag(key)`](crate::Cache::invalidate_tag), and so with
    /// transactions, the outbox and events of invalidations. Receipts name a tag by it. Nothing can be read under it.
    ///
    /// ```
    /// use cachekit::key;
    ///
    /// let org = 7;
    /// let tag = key!("org:<org>").to_tag();
    /// assert!(tag.is_tag());
    /// assert_eq!(tag.as_str(), "~t:org:7");
    /// assert_eq!(tag.template(), "~t:org:<org>");
    /// ```
    #[must_use]
    pub fn to_tag(&self) -> Key {
        if self.is_tag() {
            return self.clone();
        }
        let template = Template::Shared([PREFIX, self.template()].concat().into());
        let tag = Tag::from(self);
        Key::from_parts(template, tag.hash, &tag.text)
    }

    /// Whether this stands for a tag: see [`to_tag`](Self::to_tag).
    #[must_use]
    pub fn is_tag(&self) -> bool {
        self.as_str().starts_with(PREFIX)
    }
}

/// Whether a text is that of a key of the library's own.
pub(super) fn is_reserved(text: &str) -> bool {
    text.starts_with('~')
}

/// The text of the key that belongs to a generation's.
#[cfg(any(feature = "events", feature = "_sqlx"))]
pub(super) fn subject_of(text: &str) -> &str {
    text.strip_prefix(PREFIX).unwrap_or(text)
}

/// The text of the key that the generation of this key is kept under, whoever uses it as a tag.
#[cfg(any(feature = "redis", shuttle))]
pub(crate) fn generation_of(key: &str) -> Option<String> {
    (!is_reserved(key)).then(|| [PREFIX, key].concat())
}

/// The template without what marks it as a tag's.
pub(crate) fn tag_template(template: &str) -> Option<&str> {
    template.strip_prefix(PREFIX)
}

/// Not proof against those who choose tags: an entry's generations are compared as well, and those nobody chooses.
pub(crate) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// A key that stands for a tag is given a text of its own: what is read under it is no generation.
pub(super) fn outside(text: &str) -> ArrayString<MAX_TEXT> {
    let mut outside = ArrayString::new_const();
    outside.push('#');
    outside.push_str(&blake3::hash(text.as_bytes()).to_hex()[..32]);
    outside
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::KeyBuf;

    fn key(text: &str) -> Key {
        KeyBuf::new("t:<text>", |w| {
            w.literal("t:");
            w.value(text);
        })
        .into_key()
    }

    #[test]
    fn a_tag_is_one_however_it_is_made() {
        for text in ["7", "", &"x".repeat(195), &"x".repeat(198), &"x".repeat(400)] {
            let made = Tag::new("t:<text>", |w| {
                w.literal("t:");
                w.value(text);
            });
            let key = key(text);
            for tag in [Tag::from(&key), Tag::from(key.to_tag()), made] {
                assert_eq!(tag.as_ref(), key.to_tag().as_ref());
                assert_eq!(tag.as_ref().hash, key.to_tag().hash());
                assert_eq!(tag.subject(), key.as_ref());
                assert_eq!(tag.subject().hash, key.hash());
            }
            assert_eq!(key.to_tag().to_tag(), key.to_tag());
            assert!(!key.is_tag());
        }
    }

    #[test]
    fn a_tag_s_key_that_is_read_is_no_generation_s() {
        let tag = key(&"x".repeat(198)).to_tag();
        let buf = KeyBuf::from(tag.clone());
        assert_ne!(buf.as_ref(), tag.as_ref());
        assert!(buf.as_ref().text.starts_with('#'));
    }

    /// As outboxes and events carry it.
    #[cfg(any(feature = "events", feature = "_sqlx"))]
    #[test]
    fn a_tag_s_key_is_known_by_its_text() {
        for text in ["7", &"x".repeat(198), &"x".repeat(400)] {
            let tag = key(text).to_tag();
            let again = Key::from_text(tag.as_str()).unwrap();
            assert_eq!((again.is_tag(), again), (true, tag));
        }
        assert_eq!(Key::from_text("~t:"), None);
    }

    #[test]
    fn names_are_the_same_in_every_process() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(Tag::from(&key("7")).name(), fnv1a(b"t:7"));
    }
}
