//! `key!("user:<id>")`: a key over the names in scope.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream};
use syn::{Ident, LitStr, Token};

use crate::errors::Errors;
use crate::krate::Root;
use crate::template::{self, Template};

struct Input {
    text: LitStr,
    root: Root,
}

impl Parse for Input {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if !input.peek(LitStr) {
            return Err(input.error("expected a key template, such as `key!(\"user:<id>\")`"));
        }
        let text = input.parse()?;
        input.parse::<Option<Token![,]>>()?;
        let mut root = Root::default();
        if !input.is_empty() {
            let name = input.call(Ident::parse_any)?;
            if name != "crate" {
                let message =
                    "names come from the scope, so `key!` takes a template and nothing else";
                return Err(syn::Error::new(name.span(), message));
            }
            input.parse::<Token![=]>()?;
            root = Root::parse(&input.parse()?)?;
            input.parse::<Option<Token![,]>>()?;
        }
        Ok(Input { text, root })
    }
}

/// Expands the macro.
pub(crate) fn key(input: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let expanded = errors.ok(syn::parse2(input)).and_then(|Input { text, root }| {
        let template = errors.ok(Template::parse(text))?;
        Some(template::key_in_scope(&template, &root, &mut errors))
    });
    match expanded {
        Some(expanded) if errors.is_empty() => expanded,
        _ => {
            let errors = errors.into_tokens();
            quote!({ #errors })
        }
    }
}
