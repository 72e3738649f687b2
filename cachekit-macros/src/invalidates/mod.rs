//! `#[invalidates]`: parse, check, expand.

mod args;
mod check;
mod expand;
mod tx;

use proc_macro2::TokenStream;

use self::args::Args;
pub(crate) use self::check::{Rules, check};
pub(crate) use self::tx::is_transaction;
use crate::errors::Errors;
use crate::fallback;
use crate::signature::Function;

/// Expands the attribute on an item.
pub(crate) fn invalidates(args: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let args = Args::parse(args, &mut errors);
    let function: Function = match syn::parse2(item.clone()) {
        Ok(function) => function,
        Err(error) => {
            errors.push(fallback::not_a_function(&item, error));
            return fallback::keep(item, errors);
        }
    };
    let tx = tx::find(&function, &args, &mut errors);
    let rules = Rules {
        attribute: "#[invalidates]",
        connections: !args.best_effort && tx.is_none(),
        transactions: false,
    };
    check(&function, &rules, &mut errors);
    let expanded = expand::expand(&function, &args, tx.as_ref(), &mut errors);
    if errors.is_empty() { expanded } else { fallback::keep(item, errors) }
}
