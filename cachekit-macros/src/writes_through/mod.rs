//! `#[writes_through]`: parse, check, expand.

mod args;
mod expand;

use proc_macro2::TokenStream;

use crate::cached::{self, BoundKey, args::Key};
use crate::errors::Errors;
use crate::fallback;
use crate::invalidates::{self, Rules};
use crate::signature::Function;
use crate::template::{self, Place, Template};

/// Expands the attribute on an item.
pub(crate) fn writes_through(args: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let args = args::parse(args, &mut errors);
    let function: Function = match syn::parse2(item.clone()) {
        Ok(function) => function,
        Err(error) => {
            errors.push(fallback::not_a_function(&item, error));
            return fallback::keep(item, errors);
        }
    };
    let rules = Rules { attribute: "#[writes_through]", connections: true, transactions: true };
    invalidates::check(&function, &rules, &mut errors);
    let key = match &args.key {
        Some(Key::Expr(expr)) => Some(BoundKey::Expr(expr.clone())),
        Some(Key::Template(text)) => bind(&function, text, &mut errors),
        None => None,
    };
    let tags = cached::bind_tags(&function, &args, &mut errors);
    match (key, &args.ttl) {
        (Some(key), Some(ttl)) if errors.is_empty() => {
            expand::expand(&function, &args, &key, &tags, ttl)
        }
        _ => fallback::keep(item, errors),
    }
}

/// The key is made before the body runs, so it cannot name the result.
fn bind(function: &Function, text: &syn::LitStr, errors: &mut Errors) -> Option<BoundKey> {
    let template = errors.ok(Template::parse(text.clone()))?;
    let bound = template::bind(&template, function, Place::Read, errors);
    let complete = bound.len() == template.placeholders().count();
    complete.then_some(BoundKey::Template(template, bound))
}
