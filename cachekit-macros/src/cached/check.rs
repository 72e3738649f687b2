//! The rules of `#[cached]`, each a function: nothing that a key leaves out is left out silently.

use std::collections::BTreeSet;

use quote::ToTokens as _;
use syn::{Ident, PatType, Type};

use super::args::{Args, Key};
use super::{ahead, background, bounds};
use crate::errors::{self, Errors};
use crate::mentions;
use crate::signature::{self, Function};
use crate::template::{self, Template, Unraw as _};

/// Checks what does not depend on the key being legal.
pub(super) fn check(function: &Function, args: &Args, errors: &mut Errors) {
    is_async(function, errors);
    has_body(function, errors);
    output_can_be_cached(function, errors);
    executors(function, args, errors);
    skips(function, args, errors);
    under_no_lock(function, errors);
    background::check(function, args, errors);
    ahead::check(args, errors);
    bounds::check(args, errors);
    if let Some(shared) = args.shared.as_ref().filter(|_| function.receiver().is_none()) {
        errors.at(shared.span(), "`shared` is for methods, and this function has no `self`");
    }
    if let Some(l1) = args.l1.as_ref().filter(|_| args.local) {
        let message = "a `local` value stays in this process, so there is nothing that `l1` could keep a copy of; remove one of them";
        errors.at(l1.span(), message);
    }
    if let Some(Key::Expr(expr)) = &args.key {
        let used = mentions::words(expr.to_token_stream());
        nothing_left_out(function, args, &used, "use it in `key`", errors);
    }
}

/// Checks that the template has all that the answer depends on.
pub(super) fn placeholders(
    function: &Function,
    args: &Args,
    template: &Template,
    errors: &mut Errors,
) {
    let used: BTreeSet<String> = template.roots().map(str::to_owned).collect();
    if let Some(shared) = args.shared.as_ref().filter(|_| used.contains("self")) {
        errors.at(shared.span(), "the key uses `self`, so `shared` says nothing; remove it");
    }
    for skipped in args.skip.iter().filter(|skipped| used.contains(&skipped.unraw_string())) {
        errors.at(skipped.span(), format!("`{skipped}` is part of the key; remove it from `skip`"));
    }
    // A misspelt placeholder is one error, not also an argument that is missing.
    let misspelt = template.roots().any(|root| {
        !matches!(root, "self" | "Self" | "ret")
            && function.binding(root).is_none()
            && function.generic(root).is_none()
    });
    if !misspelt {
        nothing_left_out(function, args, &used, "", errors);
    }
}

/// Checks that a tag does not hang on what the function returns.
pub(super) fn tag_without_result(function: &Function, tag: &syn::Expr, errors: &mut Errors) {
    let named = mentions::find(tag.to_token_stream(), "ret");
    if let Some(span) = named.filter(|_| function.binding("ret").is_none()) {
        errors.at(span, template::RET_IN_TAG);
    }
}

fn is_async(function: &Function, errors: &mut Errors) {
    if function.flavor().is_none() {
        errors.on(
            function.sig.fn_token,
            "`#[cached]` works on `async fn`; this function is not async",
        );
    }
}

fn has_body(function: &Function, errors: &mut Errors) {
    if function.body.is_none() {
        let message = "`#[cached]` needs a body; put it on the method in the `impl`, or give this one a default";
        errors.on(function.ident(), message);
    }
}

/// The attribute on top is the inner one.
fn under_no_lock(function: &Function, errors: &mut Errors) {
    if let Some(locked) = function.attribute("locked") {
        let message = "every hit would wait for the lock; put `#[locked]` above `#[cached]`, so that only loads take it";
        errors.on(locked.path(), message);
    }
}

fn output_can_be_cached(function: &Function, errors: &mut Errors) {
    let output = function.output();
    if signature::contains_impl(output) {
        errors.on(output, "an `impl Trait` value cannot be cached; name the type");
    }
    if let Some(param) = bare_param(function, output) {
        let message = format!(
            "`{param}` may stand for a `Result`, whose errors must not be cached; return `Result<{param}, E>` or a concrete type"
        );
        errors.on(output, message);
    }
}

/// `T`, `T::Output` or `<T as Trait>::Output` of a type parameter.
fn bare_param(function: &Function, output: &Type) -> Option<String> {
    let Type::Path(path) = output else { return None };
    let root = match &path.qself {
        Some(qself) => signature::last_segment(&qself.ty)?,
        None => &path.path.segments.first()?.ident,
    };
    let is_param = function.sig.generics.type_params().any(|param| param.ident == *root);
    is_param.then(|| spaceless(output))
}

fn is_known(function: &Function, name: &str) -> bool {
    function.binding(name).is_some() || function.generic(name).is_some()
}

fn spaceless(ty: &Type) -> String {
    ty.to_token_stream().to_string().replace(" :: ", "::").replace("< ", "<").replace(" >", ">")
}

fn executors(function: &Function, args: &Args, errors: &mut Errors) {
    if args.outside_tx {
        return;
    }
    for arg in function.args() {
        if signature::is_executor(&arg.ty, &function.sig.generics) {
            let name = arg.pat.to_token_stream();
            let message = format!(
                "`{name}` may be a connection inside a transaction, whose rows must not be published; take `&Pool`, or promise `outside_tx`"
            );
            errors.on(&arg.ty, message);
        }
    }
}

fn skips(function: &Function, args: &Args, errors: &mut Errors) {
    let known: Vec<String> =
        function.bindings().chain(function.generics()).map(|ident| ident.unraw_string()).collect();
    for (index, skipped) in args.skip.iter().enumerate() {
        let name = skipped.unraw_string();
        if name == "self" {
            errors.at(skipped.span(), "to leave `self` out of the key, say `shared`");
        } else if !known.contains(&name) {
            let near = errors::did_you_mean(&name, known.iter().map(String::as_str));
            errors.at(skipped.span(), format!("no argument named `{name}`{near}"));
        } else if args.skip[..index].contains(skipped) {
            errors.at(skipped.span(), format!("`{name}` is skipped twice"));
        }
    }
}

/// Every argument that is data, every parameter that picks the answer, and `self` must be in the key.
fn nothing_left_out(
    function: &Function,
    args: &Args,
    used: &BTreeSet<String>,
    instead: &str,
    errors: &mut Errors,
) {
    // A misspelt name in `skip` is one error, not also an argument that is left out.
    let misspelt = args.skip.iter().any(|skipped| !is_known(function, &skipped.unraw_string()));
    if misspelt {
        return;
    }
    let left_out = |ident: &Ident| {
        let name = ident.unraw_string();
        !used.contains(&name) && !args.skip.iter().any(|skipped| skipped.unraw_string() == name)
    };
    for ident in function.args().flat_map(data).filter(|ident| left_out(ident)) {
        let name = ident.unraw_string();
        let add = if instead.is_empty() { format!("add `<{name}>`") } else { instead.to_owned() };
        let message = format!(
            "argument `{name}` is not part of the key, so calls that differ in it would share an entry; {add} or list it in `skip({name})`"
        );
        errors.at(ident.span(), message);
    }
    for ident in picking_params(function).into_iter().filter(left_out) {
        let add = match function.const_param(&ident.to_string()) {
            Some(_) => format!("`<{ident}>`"),
            None => format!("a constant of it, such as `<{ident}::NAME>`,"),
        };
        let message = format!(
            "`{ident}` is not part of the key, so calls that differ in it would share an entry; add {add} or list it in `skip({ident})`"
        );
        errors.at(ident.span(), message);
    }
    let self_is_used = used.contains("self") || args.shared.is_some();
    if let Some(receiver) = function.receiver().filter(|_| !self_is_used) {
        let message = "the key ignores `self`, so two values of this type would share entries; use a field, `<self.tenant>`, or say `shared`";
        errors.at(receiver.self_token.span, message);
    }
}

/// The names of an argument that are data; one that begins with `_` is not used by the body either.
fn data(arg: &PatType) -> Vec<Ident> {
    let names = match signature::plain_name(arg) {
        Some(name) if signature::is_plain(&arg.ty) => vec![name.clone()],
        Some(_) => Vec::new(),
        None if signature::holds_plain(&arg.ty) => signature::pattern_names(&arg.pat),
        None => Vec::new(),
    };
    names.into_iter().filter(|name| !name.to_string().starts_with('_')).collect()
}

/// Const parameters, and type parameters that stand in the return type.
fn picking_params(function: &Function) -> Vec<Ident> {
    let output = mentions::words(function.output().to_token_stream());
    let generics = &function.sig.generics;
    let consts = generics.const_params().map(|param| param.ident.clone());
    let types = generics.type_params().map(|param| param.ident.clone());
    consts.chain(types.filter(|ident| output.contains(&ident.to_string()))).collect()
}
