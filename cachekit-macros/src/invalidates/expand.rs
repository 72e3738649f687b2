//! The expansion of `#[invalidates]`: the keys, those that need the result, and one call into the engine.

use proc_macro2::{Literal, Span, TokenStream};
use quote::{ToTokens as _, quote, quote_spanned};
use syn::{Ident, Type};

use super::args::{Args, Delay, Target};
use super::tx::{self, Tx};
use crate::cached::expand::{cache, cache_value};
use crate::errors::Errors;
use crate::mentions;
use crate::signature::{self, Function};
use crate::template::{self, Place};

/// The function, dropping its keys however it ends.
pub(super) fn expand(
    function: &Function,
    args: &Args,
    tx: Option<&Tx>,
    errors: &mut Errors,
) -> TokenStream {
    let ck = args.root.private();
    let (after, before): (Vec<Key>, Vec<Key>) = args
        .targets
        .iter()
        .map(|target| key(target, function, errors))
        .partition(|key| key.ret.is_some());
    check_ret(function, &after, tx, errors);
    let name = format!("::{}", function.name());
    let names = match after.is_empty() {
        true => quote!(#ck as __ck),
        false => quote!(#ck::{self as __ck, probes::*}),
    };
    let keys = keys(&before);
    let ret_keys = ret_keys(function, &after);
    let load = function.load(&quote!(__ck));
    let cache = cache(function, args.cache.as_ref());
    let run = match tx {
        Some(tx) => tx::run(tx, &load, (!after.is_empty()).then_some(&ret_keys)),
        None => around(function, args, &ret_keys, &load),
    };
    function.with_body(&quote! {
        use #names;
        static __CK_SITE: __ck::Site = __ck::Site::write(
            ::core::concat!(::core::module_path!(), #name),
            ::core::file!(),
            ::core::line!(),
        );
        #cache
        #keys
        #run
    })
}

/// The call that invalidates when the body ends.
fn around(
    function: &Function,
    args: &Args,
    ret_keys: &TokenStream,
    load: &TokenStream,
) -> TokenStream {
    let cache_value = cache_value(args.cache.as_ref());
    let rules = rules(function, args);
    quote! {
        #rules
        __ck::write(&__CK_SITE, #cache_value, __ck_keys, __ck_rules, #ret_keys, #load).await
    }
}

/// One key, or many.
struct Key {
    expr: TokenStream,
    many: bool,
    /// Where it names the success value, which is there only after the body.
    ret: Option<Span>,
}

fn key(target: &Target, function: &Function, errors: &mut Errors) -> Key {
    match target {
        Target::Template(template) => {
            let bound = template::bind(template, function, Place::Write, errors);
            let values = bound.iter().map(|bound| &bound.borrowed);
            let buf = template::write(template, values, &quote!(__ck));
            let ret = template.uses("ret").then(|| template.text.span());
            Key { expr: quote!(#buf.into_key()), many: false, ret }
        }
        Target::Key(expr) => {
            Key { expr: expr.clone(), many: false, ret: mentions::find(expr.clone(), "ret") }
        }
        Target::Keys(expr) => {
            let expr = expr.to_token_stream();
            Key { ret: mentions::find(expr.clone(), "ret"), expr, many: true }
        }
        Target::Tag(target) => {
            let Key { expr, many, ret } = key(target, function, errors);
            let expr = match many {
                true => quote!(__ck::tag_keys(#expr)),
                false => quote! {{
                    let __ck_tag: __ck::Key = #expr;
                    __ck::tag_key(__ck_tag)
                }},
            };
            Key { expr, many, ret }
        }
    }
}

fn check_ret(function: &Function, after: &[Key], tx: Option<&Tx>, errors: &mut Errors) {
    let Some(span) = after.iter().find_map(|key| key.ret) else { return };
    if let Some(tx) = tx {
        tx::check_ret(tx, span, errors);
    }
    if let Some(argument) = function.binding("ret") {
        let message = "in `#[invalidates]`, `ret` is the success value; rename this argument";
        errors.at(argument.span(), message);
    }
    // Every other type is asked by the compiler, in the same words.
    if matches!(function.output(), Type::Tuple(unit) if unit.elems.is_empty()) {
        let message =
            "`ret` is the success value of a `Result` or `Option`, and this function returns `()`";
        errors.at(span, message);
    }
}

fn keys(before: &[Key]) -> TokenStream {
    let single = before.iter().filter(|key| !key.many).map(|key| &key.expr);
    if !before.iter().any(|key| key.many) {
        let count = Literal::usize_unsuffixed(before.len());
        return quote! {
            let __ck_keys: [__ck::Key; #count] = [#(#single),*];
            let __ck_keys = ::std::vec::Vec::from(__ck_keys);
        };
    }
    let more = before.iter().map(|key| add(&quote!(&mut __ck_keys), key)).collect::<TokenStream>();
    quote! {
        let mut __ck_keys = ::std::vec::Vec::<__ck::Key>::new();
        #more
    }
}

fn add(keys: &TokenStream, key: &Key) -> TokenStream {
    let expr = &key.expr;
    match key.many {
        true => quote!(__ck::extend(#keys, #expr);),
        false => quote!(__ck::push(#keys, #expr);),
    }
}

fn rules(function: &Function, args: &Args) -> TokenStream {
    let output = function.output();
    let failed = match args.keep_on_err {
        Some(_) => {
            let (first, _) = signature::ends(output);
            let failed = quote_spanned!(first=> __ck::failed::<#output>);
            quote!(::core::option::Option::Some(#failed))
        }
        None => quote!(::core::option::Option::None),
    };
    let again_after = match &args.again_after {
        Some(Delay::Literal(millis)) => {
            let millis = Literal::u64_unsuffixed(*millis);
            quote!(::core::option::Option::Some(::core::time::Duration::from_millis(#millis)))
        }
        Some(Delay::Expr(expr)) => quote!(::core::option::Option::Some(#expr)),
        None => quote!(::core::option::Option::None),
    };
    quote! {
        let __ck_rules = __ck::WriteRules::<#output> { failed: #failed, again_after: #again_after };
    }
}

/// A closure over the result that adds the keys which name it.
fn ret_keys(function: &Function, after: &[Key]) -> TokenStream {
    let Some(span) = after.iter().find_map(|key| key.ret) else { return quote!(|_, _| {}) };
    let output = function.output();
    let (first, last) = signature::ends(output);
    let and = quote_spanned!(first=> &);
    let shape = Ident::new("__ck_shape", last);
    let ret = Ident::new("ret", span);
    let more = after.iter().map(|key| add(&quote!(__ck_more), key)).collect::<TokenStream>();
    quote! {
        |__ck_out: &#output, __ck_more: &mut ::std::vec::Vec<__ck::Key>| {
            let __ck_shape = (&&&&__ck::Probe::<#output>::NEW).ck_shape();
            if let ::core::option::Option::Some(#ret) = __ck::ret(__ck_out, #and #shape) {
                #more
            }
        }
    }
}
