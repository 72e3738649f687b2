//! `bloom = expr`: the filter, and what it is asked for.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::Ident;
use syn::spanned::Spanned as _;

use super::BoundKey;
use super::args::{Args, Key};
use super::expand;
use crate::errors::Errors;
use crate::signature::{self, Function};
use crate::template;

/// As many parts as a question may have.
const MOST: usize = 4;

/// Checks that the key has something to ask for.
pub(super) fn check(args: &Args, errors: &mut Errors) {
    let Some(bloom) = &args.bloom else { return };
    let message = match &args.key {
        Some(Key::Expr(_)) => {
            "`bloom` asks for the placeholders of the key, so `key` must be a template"
        }
        Some(Key::Template(text)) => {
            match template::parse(&text.value()).map(|pieces| placeholders(&pieces)) {
                Ok(0) => "`bloom` asks for the placeholders of the key, and this one has none",
                Ok(count) if count > MOST => {
                    "`bloom` asks for up to 4 placeholders, and this key has more"
                }
                _ => return,
            }
        }
        None => return,
    };
    errors.on(bloom, message);
}

fn placeholders(pieces: &[template::Piece]) -> usize {
    pieces.iter().filter(|piece| matches!(piece, template::Piece::Placeholder(_))).count()
}

/// The question, before the body moves what it is made of.
pub(super) fn expand(function: &Function, args: &Args, key: &BoundKey) -> TokenStream {
    let (Some(expr), BoundKey::Template(_, bound)) = (&args.bloom, key) else {
        return TokenStream::new();
    };
    let (first, last) = signature::ends(function.output());
    let (shape, and) = (Ident::new("__ck_shape", last), quote_spanned!(first=> &));
    let (from, to) = signature::ends(expr);
    let source = Ident::new("__ck_filter_source", to);
    let filter = quote_spanned!(from=> __ck::filter(#source));
    let handle = match expand::outlives_the_body(function, expr) {
        true => quote!(let __ck_filter = #filter;),
        false => quote!(let __ck_filter = &::core::clone::Clone::clone(#filter);),
    };
    // Where the types differ, the filter is what to look at.
    let at = Span::call_site().located_at(expr.span());
    let parts = bound.iter().map(|bound| &bound.borrowed);
    let question = quote_spanned!(at=> __ck::ask(__ck_filter, (#(#parts,)*)));
    quote! {
        __ck::can_be_filtered(#and #shape);
        let __ck_filter_source = &#expr;
        #handle
        let __ck_question = #question;
    }
}

/// The field of the call.
pub(super) fn question(args: &Args) -> TokenStream {
    match &args.bloom {
        Some(_) => quote!(::core::option::Option::Some(&__ck_question)),
        None => quote!(::core::option::Option::None),
    }
}
