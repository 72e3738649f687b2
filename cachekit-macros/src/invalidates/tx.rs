//! `tx = ..`: a writer whose transaction carries the keys.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Expr, Ident, PatType, Type};

use super::args::Args;
use crate::errors::Errors;
use crate::signature::{self, Function};

/// The transaction of a writer.
pub(super) struct Tx {
    /// The argument that it is, if it is one.
    pub(super) arg: Option<Ident>,
    /// The body takes it.
    pub(super) by_value: bool,
    /// What makes it mutable, as a statement.
    pub(super) rebind: TokenStream,
    /// A unique reference to it.
    pub(super) place: TokenStream,
    /// Where a type that is none is shown.
    pub(super) at: (Span, Span),
}

/// The transaction that is named, or the one argument whose type says that it is one.
pub(super) fn find(function: &Function, args: &Args, errors: &mut Errors) -> Option<Tx> {
    let tx = match &args.tx {
        Some(expr) => named(function, expr),
        None if args.best_effort => None,
        None => only(function, errors),
    }?;
    exclude(args, &tx, errors);
    Some(tx)
}

/// Whether the type is a transaction by its name.
pub(crate) fn is_transaction(ty: &Type) -> bool {
    signature::last_segment(ty).is_some_and(|name| {
        let name = name.to_string();
        name.ends_with("Transaction") || name.ends_with("Savepoint")
    })
}

fn named(function: &Function, expr: &Expr) -> Option<Tx> {
    let at = signature::ends(expr);
    let arg = function.args().find(|arg| {
        let name = signature::plain_name(arg);
        name.is_some_and(|name| matches!(expr, Expr::Path(path) if path.path.is_ident(name)))
    });
    if let Some(arg) = arg {
        return argument(arg, at);
    }
    let and = quote_spanned!(at.0=> &mut);
    let place = quote!(#and #expr);
    Some(Tx { arg: None, by_value: false, rebind: TokenStream::new(), place, at })
}

fn only(function: &Function, errors: &mut Errors) -> Option<Tx> {
    let mut found = function.args().filter(|arg| is_transaction(&arg.ty));
    let first = found.next()?;
    if let Some(second) = found.next() {
        let message = "two arguments are transactions by their type; say whose commit makes the write visible: `tx = …`";
        errors.on(&second.ty, message);
        return None;
    }
    let Some(name) = signature::plain_name(first) else {
        let message = "the transaction needs a name, so that its keys can be recorded in it";
        errors.on(&first.pat, message);
        return None;
    };
    argument(first, signature::ends(name))
}

fn argument(arg: &PatType, at: (Span, Span)) -> Option<Tx> {
    let name = signature::plain_name(arg)?.clone();
    let unique = matches!(&*arg.ty, Type::Reference(_));
    let shown = Ident::new(&name.to_string(), name.span().located_at(at.1));
    let and = match unique {
        true => quote_spanned!(at.0=> &mut *),
        false => quote_spanned!(at.0=> &mut),
    };
    let rebind = match unique {
        true => TokenStream::new(),
        false => quote! {
            #[allow(unused_mut)]
            let mut #name = #name;
        },
    };
    Some(Tx { arg: Some(name), by_value: !unique, rebind, place: quote!(#and #shown), at })
}

/// What says something that a transaction says otherwise.
fn exclude(args: &Args, tx: &Tx, errors: &mut Errors) {
    if let Some(span) = args.keep_on_err {
        let message = "in a transaction the commit decides, whatever the function returns; leave `on_err` out";
        errors.at(span, message);
    }
    if args.again_after.is_some() {
        let message = "`again_after` counts from the end of the call, and the transaction commits later; leave it out";
        errors.at(tx.at.1, message);
    }
    if let Some(cache) = &args.cache {
        errors.on(cache, "the transaction knows its cache; leave `cache` out");
    }
    if let (true, Some(expr)) = (args.best_effort, &args.tx) {
        let message = "`best_effort` gives up what `tx = …` asks for; leave one of them out";
        errors.at(expr.span(), message);
    }
}

/// What `ret` keys ask of the transaction: it must be there after the body.
pub(super) fn check_ret(tx: &Tx, ret: Span, errors: &mut Errors) {
    if tx.by_value {
        let message = "`ret` is known only after the body, which takes the transaction with it; take `&mut Transaction`";
        errors.at(ret, message);
    } else if tx.arg.is_none() {
        let message = "`ret` is known only after the body, which may take what holds the transaction; make the transaction an argument";
        errors.at(ret, message);
    }
}

/// Notes the keys, runs the body, and notes those that name its result.
pub(super) fn run(tx: &Tx, load: &TokenStream, ret_keys: Option<&TokenStream>) -> TokenStream {
    let Tx { rebind, place, .. } = tx;
    let record = quote_spanned!(tx.at.0=> __ck::record);
    let (Some(ret_keys), Some(arg)) = (ret_keys, &tx.arg) else {
        return quote! {
            #rebind
            #record(#place, &__CK_SITE, __ck_keys);
            let __ck_load = #load;
            __ck_load().await
        };
    };
    let held = Ident::new("__ck_tx", Span::call_site().located_at(tx.at.1)).into_token_stream();
    quote! {
        let #held = #place;
        #record(#held, &__CK_SITE, __ck_keys);
        let __ck_out = {
            let #arg = &mut *#held;
            let __ck_load = #load;
            __ck_load().await
        };
        __ck::record_ret(#held, &__CK_SITE, &__ck_out, #ret_keys);
        __ck_out
    }
}
