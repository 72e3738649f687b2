//! What is emitted beside errors: the user's own item, untouched, so that one mistake gives one error.

use proc_macro2::{TokenStream, TokenTree};

use crate::errors::Errors;

/// The item as it was, then the errors.
pub(crate) fn keep(item: TokenStream, errors: Errors) -> TokenStream {
    let mut tokens = item;
    tokens.extend(errors.into_tokens());
    tokens
}

/// The first token of an item, behind its attributes: where to say that it is of the wrong kind.
fn head(item: &TokenStream) -> TokenStream {
    let mut tokens = item.clone().into_iter().peekable();
    while let Some(TokenTree::Punct(punct)) = tokens.peek() {
        if punct.as_char() != '#' {
            break;
        }
        tokens.next();
        tokens.next();
    }
    tokens.next().into_iter().collect()
}

/// The error of an item that is not a function; one inside a function's own tokens stays as it is.
pub(crate) fn not_a_function(item: &TokenStream, error: syn::Error) -> syn::Error {
    let is_function = item
        .clone()
        .into_iter()
        .any(|token| matches!(token, TokenTree::Ident(word) if word == "fn"));
    if is_function { error } else { syn::Error::new_spanned(head(item), "expected an `async fn`") }
}
