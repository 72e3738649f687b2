//! A body that also runs in the background: called with the caller's arguments, and with copies of them.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Ident, PatType, ReceiverKind, Type, TypeReference};

use super::args::Args;
use crate::errors::Errors;
use crate::signature::{self, Function};

/// One argument, as the body is given it.
struct Given {
    /// What the tuple of arguments has.
    name: TokenStream,
    /// The parameter of the body.
    pattern: TokenStream,
    /// Its name there.
    inner: TokenStream,
    /// `T` of `T`, and of `&T`.
    ty: TokenStream,
    borrowed: bool,
}

/// Checks that every argument can be copied.
pub(super) fn check(function: &Function, args: &Args, errors: &mut Errors) {
    let Some(option) = args.background() else { return };
    let needs = "work in the background needs its own arguments, and";
    if let Some(receiver) = function.receiver().filter(|_| function.receiver_is_unique()) {
        let message =
            format!("{needs} a `&mut` cannot be copied; take `&self`, or leave out `{option}`");
        errors.on(receiver, message);
    }
    for arg in function.args() {
        let message = match reason(arg) {
            Some(reason) => format!("{needs} {reason}, or leave out `{option}`"),
            None => continue,
        };
        errors.on(arg, message);
    }
}

/// Why an argument cannot be copied, and what to do about it.
fn reason(arg: &PatType) -> Option<&'static str> {
    if matches!(&*arg.ty, Type::Reference(ty) if ty.mutability.is_some()) {
        return Some("a `&mut` cannot be copied; take `&Pool`");
    }
    if signature::contains_impl(&arg.ty) {
        return Some("an `impl Trait` need not be `Clone`; name its type");
    }
    if signature::plain_name(arg).is_none() {
        return Some("these have no name; give the argument one and take it apart in the body");
    }
    let lent = shared(&arg.ty).map_or(&*arg.ty, |ty| &*ty.elem);
    signature::borrows(lent).then_some("what this borrows cannot be copied; own it")
}

/// `&T`, unless it lives for ever and is as good as owned.
fn shared(ty: &Type) -> Option<&TypeReference> {
    match ty {
        Type::Reference(ty) if ty.mutability.is_none() => {
            let forever = ty.lifetime.as_ref().is_some_and(|lifetime| lifetime.ident == "static");
            (!forever).then_some(ty)
        }
        Type::Paren(ty) => shared(&ty.elem),
        Type::Group(ty) => shared(&ty.elem),
        _ => None,
    }
}

/// The plan of such a read: the body as an async closure, called with the arguments or with copies.
pub(super) fn plan(function: &Function, timed: bool) -> TokenStream {
    let given: Vec<Given> = given(function);
    let body = body(function, &given);
    let outer = given.iter().map(|given| &given.name);
    let names: Vec<_> = given.iter().map(|given| &given.inner).collect();
    let copies = given.iter().map(copy);
    let lent = given.iter().map(|Given { inner, ty, borrowed, .. }| match borrowed {
        true => quote!(__ck::lent::<#ty>(&#inner)),
        false => quote!(#inner),
    });
    let ttl = match timed {
        true => quote!(__ck_ttl(&__ck_out)),
        false => quote!(::core::option::Option::None),
    };
    quote! {{
        #body
        let __ck_split = __ck_form.split;
        __ck::Owning::new(
            (#(#outer,)*),
            move |(#(#names,)*)| async move { __ck_body(#(#names),*).await },
            move |(#(#names,)*)| -> __ck::Job {
                #(#copies)*
                ::std::boxed::Box::pin(async move {
                    let __ck_out = __ck_body(#(#lent),*).await;
                    __ck::brought(__ck_split, #ttl, &__ck_out)
                })
            },
        )
    }}
}

fn copy(Given { inner, ty, borrowed, .. }: &Given) -> TokenStream {
    let at = Span::call_site().located_at(ty.span());
    let copy = Ident::new(if *borrowed { "owned" } else { "copied" }, at);
    quote_spanned!(at=> let #inner = __ck::#copy::<#ty>(#inner);)
}

fn body(function: &Function, given: &[Given]) -> TokenStream {
    let params = given.iter().map(|Given { pattern, ty, borrowed, .. }| match borrowed {
        // It may be there for the key alone.
        true => quote!(#[allow(unused_variables)] #pattern: &#ty),
        false => quote!(#[allow(unused_variables)] #pattern: #ty),
    });
    let run = function.run_with_self(&quote!(__ck_self));
    let output = function.output();
    quote!(let __ck_body = async |#(#params),*| -> #output #run;)
}

fn given(function: &Function) -> Vec<Given> {
    let receiver = function.receiver().map(|receiver| {
        let (ty, borrowed) = match &receiver.kind {
            ReceiverKind::Typed(_, ty) => match shared(ty) {
                Some(lent) => (lent.elem.to_token_stream(), true),
                None => (ty.to_token_stream(), false),
            },
            ReceiverKind::Reference(..) => (quote!(Self), true),
            _ => (quote!(Self), false),
        };
        let (inner, mutability) = (quote!(__ck_self), &receiver.mutability);
        let mutability = mutability.filter(|_| !borrowed);
        let name = receiver.self_token.to_token_stream();
        Given { name, pattern: quote!(#mutability #inner), inner, ty, borrowed }
    });
    receiver.into_iter().chain(function.args().filter_map(given_arg)).collect()
}

fn given_arg(arg: &PatType) -> Option<Given> {
    let name = signature::plain_name(arg)?.to_token_stream();
    let (ty, borrowed) = match shared(&arg.ty) {
        Some(lent) => (lent.elem.to_token_stream(), true),
        None => (arg.ty.to_token_stream(), false),
    };
    let pattern = arg.pat.to_token_stream();
    Some(Given { inner: name.clone(), name, pattern, ty, borrowed })
}
