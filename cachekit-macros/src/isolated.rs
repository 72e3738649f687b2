//! `#[isolated]`: a test's body in the scope of a cache of its own.

use proc_macro2::TokenStream;
use quote::quote;

use crate::errors::Errors;
use crate::fallback;
use crate::krate::Root;
use crate::options::{self, Names, Seen};
use crate::signature::Function;

const NAMES: Names = Names { known: &["crate"], later: &[] };

/// Expands the attribute on an item.
pub(crate) fn isolated(args: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let (mut root, mut seen) = (Root::default(), Seen::default());
    options::each(args, &mut errors, |input, _| {
        let name = seen.name(input, &NAMES)?;
        root = Root::parse(&options::value(&name, "\"path\"", input)?)?;
        Ok(())
    });
    let function: Function = match syn::parse2(item.clone()) {
        Ok(function) => function,
        Err(error) => {
            errors.push(fallback::not_a_function(&item, error));
            return fallback::keep(item, errors);
        }
    };
    if function.body.is_none() {
        errors
            .on(function.ident(), "`#[isolated]` wraps a test's body, and this function has none");
    }
    if errors.is_empty() { expand(&function, &root) } else { fallback::keep(item, errors) }
}

fn expand(function: &Function, root: &Root) -> TokenStream {
    let (body, output) = (&function.body, function.output());
    if function.flavor().is_some() {
        let load = function.load(&root.private());
        return function.with_body(&quote!(#root::testing::isolated((#load)()).await));
    }
    // `#[tokio::test]` and its like expand first and leave a plain function that blocks on the test.
    function.with_body(&quote!(#root::testing::isolated_sync(move || -> #output #body)))
}
