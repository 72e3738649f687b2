//! Options that bound what a call waits for, and how many loads run at once.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, quote};
use syn::parse::ParseStream;
use syn::{Expr, ExprLit, Ident, Lit};

use super::args::Args;
use super::times::Time;
use crate::errors::Errors;
use crate::options;

/// The options as written.
#[derive(Default)]
pub(crate) struct Bounds {
    pub(crate) stale_if_error: Option<Time>,
    pub(crate) even_invalidated: Option<Ident>,
    pub(crate) retry_after: Option<(Ident, Time)>,
    pub(crate) soft_timeout: Option<(Ident, Time)>,
    pub(crate) hard_timeout: Option<Time>,
    pub(crate) max_loads: Option<Expr>,
}

impl Bounds {
    /// Reads the value of one option; `false` if it is not one of these.
    pub(crate) fn option(&mut self, name: &Ident, input: ParseStream<'_>) -> syn::Result<bool> {
        match name.to_string().as_str() {
            "stale_if_error" => self.stale_if_error = Some(Time::parse(name, "\"1h\"", input)?),
            "even_invalidated" => {
                options::flag(name, input)?;
                self.even_invalidated = Some(name.clone());
            }
            "retry_after" => {
                self.retry_after = Some((name.clone(), Time::parse(name, "\"1s\"", input)?));
            }
            "soft_timeout" => {
                self.soft_timeout = Some((name.clone(), Time::parse(name, "\"50ms\"", input)?));
            }
            "hard_timeout" => self.hard_timeout = Some(Time::parse(name, "\"2s\"", input)?),
            "max_loads" => self.max_loads = Some(loads(name, input)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Calls on the policy, one after the other.
    pub(crate) fn on_policy(&self) -> TokenStream {
        let calls = self.times().map(|(name, time)| {
            let (name, time) = (Ident::new(name, Span::call_site()), time.value());
            quote!(.#name(#time))
        });
        let even_invalidated = self.even_invalidated.as_ref().map(|_| quote!(.even_invalidated()));
        let max_loads = self.max_loads.as_ref().map(|loads| quote!(.max_loads(#loads)));
        quote!(#(#calls)* #even_invalidated #max_loads)
    }

    /// Whether those calls can be made at compile time.
    pub(crate) fn are_constant(&self) -> bool {
        self.times().all(|(_, time)| time.known().is_some())
            && self.max_loads.as_ref().is_none_or(|loads| number(loads).is_some())
    }

    /// Whether all of it is about errors, so that a function without any has no use for it.
    pub(crate) fn needs_errors(&self) -> bool {
        self.stale_if_error.is_some() && self.soft_timeout.is_none()
    }

    /// Each with the policy's name for it.
    fn times(&self) -> impl Iterator<Item = (&'static str, &Time)> {
        let named = |option: &'static str, time| Option::map(time, |time| (option, time));
        let times = [
            named("stale_if_error", self.stale_if_error.as_ref()),
            named("retry_after", self.retry_after.as_ref().map(|(_, time)| time)),
            named("soft_timeout", self.soft_timeout.as_ref().map(|(_, time)| time)),
            named("hard_timeout", self.hard_timeout.as_ref()),
        ];
        times.into_iter().flatten()
    }
}

/// Checks what the options say together.
pub(super) fn check(args: &Args, errors: &mut Errors) {
    let bounds = &args.bounds;
    let keeps_old = bounds.stale_if_error.is_some() || args.stale_while_revalidate.is_some();
    if let Some((name, _)) = bounds.soft_timeout.as_ref().filter(|_| !keeps_old) {
        let message = "`soft_timeout` needs an old value to answer with; keep one, with `stale_if_error = \"1h\"` or `stale_while_revalidate = \"10m\"`";
        errors.at(name.span(), message);
    }
    if let Some((name, _)) = bounds.retry_after.as_ref().filter(|_| !keeps_old) {
        let message = "`retry_after` needs an old value to answer with meanwhile; keep one, with `stale_if_error = \"1h\"`";
        errors.at(name.span(), message);
    }
    if let Some(name) = bounds.even_invalidated.as_ref().filter(|_| bounds.stale_if_error.is_none())
    {
        let message = "`even_invalidated` says what `stale_if_error` may answer with; say for how long, with `stale_if_error = \"1h\"`";
        errors.at(name.span(), message);
    }
    let soft = bounds.soft_timeout.as_ref().and_then(|(_, time)| time.known());
    let hard = bounds.hard_timeout.as_ref().and_then(Time::known);
    if let (Some((soft, text)), Some((hard, _))) = (soft, hard)
        && soft >= hard
    {
        let message =
            "`soft_timeout` is shorter than `hard_timeout`, or no caller would live to see it";
        errors.at(text.span(), message);
    }
}

fn loads(name: &Ident, input: ParseStream<'_>) -> syn::Result<Expr> {
    let loads: Expr = options::value(name, "8", input)?;
    let text = matches!(&loads, Expr::Lit(ExprLit { lit, .. }) if !matches!(lit, Lit::Int(_)));
    if text {
        let message = "`max_loads` is a number, such as `max_loads = 8`";
        return Err(syn::Error::new_spanned(&loads, message));
    }
    if number(&loads) == Some(0) {
        let message = "`max_loads` is at least 1, else nothing could ever be loaded";
        return Err(syn::Error::new_spanned(loads.to_token_stream(), message));
    }
    Ok(loads)
}

fn number(expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => number.base10_parse().ok(),
        _ => None,
    }
}
