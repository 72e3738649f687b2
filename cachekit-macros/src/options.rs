//! The list of options that every attribute takes: `name = value, flag, name(..)`, with recovery after each error.

use proc_macro2::{TokenStream, TokenTree};
use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream, Parser as _};
use syn::{Ident, LitStr, Token};

use crate::errors::{self, Errors};

/// Reads a comma-separated list; `item` reads one entry of it, and an entry in error is skipped.
pub(crate) fn each(
    tokens: TokenStream,
    errors: &mut Errors,
    mut item: impl FnMut(ParseStream<'_>, &mut Errors) -> syn::Result<()>,
) {
    let list = |input: ParseStream<'_>| {
        while !input.is_empty() {
            let result = item(input, errors).and_then(|()| end_of_item(input));
            if errors.ok(result).is_none() {
                skip_item(input)?;
            }
            input.parse::<Option<Token![,]>>()?;
        }
        Ok(())
    };
    // The list itself cannot fail: whatever goes wrong in an entry is kept in `errors`.
    let _: syn::Result<()> = list.parse2(tokens);
}

fn end_of_item(input: ParseStream<'_>) -> syn::Result<()> {
    if input.is_empty() || input.peek(Token![,]) {
        Ok(())
    } else {
        Err(input.error("expected `,`"))
    }
}

fn skip_item(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        input.parse::<TokenTree>()?;
    }
    Ok(())
}

/// The names an attribute knows.
pub(crate) struct Names {
    /// Legal now.
    pub(crate) known: &'static [&'static str],
    /// Designed, and not there yet.
    pub(crate) later: &'static [&'static str],
}

/// Reads the names of options and refuses a second one.
#[derive(Default)]
pub(crate) struct Seen(Vec<String>);

impl Seen {
    /// Reads a name that must be one of `names` and new.
    pub(crate) fn name(&mut self, input: ParseStream<'_>, names: &Names) -> syn::Result<Ident> {
        let ident = Ident::parse_any(input)?;
        let name = ident.to_string();
        if names.later.contains(&name.as_str()) {
            return Err(syn::Error::new(ident.span(), format!("`{name}` is not supported yet")));
        }
        if !names.known.contains(&name.as_str()) {
            return Err(syn::Error::new(ident.span(), unknown(&name, names)));
        }
        if self.0.contains(&name) {
            return Err(syn::Error::new(ident.span(), format!("`{name}` is given twice")));
        }
        self.0.push(name);
        Ok(ident)
    }
}

fn unknown(name: &str, names: &Names) -> String {
    let near = errors::did_you_mean(name, names.known.iter().copied());
    let separator = if near.is_empty() { ";" } else { "" };
    format!(
        "unknown argument `{name}`{near}{separator} expected one of {}",
        errors::list(names.known)
    )
}

/// Reads `= value`.
pub(crate) fn value<T: Parse>(
    name: &Ident,
    example: &str,
    input: ParseStream<'_>,
) -> syn::Result<T> {
    if !input.peek(Token![=]) {
        let message = format!("`{name}` needs a value, such as `{name} = {example}`");
        return Err(syn::Error::new(name.span(), message));
    }
    input.parse::<Token![=]>()?;
    if input.is_empty() || input.peek(Token![,]) {
        let message = format!("`{name}` needs a value, such as `{name} = {example}`");
        return Err(syn::Error::new(name.span(), message));
    }
    input.parse()
}

/// Reads nothing: the name says it all.
pub(crate) fn flag(name: &Ident, input: ParseStream<'_>) -> syn::Result<()> {
    if input.is_empty() || input.peek(Token![,]) {
        return Ok(());
    }
    Err(syn::Error::new(name.span(), format!("`{name}` takes no value; write it alone")))
}

/// A string literal, or any other expression.
pub(crate) enum Text {
    /// A literal that the macro reads itself.
    Literal(LitStr),
    /// An expression that the function evaluates.
    Expr(syn::Expr),
}

impl Parse for Text {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let ahead = input.fork();
        if ahead.parse::<LitStr>().is_ok() && (ahead.is_empty() || ahead.peek(Token![,])) {
            return input.parse().map(Text::Literal);
        }
        input.parse().map(Text::Expr)
    }
}
