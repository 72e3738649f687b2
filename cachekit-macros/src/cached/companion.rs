//! The companion of a cached function: `find_user_key(id) -> Key`, beside it.

use std::collections::BTreeSet;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, format_ident, quote, quote_spanned};
use syn::visit_mut::{self, VisitMut};
use syn::{
    Attribute, GenericParam, Generics, Ident, Lifetime, LifetimeParam, PatType, Type,
    TypeReference, Visibility, WherePredicate,
};

use super::BoundKey;
use super::args::{Args, Companion};
use super::many::Batch;
use crate::errors::Errors;
use crate::mentions;
use crate::signature::{self, Function};
use crate::template::{self, Bound, Template, Unraw as _};

/// The companion, where the function has one.
pub(super) fn companion(
    function: &Function,
    args: &Args,
    key: Option<&BoundKey>,
    batch: Option<&Batch>,
    errors: &mut Errors,
) -> Option<TokenStream> {
    let ident = name(function, args)?;
    match key? {
        BoundKey::Template(template, bound) => {
            Some(expand(function, args, &ident, (template, bound), batch))
        }
        BoundKey::Expr(_) => {
            let asked = match &args.companion {
                Companion::On(span) => Some(*span),
                Companion::Named(ident) => Some(ident.span()),
                Companion::Default | Companion::Off => None,
            };
            let message = "a companion is made of a key template; with `key = expr`, writers call what the expression calls";
            asked.into_iter().for_each(|span| errors.at(span, message));
            None
        }
    }
}

/// Its name, or nothing where there is none.
fn name(function: &Function, args: &Args) -> Option<Ident> {
    let default = || format_ident!("{}_key", function.name(), span = function.ident().span());
    match &args.companion {
        Companion::Off => None,
        Companion::Named(ident) => Some(ident.clone()),
        Companion::On(_) => Some(default()),
        // A method without visibility may be one of a trait, where another function is an error.
        Companion::Default => {
            let private_method =
                function.receiver().is_some() && matches!(function.vis, Visibility::Inherited);
            (!private_method).then(default)
        }
    }
}

fn expand(
    function: &Function,
    args: &Args,
    ident: &Ident,
    (template, bound): (&Template, &[Bound]),
    batch: Option<&Batch>,
) -> TokenStream {
    let root = &args.root;
    let ck = root.private();
    let params = Params::of(function, template, batch, &ck);
    let Params { written, lent, elided } = &params;
    let used = mentions::words(quote!(#(#written)*));
    let generics = generics(&function.sig.generics, &used, template, elided);
    let where_clause = &generics.where_clause;
    let receiver = function.receiver().map(|_| quote!(&self,));
    let vis = &function.vis;
    let cfgs = function.attrs.iter().filter(|attr| is_cfg(attr));
    let kept = match batch {
        Some(batch) => format!("what it has for one of `{}`", batch.name().unraw_string()),
        None => "its answer".to_owned(),
    };
    let doc = format!(" The key under which `{}` keeps {kept}.", function.name());
    let values: Vec<TokenStream> = bound.iter().map(|bound| lent_value(bound, function)).collect();
    let key = template::write(template, &values, &ck);
    quote! {
        #(#cfgs)*
        #[doc = #doc]
        #[allow(dead_code, clippy::too_many_arguments, clippy::needless_pass_by_value)]
        #[must_use]
        #vis fn #ident #generics (#receiver #(#written),*) -> #root::Key #where_clause {
            #(#lent)*
            #key.into_key()
        }
    }
}

/// A parameter that is a name is a reference already; written as such, rustc says the same of its type here and in the
/// function, and so says it once.
fn lent_value(bound: &Bound, function: &Function) -> TokenStream {
    let is_name = |argument: &&Ident| {
        function.args().filter_map(signature::plain_name).any(|name| name == *argument)
    };
    match bound.argument.as_ref().filter(is_name) {
        Some(argument) => argument.to_token_stream(),
        None => bound.borrowed.clone(),
    }
}

fn is_cfg(attr: &Attribute) -> bool {
    attr.path().is_ident("cfg")
}

/// The companion's parameters.
struct Params {
    /// `id: impl KeyArg<i64>`
    written: Vec<TokenStream>,
    /// `let id = KeyArg::<i64>::arg(&id);`
    lent: Vec<TokenStream>,
    /// Lifetimes that had no name.
    elided: Vec<Lifetime>,
}

impl Params {
    fn of(
        function: &Function,
        template: &Template,
        batch: Option<&Batch>,
        ck: &TokenStream,
    ) -> Params {
        let mut params = Params { written: Vec::new(), lent: Vec::new(), elided: Vec::new() };
        let is_used = |arg: &&PatType| {
            signature::pattern_names(&arg.pat)
                .iter()
                .any(|name| template.uses(&name.unraw_string()))
        };
        for arg in function.args().filter(is_used) {
            let element = batch.and_then(|batch| batch.element_of(arg));
            params.add(arg, element.unwrap_or(&arg.ty), ck);
        }
        params
    }

    fn add(&mut self, arg: &PatType, ty: &Type, ck: &TokenStream) {
        let mut ty = ty.clone();
        let Some(name) = signature::plain_name(arg) else {
            NameLifetimes(&mut self.elided).visit_type_mut(&mut ty);
            let pat = &arg.pat;
            self.written.push(quote!(#pat: #ty));
            return;
        };
        if signature::contains_impl(&ty) {
            self.written.push(quote!(#name: &(#ty)));
            return;
        }
        let mut part = key_part(&ty);
        NameLifetimes(&mut self.elided).visit_type_mut(&mut part);
        let at = Span::call_site().located_at(name.span());
        self.written.push(quote!(#name: impl #ck::KeyArg<#part>));
        self.lent.push(quote_spanned!(at=> let #name = #ck::KeyArg::<#part>::arg(&#name);));
    }
}

/// What the caller lends: `str` for text, else the type without its reference.
fn key_part(ty: &Type) -> Type {
    match ty {
        Type::Reference(reference) => key_part(&reference.elem),
        Type::Paren(paren) => key_part(&paren.elem),
        Type::Group(group) => key_part(&group.elem),
        Type::Path(path) if path.qself.is_none() && is_string(&path.path) => syn::parse_quote!(str),
        _ => ty.clone(),
    }
}

fn is_string(path: &syn::Path) -> bool {
    path.segments
        .last()
        .is_some_and(|segment| segment.ident == "String" && segment.arguments.is_none())
}

/// Gives each lifetime that is left out or `'_` a name.
struct NameLifetimes<'a>(&'a mut Vec<Lifetime>);

impl NameLifetimes<'_> {
    fn fresh(&mut self, span: Span) -> Lifetime {
        let lifetime = Lifetime::new(&format!("'__ck{}", self.0.len()), span);
        self.0.push(lifetime.clone());
        lifetime
    }
}

impl VisitMut for NameLifetimes<'_> {
    fn visit_type_reference_mut(&mut self, reference: &mut TypeReference) {
        if reference.lifetime.is_none() {
            reference.lifetime = Some(self.fresh(reference.and_token.span));
        }
        visit_mut::visit_type_reference_mut(self, reference);
    }

    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        if lifetime.ident == "_" {
            *lifetime = self.fresh(lifetime.span());
        }
    }

    // The lifetimes of a `fn` pointer are its own.
    fn visit_type_fn_ptr_mut(&mut self, _: &mut syn::TypeFnPtr) {}
}

// ===== generics =====

/// Those of the function's generic parameters that the companion mentions.
fn generics(
    of: &Generics,
    used: &BTreeSet<String>,
    template: &Template,
    elided: &[Lifetime],
) -> Generics {
    let mut used = used.clone();
    used.extend(template.roots().map(str::to_owned));
    close(of, &mut used);
    let mut generics = of.clone();
    generics.params = elided
        .iter()
        .map(|lifetime| GenericParam::Lifetime(LifetimeParam::new(lifetime.clone())))
        .chain(of.params.iter().filter(|param| used.contains(&param_name(param))).cloned())
        .collect();
    if let Some(clause) = &mut generics.where_clause {
        let dropped: BTreeSet<String> =
            of.params.iter().map(param_name).filter(|name| !used.contains(name)).collect();
        let kept =
            clause.predicates.iter().filter(|predicate| concerns(predicate, of, &dropped)).cloned();
        clause.predicates = kept.collect();
    }
    generics
}

/// A bound of a used parameter may mention another.
fn close(of: &Generics, used: &mut BTreeSet<String>) {
    for _ in 0..of.params.len() {
        for param in &of.params {
            if used.contains(&param_name(param)) {
                used.extend(mentions::words(param.to_token_stream()));
            }
        }
    }
}

fn param_name(param: &GenericParam) -> String {
    match param {
        GenericParam::Lifetime(param) => param.lifetime.ident.to_string(),
        GenericParam::Type(param) => param.ident.to_string(),
        GenericParam::Const(param) => param.ident.to_string(),
    }
}

/// Whether a predicate speaks of kept parameters, or of none of the function's, and of no dropped one.
fn concerns(predicate: &WherePredicate, of: &Generics, dropped: &BTreeSet<String>) -> bool {
    let words = mentions::words(predicate.to_token_stream());
    let names: BTreeSet<String> = of.params.iter().map(param_name).collect();
    words.is_disjoint(dropped) && !words.is_disjoint(&names)
}
