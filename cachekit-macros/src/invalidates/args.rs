//! The options of `#[invalidates]`, and the calls whose entries it drops.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, format_ident, quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::spanned::Spanned as _;
use syn::{Expr, ExprCall, ExprMethodCall, Ident, Lit, LitStr, Token};

use crate::duration;
use crate::errors::Errors;
use crate::krate::Root;
use crate::options::{self, Names, Seen, Text};
use crate::template::{Piece, Template, Unraw as _};

const NAMES: Names = Names {
    known: &[
        "key",
        "keys",
        "tag",
        "tags",
        "tx",
        "on_err",
        "again_after",
        "best_effort",
        "cache",
        "crate",
    ],
    later: &[],
};

/// Where one key comes from.
pub(crate) enum Target {
    /// A template.
    Template(Template),
    /// An expression of type `Key`: `key = ..`, or the companion's call.
    Key(TokenStream),
    /// An iterator of keys.
    Keys(Expr),
    /// One of these as a tag, or as tags.
    Tag(Box<Target>),
}

/// A delay.
pub(crate) enum Delay {
    /// Read at compile time, in milliseconds.
    Literal(u64),
    /// An expression of type `Duration`.
    Expr(Expr),
}

/// The options as written.
#[derive(Default)]
pub(crate) struct Args {
    pub(crate) root: Root,
    pub(crate) targets: Vec<Target>,
    pub(crate) keep_on_err: Option<Span>,
    pub(crate) again_after: Option<Delay>,
    pub(crate) best_effort: bool,
    pub(crate) cache: Option<Expr>,
    pub(crate) tx: Option<Expr>,
}

impl Args {
    /// Reads the options; what is wrong is in `errors`, and the rest is read all the same.
    pub(crate) fn parse(tokens: TokenStream, errors: &mut Errors) -> Args {
        let (mut args, mut seen) = (Args::default(), Seen::default());
        let mut named_a_key = false;
        options::each(tokens, errors, |input, _| {
            if is_option(input) {
                // Several `key = ..` are several keys; every other option stands once.
                let targets = ["key", "keys", "tag", "tags"];
                let is_target =
                    targets.contains(&input.fork().call(Ident::parse_any)?.to_string().as_str());
                let name = match is_target {
                    true => input.call(Ident::parse_any)?,
                    false => seen.name(input, &NAMES)?,
                };
                named_a_key |= is_target;
                return args.option(&name, input);
            }
            named_a_key = true;
            args.targets.push(target(input)?);
            Ok(())
        });
        if !named_a_key {
            let message = "`#[invalidates]` needs to know what: a call such as `#[invalidates(find_user(id))]`, a template or `key = …`";
            errors.at(Span::call_site(), message);
        }
        args
    }

    fn option(&mut self, name: &Ident, input: ParseStream<'_>) -> syn::Result<()> {
        match name.to_string().as_str() {
            "key" => self.targets.push(single(options::value(name, "user_key(id)", input)?)?),
            "keys" => self.targets.push(Target::Keys(options::value(
                name,
                "ids.iter().map(user_key)",
                input,
            )?)),
            "tag" => {
                let tag = single(options::value(name, "\"org:<org>\"", input)?)?;
                self.targets.push(Target::Tag(Box::new(tag)));
            }
            "tags" => {
                let tags = Target::Keys(options::value(name, "orgs.iter().map(org_key)", input)?);
                self.targets.push(Target::Tag(Box::new(tags)));
            }
            "on_err" => self.keep_on_err = Some(on_err(options::value(name, "\"keep\"", input)?)?),
            "again_after" => {
                self.again_after = Some(delay(options::value(name, "\"500ms\"", input)?)?)
            }
            "tx" => self.tx = Some(options::value(name, "tx", input)?),
            "cache" => self.cache = Some(options::value(name, "self.cache", input)?),
            "crate" => self.root = Root::parse(&options::value(name, "\"path\"", input)?)?,
            _ => {
                options::flag(name, input)?;
                self.best_effort = true;
            }
        }
        Ok(())
    }
}

fn single(text: Text) -> syn::Result<Target> {
    Ok(match text {
        Text::Literal(text) => Target::Template(one_key(text)?),
        Text::Expr(expr) => Target::Key(expr.into_token_stream()),
    })
}

/// `name = ..`, or a word that stands alone, is an option; anything else is a call or a template.
fn is_option(input: ParseStream<'_>) -> bool {
    let ahead = input.fork();
    let word = ahead.call(Ident::parse_any).is_ok();
    word && (ahead.is_empty()
        || ahead.peek(Token![,])
        || (ahead.peek(Token![=]) && !ahead.peek(Token![==])))
}

fn on_err(text: Text) -> syn::Result<Span> {
    match text {
        Text::Literal(text) if text.value() == "keep" => Ok(text.span()),
        other => {
            let span = match other {
                Text::Literal(text) => text.span(),
                Text::Expr(expr) => expr.span(),
            };
            let message = "`on_err` can only be `\"keep\"`; left out, the entry is dropped however the call ends";
            Err(syn::Error::new(span, message))
        }
    }
}

fn delay(text: Text) -> syn::Result<Delay> {
    match text {
        Text::Literal(text) => match duration::parse_plain(&text.value()) {
            Ok(millis) => Ok(Delay::Literal(millis)),
            Err(message) => Err(syn::Error::new(text.span(), message)),
        },
        Text::Expr(expr) => Ok(Delay::Expr(expr)),
    }
}

// ===== what to drop =====

/// A template of one key. A star is plain text in a key, but here nobody can mean that.
fn one_key(text: LitStr) -> syn::Result<Template> {
    let template = Template::parse(text)?;
    let starred = template
        .pieces
        .iter()
        .any(|piece| matches!(piece, Piece::Literal(literal) if literal.contains('*')));
    if starred {
        let message = "keys have no wildcards: a template stands for one entry; name each key, with `keys = …` for several";
        return Err(syn::Error::new(template.text.span(), message));
    }
    Ok(template)
}

fn target(input: ParseStream<'_>) -> syn::Result<Target> {
    if input.peek(LitStr) {
        return Ok(Target::Template(one_key(input.parse()?)?));
    }
    match input.parse::<Expr>()? {
        Expr::Call(call) if names_tags(&call) => {
            let message = "a writer names each tag by itself: `tag = \"org:<org>\"`";
            Err(syn::Error::new_spanned(call.func, message))
        }
        Expr::Call(call) => function_key(call).map(Target::Key),
        Expr::MethodCall(call) => Ok(Target::Key(method_key(call))),
        other => Err(not_a_call(&other)),
    }
}

/// Whether this is how a reader names tags: a cached function of that name is called with no template.
fn names_tags(call: &ExprCall) -> bool {
    let is_tags = |func: &Expr| matches!(func, Expr::Path(path) if path.path.is_ident("tags"));
    let is_text = |arg: &Expr| matches!(arg, Expr::Lit(lit) if matches!(lit.lit, Lit::Str(_)));
    is_tags(&call.func) && call.args.iter().any(is_text)
}

fn not_a_call(expr: &Expr) -> syn::Error {
    let message = "expected a call of a cached function, such as `find_user(id)`, a key template or `key = …`";
    syn::Error::new_spanned(expr, message)
}

/// `path(args)` → `path_key(&args)`
fn function_key(mut call: ExprCall) -> syn::Result<TokenStream> {
    let Expr::Path(path) = &mut *call.func else { return Err(not_a_call(&Expr::Call(call))) };
    if let Some(segment) = path.path.segments.last_mut() {
        segment.ident = key_name(&segment.ident);
    }
    let (func, args) = (&call.func, call.args.iter().map(lend));
    Ok(quote!(#func(#(#args),*)))
}

/// `recv.method(args)` → `recv.method_key(&args)`
fn method_key(call: ExprMethodCall) -> TokenStream {
    let ExprMethodCall { receiver, method, turbofish, args, .. } = &call;
    let method = key_name(method);
    let args = args.iter().map(lend);
    quote!(#receiver.#method #turbofish (#(#args),*))
}

fn key_name(ident: &Ident) -> Ident {
    format_ident!("{}_key", ident.unraw_string(), span = ident.span())
}

/// A place is borrowed, so that the body still owns it; what is made on the spot is given away.
fn lend(arg: &Expr) -> TokenStream {
    if !is_place(arg) {
        return arg.to_token_stream();
    }
    // The argument's own place, or the arrow would cover the attribute.
    let span = Span::call_site().located_at(arg.span());
    quote_spanned!(span=> &#arg)
}

fn is_place(expr: &Expr) -> bool {
    match expr {
        Expr::Path(_) | Expr::Field(_) | Expr::Index(_) => true,
        Expr::Unary(unary) => matches!(unary.op, syn::UnOp::Deref(_)),
        Expr::Paren(paren) => is_place(&paren.expr),
        Expr::Group(group) => is_place(&group.expr),
        _ => false,
    }
}
