//! Options whose value is a time: a text read at compile time, or an expression of type `Duration`.

use proc_macro2::{Literal, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::parse::ParseStream;
use syn::spanned::Spanned as _;
use syn::{Expr, Ident, LitStr};

use crate::duration;
use crate::options::{self, Text};

/// A time that has no jitter.
pub(crate) enum Time {
    /// A text, in milliseconds.
    Literal(u64, LitStr),
    /// An expression over the arguments.
    Expr(Expr),
}

impl Time {
    /// Reads `= "2s"` or `= expr`.
    pub(crate) fn parse(name: &Ident, example: &str, input: ParseStream<'_>) -> syn::Result<Time> {
        match options::value(name, example, input)? {
            Text::Literal(text) => match duration::parse_time(&text.value(), &name.to_string()) {
                Ok(millis) => Ok(Time::Literal(millis, text)),
                Err(message) => Err(syn::Error::new(text.span(), message)),
            },
            Text::Expr(expr) => Ok(Time::Expr(expr)),
        }
    }

    /// How long it is, if that is known now, and where it is written.
    pub(crate) fn known(&self) -> Option<(u64, &LitStr)> {
        match self {
            Time::Literal(millis, text) => Some((*millis, text)),
            Time::Expr(_) => None,
        }
    }

    /// A `Duration`.
    pub(crate) fn value(&self) -> TokenStream {
        match self {
            Time::Literal(millis, _) => {
                let millis = Literal::u64_unsuffixed(*millis);
                quote!(::core::time::Duration::from_millis(#millis))
            }
            Time::Expr(expr) => {
                let at = Span::call_site().located_at(expr.span());
                quote_spanned! {at=> {
                    let __ck_time: ::core::time::Duration = #expr;
                    __ck_time
                }}
            }
        }
    }
}
