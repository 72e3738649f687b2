//! The rules of `#[locked]`: nothing that the lock protects may go on after it is released.

use std::collections::BTreeSet;

use quote::ToTokens as _;
use syn::Type;

use super::args::{Args, Target};
use crate::cached::times::Time;
use crate::errors::Errors;
use crate::invalidates::{self, Rules, is_transaction};
use crate::signature::{self, Function};
use crate::template::Unraw as _;

/// Checks the function and what the options say together.
pub(super) fn check(function: &Function, args: &Args, errors: &mut Errors) {
    let rules = Rules { attribute: "#[locked]", connections: false, transactions: false };
    invalidates::check(function, &rules, errors);
    transactions(function, args, errors);
    order(function, errors);
    keys(args, errors);
    times(args, errors);
    guard(function, args, errors);
}

/// What is begun before the lock is taken, or committed after it is released, is not protected by it.
fn transactions(function: &Function, args: &Args, errors: &mut Errors) {
    for arg in function.args() {
        if is_transaction(&arg.ty) {
            let message = "this transaction would commit after the lock is released; put `#[locked]` on the function that begins it";
            errors.on(&arg.ty, message);
            continue;
        }
        let unique = matches!(&*arg.ty, Type::Reference(reference) if reference.mutability.is_some());
        let connection = unique && signature::is_connection(&arg.ty);
        if !args.outside_tx && (connection || signature::is_executor(&arg.ty, &function.sig.generics)) {
            let name = arg.pat.to_token_stream();
            let message = format!(
                "`{name}` may be a connection inside a transaction, which would commit after the lock is released; take `&Pool`, or promise `outside_tx`"
            );
            errors.on(&arg.ty, message);
        }
    }
}

/// The attribute on top is the inner one.
fn order(function: &Function, errors: &mut Errors) {
    for name in ["invalidates", "writes_through"] {
        if let Some(attribute) = function.attribute(name) {
            let message = format!(
                "the lock would be released before the entry is dropped, and its next holder could read the old one; put `#[{name}]` above `#[locked]`"
            );
            errors.on(attribute.path(), message);
        }
    }
}

fn keys(args: &Args, errors: &mut Errors) {
    let mut texts = BTreeSet::new();
    for target in &args.targets {
        if let Target::Template(template) = target
            && !texts.insert(template.text.value())
        {
            errors.at(template.text.span(), "this key is given twice");
        }
    }
}

fn times(args: &Args, errors: &mut Errors) {
    if let Some(fair) = args.fair.as_ref().filter(|_| args.wait.is_none()) {
        let message = "`fair` puts those who wait in a row, and without `wait` nobody does; say for how long, with `wait = \"2s\"`";
        errors.at(fair.span(), message);
    }
    let known = |time: &Option<Time>| time.as_ref().and_then(Time::known).map(|(ms, text)| (ms, text.span()));
    if let (Some((lease, _)), Some((max_hold, at))) = (known(&args.lease), known(&args.max_hold))
        && max_hold < lease
    {
        errors.at(at, "`max_hold` is at least as long as the lease, which nobody takes back");
    }
}

fn guard(function: &Function, args: &Args, errors: &mut Errors) {
    let Some(guard) = &args.guard else { return };
    if let Some(argument) = function.binding(&guard.unraw_string()) {
        let message = format!("`{argument}` is an argument already; give the handle another name");
        errors.at(guard.span(), message);
    }
}
