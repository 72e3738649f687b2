//! `#[locked]`: parse, check, expand.

mod args;
mod check;
mod expand;

use proc_macro2::TokenStream;

use self::args::Args;
use crate::errors::Errors;
use crate::fallback;
use crate::signature::Function;

/// Expands the attribute on an item.
pub(crate) fn locked(args: TokenStream, item: TokenStream) -> TokenStream {
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
    let expanded = expand::expand(&function, &args, &mut errors);
    if errors.is_empty() { expanded } else { fallback::keep(item, errors) }
}
