//! `#[cached]`: parse, check, expand.

pub(crate) mod args;
mod bloom;
mod check;
mod companion;
pub(crate) mod expand;

use proc_macro2::TokenStream;
use quote::quote;

use self::args::{Args, Key};
use crate::errors::Errors;
use crate::fallback;
use crate::signature::Function;
use crate::template::{self, Bound, Place, Template};

/// The key of a function, as far as it could be made out.
pub(crate) enum BoundKey {
    /// A template and what it writes.
    Template(Template, Vec<Bound>),
    /// An expression of type `Key`.
    Expr(syn::Expr),
}

/// Expands the attribute on an item.
pub(crate) fn cached(args: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let args = Args::parse(args, &mut errors);
    let function: Function = match syn::parse2(item.clone()) {
        Ok(function) => function,
        Err(error) => {
            errors.push(fallback::not_a_function(&item, error));
            return fallback::keep(item, errors);
        }
    };
    check::check(&function, &args, &mut errors);
    bloom::check(&args, &mut errors);
    let key = bind_key(&function, &args, &mut errors);
    let companion = companion::companion(&function, &args, key.as_ref(), &mut errors);
    match (key, &args.ttl) {
        (Some(key), Some(ttl)) if errors.is_empty() => {
            let function = expand::expand(&function, &args, &key, ttl);
            quote!(#function #companion)
        }
        // The companion stays where it can be made, or every writer that names it would be an error too.
        _ => fallback::keep(quote!(#item #companion), errors),
    }
}

fn bind_key(function: &Function, args: &Args, errors: &mut Errors) -> Option<BoundKey> {
    let template = match args.key.as_ref()? {
        Key::Expr(expr) => return Some(BoundKey::Expr(expr.clone())),
        Key::Template(text) => errors.ok(Template::parse(text.clone()))?,
    };
    check::placeholders(function, args, &template, errors);
    let bound = template::bind(&template, function, Place::Read, errors);
    let complete = bound.len() == template.placeholders().count();
    complete.then_some(BoundKey::Template(template, bound))
}
