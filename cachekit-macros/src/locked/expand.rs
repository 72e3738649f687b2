//! The expansion of `#[locked]`: the keys, what the lock is like, and one call into the core.

use proc_macro2::{Literal, Span, TokenStream};
use quote::{ToTokens as _, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Expr, Ident};

use super::args::{Args, Target};
use crate::cached::expand::{cache, cache_value};
use crate::errors::Errors;
use crate::options::Text;
use crate::signature::{self, Function};
use crate::template::{self, Place};

/// The function, running its body under the lock.
pub(super) fn expand(function: &Function, args: &Args, errors: &mut Errors) -> TokenStream {
    let ck = args.root.private();
    let name = format!("::{}", function.name());
    let fail = fail(function);
    let cache = cache(function, args.cache.as_ref());
    let cache_value = cache_value(args.cache.as_ref());
    let keys = keys(function, args, errors);
    let rules = rules(args);
    let load = function.load_with(&quote!(__ck), &handle(args));
    function.with_body(&quote! {
        use #ck as __ck;
        const __CK_NAME: &str = ::core::concat!(::core::module_path!(), #name);
        #fail
        #cache
        #keys
        #rules
        __ck::locked(__CK_NAME, #cache_value, __ck_keys, __ck_rules, __ck_fail, #load).await
    })
}

/// How the function says that it has no lock. Its two demands are made at the return type.
fn fail(function: &Function) -> TokenStream {
    let output = function.output();
    let (first, _) = signature::ends(output);
    let no_lock = quote_spanned!(first=> __ck::no_lock::<#output>);
    quote!(let __ck_fail = #no_lock;)
}

/// The body's parameter.
fn handle(args: &Args) -> TokenStream {
    match &args.guard {
        Some(name) => quote!(#name: __ck::LockHandle),
        None => quote!(_: __ck::LockHandle),
    }
}

/// A vector of keys, called `__ck_keys`.
fn keys(function: &Function, args: &Args, errors: &mut Errors) -> TokenStream {
    let keys: Vec<Key> = args.targets.iter().map(|target| key(target, function, errors)).collect();
    if keys.iter().all(|key| !key.many) {
        let (count, keys) =
            (Literal::usize_unsuffixed(keys.len()), keys.iter().map(|key| &key.expr));
        return quote! {
            let __ck_keys: [__ck::Key; #count] = [#(#keys),*];
            let __ck_keys = ::std::vec::Vec::from(__ck_keys);
        };
    }
    let more = keys.iter().map(|Key { expr, many }| match many {
        true => quote!(__ck::extend(&mut __ck_keys, #expr);),
        false => quote!(__ck::push(&mut __ck_keys, #expr);),
    });
    quote! {
        let mut __ck_keys = ::std::vec::Vec::<__ck::Key>::new();
        #(#more)*
    }
}

/// One key, or an iterator of them.
struct Key {
    expr: TokenStream,
    many: bool,
}

fn key(target: &Target, function: &Function, errors: &mut Errors) -> Key {
    match target {
        Target::Template(template) => {
            let bound = template::bind(template, function, Place::Read, errors);
            let values = bound.iter().map(|bound| &bound.borrowed);
            let buf = template::write(template, values, &quote!(__ck));
            Key { expr: quote!(#buf.into_key()), many: false }
        }
        Target::Key(expr) => Key { expr: expr.to_token_stream(), many: false },
        Target::Keys(expr) => Key { expr: expr.to_token_stream(), many: true },
    }
}

fn owner_value(owner: &Text) -> TokenStream {
    match owner {
        Text::Literal(text) => quote!(__ck::owner(#text)),
        Text::Expr(expr) => {
            let (first, last) = signature::ends(expr);
            let and = quote_spanned!(first=> &);
            let owner_of = quote_spanned!(last=> __ck::owner_of);
            quote!(#owner_of(#and #expr))
        }
    }
}

fn floor(above: &Expr) -> TokenStream {
    let at = Span::call_site().located_at(above.span());
    quote_spanned! {at=> {
        let __ck_above: u64 = #above;
        __ck_above
    }}
}

/// What the lock is like, evaluated before the body takes the arguments.
fn rules(args: &Args) -> TokenStream {
    let given = |name: &str, value: TokenStream| {
        let name = Ident::new(name, Span::call_site());
        quote!(#name: ::core::option::Option::Some(#value),)
    };
    let times = [("lease", &args.lease), ("wait", &args.wait), ("max_hold", &args.max_hold)];
    let times = times
        .into_iter()
        .filter_map(|(name, time)| time.as_ref().map(|time| given(name, time.value())));
    let fair = args.fair.as_ref().map(|_| quote!(fair: true,));
    let owner = args.owner.as_ref().map(|owner| given("owner", owner_value(owner)));
    let above = args.above.as_ref().map(|above| given("above", floor(above)));
    quote! {
        let __ck_rules = __ck::LockRules {
            #(#times)*
            #fair
            #owner
            #above
            ..::core::default::Default::default()
        };
    }
}
