//! Binds placeholders to what a function has: arguments, `self`, generic parameters, `ret`.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Ident, Index};

use super::parse::not_a_path;
use super::{EACH, Piece, Template, root};
use crate::errors::{self, Errors};
use crate::signature::Function;

/// What a placeholder stands for.
pub(crate) struct Bound {
    /// The expression that borrows its value.
    pub(crate) borrowed: TokenStream,
    /// The argument, where the placeholder is all of it.
    pub(crate) argument: Option<Ident>,
}

/// Where a template stands, which decides what `ret` means.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In `#[cached]`: keys are made before the body runs.
    Read,
    /// In `#[invalidates]`: `ret` is the success value.
    Write,
    /// In `tags(..)`: generations are read before the body runs.
    Tag,
}

/// Why a tag cannot name the result.
pub(crate) const RET_IN_TAG: &str = "`ret` is the result, and tags are looked at before the load: what is invalidated during it must not be stamped as fresh; name an argument";

/// Binds every placeholder, or says which are unknown.
pub(crate) fn bind(
    template: &Template,
    function: &Function,
    place: Place,
    errors: &mut Errors,
) -> Vec<Bound> {
    let text = template.text.span();
    let bind = |path: &str| {
        // One element goes by the name of them all.
        let path = &path.replace(EACH, "");
        let (root, at) = known_root(path, text, function, place)
            .ok_or_else(|| syn::Error::new(text, unknown(path, function, place)))?;
        // Out of the reach of rustc's proposals, which would replace the whole template.
        let fields = Span::call_site().located_at(text);
        let borrowed = borrow(path, root, at, fields)?;
        Ok(Bound { borrowed, argument: function.binding(path).cloned() })
    };
    template.placeholders().filter_map(|path| errors.ok(bind(path))).collect()
}

/// Binds every placeholder to the name in scope.
pub(super) fn bind_in_scope(template: &Template, errors: &mut Errors) -> Vec<Bound> {
    let text = template.text.span();
    let bind = |path: &str| {
        let borrowed = borrow(path, ident(root(path), path, text)?, text, text)?;
        Ok(Bound { borrowed, argument: None })
    };
    template.placeholders().filter_map(|path| errors.ok(bind(path))).collect()
}

/// The expression of a `KeyBuf` that writes the template and one value for each placeholder; `ck` is the path to the
/// private module.
pub(crate) fn write<'a>(
    template: &Template,
    values: impl IntoIterator<Item = &'a TokenStream>,
    ck: &TokenStream,
) -> TokenStream {
    let text = &template.text;
    let writes = writes(template, values);
    quote!(#ck::KeyBuf::new(#text, |__ck_w| { #writes }))
}

/// The expression of a `Tag` that writes the template.
pub(crate) fn write_tag<'a>(
    template: &Template,
    values: impl IntoIterator<Item = &'a TokenStream>,
) -> TokenStream {
    let text = &template.text;
    let writes = writes(template, values);
    quote!(__ck::Tag::new(#text, |__ck_w| { #writes }))
}

/// The statements that write the template into a `KeyBuf` called `__ck_key`, where it stands: moving one would take as
/// long as writing it.
pub(crate) fn write_in_place<'a>(
    template: &Template,
    values: impl IntoIterator<Item = &'a TokenStream>,
) -> TokenStream {
    let text = &template.text;
    let writes = writes(template, values);
    quote! {
        let mut __ck_key = __ck::KeyBuf::blank(#text);
        __ck_key.write(|__ck_w| { #writes });
    }
}

fn writes<'a>(
    template: &Template,
    values: impl IntoIterator<Item = &'a TokenStream>,
) -> TokenStream {
    let mut values = values.into_iter();
    let writes = template.pieces.iter().map(|piece| match piece {
        Piece::Literal(text) => quote!(__ck_w.literal(#text);),
        Piece::Placeholder(_) => {
            let value = values.next();
            quote!(__ck_w.value(#value);)
        }
    });
    quote!(#(#writes)*)
}

/// The token that a path begins with, and where to point when its type does not fit.
fn known_root(path: &str, text: Span, function: &Function, place: Place) -> Option<(Ident, Span)> {
    let name = root(path);
    if name == "ret" && place == Place::Write {
        return Some((Ident::new("ret", text), text));
    }
    if name == "self" {
        let receiver = function.receiver()?;
        return Some((Ident::new("self", receiver.self_token.span), text));
    }
    if name == "Self" {
        return path.contains("::").then(|| (Ident::new("Self", text), text));
    }
    if path.contains("::") {
        return function.generic(name).map(|ident| (ident.clone(), text));
    }
    let binding = function.binding(name).or_else(|| function.const_param(name))?;
    // An argument's own place, or the arrow would cover the attribute; a field's is in the template.
    let span = if path == name { binding.span() } else { text };
    Some((binding.clone(), span))
}

fn unknown(path: &str, function: &Function, place: Place) -> String {
    let name = root(path);
    if name == "ret" && place == Place::Tag {
        return RET_IN_TAG.into();
    }
    if name == "ret" {
        return "`ret` is the result, which is not there yet when the key is made; it belongs in `#[invalidates]`".into();
    }
    if name == "self" {
        return "this function has no `self`".into();
    }
    if path.contains("::") {
        let near = errors::did_you_mean(
            name,
            function
                .generics()
                .map(Ident::to_string)
                .collect::<Vec<_>>()
                .iter()
                .map(String::as_str),
        );
        return format!("no type parameter named `{name}`{near}");
    }
    let mut names: Vec<String> = function.bindings().map(|ident| ident.unraw_string()).collect();
    if function.receiver().is_some() {
        names.push("self".into());
    }
    if place == Place::Write {
        names.push("ret".into());
    }
    let near = errors::did_you_mean(name, names.iter().map(String::as_str));
    format!("no argument named `{name}`{near}")
}

/// `&root.field`, pointing at `span`, its fields at `fields`.
fn borrow(path: &str, mut root: Ident, span: Span, fields: Span) -> syn::Result<TokenStream> {
    root.set_span(root.span().located_at(span));
    let mut expr = root.to_token_stream();
    if path.contains("::") {
        for part in path.split("::").skip(1) {
            let part = ident(part, path, fields)?;
            expr = quote_spanned!(span=> #expr::#part);
        }
        return Ok(quote_spanned!(span=> &#expr));
    }
    for field in path.split('.').skip(1) {
        let field = member(field, path, fields)?;
        expr = quote_spanned!(span=> #expr.#field);
    }
    // The ampersand's own hygiene does not matter, only its place.
    Ok(quote_spanned!(span=> &#expr))
}

fn member(field: &str, path: &str, span: Span) -> syn::Result<TokenStream> {
    match field.parse::<u32>() {
        Ok(index) => Ok(Index { index, span }.into_token_stream()),
        Err(_) => ident(field, path, span).map(ToTokens::into_token_stream),
    }
}

/// An identifier, raw where it is a keyword.
fn ident(name: &str, path: &str, span: Span) -> syn::Result<Ident> {
    if matches!(name, "self" | "Self") {
        return Ok(Ident::new(name, span));
    }
    let parsed = syn::parse_str::<Ident>(name).or_else(|_| syn::parse_str(&format!("r#{name}")));
    let mut ident = parsed.map_err(|_| syn::Error::new(span, not_a_path(path)))?;
    ident.set_span(span);
    Ok(ident)
}

/// The name as a template writes it.
pub(crate) trait Unraw {
    /// Without `r#`.
    fn unraw_string(&self) -> String;
}

impl Unraw for Ident {
    fn unraw_string(&self) -> String {
        syn::ext::IdentExt::unraw(self).to_string()
    }
}
