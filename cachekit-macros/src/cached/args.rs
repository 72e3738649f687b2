//! The options of `#[cached]`.

use proc_macro2::{Span, TokenStream};
use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::punctuated::Punctuated;
use syn::{Expr, Ident, LitBool, LitStr, Token, parenthesized};

use crate::duration::{self, Millis};
use crate::errors::Errors;
use crate::krate::Root;
use crate::options::{self, Names, Seen, Text};

const NAMES: Names = Names {
    known: &[
        "key",
        "ttl",
        "negative_ttl",
        "skip",
        "shared",
        "cache",
        "companion",
        "outside_tx",
        "local",
        "bloom",
        "crate",
    ],
    later: &[
        "tags",
        "version",
        "stale_while_revalidate",
        "refresh_ahead",
        "stale_if_error",
        "soft_timeout",
        "hard_timeout",
        "l1",
        "consistency",
    ],
};

/// Where the key comes from.
pub(crate) enum Key {
    /// `key = "user:<id>"`
    Template(LitStr),
    /// `key = user_key(id)`
    Expr(Expr),
}

/// A time to live.
pub(crate) enum Ttl {
    /// A text, read at compile time.
    Literal(Millis),
    /// An expression over the arguments.
    Expr(Expr),
}

/// Whether there is a companion.
#[derive(Default)]
pub(crate) enum Companion {
    /// Where the function can have one.
    #[default]
    Default,
    /// `companion = false`
    Off,
    /// `companion`
    On(Span),
    /// `companion = name`
    Named(Ident),
}

/// The options as written.
#[derive(Default)]
pub(crate) struct Args {
    pub(crate) root: Root,
    pub(crate) key: Option<Key>,
    pub(crate) ttl: Option<Ttl>,
    pub(crate) negative_ttl: Option<Ttl>,
    pub(crate) skip: Vec<Ident>,
    pub(crate) shared: Option<Ident>,
    pub(crate) cache: Option<Expr>,
    pub(crate) companion: Companion,
    pub(crate) outside_tx: bool,
    pub(crate) local: bool,
    pub(crate) bloom: Option<Expr>,
}

impl Args {
    /// Reads the options; what is wrong is in `errors`, and the rest is read all the same.
    pub(crate) fn parse(tokens: TokenStream, errors: &mut Errors) -> Args {
        let (mut args, mut seen) = (Args::default(), Seen::default());
        let (mut key, mut ttl) = (false, false);
        options::each(tokens, errors, |input, _| {
            let name = seen.name(input, &NAMES)?;
            // An option in error is there all the same: it is not missing too.
            key |= name == "key";
            ttl |= name == "ttl";
            args.option(&name, input)
        });
        args.missing(key, ttl, errors);
        args
    }

    /// Reads the value of one option.
    pub(crate) fn option(&mut self, name: &Ident, input: ParseStream<'_>) -> syn::Result<()> {
        match name.to_string().as_str() {
            "key" => self.key = Some(key(options::value(name, "\"user:<id>\"", input)?)),
            "ttl" => self.ttl = Some(ttl(options::value(name, "\"30m\"", input)?)?),
            "negative_ttl" => {
                self.negative_ttl = Some(ttl(options::value(name, "\"30s\"", input)?)?)
            }
            "cache" => self.cache = Some(options::value(name, "self.cache", input)?),
            "bloom" => self.bloom = Some(options::value(name, "&*USERS", input)?),
            "crate" => self.root = Root::parse(&options::value(name, "\"path\"", input)?)?,
            "skip" => self.skip = skip(name, input)?,
            "companion" => self.companion = companion(name, input)?,
            "shared" => {
                options::flag(name, input)?;
                self.shared = Some(name.clone());
            }
            "outside_tx" => {
                options::flag(name, input)?;
                self.outside_tx = true;
            }
            _ => {
                options::flag(name, input)?;
                self.local = true;
            }
        }
        Ok(())
    }

    fn missing(&self, key: bool, ttl: bool, errors: &mut Errors) {
        // What is in error may be the one that is missing.
        if !errors.is_empty() {
            return;
        }
        // The call site is the attribute itself.
        let span = Span::call_site();
        if !key {
            errors.at(span, "`#[cached]` needs a key: `#[cached(key = \"…\", ttl = \"…\")]`");
        } else if !ttl {
            errors
                .at(span, "`#[cached]` needs a ttl, such as `ttl = \"30m\"` or `ttl = \"30m±5m\"`");
        }
    }
}

fn key(text: Text) -> Key {
    match text {
        Text::Literal(text) => Key::Template(text),
        Text::Expr(expr) => Key::Expr(expr),
    }
}

fn ttl(text: Text) -> syn::Result<Ttl> {
    match text {
        Text::Literal(text) => match duration::parse(&text.value()) {
            Ok(millis) => Ok(Ttl::Literal(millis)),
            Err(message) => Err(syn::Error::new(text.span(), message)),
        },
        Text::Expr(expr) => Ok(Ttl::Expr(expr)),
    }
}

fn skip(name: &Ident, input: ParseStream<'_>) -> syn::Result<Vec<Ident>> {
    let message = "`skip` needs the names of arguments, such as `skip(lang)`";
    if !input.peek(syn::token::Paren) {
        return Err(syn::Error::new(name.span(), message));
    }
    let content;
    parenthesized!(content in input);
    let names = content
        .call(|input| {
            Punctuated::<Ident, Token![,]>::parse_terminated_with(input, Ident::parse_any)
        })
        .map_err(|error| syn::Error::new(error.span(), message))?;
    if names.is_empty() {
        return Err(syn::Error::new(name.span(), message));
    }
    Ok(names.into_iter().collect())
}

fn companion(name: &Ident, input: ParseStream<'_>) -> syn::Result<Companion> {
    if !input.peek(Token![=]) {
        options::flag(name, input)?;
        return Ok(Companion::On(name.span()));
    }
    input.parse::<Token![=]>()?;
    if input.peek(LitBool) {
        let yes: LitBool = input.parse()?;
        return Ok(if yes.value { Companion::On(name.span()) } else { Companion::Off });
    }
    let message = "`companion` is `false`, `true` or the name it should have";
    input.parse().map(Companion::Named).map_err(|error| syn::Error::new(error.span(), message))
}
