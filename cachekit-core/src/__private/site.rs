//! Places in the user's code that read or write through a cache.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// One annotated function.
#[derive(Debug)]
pub struct Site {
    pub(crate) name: &'static str,
    /// Empty where the key comes from an expression and is learnt from it.
    pub(crate) template: &'static str,
    pub(crate) file: &'static str,
    pub(crate) line: u32,
    pub(crate) writes: bool,
    /// Whether it reads many keys at once.
    pub(crate) many: bool,
    warned: AtomicBool,
    /// The cache that knows of this site already; a hint that saves a look-up.
    known_to: AtomicUsize,
}

impl Site {
    /// A function that reads.
    pub const fn read(
        name: &'static str,
        template: &'static str,
        file: &'static str,
        line: u32,
    ) -> Self {
        Self::new(name, template, file, line, false)
    }

    /// A function that reads many keys of one template at once.
    pub const fn read_many(
        name: &'static str,
        template: &'static str,
        file: &'static str,
        line: u32,
    ) -> Self {
        Self { many: true, ..Self::new(name, template, file, line, false) }
    }

    /// A function that invalidates.
    pub const fn write(name: &'static str, file: &'static str, line: u32) -> Self {
        Self::new(name, "", file, line, true)
    }

    const fn new(
        name: &'static str,
        template: &'static str,
        file: &'static str,
        line: u32,
        writes: bool,
    ) -> Self {
        Self {
            name,
            template,
            file,
            line,
            writes,
            many: false,
            warned: AtomicBool::new(false),
            known_to: AtomicUsize::new(0),
        }
    }

    /// `true` the first time.
    pub(crate) fn warns(&self) -> bool {
        !self.warned.swap(true, Ordering::Relaxed)
    }

    /// Whether the cache with this number was not the last one to be told of this site.
    pub(crate) fn is_new_to(&self, cache: usize) -> bool {
        // Looked at first: most reads find it so, and a write would bounce between cores.
        let known = self.known_to.load(Ordering::Relaxed) == cache;
        if !known {
            self.known_to.store(cache, Ordering::Relaxed);
        }
        !known
    }
}
