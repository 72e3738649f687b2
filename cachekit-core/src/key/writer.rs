//! The writer that the parts of a key are written with: escapes, separates and, past the limit, hashes.

use std::fmt;

use arrayvec::ArrayString;

use super::{MAX_TEXT, Segment, escape};

/// No `Some` is open.
const NOWHERE: usize = usize::MAX;

/// Writes the parts of a key.
///
/// What [`Segment`] implementations get. Nothing is allocated: text past the longest key is hashed as it comes.
pub struct SegmentWriter<'a> {
    text: &'a mut ArrayString<MAX_TEXT>,
    /// Holds the whole text once it no longer fits.
    overflow: Option<blake3::Hasher>,
    /// How many sequences are open.
    depth: u32,
    /// Where the innermost open `Some` began, while nothing stands between it and what is written next.
    some_at: usize,
}

impl<'a> SegmentWriter<'a> {
    #[inline]
    pub(super) fn new(text: &'a mut ArrayString<MAX_TEXT>) -> SegmentWriter<'a> {
        SegmentWriter { text, overflow: None, depth: 0, some_at: NOWHERE }
    }

    /// Ends the key: replaces a text that did not fit by its hash.
    // By reference: moving the hasher, whether there is one or not, would take as long as writing the key.
    #[inline]
    pub(super) fn finish(&mut self) {
        if let Some(hasher) = &self.overflow {
            write_hashed(hasher, self.text);
        }
    }

    /// Writes literal text of a template as it is.
    #[doc(hidden)]
    #[inline]
    pub fn literal(&mut self, text: &str) {
        self.raw(text);
    }

    /// Writes one placeholder's value, `%e` if it writes nothing.
    #[doc(hidden)]
    #[inline]
    pub fn value<S: Segment + ?Sized>(&mut self, value: &S) {
        self.segment(|w| value.write(w));
    }

    /// Writes one placeholder by a closure, `%e` if it writes nothing.
    #[doc(hidden)]
    #[inline]
    pub fn segment(&mut self, write: impl FnOnce(&mut Self)) {
        self.try_segment(|w| {
            write(w);
            Ok::<(), std::convert::Infallible>(())
        })
        .unwrap_or_else(|never| match never {});
    }

    #[inline]
    pub(super) fn try_segment<E>(
        &mut self,
        write: impl FnOnce(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        let start = self.position();
        write(self)?;
        if self.position() == start {
            self.raw("%e");
        }
        Ok(())
    }

    /// Writes text, escaped.
    #[inline]
    pub fn str(&mut self, text: &str) {
        let plain = escape::plain_prefix(text);
        if plain == text.len() {
            self.raw(text);
        } else {
            self.escaped(text, plain);
        }
    }

    /// Writes one character, escaped.
    pub fn char(&mut self, c: char) {
        self.str(c.encode_utf8(&mut [0; 4]));
    }

    /// Writes `true` or `false`.
    #[inline]
    pub fn bool(&mut self, value: bool) {
        self.raw(if value { "true" } else { "false" });
    }

    #[inline]
    pub(super) fn integer<I: itoa::Integer>(&mut self, value: I) {
        self.raw(itoa::Buffer::new().format(value));
    }

    #[cold]
    fn escaped(&mut self, text: &str, plain: usize) {
        let mut rest = text;
        let mut plain = plain;
        loop {
            let (copied, stopped) = rest.split_at(plain);
            self.raw(copied);
            let Some(c) = stopped.chars().next() else { return };
            let (stop, tail) = stopped.split_at(c.len_utf8());
            if escape::is_escaped(c) {
                stop.bytes().for_each(|byte| self.hex(byte));
            } else {
                self.raw(stop);
            }
            rest = tail;
            plain = escape::plain_prefix(rest);
        }
    }

    fn hex(&mut self, byte: u8) {
        for ascii in escape::hex(byte) {
            self.raw(char::from(ascii).encode_utf8(&mut [0; 4]));
        }
    }

    // ===== structure =====

    #[inline]
    pub(super) fn none(&mut self) {
        self.option();
        self.raw("%n");
    }

    #[inline]
    pub(super) fn some<S: Segment + ?Sized>(&mut self, value: &S) {
        self.option();
        self.some_at = self.position();
        value.write(self);
        self.some_at = NOWHERE;
    }

    /// An `Option` that begins where a `Some` did is that one's value, through whatever wrappers.
    #[inline]
    fn option(&mut self) {
        if self.some_at == self.position() {
            self.raw("%s");
        }
    }

    #[inline]
    pub(super) fn sequence(&mut self, items: impl FnOnce(&mut Self)) {
        if self.depth > 0 {
            self.raw("%[");
        }
        self.depth += 1;
        self.some_at = NOWHERE;
        items(self);
        self.depth -= 1;
        self.raw("%.");
    }

    #[inline]
    pub(super) fn item<S: Segment + ?Sized>(&mut self, item: &S) {
        item.write(self);
        self.raw("%,");
    }

    // ===== the text =====

    /// How many bytes were written so far.
    #[inline]
    fn position(&self) -> usize {
        match &self.overflow {
            None => self.text.len(),
            Some(hasher) => hasher.count() as usize,
        }
    }

    #[inline]
    fn raw(&mut self, text: &str) {
        if self.overflow.is_some() || self.text.try_push_str(text).is_err() {
            self.overflow(text);
        }
    }

    #[cold]
    fn overflow(&mut self, text: &str) {
        let written = self.text.as_bytes();
        self.overflow
            .get_or_insert_with(|| {
                let mut hasher = blake3::Hasher::new();
                hasher.update(written);
                hasher
            })
            .update(text.as_bytes());
    }
}

impl fmt::Debug for SegmentWriter<'_> {
    /// Leaves the text out: it may hold personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SegmentWriter").field("written", &self.position()).finish_non_exhaustive()
    }
}

#[cold]
fn write_hashed(hasher: &blake3::Hasher, text: &mut ArrayString<MAX_TEXT>) {
    text.clear();
    text.push('#');
    text.push_str(&hasher.finalize().to_hex()[..32]);
}
