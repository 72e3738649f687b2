//! The function an attribute stands on: parsed with its body left alone, and asked questions.

mod receiver;
mod types;

use proc_macro2::{Delimiter, Group, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned as _;
use syn::{
    Attribute, FnArg, GenericParam, Ident, Pat, PatType, Receiver, ReceiverKind, Signature, Token,
    Type, Visibility, braced,
};

pub(crate) use types::{
    Elements, borrows, contains_impl, elements, holds_plain, is_connection, is_executor, is_plain,
    last_segment, pattern_names,
};

use crate::template::Unraw as _;

/// How the function is asynchronous.
pub(crate) enum Flavor {
    /// `async fn`.
    Async,
    /// `-> Pin<Box<dyn Future<Output = T>>>`, which is what `#[async_trait]` leaves.
    Boxed,
    /// `-> impl Future<Output = T>`.
    Impl,
}

/// A function with its body as plain tokens, so that a fault in it is reported by rustc.
pub(crate) struct Function {
    /// Outer attributes, and the body's inner ones.
    pub(crate) attrs: Vec<Attribute>,
    /// `pub` and its kin.
    pub(crate) vis: Visibility,
    /// The signature as written.
    pub(crate) sig: Signature,
    /// The block; `None` for `;`.
    pub(crate) body: Option<Group>,
    output: Type,
    flavor: Option<Flavor>,
    bindings: Vec<Ident>,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        let sig: Signature = input.parse()?;
        let body = parse_body(input, &mut attrs)?;
        let (output, flavor) = types::output(&sig);
        let bindings = typed(&sig).flat_map(|arg| types::bindings(&arg.pat)).collect();
        Ok(Function { attrs, vis, sig, body, output, flavor, bindings })
    }
}

fn parse_body(input: ParseStream<'_>, attrs: &mut Vec<Attribute>) -> syn::Result<Option<Group>> {
    if input.parse::<Option<Token![;]>>()?.is_some() {
        return Ok(None);
    }
    let content;
    let brace = braced!(content in input);
    for mut attr in content.call(Attribute::parse_inner)? {
        attr.style = syn::AttrStyle::Outer;
        attrs.push(attr);
    }
    let mut block = Group::new(Delimiter::Brace, content.parse()?);
    block.set_span(brace.span.join());
    Ok(Some(block))
}

fn typed(sig: &Signature) -> impl Iterator<Item = &PatType> {
    sig.inputs.iter().filter_map(|arg| match arg {
        FnArg::Typed(arg) => Some(arg),
        FnArg::Receiver(_) => None,
    })
}

impl Function {
    /// Its name as written.
    pub(crate) fn ident(&self) -> &Ident {
        &self.sig.ident
    }

    /// Its name without `r#`.
    pub(crate) fn name(&self) -> String {
        self.sig.ident.unraw_string()
    }

    /// How it is asynchronous; `None` where it is not.
    pub(crate) fn flavor(&self) -> Option<&Flavor> {
        self.flavor.as_ref()
    }

    /// What its future gives.
    pub(crate) fn output(&self) -> &Type {
        &self.output
    }

    /// `self`, in whatever form.
    pub(crate) fn receiver(&self) -> Option<&Receiver> {
        self.sig.receiver()
    }

    /// Whether `self` is a shared reference.
    pub(crate) fn receiver_is_shared(&self) -> bool {
        self.receiver().is_some_and(|receiver| match &receiver.kind {
            ReceiverKind::Reference(_, _, mutability) => mutability.is_none(),
            ReceiverKind::Typed(_, ty) => types::is_shared_reference(ty),
            _ => false,
        })
    }

    /// Whether `self` is a unique reference.
    pub(crate) fn receiver_is_unique(&self) -> bool {
        self.receiver().is_some_and(|receiver| match &receiver.kind {
            ReceiverKind::Reference(_, _, mutability) => mutability.is_some(),
            ReceiverKind::Typed(_, ty) => {
                matches!(&**ty, Type::Reference(ty) if ty.mutability.is_some())
            }
            _ => false,
        })
    }

    /// The arguments but `self`.
    pub(crate) fn args(&self) -> impl Iterator<Item = &PatType> {
        typed(&self.sig)
    }

    /// Every name its arguments bind.
    pub(crate) fn bindings(&self) -> impl Iterator<Item = &Ident> {
        self.bindings.iter()
    }

    /// The argument of that name.
    pub(crate) fn binding(&self, name: &str) -> Option<&Ident> {
        self.bindings().find(|ident| ident.unraw_string() == name)
    }

    /// The type and const parameters.
    pub(crate) fn generics(&self) -> impl Iterator<Item = &Ident> {
        self.sig.generics.params.iter().filter_map(|param| match param {
            GenericParam::Type(param) => Some(&param.ident),
            GenericParam::Const(param) => Some(&param.ident),
            GenericParam::Lifetime(_) => None,
        })
    }

    /// The type or const parameter of that name.
    pub(crate) fn generic(&self, name: &str) -> Option<&Ident> {
        self.generics().find(|ident| *ident == name)
    }

    /// The const parameter of that name.
    pub(crate) fn const_param(&self, name: &str) -> Option<&Ident> {
        self.sig.generics.const_params().map(|param| &param.ident).find(|ident| *ident == name)
    }

    /// Another attribute of ours that is still to be expanded: `#[name]` or `#[cachekit::name]`.
    pub(crate) fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attrs.iter().find(|attr| {
            let mut words = attr.path().segments.iter().rev().map(|segment| &segment.ident);
            words.next().is_some_and(|word| word == name)
                && words.next().is_none_or(|word| word == "cachekit")
        })
    }

    /// The body with a known type for its `return` and `?`, as the expression of a closure that gives its future.
    pub(crate) fn load(&self, ck: &TokenStream) -> TokenStream {
        self.load_with(ck, &TokenStream::new())
    }

    /// The same of a closure with parameters.
    pub(crate) fn load_with(&self, ck: &TokenStream, parameters: &TokenStream) -> TokenStream {
        let body = &self.body;
        let returned = &self.sig.output;
        let run = match self.flavor {
            Some(Flavor::Boxed) => {
                let syn::ReturnType::Type(_, future) = returned else { return TokenStream::new() };
                quote! {
                    let __ck_body = move || -> #future #body;
                    __ck_body().await
                }
            }
            Some(Flavor::Impl) => quote! {
                let __ck_body = move || #body;
                __ck_body().await
            },
            _ => {
                let typed = self.typed(ck);
                quote!(#typed #body)
            }
        };
        quote!(move |#parameters| async move { #run })
    }

    /// The body as the block of an async closure of the function's output, with another name for `self`.
    pub(crate) fn run_with_self(&self, name: &TokenStream) -> TokenStream {
        let Some(body) = &self.body else { return TokenStream::new() };
        let body = receiver::rename(body, name);
        match self.flavor {
            Some(Flavor::Boxed | Flavor::Impl) => quote!({
                let __ck_inner = move || #body;
                __ck_inner().await
            }),
            _ => body,
        }
    }

    /// The statement that says which type the `return` and `?` of a body have.
    pub(crate) fn typed(&self, ck: &TokenStream) -> TokenStream {
        let output = &self.output;
        // Where the compiler says that the type is known from.
        let at = output.span();
        let ck = respan(ck, at);
        quote_spanned! {at=>
            if false {
                return #ck::never::<#output>();
            }
        }
    }

    /// The function with another body, which may await.
    pub(crate) fn with_body(&self, body: &TokenStream) -> TokenStream {
        self.with(&self.sig, body)
    }

    /// The same where the new body moves the arguments on before anybody changes them.
    pub(crate) fn with_moving_body(&self, body: &TokenStream) -> TokenStream {
        let mut sig = self.sig.clone();
        for arg in &mut sig.inputs {
            match arg {
                FnArg::Receiver(receiver) => receiver.mutability = None,
                FnArg::Typed(arg) => {
                    if let Pat::Ident(pat) = &mut *arg.pat {
                        pat.mutability = None;
                    }
                }
            }
        }
        self.with(&sig, body)
    }

    fn with(&self, sig: &Signature, body: &TokenStream) -> TokenStream {
        let Function { attrs, vis, .. } = self;
        let body = match self.flavor {
            Some(Flavor::Boxed) => quote!(::std::boxed::Box::pin(async move { #body })),
            Some(Flavor::Impl) => quote!(async move { #body }),
            _ => body.clone(),
        };
        quote!(#(#attrs)* #vis #sig { #body })
    }
}

/// The places of the first and the last of some tokens, so that `&x` spanned with both covers them all.
pub(crate) fn ends(tokens: &impl ToTokens) -> (Span, Span) {
    let call_site = Span::call_site();
    let mut spans = tokens.to_token_stream().into_iter().map(|token| token.span());
    let first = spans.next().unwrap_or(call_site);
    let last = spans.last().unwrap_or(first);
    (call_site.located_at(first), call_site.located_at(last))
}

/// The same tokens at another place.
fn respan(tokens: &TokenStream, at: Span) -> TokenStream {
    let moved = tokens.clone().into_iter().map(|mut token| {
        token.set_span(at);
        token
    });
    moved.collect()
}

/// The identifier of an argument that is a plain name.
pub(crate) fn plain_name(arg: &PatType) -> Option<&Ident> {
    match &*arg.pat {
        Pat::Ident(pat) if pat.subpat.is_none() => Some(&pat.ident),
        _ => None,
    }
}
