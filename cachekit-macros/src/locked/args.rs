//! The options of `#[locked]`.

use proc_macro2::{Span, TokenStream};
use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::{Expr, ExprLit, Ident, Lit, LitStr, Token};

use crate::cached::times::Time;
use crate::errors::Errors;
use crate::krate::Root;
use crate::options::{self, Names, Seen, Text};
use crate::template::Template;

const NAMES: Names = Names {
    known: &[
        "key",
        "keys",
        "lease",
        "wait",
        "fair",
        "max_hold",
        "owner",
        "above",
        "guard",
        "outside_tx",
        "cache",
        "crate",
    ],
    later: &[],
};

/// What is locked.
pub(crate) enum Target {
    /// A template.
    Template(Template),
    /// An expression of type `Key`.
    Key(Expr),
    /// An iterator of keys.
    Keys(Expr),
}

/// The options as written.
#[derive(Default)]
pub(crate) struct Args {
    pub(crate) root: Root,
    pub(crate) targets: Vec<Target>,
    pub(crate) lease: Option<Time>,
    pub(crate) wait: Option<Time>,
    /// `fair`, as written.
    pub(crate) fair: Option<Ident>,
    pub(crate) max_hold: Option<Time>,
    pub(crate) owner: Option<Text>,
    pub(crate) above: Option<Expr>,
    /// The name under which the body has the handle.
    pub(crate) guard: Option<Ident>,
    pub(crate) outside_tx: bool,
    pub(crate) cache: Option<Expr>,
}

impl Args {
    /// Reads the options; what is wrong is in `errors`, and the rest is read all the same.
    pub(crate) fn parse(tokens: TokenStream, errors: &mut Errors) -> Args {
        let (mut args, mut seen) = (Args::default(), Seen::default());
        let mut named_a_key = false;
        options::each(tokens, errors, |input, _| {
            if input.peek(LitStr) {
                named_a_key = true;
                return Err(nameless(input));
            }
            // Several `key = ..` are several keys; every other option stands once.
            let is_key =
                matches!(input.fork().call(Ident::parse_any)?.to_string().as_str(), "key" | "keys");
            named_a_key |= is_key;
            let name = match is_key {
                true => input.call(Ident::parse_any)?,
                false => seen.name(input, &NAMES)?,
            };
            args.option(&name, input)
        });
        if errors.is_empty() && !named_a_key {
            let message = "`#[locked]` needs a key: `#[locked(key = \"…\", wait = \"…\")]`";
            errors.at(Span::call_site(), message);
        }
        args
    }

    fn option(&mut self, name: &Ident, input: ParseStream<'_>) -> syn::Result<()> {
        match name.to_string().as_str() {
            "key" => self.targets.push(key(options::value(name, "\"order:<id>\"", input)?)?),
            "keys" => {
                let keys = options::value(name, "ids.iter().map(order_key)", input)?;
                self.targets.push(Target::Keys(keys));
            }
            "lease" => self.lease = Some(time(name, "10s", input)?),
            "wait" => self.wait = Some(time(name, "2s", input)?),
            "max_hold" => self.max_hold = Some(time(name, "1m", input)?),
            "owner" => self.owner = Some(options::value(name, "\"billing\"", input)?),
            "above" => self.above = Some(options::value(name, "order.fence", input)?),
            "guard" => self.guard = Some(guard(name, input)?),
            "cache" => self.cache = Some(options::value(name, "self.cache", input)?),
            "crate" => self.root = Root::parse(&options::value(name, "\"path\"", input)?)?,
            "fair" => {
                options::flag(name, input)?;
                self.fair = Some(name.clone());
            }
            _ => {
                options::flag(name, input)?;
                self.outside_tx = true;
            }
        }
        Ok(())
    }
}

/// A template without `key =` before it, as `#[invalidates]` takes them.
fn nameless(input: ParseStream<'_>) -> syn::Error {
    match input.parse::<LitStr>() {
        Ok(text) => {
            let message = format!("the key has a name here: `key = {:?}`", text.value());
            syn::Error::new(text.span(), message)
        }
        Err(error) => error,
    }
}

fn key(text: Text) -> syn::Result<Target> {
    Ok(match text {
        Text::Literal(text) => Target::Template(Template::parse(text)?),
        Text::Expr(expr) => Target::Key(expr),
    })
}

fn time(name: &Ident, example: &str, input: ParseStream<'_>) -> syn::Result<Time> {
    let time = Time::parse(name, &format!("{example:?}"), input)?;
    match &time {
        Time::Expr(Expr::Lit(ExprLit { lit, .. })) if !matches!(lit, Lit::Str(_)) => {
            let message = format!(
                "`{name}` is a time with its unit, such as `{name} = {example:?}`, or an expression of type `Duration`"
            );
            Err(syn::Error::new(lit.span(), message))
        }
        _ => Ok(time),
    }
}

fn guard(name: &Ident, input: ParseStream<'_>) -> syn::Result<Ident> {
    let message = "`guard` is a name for the handle in the body, such as `guard = lock`";
    if !input.peek(Token![=]) {
        return Err(syn::Error::new(name.span(), message));
    }
    input.parse::<Token![=]>()?;
    input.parse::<Ident>().map_err(|error| syn::Error::new(error.span(), message))
}
