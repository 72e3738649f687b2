//! The attributes of cachekit; use them through the `cachekit` crate, where they are documented by example.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

use proc_macro::TokenStream;

mod cached;
#[cfg(test)]
mod cases;
mod duration;
mod errors;
mod fallback;
mod invalidates;
mod isolated;
mod key;
mod krate;
mod mentions;
mod options;
mod segment;
mod signature;
#[cfg(test)]
mod snapshots;
mod template;

/// Keeps what an async function answers.
#[proc_macro_attribute]
pub fn cached(args: TokenStream, item: TokenStream) -> TokenStream {
    cached::cached(args.into(), item.into()).into()
}

/// Drops entries that an async function makes stale.
#[proc_macro_attribute]
pub fn invalidates(args: TokenStream, item: TokenStream) -> TokenStream {
    invalidates::invalidates(args.into(), item.into()).into()
}

/// The key that a template gives over the names in scope.
#[proc_macro]
pub fn key(input: TokenStream) -> TokenStream {
    key::key(input.into()).into()
}

/// Makes a newtype, or an enum without fields, fit to be part of a key.
#[proc_macro_derive(Segment, attributes(segment))]
pub fn segment(input: TokenStream) -> TokenStream {
    segment::segment(input.into()).into()
}

/// Runs a test in the scope of a cache of its own.
#[proc_macro_attribute]
pub fn isolated(args: TokenStream, item: TokenStream) -> TokenStream {
    isolated::isolated(args.into(), item.into()).into()
}
