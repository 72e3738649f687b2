//! Options about entries that are old: how long they are answered, when they are refreshed.

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::ParseStream;
use syn::{Expr, Ident, Token};

use super::args::{Args, Ttl};
use crate::duration;
use crate::errors::Errors;
use crate::options::{self, Text};

/// A span of time without jitter.
pub(crate) enum Window {
    /// In milliseconds, with the text it was read from.
    Literal(u64, syn::LitStr),
    /// An expression of type `Duration`.
    Expr(Expr),
}

/// How long before its end an entry is refreshed.
pub(crate) enum Ahead {
    /// `refresh_ahead`
    ByCost,
    /// `refresh_ahead = "20%"`
    Percent(u8),
    /// `refresh_ahead = "1m"`
    Margin(Window),
}

/// Reads `stale_while_revalidate = "10m"`.
pub(super) fn window(name: &Ident, input: ParseStream<'_>) -> syn::Result<Window> {
    match options::value(name, "\"10m\"", input)? {
        Text::Literal(text) => match duration::parse_plain(&text.value()) {
            Ok(millis) => Ok(Window::Literal(millis, text)),
            Err(message) => Err(syn::Error::new(text.span(), message)),
        },
        Text::Expr(expr) => Ok(Window::Expr(expr)),
    }
}

/// Reads `refresh_ahead`, `refresh_ahead = "20%"` or `refresh_ahead = "1m"`.
pub(super) fn ahead(name: &Ident, input: ParseStream<'_>) -> syn::Result<Ahead> {
    if !input.peek(Token![=]) {
        options::flag(name, input)?;
        return Ok(Ahead::ByCost);
    }
    let ahead = input.fork();
    if let Ok(Text::Literal(text)) = options::value(name, "\"20%\"", &ahead)
        && let Some(percent) = text.value().strip_suffix('%')
    {
        let percent = percent.parse().ok().filter(|percent| (1..=50).contains(percent));
        options::value::<Text>(name, "\"20%\"", input)?;
        let message = "a share of the ttl is a whole number from `1%` to `50%`";
        return percent.map(Ahead::Percent).ok_or_else(|| syn::Error::new(text.span(), message));
    }
    window(name, input).map(Ahead::Margin)
}

/// Checks what the options say together.
pub(super) fn check(args: &Args, errors: &mut Errors) {
    if let (Some((_, Ahead::Margin(Window::Literal(margin, text)))), Some(Ttl::Literal(ttl))) =
        (&args.refresh_ahead, &args.ttl)
        && *margin > ttl.base / 2
    {
        let message = "an entry would be refreshed for more than half of its life; give `refresh_ahead` less than half of the ttl";
        errors.at(text.span(), message);
    }
}

/// What these options add to the policy, and whether that is constant.
pub(super) fn policy(args: &Args) -> (TokenStream, bool) {
    let stale = args.stale_while_revalidate.as_ref().map(|(_, window)| {
        let window = window.value();
        quote!(.stale_while_revalidate(#window))
    });
    let ahead = args.refresh_ahead.as_ref().map(|(_, ahead)| match ahead {
        Ahead::ByCost => TokenStream::new(),
        Ahead::Percent(percent) => quote!(.refresh_ahead_percent(#percent)),
        Ahead::Margin(window) => {
            let window = window.value();
            quote!(.refresh_ahead(#window))
        }
    });
    let windows = [
        args.stale_while_revalidate.as_ref().map(|(_, window)| window),
        args.refresh_ahead.as_ref().and_then(|(_, ahead)| match ahead {
            Ahead::Margin(window) => Some(window),
            Ahead::ByCost | Ahead::Percent(_) => None,
        }),
    ];
    let constant =
        windows.into_iter().flatten().all(|window| matches!(window, Window::Literal(..)));
    (quote!(#stale #ahead), constant)
}

impl Window {
    fn value(&self) -> TokenStream {
        match self {
            Window::Literal(millis, _) => {
                let millis = proc_macro2::Literal::u64_unsuffixed(*millis);
                quote!(::core::time::Duration::from_millis(#millis))
            }
            Window::Expr(expr) => quote!(#expr),
        }
    }
}
