//! The rules of attributes for writers.

use syn::{PatType, Type};

use super::tx;
use crate::errors::Errors;
use crate::signature::{self, Function};

/// Which rules, and for whom.
pub(crate) struct Rules {
    pub(crate) attribute: &'static str,
    /// Whether connections are refused, which may be inside a transaction.
    pub(crate) connections: bool,
    /// Whether transactions by their name are refused as well.
    pub(crate) transactions: bool,
}

/// Checks the function against the rules.
pub(crate) fn check(function: &Function, rules: &Rules, errors: &mut Errors) {
    let attribute = rules.attribute;
    if function.flavor().is_none() {
        errors.on(
            function.sig.fn_token,
            format!("`{attribute}` works on `async fn`; this function is not async"),
        );
    }
    if function.body.is_none() {
        let message = format!(
            "`{attribute}` needs a body; put it on the method in the `impl`, or give this one a default"
        );
        errors.on(function.ident(), message);
    }
    if signature::contains_impl(function.output()) {
        errors.on(
            function.output(),
            format!("`{attribute}` must name what the function returns; name the type"),
        );
    }
    let refused = function.args().filter(|arg| rules.refuses(arg, function));
    refused.for_each(|arg| errors.on(&arg.ty, rules.refusal()));
}

impl Rules {
    fn refusal(&self) -> &'static str {
        match self.attribute {
            "#[invalidates]" => {
                "this would invalidate before the transaction commits; take `&mut cachekit::Transaction` and say `tx = …`, or `best_effort`"
            }
            _ => {
                "this would cache the value before the transaction commits; commit inside the function, or use `#[invalidates]`"
            }
        }
    }

    /// Whether this is an argument that may be inside a transaction that commits after the call.
    fn refuses(&self, arg: &PatType, function: &Function) -> bool {
        if tx::is_transaction(&arg.ty) {
            return self.transactions;
        }
        let unique =
            matches!(&*arg.ty, Type::Reference(reference) if reference.mutability.is_some());
        let is_connection = signature::last_segment(&arg.ty)
            .is_some_and(|name| name.to_string().ends_with("Connection"));
        let may_be_inside =
            (unique && is_connection) || signature::is_executor(&arg.ty, &function.sig.generics);
        self.connections && may_be_inside
    }
}
