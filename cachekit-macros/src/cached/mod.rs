//! `#[cached]`: parse, check, expand.

mod ahead;
pub(crate) mod args;
mod background;
mod bloom;
mod bounds;
mod check;
mod companion;
pub(crate) mod expand;
mod many;
pub(crate) mod times;

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
    let tags = bind_tags(&function, &args, &mut errors);
    let batch = key.as_ref().and_then(|key| many::find(&function, key, &mut errors));
    if key.as_ref().is_some_and(many::is_asked) {
        many::check(&args, &mut errors);
    }
    // Without its elements' type there is no telling what the companion takes.
    let known = key.as_ref().filter(|key| batch.is_some() || !many::is_asked(key));
    let companion = companion::companion(&function, &args, known, batch.as_ref(), &mut errors);
    match (key, &args.ttl) {
        (Some(key), Some(ttl)) if errors.is_empty() => {
            let function = match &batch {
                Some(batch) => many::expand(&function, &args, &key, ttl, batch),
                None => expand::expand(&function, &args, &key, &tags, ttl),
            };
            quote!(#function #companion)
        }
        // The companion stays where it can be made, or every writer that names it would be an error too.
        _ => fallback::keep(quote!(#item #companion), errors),
    }
}

/// Binds the tags, which are known before the body like the key.
pub(crate) fn bind_tags(function: &Function, args: &Args, errors: &mut Errors) -> Vec<BoundKey> {
    let bind = |tag: &Key| match tag {
        Key::Expr(expr) => {
            check::tag_without_result(function, expr, errors);
            Some(BoundKey::Expr(expr.clone()))
        }
        Key::Template(text) => {
            let template = errors.ok(Template::parse(text.clone()))?;
            let bound = template::bind(&template, function, Place::Tag, errors);
            Some(BoundKey::Template(template, bound))
        }
    };
    args.tags.iter().filter_map(bind).collect()
}

fn bind_key(function: &Function, args: &Args, errors: &mut Errors) -> Option<BoundKey> {
    let template = match args.key.as_ref()? {
        Key::Expr(expr) => return Some(BoundKey::Expr(expr.clone())),
        Key::Template(text) => errors.ok(Template::parse_batch(text.clone()))?,
    };
    check::placeholders(function, args, &template, errors);
    let bound = template::bind(&template, function, Place::Read, errors);
    let complete = bound.len() == template.placeholders().count();
    complete.then_some(BoundKey::Template(template, bound))
}
