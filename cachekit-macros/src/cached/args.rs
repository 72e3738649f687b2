//! The options of `#[cached]`.

use proc_macro2::{Span, TokenStream};
use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::punctuated::Punctuated;
use syn::{Expr, ExprClosure, ExprLit, Ident, Lit, LitBool, LitStr, Token, parenthesized};

use super::ahead::{self, Ahead, Window};
use super::bounds::Bounds;
use crate::duration::{self, Millis};
use crate::errors::Errors;
use crate::krate::Root;
use crate::options::{self, Names, Seen, Text};

const NAMES: Names = Names {
    known: &[
        "key",
        "tags",
        "ttl",
        "negative_ttl",
        "skip",
        "shared",
        "cache",
        "companion",
        "outside_tx",
        "local",
        "bloom",
        "stale_while_revalidate",
        "refresh_ahead",
        "l1",
        "stale_if_error",
        "even_invalidated",
        "retry_after",
        "soft_timeout",
        "hard_timeout",
        "max_loads",
        "crate",
    ],
    later: &["version", "consistency"],
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
    /// A closure over the value.
    Closure(ExprClosure),
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
    /// The names of all options, as written.
    pub(crate) given: Vec<Ident>,
    pub(crate) tags: Vec<Key>,
    pub(crate) ttl: Option<Ttl>,
    pub(crate) negative_ttl: Option<Ttl>,
    pub(crate) skip: Vec<Ident>,
    pub(crate) shared: Option<Ident>,
    pub(crate) cache: Option<Expr>,
    pub(crate) companion: Companion,
    pub(crate) outside_tx: bool,
    pub(crate) local: bool,
    pub(crate) bounds: Bounds,
    pub(crate) stale_while_revalidate: Option<(Ident, Window)>,
    pub(crate) refresh_ahead: Option<(Ident, Ahead)>,
    /// `l1 = ..`, as written.
    pub(crate) l1: Option<LitBool>,
    pub(crate) bloom: Option<Expr>,
}

impl Args {
    /// Reads the options; what is wrong is in `errors`, and the rest is read all the same.
    pub(crate) fn parse(tokens: TokenStream, errors: &mut Errors) -> Args {
        let (mut args, mut seen) = (Args::default(), Seen::default());
        let (mut key, mut ttl) = (false, false);
        options::each(tokens, errors, |input, _| {
            let name = seen.name(input, &NAMES)?;
            args.given.push(name.clone());
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
        if self.bounds.option(name, input)? {
            return Ok(());
        }
        match name.to_string().as_str() {
            "key" => self.key = Some(key(options::value(name, "\"user:<id>\"", input)?)),
            "tags" => self.tags = tags(name, input)?,
            "ttl" => self.ttl = Some(ttl(options::value(name, "\"30m\"", input)?)?),
            "negative_ttl" => {
                self.negative_ttl = Some(negative(options::value(name, "\"30s\"", input)?)?);
            }
            "cache" => self.cache = Some(options::value(name, "self.cache", input)?),
            "bloom" => self.bloom = Some(options::value(name, "&*USERS", input)?),
            "crate" => self.root = Root::parse(&options::value(name, "\"path\"", input)?)?,
            "stale_while_revalidate" => {
                self.stale_while_revalidate = Some((name.clone(), ahead::window(name, input)?));
            }
            "refresh_ahead" => {
                self.refresh_ahead = Some((name.clone(), ahead::ahead(name, input)?));
            }
            "skip" => self.skip = skip(name, input)?,
            "l1" => self.l1 = Some(l1(name, input)?),
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

    /// The option that makes the function load in the background, if one does.
    pub(crate) fn background(&self) -> Option<&Ident> {
        let stale = self.stale_while_revalidate.as_ref().map(|(name, _)| name);
        let ahead = self.refresh_ahead.as_ref().map(|(name, _)| name);
        stale.or(ahead).or(self.bounds.soft_timeout.as_ref().map(|(name, _)| name))
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

/// How many tags a read may have; the engine's `Tagged::MOST`.
const MOST_TAGS: usize = 8;

fn tags(name: &Ident, input: ParseStream<'_>) -> syn::Result<Vec<Key>> {
    let message = "`tags` needs key templates or expressions of type `Key`, such as `tags(\"org:<org>\", region_key(region))`";
    if !input.peek(syn::token::Paren) {
        return Err(syn::Error::new(name.span(), message));
    }
    let content;
    parenthesized!(content in input);
    let tags = Punctuated::<Text, Token![,]>::parse_terminated(&content)?;
    if tags.is_empty() {
        return Err(syn::Error::new(name.span(), message));
    }
    if tags.len() > MOST_TAGS {
        let message = format!(
            "a read has at most {MOST_TAGS} tags, and these are {}: each is read from the cache with every look",
            tags.len()
        );
        return Err(syn::Error::new(name.span(), message));
    }
    Ok(tags.into_iter().map(key).collect())
}

fn ttl(text: Text) -> syn::Result<Ttl> {
    match text {
        Text::Literal(text) => match duration::parse(&text.value()) {
            Ok(millis) => Ok(Ttl::Literal(millis)),
            Err(message) => Err(syn::Error::new(text.span(), message)),
        },
        Text::Expr(Expr::Closure(closure)) if closure.inputs.len() != 1 => {
            let message = "the closure of `ttl` is given the value, such as `ttl = |user| ..`";
            Err(syn::Error::new_spanned(closure, message))
        }
        Text::Expr(Expr::Closure(closure)) => Ok(Ttl::Closure(closure)),
        Text::Expr(expr) => Ok(Ttl::Expr(expr)),
    }
}

fn negative(text: Text) -> syn::Result<Ttl> {
    match ttl(text)? {
        Ttl::Closure(closure) => {
            let message = "where there is no value, none can be asked; give `negative_ttl` a text or a `Duration`";
            Err(syn::Error::new_spanned(closure, message))
        }
        ttl => Ok(ttl),
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

fn l1(name: &Ident, input: ParseStream<'_>) -> syn::Result<LitBool> {
    let message =
        "`l1` is `false` or `true`; how long copies live is said to `CacheBuilder::local`";
    match options::value::<Expr>(name, "false", input)? {
        Expr::Lit(ExprLit { lit: Lit::Bool(yes), .. }) => Ok(yes),
        other => Err(syn::Error::new_spanned(other, message)),
    }
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
