//! What can be told of types by their tokens.

use proc_macro2::Span;
use syn::visit::{self, Visit};
use syn::{
    GenericArgument, Generics, Ident, Lifetime, Pat, PatIdent, PathArguments, ReturnType,
    Signature, Type, TypeImplTrait, TypeParamBound, TypeReference, WherePredicate,
    parse_quote_spanned,
};

use super::Flavor;

/// What the function's future gives, and how it is asynchronous.
pub(super) fn output(sig: &Signature) -> (Type, Option<Flavor>) {
    let written = match &sig.output {
        ReturnType::Default => {
            let span = Span::call_site().located_at(sig.ident.span());
            parse_quote_spanned!(span=> ())
        }
        ReturnType::Type(_, ty) => (**ty).clone(),
    };
    if sig.asyncness.is_some() {
        return (written, Some(Flavor::Async));
    }
    let promised = match &written {
        Type::ImplTrait(future) => {
            future_output(&future.bounds).map(|output| (output, Flavor::Impl))
        }
        boxed => boxed_output(boxed).map(|output| (output, Flavor::Boxed)),
    };
    match promised {
        Some((output, flavor)) => (output, Some(flavor)),
        None => (written, None),
    }
}

/// `T` of `Pin<Box<dyn Future<Output = T>>>`, or of its well-known alias `BoxFuture<T>`.
fn boxed_output(ty: &Type) -> Option<Type> {
    if let Some(output) = inner(ty, "BoxFuture").or_else(|| inner(ty, "LocalBoxFuture")) {
        return Some(output.clone());
    }
    let boxed = inner(ty, "Pin")?;
    match inner(boxed, "Box")? {
        Type::TraitObject(future) => future_output(&future.bounds),
        _ => None,
    }
}

fn future_output<'a>(bounds: impl IntoIterator<Item = &'a TypeParamBound>) -> Option<Type> {
    bounds.into_iter().find_map(|bound| {
        let TypeParamBound::Trait(bound) = bound else { return None };
        let segment = bound.path.segments.last().filter(|segment| segment.ident == "Future")?;
        let PathArguments::AngleBracketed(args) = &segment.arguments else { return None };
        args.args.iter().find_map(|arg| match arg {
            GenericArgument::AssocType(assoc) if assoc.ident == "Output" => Some(assoc.ty.clone()),
            _ => None,
        })
    })
}

/// `T` of `Name<T>`.
fn inner<'a>(ty: &'a Type, name: &str) -> Option<&'a Type> {
    let Type::Path(path) = ty else { return None };
    let segment = path.path.segments.last().filter(|segment| segment.ident == name)?;
    type_args(&segment.arguments).next()
}

fn type_args(arguments: &PathArguments) -> impl Iterator<Item = &Type> {
    let args = match arguments {
        PathArguments::AngleBracketed(args) => Some(&args.args),
        _ => None,
    };
    args.into_iter().flatten().filter_map(|arg| match arg {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

/// The last word of a type's path, through references.
pub(crate) fn last_segment(ty: &Type) -> Option<&Ident> {
    match ty {
        Type::Path(path) => path.path.segments.last().map(|segment| &segment.ident),
        Type::Reference(reference) => last_segment(&reference.elem),
        Type::Paren(paren) => last_segment(&paren.elem),
        Type::Group(group) => last_segment(&group.elem),
        _ => None,
    }
}

/// Whether the type is `&T`.
pub(super) fn is_shared_reference(ty: &Type) -> bool {
    matches!(ty, Type::Reference(reference) if reference.mutability.is_none())
}

/// Types that are data and nothing else, by the last word of their path.
const PLAIN: &[&str] = &[
    "i8",
    "i16",
    "i32",
    "i64",
    "i128",
    "isize",
    "u8",
    "u16",
    "u32",
    "u64",
    "u128",
    "usize",
    "f32",
    "f64",
    "bool",
    "char",
    "str",
    "String",
    "Uuid",
    "Decimal",
    "BigDecimal",
    "NonZero",
    "NonZeroU32",
    "NonZeroU64",
    "NonZeroI64",
    "IpAddr",
    "Ipv4Addr",
    "Ipv6Addr",
    "NaiveDate",
    "NaiveTime",
    "NaiveDateTime",
    "DateTime",
    "OffsetDateTime",
    "PrimitiveDateTime",
    "SystemTime",
    "Duration",
];

/// Types that are plain data where what they hold is.
const WRAPPERS: &[&str] =
    &["Option", "Vec", "Box", "Arc", "Rc", "Cow", "HashSet", "BTreeSet", "VecDeque"];

/// Whether the type is data that a call's answer must depend on: numbers, text, and collections of them.
pub(crate) fn is_plain(ty: &Type) -> bool {
    match ty {
        // What is behind `&mut` is an answer too, and no part of the question.
        Type::Reference(reference) => reference.mutability.is_none() && is_plain(&reference.elem),
        Type::Slice(slice) => is_plain(&slice.elem),
        Type::Array(array) => is_plain(&array.elem),
        Type::Paren(paren) => is_plain(&paren.elem),
        Type::Group(group) => is_plain(&group.elem),
        Type::Tuple(tuple) => !tuple.elems.is_empty() && tuple.elems.iter().all(is_plain),
        Type::Path(path) => path.path.segments.last().is_some_and(|segment| {
            let name = segment.ident.to_string();
            let mut args = type_args(&segment.arguments).peekable();
            PLAIN.contains(&name.as_str())
                || (WRAPPERS.contains(&name.as_str())
                    && args.peek().is_some()
                    && args.all(is_plain))
        }),
        _ => false,
    }
}

/// Whether what a pattern takes apart is plain data: `Path<i64>` of `Path(id)`.
pub(crate) fn holds_plain(ty: &Type) -> bool {
    let Type::Path(path) = ty else { return is_plain(ty) };
    let Some(segment) = path.path.segments.last() else { return false };
    let mut args = type_args(&segment.arguments).peekable();
    is_plain(ty) || (args.peek().is_some() && args.all(is_plain))
}

/// Collections that can be made of fewer elements.
const COLLECTIONS: &[&str] = &["Vec", "VecDeque", "HashSet", "BTreeSet"];

/// How an argument has its elements.
pub(crate) enum Elements<'a> {
    /// `&[T]`
    Slice,
    /// `Vec<T>` and its like.
    Owned,
    /// A reference to one.
    Borrowed(&'a Type),
}

/// The type of an argument's elements, if it is a collection by its name, and how it has them.
pub(crate) fn elements(ty: &Type) -> Option<(&Type, Elements<'_>)> {
    match ty {
        Type::Paren(paren) => elements(&paren.elem),
        Type::Group(group) => elements(&group.elem),
        Type::Reference(reference) if reference.mutability.is_none() => match &*reference.elem {
            Type::Slice(slice) => Some((&slice.elem, Elements::Slice)),
            owned => Some((collected(owned)?, Elements::Borrowed(owned))),
        },
        owned => Some((collected(owned)?, Elements::Owned)),
    }
}

/// `T` of `Vec<T>` and its like.
fn collected(ty: &Type) -> Option<&Type> {
    COLLECTIONS.iter().find_map(|name| inner(ty, name))
}

/// Traits of sqlx that a pool, a connection and a transaction implement alike.
const EXECUTORS: &[&str] =
    &["Executor", "Acquire", "PgExecutor", "MySqlExecutor", "SqliteExecutor", "AnyExecutor"];

/// Whether the argument may be a pool as well as a connection in a transaction.
pub(crate) fn is_executor(ty: &Type, generics: &Generics) -> bool {
    match ty {
        Type::Reference(reference) => is_executor(&reference.elem, generics),
        Type::Paren(paren) => is_executor(&paren.elem, generics),
        Type::ImplTrait(bounds) => has_executor(&bounds.bounds),
        Type::Path(path) => {
            path.path.get_ident().is_some_and(|ident| param_is_executor(ident, generics))
        }
        _ => false,
    }
}

fn param_is_executor(ident: &Ident, generics: &Generics) -> bool {
    let declared =
        generics.type_params().any(|param| param.ident == *ident && has_executor(&param.bounds));
    let predicates = generics.where_clause.iter().flat_map(|clause| &clause.predicates);
    declared
        || predicates.into_iter().any(|predicate| match predicate {
            WherePredicate::Type(predicate) => {
                // `&'a mut E: Executor` says the same of `E`.
                last_segment(&predicate.bounded_ty) == Some(ident)
                    && has_executor(&predicate.bounds)
            }
            _ => false,
        })
}

fn has_executor<'a>(bounds: impl IntoIterator<Item = &'a TypeParamBound>) -> bool {
    bounds.into_iter().any(|bound| match bound {
        TypeParamBound::Trait(bound) => bound
            .path
            .segments
            .last()
            .is_some_and(|segment| EXECUTORS.contains(&segment.ident.to_string().as_str())),
        _ => false,
    })
}

/// Whether `impl Trait` stands anywhere in the type.
pub(crate) fn contains_impl(ty: &Type) -> bool {
    struct Find(bool);
    impl<'ast> Visit<'ast> for Find {
        fn visit_type_impl_trait(&mut self, _: &'ast TypeImplTrait) {
            self.0 = true;
        }
    }
    let mut find = Find(false);
    find.visit_type(ty);
    find.0
}

/// Whether the type names a lifetime other than `'static`, or leaves one out.
pub(crate) fn borrows(ty: &Type) -> bool {
    struct Find(bool);
    impl<'ast> Visit<'ast> for Find {
        fn visit_lifetime(&mut self, lifetime: &'ast Lifetime) {
            self.0 |= lifetime.ident != "static";
        }

        fn visit_type_reference(&mut self, reference: &'ast TypeReference) {
            self.0 |= reference.lifetime.is_none();
            visit::visit_type_reference(self, reference);
        }
    }
    let mut find = Find(false);
    find.visit_type(ty);
    find.0
}

/// The names a pattern binds.
pub(super) fn bindings(pat: &Pat) -> Vec<Ident> {
    struct Collect(Vec<Ident>);
    impl<'ast> Visit<'ast> for Collect {
        fn visit_pat_ident(&mut self, pat: &'ast PatIdent) {
            self.0.push(pat.ident.clone());
            visit::visit_pat_ident(self, pat);
        }
    }
    let mut collect = Collect(Vec::new());
    collect.visit_pat(pat);
    collect.0
}

/// The names a pattern binds.
pub(crate) fn pattern_names(pat: &Pat) -> Vec<Ident> {
    bindings(pat)
}

/// Whether the type is a database connection or transaction by its name.
pub(crate) fn is_connection(ty: &Type) -> bool {
    last_segment(ty).is_some_and(|name| {
        let name = name.to_string();
        name.ends_with("Connection") || name.ends_with("Transaction")
    })
}
