//! Batches: `key = "user:<ids[]>"`, an argument of many ids each of which has an entry of its own.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Ident, Pat, PatType, Type};

use super::BoundKey;
use super::args::{Args, Ttl};
use super::expand::{self, cache, cache_value, error_of, in_transaction, policy_of};
use crate::errors::Errors;
use crate::signature::{self, Elements, Flavor, Function};
use crate::template::{self, EACH, Template, Unraw as _};

/// The argument that a batch is over.
pub(super) struct Batch {
    arg: PatType,
    name: Ident,
    element: Type,
}

impl Batch {
    /// The argument's name, which an element goes by as well.
    pub(super) fn name(&self) -> &Ident {
        &self.name
    }

    /// The type of one element, if it is this argument that has them.
    pub(super) fn element_of(&self, arg: &PatType) -> Option<&Type> {
        let is_it = signature::plain_name(arg) == Some(&self.name);
        is_it.then_some(&self.element)
    }
}

/// Whether a key names each element of an argument.
pub(super) fn is_asked(key: &BoundKey) -> bool {
    match key {
        BoundKey::Template(template, _) => template.placeholders().any(|path| path.contains(EACH)),
        BoundKey::Expr(_) => false,
    }
}

/// The batch that a template asks for, if it does; what is wrong with it is in `errors`.
pub(super) fn find(function: &Function, key: &BoundKey, errors: &mut Errors) -> Option<Batch> {
    let BoundKey::Template(template, _) = key else { return None };
    let name = only_name(template, errors)?;
    if !matches!(function.flavor(), Some(Flavor::Async) | None) {
        let message = "a batch is an `async fn`, for its body runs once more where another caller's load fails; call one from this method";
        errors.on(function.ident(), message);
    }
    let text = template.text.span();
    let arg = function.args().find(|arg| has_name(arg, name));
    let Some((arg, ident)) = arg.and_then(|arg| Some((arg, signature::plain_name(arg)?))) else {
        let message =
            format!("`<{name}{EACH}>` needs an argument of its own, such as `{name}: &[i64]`");
        errors.at(text, message);
        return None;
    };
    let Some((element, _)) = signature::elements(&arg.ty) else {
        let message = format!(
            "`<{name}{EACH}>` stands for each element of `{name}`, which must be written as `&[T]`, `Vec<T>`, `VecDeque<T>`, `HashSet<T>` or `BTreeSet<T>`; for a key of all of it write `<{name}>`"
        );
        errors.on(&arg.ty, message);
        return None;
    };
    Some(Batch { arg: arg.clone(), name: ident.clone(), element: element.clone() })
}

fn has_name(arg: &PatType, name: &str) -> bool {
    signature::plain_name(arg).is_some_and(|ident| ident.unraw_string() == name)
}

/// What says how one key's old value is treated, or what it hangs on: a batch has no such thing.
const SINGLE: [&str; 10] = [
    "tags",
    "bloom",
    "stale_while_revalidate",
    "refresh_ahead",
    "stale_if_error",
    "even_invalidated",
    "retry_after",
    "soft_timeout",
    "hard_timeout",
    "max_loads",
];

/// Refuses what a batch would not do.
pub(super) fn check(args: &Args, errors: &mut Errors) {
    for name in args.given.iter().filter(|name| SINGLE.contains(&name.to_string().as_str())) {
        let message = format!(
            "a batch has no `{name}`; leave it out, or read one element at a time through a function that has it"
        );
        errors.at(name.span(), message);
    }
    if let Some(Ttl::Closure(closure)) = &args.ttl {
        let message = "a batch has one `ttl` for all its elements, which no value says; write it as a text, or as an expression";
        errors.on(closure, message);
    }
}

/// The one argument whose elements the template names.
fn only_name<'t>(template: &'t Template, errors: &mut Errors) -> Option<&'t str> {
    let mut names = template.placeholders().filter(|path| path.contains(EACH)).map(template::root);
    let name = names.next()?;
    if let Some(other) = names.find(|other| *other != name) {
        let message = format!(
            "a batch is over one argument, not over `{name}` and `{other}`; take one of pairs, and write `<{name}{EACH}.0>` and `<{name}{EACH}.1>`"
        );
        errors.at(template.text.span(), message);
    }
    let whole =
        template.placeholders().find(|path| !path.contains(EACH) && template::root(path) == name);
    if let Some(path) = whole {
        let message = format!(
            "`<{path}>` would put all of `{name}` into the key of each element; write `<{name}{EACH}>`, or leave it out"
        );
        errors.at(template.text.span(), message);
    }
    Some(name)
}

/// The function, reading each element through the cache. Its body runs for those that are missing, and once more for
/// those that others were loading and failed to bring: a loop, not a closure, so that it may borrow what it likes.
pub(super) fn expand(
    function: &Function,
    args: &Args,
    key: &BoundKey,
    ttl: &Ttl,
    batch: &Batch,
) -> TokenStream {
    let ck = args.root.private();
    let site = expand::site_made_by(&quote!(read_many), function, key);
    let cache = cache(function, args.cache.as_ref());
    let (asked, in_tx) = in_transaction(function, args);
    let policy = policy_of(args, ttl);
    let ids = ids(key, batch);
    let form = form(function, args);
    let cache_value = cache_value(args.cache.as_ref());
    let missing = missing(batch);
    let typed = function.typed(&quote!(__ck));
    let body = &function.body;
    function.with_body(&quote! {
        use #ck::{self as __ck, probes::*};
        #site
        #cache
        #asked
        #policy
        #ids
        #form
        let __ck_call = __ck::Call {
            site: &__CK_SITE,
            cache: #cache_value,
            tags: &[],
            in_transaction: #in_tx,
            filter: ::core::option::Option::None,
        };
        let mut __ck_read = __ck::ManyRead::begin(__ck_call, __ck_asked, *__ck_policy, __ck_form);
        while let ::core::option::Option::Some(__ck_missing) = __ck_read.next().await {
            let __ck_out = __ck_read.load(async {
                #missing
                #typed
                #body
            });
            let __ck_out = __ck_out.await;
            __ck_read.settle(__ck_out).await;
        }
        __ck_read.finish()
    })
}

/// Each element and its key, before the body takes any argument.
fn ids(key: &BoundKey, batch: &Batch) -> TokenStream {
    let Batch { arg, name, element } = batch;
    let key = expand::key_of(key);
    let at = Span::call_site().located_at(name.span());
    // What is declared `mut` is so for the body.
    let all = match &*arg.pat {
        Pat::Ident(pat) if pat.mutability.is_some() => quote!((&mut #name)),
        _ => quote!(#name),
    };
    let each = quote_spanned!(at=> ::core::clone::Clone::clone(#name));
    quote! {
        let __ck_asked: ::std::vec::Vec<(#element, __ck::Key)> = #all
            .iter()
            .map(|#name| {
                #key
                (#each, __ck_key.into_key())
            })
            .collect();
    }
}

fn form(function: &Function, args: &Args) -> TokenStream {
    let output = function.output();
    let (first, last) = signature::ends(output);
    let at_output = |name: &str| {
        let name = Ident::new(name, last);
        let and = quote_spanned!(first=> &);
        quote!(#and #name)
    };
    let (shape, stored) = (at_output("__ck_shape"), at_output("__ck_stored"));
    // All of the call is at the output's place: what does not fit there is said once.
    let many_shape = quote_spanned!(first=> __ck::many_shape);
    let arguments = quote_spanned!(last=> (&__ck_asked[..], #shape));
    let make = if args.local { quote!(local_many_form) } else { quote!(many_form) };
    let error = error_of(output);
    quote! {
        let __ck_shape = (&&&&__ck::Probe::<#output>::NEW).ck_shape();
        let __ck_many = #many_shape #arguments;
        let __ck_stored = (&&__ck_many.value()).ck_stored();
        let __ck_error = #error.ck_error();
        let __ck_form = __ck::#make(__ck_many, #stored, &__ck_error);
    }
}

/// The argument as the body sees it: of the same name and type, with the elements that are missing.
fn missing(batch: &Batch) -> TokenStream {
    let PatType { pat, ty, .. } = &batch.arg;
    let element = &batch.element;
    match signature::elements(ty) {
        Some((_, Elements::Slice)) => quote!(let #pat: &[#element] = &__ck_missing;),
        Some((_, Elements::Borrowed(owned))) => quote! {
            let __ck_missing: #owned = ::core::iter::FromIterator::from_iter(__ck_missing);
            let #pat = &__ck_missing;
        },
        _ => quote!(let #pat: #ty = ::core::iter::FromIterator::from_iter(__ck_missing);),
    }
}
