//! Options that bound what a call waits for, and how many loads run at once.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, quote};
use syn::parse::ParseStream;
use syn::{Expr, ExprLit, Ident, Lit};

use super::times::Time;
use crate::options;

/// The options as written.
#[derive(Default)]
pub(crate) struct Bounds {
    pub(crate) hard_timeout: Option<Time>,
    pub(crate) max_loads: Option<Expr>,
}

impl Bounds {
    /// Reads the value of one option; `false` if it is not one of these.
    pub(crate) fn option(&mut self, name: &Ident, input: ParseStream<'_>) -> syn::Result<bool> {
        match name.to_string().as_str() {
            "hard_timeout" => self.hard_timeout = Some(Time::parse(name, "\"2s\"", input)?),
            "max_loads" => self.max_loads = Some(loads(name, input)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Calls on the policy, one after the other.
    pub(crate) fn on_policy(&self) -> TokenStream {
        let mut calls = TokenStream::new();
        if let Some(time) = self.hard_timeout.as_ref().map(Time::value) {
            calls.extend(quote!(.hard_timeout(#time)));
        }
        if let Some(loads) = &self.max_loads {
            calls.extend(quote!(.max_loads(#loads)));
        }
        calls
    }

    /// Whether those calls can be made at compile time.
    pub(crate) fn are_constant(&self) -> bool {
        let times = [&self.hard_timeout];
        let known = |time: &Option<Time>| time.as_ref().is_none_or(|time| time.known().is_some());
        times.into_iter().all(known) && self.max_loads.as_ref().is_none_or(|n| number(n).is_some())
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
