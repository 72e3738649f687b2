//! The rules of `#[invalidates]`.

use syn::{PatType, Type};

use super::args::Args;
use super::tx::{self, Tx};
use crate::errors::Errors;
use crate::signature::{self, Function};

/// Checks the function against the rules.
pub(super) fn check(function: &Function, args: &Args, tx: Option<&Tx>, errors: &mut Errors) {
    if function.flavor().is_none() {
        errors.on(
            function.sig.fn_token,
            "`#[invalidates]` works on `async fn`; this function is not async",
        );
    }
    if function.body.is_none() {
        let message = "`#[invalidates]` needs a body; put it on the method in the `impl`, or give this one a default";
        errors.on(function.ident(), message);
    }
    if signature::contains_impl(function.output()) {
        errors.on(
            function.output(),
            "`#[invalidates]` must name what the function returns; name the type",
        );
    }
    if !args.best_effort && tx.is_none() {
        let on_connection = function.args().filter(|arg| is_connection(arg, function));
        on_connection.for_each(|arg| {
            let message = "this would invalidate before the transaction commits; take `&mut cachekit::Transaction` and say `tx = …`, or `best_effort`";
            errors.on(&arg.ty, message);
        });
    }
}

/// An argument that may be inside a transaction that commits after the call. A transaction by its name was dealt with.
fn is_connection(arg: &PatType, function: &Function) -> bool {
    let unique = matches!(&*arg.ty, Type::Reference(reference) if reference.mutability.is_some());
    let is_connection = signature::last_segment(&arg.ty)
        .is_some_and(|name| name.to_string().ends_with("Connection"));
    (unique && is_connection && !tx::is_transaction(&arg.ty))
        || signature::is_executor(&arg.ty, &function.sig.generics)
}
