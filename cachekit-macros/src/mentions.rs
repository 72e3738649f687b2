//! Which names some tokens mention, placeholders of templates inside them too.

use std::collections::BTreeSet;

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::LitStr;

use crate::template::{self, Piece};

/// Every word of an expression, and every name in the placeholders of its string literals.
pub(crate) fn words(tokens: TokenStream) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    each(tokens, &mut |word, _| {
        words.insert(word.to_owned());
    });
    words
}

/// Where a word is first mentioned.
pub(crate) fn find(tokens: TokenStream, wanted: &str) -> Option<Span> {
    let mut found = None;
    each(tokens, &mut |word, span| {
        if word == wanted {
            found.get_or_insert(span);
        }
    });
    found
}

fn each(tokens: TokenStream, visit: &mut dyn FnMut(&str, Span)) {
    for token in tokens {
        match token {
            TokenTree::Ident(ident) => {
                visit(ident.to_string().trim_start_matches("r#"), ident.span())
            }
            TokenTree::Group(group) => each(group.stream(), visit),
            TokenTree::Literal(literal) => placeholders(&literal, visit),
            TokenTree::Punct(_) => {}
        }
    }
}

fn placeholders(literal: &proc_macro2::Literal, visit: &mut dyn FnMut(&str, Span)) {
    let Ok(text) = syn::parse_str::<LitStr>(&literal.to_string()) else { return };
    let text = text.value();
    for piece in template::parse(&text).unwrap_or_default() {
        if let Piece::Placeholder(path) = piece {
            visit(template::root(&path), literal.span());
        }
    }
    // What `format!` captures: `{id}`, `{id:>4}`.
    for capture in text.split('{').skip(1) {
        let end = capture.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(capture.len());
        visit(&capture[..end], literal.span());
    }
}
