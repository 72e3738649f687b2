//! Keys inside maps: the stored form, what looks it up, and the hasher that takes their hash as it is.

use std::{
    fmt,
    hash::{BuildHasher, Hash, Hasher},
};

use equivalent::Equivalent;

/// A borrowed key with its hash: what maps of [`StoredKey`] are searched by.
#[derive(Clone, Copy)]
pub struct KeyRef<'a> {
    /// The hash of `text`, valid in this process only.
    pub hash: u64,
    /// The expanded text. It may hold personal data.
    pub text: &'a str,
}

impl<'a> KeyRef<'a> {
    /// The key with this text.
    #[cfg_attr(not(feature = "redis"), allow(dead_code))]
    pub(crate) fn of(text: &'a str) -> KeyRef<'a> {
        KeyRef { hash: super::buf::hash_text(text), text }
    }
}

impl Hash for KeyRef<'_> {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl PartialEq for KeyRef<'_> {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for KeyRef<'_> {}

impl Equivalent<StoredKey> for KeyRef<'_> {
    #[inline]
    fn equivalent(&self, key: &StoredKey) -> bool {
        *self.text == *key.text
    }
}

impl fmt::Debug for KeyRef<'_> {
    /// Leaves the text out: it may hold personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRef").field("hash", &self.hash).finish_non_exhaustive()
    }
}

// ===== impl StoredKey =====

/// A key as a map keeps it.
#[derive(Clone)]
pub struct StoredKey {
    hash: u64,
    text: Box<str>,
}

impl StoredKey {
    /// What a look-up needs.
    // Not `AsRef`: the result is a value that borrows.
    #[allow(clippy::should_implement_trait)]
    #[inline]
    pub fn as_ref(&self) -> KeyRef<'_> {
        KeyRef { hash: self.hash, text: &self.text }
    }
}

impl From<&KeyRef<'_>> for StoredKey {
    fn from(key: &KeyRef<'_>) -> Self {
        StoredKey { hash: key.hash, text: key.text.into() }
    }
}

impl From<KeyRef<'_>> for StoredKey {
    fn from(key: KeyRef<'_>) -> Self {
        StoredKey::from(&key)
    }
}

impl Hash for StoredKey {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl PartialEq for StoredKey {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for StoredKey {}

impl fmt::Debug for StoredKey {
    /// Leaves the text out: it may hold personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredKey").field("hash", &self.hash).finish_non_exhaustive()
    }
}

// ===== impl PassThrough =====

/// Builds [`PassThrough`] hashers: for maps of [`StoredKey`] only.
#[derive(Clone, Copy, Debug, Default)]
pub struct PassThroughState;

/// A hasher that returns the hash it was given.
#[derive(Clone, Copy, Debug, Default)]
pub struct PassThrough(u64);

impl BuildHasher for PassThroughState {
    type Hasher = PassThrough;

    #[inline]
    fn build_hasher(&self) -> PassThrough {
        PassThrough::default()
    }
}

impl Hasher for PassThrough {
    #[inline]
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    /// Not reached by our keys; weak, but right for anything else.
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}
