//! `#[derive(Segment)]`: a newtype writes its field, an enum without fields its variant's name.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Data, DataEnum, DeriveInput, Fields, Index, LitStr, Member, Type};

use crate::errors::Errors;
use crate::krate::Root;
use crate::template::Unraw as _;

/// Expands the derive.
pub(crate) fn segment(input: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let expanded =
        errors.ok(syn::parse2(input)).map(|input: DeriveInput| expand(&input, &mut errors));
    match expanded {
        Some(expanded) if errors.is_empty() => expanded,
        // The trait is there all the same, so that one mistake is not an error at every use.
        expanded => {
            let errors = errors.into_tokens();
            quote!(#expanded #errors)
        }
    }
}

fn expand(input: &DeriveInput, errors: &mut Errors) -> TokenStream {
    let root = root(input, errors);
    let ident = &input.ident;
    let (body, bound) = match &input.data {
        Data::Struct(data) => newtype(&data.fields, input, &root, errors),
        Data::Enum(data) => (names(data, errors), None),
        Data::Union(_) => (refused(input, errors), None),
    };
    let mut generics = input.generics.clone();
    if let Some(ty) = bound.filter(|_| !generics.params.is_empty()) {
        generics.make_where_clause().predicates.push(syn::parse_quote!(#ty: #root::Segment));
    }
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    quote! {
        #[automatically_derived]
        impl #impl_generics #root::Segment for #ident #type_generics #where_clause {
            fn write(&self, __ck_w: &mut #root::SegmentWriter<'_>) {
                #body
            }
        }
    }
}

/// `#[segment(crate = "path")]`
fn root(input: &DeriveInput, errors: &mut Errors) -> Root {
    let mut root = Root::default();
    for attr in input.attrs.iter().filter(|attr| attr.path().is_ident("segment")) {
        let read = attr.parse_nested_meta(|meta| {
            if !meta.path.is_ident("crate") {
                return Err(meta.error("expected `#[segment(crate = \"path\")]`"));
            }
            root = Root::parse(&meta.value()?.parse::<LitStr>()?)?;
            Ok(())
        });
        errors.ok(read);
    }
    root
}

fn newtype<'a>(
    fields: &'a Fields,
    input: &DeriveInput,
    root: &Root,
    errors: &mut Errors,
) -> (TokenStream, Option<&'a Type>) {
    let mut all = fields.iter();
    let (Some(field), None) = (all.next(), all.next()) else {
        return (refused(input, errors), None);
    };
    let member = match &field.ident {
        Some(ident) => Member::Named(ident.clone()),
        None => Member::Unnamed(Index::from(0)),
    };
    let ty = &field.ty;
    let body = quote_spanned!(ty.span()=> <#ty as #root::Segment>::write(&self.#member, __ck_w));
    (body, Some(ty))
}

fn names(data: &DataEnum, errors: &mut Errors) -> TokenStream {
    for variant in data.variants.iter().filter(|variant| !variant.fields.is_empty()) {
        errors.on(
            &variant.fields,
            "a variant with fields has no one text; implement `Segment` by hand",
        );
    }
    let arms = data.variants.iter().map(|variant| {
        let (ident, name) = (&variant.ident, variant.ident.unraw_string());
        let cfgs = variant.attrs.iter().filter(|attr| attr.path().is_ident("cfg"));
        quote!(#(#cfgs)* Self::#ident { .. } => __ck_w.str(#name),)
    });
    quote!(match *self { #(#arms)* })
}

fn refused(input: &DeriveInput, errors: &mut Errors) -> TokenStream {
    let message = "`#[derive(Segment)]` works on a struct of one field and on an enum without fields; put fields into the key one by one, or implement `Segment` by hand";
    errors.on(&input.ident, message);
    TokenStream::new()
}
