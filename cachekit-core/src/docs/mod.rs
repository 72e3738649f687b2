//! The guide, chapter by chapter.
//!
//! * [`consistency`]: what is promised, why it holds, and what is not promised.
//! * [`stampede`]: many callers, one load.
//! * [`invalidation`]: what a writer does, and what becomes of it.
//! * [`locks`]: one at a time over all processes, and what that is worth.
//! * [`failure`]: what happens at each failure, with numbers.
//! * [`keys`]: key templates, times to live, and what is kept.

#[doc = include_str!("consistency.md")]
pub mod consistency {}

#[doc = include_str!("stampede.md")]
pub mod stampede {}

// Its examples are compiled by the facade, whose features this crate cannot ask for.
#[cfg_attr(not(doctest), doc = include_str!("invalidation.md"))]
pub mod invalidation {}

#[cfg_attr(not(doctest), doc = include_str!("locks.md"))]
pub mod locks {}

#[doc = include_str!("failure.md")]
pub mod failure {}

#[doc = include_str!("keys.md")]
pub mod keys {}
