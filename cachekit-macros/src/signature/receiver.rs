//! `self` under another name, for a body that is moved into a closure.

use proc_macro2::{Group, TokenStream, TokenTree};
use quote::{ToTokens as _, quote};
use syn::visit_mut::{self, VisitMut};
use syn::{Block, ExprPath, Item, Macro};

/// The block with `self` renamed. Items inside it have a `self` of their own.
pub(super) fn rename(body: &Group, name: &TokenStream) -> TokenStream {
    let tokens = body.to_token_stream();
    match syn::parse2::<Block>(tokens.clone()) {
        Ok(mut block) => {
            Rename(name).visit_block_mut(&mut block);
            block.into_token_stream()
        }
        // rustc says what is wrong with it.
        Err(_) => replace(tokens, name),
    }
}

struct Rename<'a>(&'a TokenStream);

impl VisitMut for Rename<'_> {
    fn visit_item_mut(&mut self, _: &mut Item) {}

    fn visit_expr_path_mut(&mut self, path: &mut ExprPath) {
        if path.path.is_ident("self") {
            let tokens = replace(path.to_token_stream(), self.0);
            if let Ok(renamed) = syn::parse2(tokens) {
                *path = renamed;
            }
        }
        visit_mut::visit_expr_path_mut(self, path);
    }

    fn visit_macro_mut(&mut self, call: &mut Macro) {
        // A macro that declares functions declares their `self` too.
        let mut tokens = call.tokens.clone().into_iter();
        if !tokens.any(|token| matches!(token, TokenTree::Ident(word) if word == "fn")) {
            call.tokens = replace(call.tokens.clone(), self.0);
        }
    }
}

fn replace(tokens: TokenStream, name: &TokenStream) -> TokenStream {
    let each = tokens.into_iter().map(|token| match token {
        TokenTree::Ident(word) if word == "self" => {
            let at = word.span();
            let mut renamed = quote!(#name);
            renamed = renamed
                .into_iter()
                .map(|mut token| {
                    token.set_span(at);
                    token
                })
                .collect();
            renamed
        }
        TokenTree::Group(group) => {
            let mut inner = Group::new(group.delimiter(), replace(group.stream(), name));
            inner.set_span(group.span());
            inner.into_token_stream()
        }
        token => token.into(),
    });
    each.collect()
}
