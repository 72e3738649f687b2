//! The guide, chapter by chapter.

#[doc = include_str!("invalidation.md")]
pub mod invalidation {}
