//! The expansion of `#[writes_through]`: the key, the form of the result, and one call into the engine.

use proc_macro2::TokenStream;
use quote::quote;

use crate::cached::BoundKey;
use crate::cached::args::{Args, Ttl};
use crate::cached::expand::{cache, cache_value, form, key_of, let_tags, policy};
use crate::signature::Function;

/// The function, leaving what it returns in the cache.
pub(super) fn expand(
    function: &Function,
    args: &Args,
    key: &BoundKey,
    tags: &[BoundKey],
    ttl: &Ttl,
) -> TokenStream {
    let ck = args.root.private();
    let name = format!("::{}", function.name());
    let form = form(function, args);
    let cache = cache(function, args.cache.as_ref());
    let cache_value = cache_value(args.cache.as_ref());
    let policy = policy(ttl, None);
    let key = key_of(key);
    let let_tags = let_tags(tags);
    let tags = if let_tags.is_empty() { quote!(&[]) } else { quote!(&__ck_tags) };
    let load = function.load(&quote!(__ck));
    function.with_body(&quote! {
        use #ck::{self as __ck, probes::*};
        static __CK_SITE: __ck::Site = __ck::Site::write(
            ::core::concat!(::core::module_path!(), #name),
            ::core::file!(),
            ::core::line!(),
        );
        #form
        #cache
        #policy
        #key
        #let_tags
        __ck::write_through(
            &__CK_SITE,
            #cache_value,
            (__ck_key, #tags),
            *__ck_policy,
            __ck_form,
            #load,
        )
        .await
    })
}
