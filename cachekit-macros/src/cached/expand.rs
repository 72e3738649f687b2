//! The expansion of `#[cached]`: the key, the form of the result, and one call into the engine.

use proc_macro2::{Literal, Span, TokenStream};
use quote::{ToTokens as _, format_ident, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Expr, Ident, PatType, Type};

use super::args::{Args, Ttl};
use super::{BoundKey, ahead, background, bloom};
use crate::mentions;
use crate::signature::{self, Function};
use crate::template;

/// The function, reading through the cache.
pub(super) fn expand(
    function: &Function,
    args: &Args,
    key: &BoundKey,
    tags: &[BoundKey],
    ttl: &Ttl,
) -> TokenStream {
    let ck = args.root.private();
    let site = site(function, key);
    let form = form(function, args);
    let bloom = bloom::expand(function, args, key);
    let cache = cache(function, args.cache.as_ref());
    let (asked, in_tx) = in_transaction(function, args);
    let policy = policy_of(args, ttl);
    let key = key_of(key);
    let (prepared, read, load) = plan(function, args, ttl);
    let question = bloom::question(args);
    let cache_value = cache_value(args.cache.as_ref());
    let let_tags = let_tags(tags);
    let tags = if let_tags.is_empty() { quote!(&[]) } else { quote!(&__ck_tags) };
    let body = quote! {
        use #ck::{self as __ck, probes::*};
        #site
        #form
        #bloom
        #cache
        #asked
        let __ck_read = {
            #policy
            #key
            #let_tags
            let __ck_call = __ck::Call {
                site: &__CK_SITE,
                cache: #cache_value,
                tags: #tags,
                in_transaction: #in_tx,
                filter: #question,
            };
            #prepared
            __ck::#read(__ck_call, &__ck_key, __ck_policy, __ck_form, #load)
        };
        __ck_read.await
    };
    match args.background() {
        Some(_) => function.with_moving_body(&body),
        None => function.with_body(&body),
    }
}

/// How the body is run: what has to stand before the call, which function that is of, and its last argument.
fn plan(function: &Function, args: &Args, ttl: &Ttl) -> (TokenStream, TokenStream, TokenStream) {
    let timed = match ttl {
        Ttl::Closure(closure) => Some(quote!(let __ck_ttl = __ck::ttl_of(&__ck_shape, #closure);)),
        Ttl::Literal(_) | Ttl::Expr(_) => None,
    };
    let background = args.background().is_some();
    let plan = match background {
        true => background::plan(function, timed.is_some()),
        false => function.load(&quote!(__ck)),
    };
    let read = if background { quote!(read_ahead) } else { quote!(read_by) };
    match (timed, background) {
        (None, false) => (TokenStream::new(), quote!(read), plan),
        (None, true) => (quote!(let __ck_plan = #plan;), read, quote!(__ck_plan)),
        (Some(timed), background) => {
            let plan = if background { plan } else { quote!(__ck::Plain::new(#plan)) };
            let prepared = quote!(#timed let __ck_plan = #plan;);
            (prepared, read, quote!(__ck::Timed::new(__ck_plan, __ck_ttl)))
        }
    }
}

fn site(function: &Function, key: &BoundKey) -> TokenStream {
    site_made_by(&quote!(read), function, key)
}

pub(super) fn site_made_by(make: &TokenStream, function: &Function, key: &BoundKey) -> TokenStream {
    let name = format!("::{}", function.name());
    let template = match key {
        BoundKey::Template(template, _) => template.text.to_token_stream(),
        // Learnt from the key when the function first runs.
        BoundKey::Expr(_) => quote!(""),
    };
    quote! {
        static __CK_SITE: __ck::Site = __ck::Site::#make(
            ::core::concat!(::core::module_path!(), #name),
            #template,
            ::core::file!(),
            ::core::line!(),
        );
    }
}

/// The probes, each a `let` of its own: inside the awaited expression their temporaries would make the future `!Send`.
pub(crate) fn form(function: &Function, args: &Args) -> TokenStream {
    let output = function.output();
    let (first, last) = signature::ends(output);
    let at_output = |name: &str| {
        let name = Ident::new(name, last);
        let and = quote_spanned!(first=> &);
        quote!(#and #name)
    };
    let make = if args.local { quote!(local_form) } else { quote!(form) };
    let stored = at_output("__ck_stored");
    let absent = args.negative_ttl.as_ref().map(|_| {
        let shape = at_output("__ck_shape");
        quote!(__ck::can_be_absent(#shape);)
    });
    let fail = args.bounds.hard_timeout.as_ref().map(|_| {
        let shape = at_output("__ck_shape");
        quote!(let __ck_form = __ck::can_time_out(#shape, __ck_form);)
    });
    let errs = args.bounds.needs_errors().then(|| {
        let shape = at_output("__ck_shape");
        quote!(__ck::can_err(#shape);)
    });
    let error = error_of(output);
    quote! {
        let __ck_shape = (&&&&__ck::Probe::<#output>::NEW).ck_shape();
        let __ck_stored = (&&__ck_shape.value()).ck_stored();
        let __ck_error = #error.ck_error();
        let __ck_form = __ck::#make(&__ck_shape, #stored, &__ck_error);
        #absent
        #fail
        #errs
    }
}

/// The question after the error's type. A probe does not see lifetimes: it would share an error that borrows, and then
/// not compile.
pub(super) fn error_of(output: &Type) -> TokenStream {
    match signature::borrows(output) {
        true => quote!(__ck_shape.error()),
        false => quote!((&&__ck_shape.error())),
    }
}

/// `cache = expr`, before the body moves what it names.
pub(crate) fn cache(function: &Function, cache: Option<&Expr>) -> TokenStream {
    let Some(expr) = cache else { return TokenStream::new() };
    let (first, last) = signature::ends(expr);
    let source = Ident::new("__ck_source", last);
    let source = quote_spanned!(first=> __ck::explicit(#source));
    // Where the body takes the argument that holds the cache, a handle of its own has to last.
    let handle = match outlives_the_body(function, expr) {
        true => quote!(let __ck_cache = #source;),
        false => quote!(let __ck_cache = &::core::clone::Clone::clone(#source);),
    };
    quote! {
        let __ck_source = &#expr;
        #handle
    }
}

/// The field of the call.
pub(crate) fn cache_value(cache: Option<&Expr>) -> TokenStream {
    match cache {
        Some(_) => quote!(::core::option::Option::Some(__ck_cache)),
        None => quote!(::core::option::Option::None),
    }
}

pub(super) fn outlives_the_body(function: &Function, expr: &Expr) -> bool {
    let words = mentions::words(expr.to_token_stream());
    let self_lasts = !words.contains("self") || function.receiver_is_shared();
    self_lasts
        && function.args().all(|arg| {
            let shared =
                matches!(&*arg.ty, Type::Reference(reference) if reference.mutability.is_none());
            shared
                || !signature::pattern_names(&arg.pat)
                    .iter()
                    .any(|name| words.contains(&name.to_string()))
        })
}

/// Asks every `&mut` argument, and every connection by value, whether a transaction is open: statements, and the answer.
pub(super) fn in_transaction(function: &Function, args: &Args) -> (TokenStream, TokenStream) {
    let asked: Vec<Asked> = if args.outside_tx { Vec::new() } else { asked(function) };
    if asked.is_empty() {
        return (TokenStream::new(), quote!(false));
    }
    let name = |index: usize, at: Span| format_ident!("__ck_tx_{index}", span = at);
    let questions = asked.iter().enumerate().map(|(index, Asked { place, at, .. })| {
        let name = name(index, *at);
        quote!(let #name = (&&&__ck::TxProbe(#place)).ck_in_tx();)
    });
    let answers = asked.iter().enumerate().map(|(index, Asked { place, by_name, at })| {
        let name = name(index, *at);
        match by_name {
            false => quote!(__ck::in_tx(&#name)),
            true => quote_spanned!(*at=> __ck::known_in_tx(#place, &#name)),
        }
    });
    (quote!(#(#questions)*), quote!(#(#answers)||*))
}

struct Asked {
    place: TokenStream,
    /// It is a connection by its name, so it must have an answer.
    by_name: bool,
    at: Span,
}

fn asked(function: &Function) -> Vec<Asked> {
    let receiver = function.receiver().filter(|_| function.receiver_is_unique()).map(|receiver| {
        let place = receiver.self_token;
        Asked { place: quote!(&*#place), by_name: false, at: Span::call_site() }
    });
    receiver.into_iter().chain(function.args().filter_map(ask)).collect()
}

fn ask(arg: &PatType) -> Option<Asked> {
    let name = signature::plain_name(arg)?;
    let by_name = signature::is_connection(&arg.ty);
    let at = name.span();
    let place = match &*arg.ty {
        Type::Reference(reference) if reference.mutability.is_some() => {
            quote_spanned!(at=> &*#name)
        }
        Type::Path(_) if by_name => quote_spanned!(at=> &#name),
        _ => return None,
    };
    Some(Asked { place, by_name, at })
}

pub(super) fn policy_of(args: &Args, ttl: &Ttl) -> TokenStream {
    let (ahead, constant) = ahead::policy(args);
    let l1 = args.l1.iter().map(|yes| quote!(.l1(#yes)));
    let bounds = args.bounds.on_policy();
    let more = quote!(#(#l1)* #ahead #bounds);
    policy_with(ttl, args.negative_ttl.as_ref(), &more, constant && args.bounds.are_constant())
}

pub(crate) fn policy(ttl: &Ttl, negative: Option<&Ttl>) -> TokenStream {
    policy_with(ttl, negative, &TokenStream::new(), true)
}

/// By reference, for a hit needs little of it. `more` are calls of methods that change it further.
fn policy_with(
    ttl: &Ttl,
    negative: Option<&Ttl>,
    more: &TokenStream,
    more_is_constant: bool,
) -> TokenStream {
    let constant = |ttl: &Ttl| !matches!(ttl, Ttl::Expr(_));
    let negative_value = match negative {
        Some(negative) => {
            let negative = ttl_value(negative);
            quote!(::core::option::Option::Some(#negative))
        }
        None => quote!(::core::option::Option::None),
    };
    let value = ttl_value(ttl);
    let policy = quote!(__ck::Policy::from_parts(#value, #negative_value) #more);
    if more_is_constant && constant(ttl) && negative.is_none_or(constant) {
        return quote! {
            const __CK_POLICY: __ck::Policy = #policy;
            let __ck_policy = &__CK_POLICY;
        };
    }
    quote!(let __ck_policy = &#policy;)
}

fn ttl_value(ttl: &Ttl) -> TokenStream {
    match ttl {
        Ttl::Literal(millis) => {
            let base = Literal::u64_unsuffixed(millis.base);
            let jitter = Literal::u64_unsuffixed(millis.jitter);
            quote!(__ck::Ttl::from_millis(#base, #jitter))
        }
        Ttl::Expr(expr) => {
            let at = Span::call_site().located_at(expr.span());
            quote_spanned!(at=> __ck::ttl(#expr))
        }
        // Every value says its own.
        Ttl::Closure(_) => quote!(__ck::Ttl::from_millis(30_000, 0)),
    }
}

pub(crate) fn key_of(key: &BoundKey) -> TokenStream {
    match key {
        BoundKey::Template(template, bound) => {
            template::write_in_place(template, bound.iter().map(|bound| &bound.borrowed))
        }
        BoundKey::Expr(expr) => quote! {
            let __ck_key: __ck::Key = #expr;
            let __ck_key = __ck::KeyBuf::from(__ck_key);
        },
    }
}

/// The tags of a read, as an array called `__ck_tags`.
pub(crate) fn let_tags(tags: &[BoundKey]) -> TokenStream {
    if tags.is_empty() {
        return TokenStream::new();
    }
    let tags = tags.iter().map(|tag| match tag {
        BoundKey::Template(template, bound) => {
            template::write_tag(template, bound.iter().map(|bound| &bound.borrowed))
        }
        BoundKey::Expr(expr) => quote! {{
            let __ck_tag: __ck::Key = #expr;
            __ck::Tag::from(__ck_tag)
        }},
    });
    let count = Literal::usize_unsuffixed(tags.len());
    quote!(let __ck_tags: [__ck::Tag; #count] = [#(#tags),*];)
}
