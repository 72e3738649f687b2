//! The rules of `#[invalidates]`.

use syn::{PatType, Type};

use super::args::Args;
use crate::errors::Errors;
use crate::signature::{self, Function};

/// Checks the function against the rules.
pub(super) fn check(function: &Function, args: &Args, errors: &mut Errors) {
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
    if !args.best_effort {
        let on_connection = function.args().filter(|arg| is_connection(arg, function));
        on_connection.for_each(|arg| {
            let message = "this would invalidate before the transaction commits; take `&mut cachekit::Transaction` and say `tx = …`, or `best_effort`";
            errors.on(&arg.ty, message);
        });
    }
}

/// An argument that may be inside a transaction that commits after the call.
fn is_connection(arg: &PatType, function: &Function) -> bool {
    let by_name = |suffix: &str| {
        signature::last_segment(&arg.ty).is_some_and(|name| name.to_string().ends_with(suffix))
    };
    let unique = matches!(&*arg.ty, Type::Reference(reference) if reference.mutability.is_some());
    by_name("Transaction")
        || (unique && by_name("Connection"))
        || signature::is_executor(&arg.ty, &function.sig.generics)
}
