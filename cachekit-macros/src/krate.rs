//! The path to the facade crate: `::cachekit`, unless the attribute says otherwise.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::LitStr;

/// The path to the facade.
#[derive(Clone)]
pub(crate) struct Root(TokenStream);

impl Default for Root {
    fn default() -> Self {
        Root(quote!(::cachekit))
    }
}

impl Root {
    /// The path given by `crate = "path"`.
    pub(crate) fn parse(path: &LitStr) -> syn::Result<Root> {
        let parsed: syn::Path = path.parse().map_err(|_| {
            let message = "expected a path to cachekit, such as `crate = \"my_facade::cachekit\"`";
            syn::Error::new(path.span(), message)
        })?;
        Ok(Root(parsed.into_token_stream()))
    }

    /// The module that expansions call into.
    pub(crate) fn private(&self) -> TokenStream {
        let root = &self.0;
        quote!(#root::__private)
    }
}

impl ToTokens for Root {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.0.to_tokens(tokens);
    }
}
