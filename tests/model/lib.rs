//! The protocol as small state machines, every interleaving of which is looked at.
//!
//! A model is a [`Protocol`]: a state, and for each state the steps that could come next, whoever takes them. A step is as
//! long as what is atomic in the real thing: one command in Redis, one statement in the database, one stretch of code
//! under a lock. The [checker](check) visits every state that any order of steps leads to, and looks whether each
//! [`Property`] still holds.
//!
//! | to learn | read |
//! |---|---|
//! | what "consistent" means here | [`property`] |
//! | what was left out of the real thing, and why that is safe | the head of each file in [`models`] |
//! | which rules are tried, which are broken on purpose, and what must come of it | [`variants`] |
//!
//! What the models have in common: one key unless they say otherwise; the database counts the key's committed writes,
//! so a *version* is a number, and older is less; ids are numbers that are never used twice; time is left out: whatever a
//! clock could bring about, a lease's end or a lost connection, may happen at any moment, as often as the model's `expiries`
//! or `drops` allow. So no result depends on how long anything takes.
#![forbid(unsafe_code)]

pub mod check;
pub mod models;
pub mod property;
pub mod testers;
pub mod trace;
pub mod variants;

pub use check::{Protocol, Row, Variant};
pub use property::{Property, Since, Watch};
