//! Key templates: `user:<id>`, read, bound to a function's arguments, and written out as statements.

mod bind;
mod parse;

pub(crate) use bind::{Bound, Place, RET_IN_TAG, Unraw, bind, write, write_in_place, write_tag};
pub(crate) use parse::{EACH, Piece, parse, parse_batch};

use proc_macro2::TokenStream;
use quote::quote;
use syn::LitStr;

use crate::errors::Errors;
use crate::krate::Root;

/// A template whose grammar is right.
pub(crate) struct Template {
    /// As it was written.
    pub(crate) text: LitStr,
    /// Its parts, in order.
    pub(crate) pieces: Vec<Piece>,
}

impl Template {
    /// Reads a template.
    pub(crate) fn parse(text: LitStr) -> syn::Result<Template> {
        match parse(&text.value()) {
            Ok(pieces) => Ok(Template { text, pieces }),
            Err(message) => Err(syn::Error::new(text.span(), message)),
        }
    }

    /// Reads a template that may have placeholders for each element of an argument.
    pub(crate) fn parse_batch(text: LitStr) -> syn::Result<Template> {
        match parse_batch(&text.value()) {
            Ok(pieces) => Ok(Template { text, pieces }),
            Err(message) => Err(syn::Error::new(text.span(), message)),
        }
    }

    /// The paths of its placeholders, in order.
    pub(crate) fn placeholders(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Placeholder(path) => Some(path.as_str()),
            Piece::Literal(_) => None,
        })
    }

    /// The first words of its placeholders: the arguments and type parameters it uses.
    pub(crate) fn roots(&self) -> impl Iterator<Item = &str> {
        self.placeholders().map(root)
    }

    /// Whether it uses the name.
    pub(crate) fn uses(&self, name: &str) -> bool {
        self.roots().any(|root| root == name)
    }
}

/// The first word of a path.
pub(crate) fn root(path: &str) -> &str {
    path.split(['.', ':', '[']).next().unwrap_or(path)
}

/// `key!("user:<id>")`: the key over the names in scope.
pub(crate) fn key_in_scope(template: &Template, root: &Root, errors: &mut Errors) -> TokenStream {
    let bound = bind::bind_in_scope(template, errors);
    let buf = write(template, bound.iter().map(|bound| &bound.borrowed), &root.private());
    quote!(#buf.into_key())
}
