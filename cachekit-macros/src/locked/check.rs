//! The rules of `#[locked]`: nothing that the lock protects may go on after it is released.

use std::collections::BTreeSet;

use quote::ToTokens as _;
use syn::Type;

use super::args::{Args, Target};
use crate::cached::times::Time;
use crate::duration::SHORT_LEASE;
use crate::errors::Errors;
use crate::invalidates::{self, Rules, is_transaction};
use crate::options::Text;
use crate::signature::{self, Function};
use crate::template::Unraw as _;

/// Milliseconds, as `cachekit::Lock` has them.
const LEAST_LEASE: u64 = 100;
const MOST_LEASE: u64 = 24 * 60 * 60 * 1000;
const DEFAULT_LEASE: u64 = 10_000;
/// Bytes of a label.
const MOST_OWNER: usize = 128;

/// Checks the function and what the options say together.
pub(super) fn check(function: &Function, args: &Args, errors: &mut Errors) {
    let rules = Rules { attribute: "#[locked]", connections: false, transactions: false };
    invalidates::check(function, &rules, errors);
    transactions(function, args, errors);
    order(function, errors);
    keys(args, errors);
    times(args, errors);
    owner(args, errors);
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
        let unique =
            matches!(&*arg.ty, Type::Reference(reference) if reference.mutability.is_some());
        let connection = unique && signature::is_connection(&arg.ty);
        if !args.outside_tx
            && (connection || signature::is_executor(&arg.ty, &function.sig.generics))
        {
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

/// As the core's own check of them has it, which sees what is known at run time only.
fn times(args: &Args, errors: &mut Errors) {
    let known = |time: &Option<Time>| {
        time.as_ref().and_then(Time::known).map(|(millis, text)| (millis, text.span()))
    };
    if let Some((lease, at)) = known(&args.lease) {
        if lease < LEAST_LEASE {
            errors.at(at, SHORT_LEASE);
        } else if lease > MOST_LEASE {
            let message = "`lease` is at most a day: it is renewed, and says how long others wait for a holder that died";
            errors.at(at, message);
        }
    }
    // A lease that is not known now may be any.
    let lease = args.lease.as_ref().map_or(Some(DEFAULT_LEASE), |lease| Some(lease.known()?.0));
    if let (Some(lease), Some((max_hold, at))) = (lease, known(&args.max_hold))
        && max_hold < lease
    {
        let message = match args.lease {
            Some(_) => "`max_hold` is at least as long as the lease",
            None => {
                "`max_hold` is at least as long as the lease, which is 10 s where nothing is said"
            }
        };
        errors.at(at, message);
    }
    if let Some(fair) = args.fair.as_ref().filter(|_| args.wait.is_none()) {
        let message = "`fair` has those who wait served in order, and without `wait` nobody does; say for how long, with `wait = \"2s\"`";
        errors.at(fair.span(), message);
    }
}

fn owner(args: &Args, errors: &mut Errors) {
    let Some(Text::Literal(owner)) = &args.owner else { return };
    let label = owner.value();
    if label.len() > MOST_OWNER || label.chars().any(char::is_control) {
        let message = "`owner` is a label of at most 128 bytes, without control characters";
        errors.at(owner.span(), message);
    }
}

fn guard(function: &Function, args: &Args, errors: &mut Errors) {
    let Some(guard) = &args.guard else { return };
    if let Some(argument) = function.binding(&guard.unraw_string()) {
        let message = format!("`{argument}` is an argument already; give the handle another name");
        errors.at(guard.span(), message);
    }
}
