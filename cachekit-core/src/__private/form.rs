//! What the engine knows of a return type: plain function pointers, and the only place that demands `Value`.

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use super::probe::{Kept, Lost, Owned, Whole};
use super::shape::{Opened, Shape, ShapeKind};
use crate::cache::Answer;
#[cfg(feature = "redis")]
use crate::codec::Format;
use crate::{Error, Value};

/// A value of any type, shared between the tier, a flight and its callers.
pub type Shared = Arc<dyn Any + Send + Sync>;

/// What one result of a function means to the cache.
pub enum Split {
    /// A value to store.
    Value(Shared),
    /// The function answered "not there".
    Absent,
    /// An error: never stored; a clone of it for those who waited, where it can be cloned.
    Failed(Option<Shared>),
    /// What came is its caller's alone, and no failure: nothing is stored, shared or put off.
    Apart,
}

impl Split {
    /// What it answers; nothing where it failed.
    pub(crate) fn answer(&self) -> Option<Answer> {
        match self {
            Split::Value(value) => Some(Answer::Value(value.clone())),
            Split::Absent => Some(Answer::Absent),
            Split::Failed(_) | Split::Apart => None,
        }
    }
}

impl fmt::Debug for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Split::Value(_) => "Value(..)",
            Split::Absent => "Absent",
            Split::Failed(_) => "Failed(..)",
            Split::Apart => "Apart",
        })
    }
}

/// How a stored value becomes bytes and back; not generic, so that the engine can pass it around.
#[derive(Clone, Copy, Debug)]
pub struct Codec {
    /// Name of the stored type, of which the schema number is made.
    pub type_name: fn() -> &'static str,
    /// Writes the value; an error where it is of another type or serde refuses it.
    #[cfg(feature = "redis")]
    pub encode: fn(&(dyn Any + Send + Sync), Format, &mut Vec<u8>) -> Result<(), Error>,
    /// Reads a value of this type.
    #[cfg(feature = "redis")]
    pub decode: fn(&[u8], Format) -> Result<Shared, Error>,
}

/// A return type `R`, taken apart and put together.
pub struct Form<R> {
    /// What a result means; clones the value once, an `Arc` only by its count.
    pub split: fn(&R) -> Split,
    /// A result made of a stored value; `None` where another type is stored.
    pub value: fn(Shared) -> Option<R>,
    /// The result that says "not there"; `None` where the type cannot say it.
    pub absent: Option<fn() -> R>,
    /// A result made of a shared error; `None` where the error cannot be cloned.
    pub error: Option<fn(&Shared) -> Option<R>>,
    /// `None` for values that stay in this process.
    pub codec: Option<&'static Codec>,
    /// A result made of an error of the cache's own; `None` where the caller is never given one.
    pub fail: Option<fn(Error) -> R>,
}

impl<R> Clone for Form<R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for Form<R> {}

impl<R> fmt::Debug for Form<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Form")
            .field("returns", &std::any::type_name::<R>())
            .field("absent", &self.absent.is_some())
            .field("error", &self.error.is_some())
            .field("codec", &self.codec.is_some())
            .finish()
    }
}

impl<T: Value, E> Form<Result<T, E>> {
    /// The form of a loader that gives `Result<T, E>`, for calls that no macro expanded.
    pub fn result() -> Self {
        assemble::<super::shape::IsResult, _, T, E, Owned<T>, Lost<E>>(Some(T::CODEC))
    }
}

impl<T: Value, E> Form<Result<Option<T>, E>> {
    /// The form of a loader that gives `Result<Option<T>, E>`, for calls that no macro expanded.
    pub fn optional() -> Self {
        assemble::<super::shape::IsResultOption, _, T, E, Owned<T>, Lost<E>>(Some(T::CODEC))
    }
}

/// The form of an annotated function; the one place that demands [`Value`] of what it stores.
pub fn form<K, R, T, E, S, F>(_: &Shape<K, R, T, E>, _: &S, _: &F) -> Form<R>
where
    K: ShapeKind<R, T, E>,
    S: Cacheable<T>,
    F: ShareError<E>,
{
    assemble::<K, R, T, E, S, F>(Some(S::CODEC))
}

/// [`form`] for values that stay in this process, which need no serde.
pub fn local_form<K, R, T, E, S, F>(_: &Shape<K, R, T, E>, _: &S, _: &F) -> Form<R>
where
    K: ShapeKind<R, T, E>,
    S: Keepable<T>,
    F: ShareError<E>,
{
    assemble::<K, R, T, E, S, F>(None)
}

fn assemble<K, R, T, E, S, F>(codec: Option<&'static Codec>) -> Form<R>
where
    K: ShapeKind<R, T, E>,
    S: Keep<T>,
    F: ShareError<E>,
{
    Form {
        split: split::<K, R, T, E, S, F>,
        value: |shared| S::take(shared).map(K::from_value),
        absent: K::ABSENT,
        error: match (F::TAKE, K::FAILED) {
            (Some(_), Some(_)) => Some(error::<K, R, T, E, F>),
            _ => None,
        },
        codec,
        fail: None,
    }
}

fn split<K, R, T, E, S, F>(out: &R) -> Split
where
    K: ShapeKind<R, T, E>,
    S: Keep<T>,
    F: ShareError<E>,
{
    match K::open(out) {
        Opened::Value(value) => Split::Value(S::share(value)),
        Opened::Absent => Split::Absent,
        Opened::Failed(error) => Split::Failed(F::share(error)),
    }
}

fn error<K, R, T, E, F>(shared: &Shared) -> Option<R>
where
    K: ShapeKind<R, T, E>,
    F: ShareError<E>,
{
    let error = F::TAKE?(shared)?;
    K::FAILED.map(|failed| failed(error))
}

// ===== how a value is kept =====

/// How a value of type `T` is shared and taken back.
pub trait Keep<T> {
    /// Shares the value.
    fn share(value: &T) -> Shared;
    /// Shares a value that nobody else needs.
    fn hand_over(value: T) -> Shared;
    /// Whether [`take`](Self::take) would take it back.
    fn fits(shared: &Shared) -> bool;
    /// Takes it back, `None` where another type is stored.
    fn take(shared: Shared) -> Option<T>;
}

impl<T: Clone + Send + Sync + 'static> Keep<T> for Owned<T> {
    fn share(value: &T) -> Shared {
        Arc::new(value.clone())
    }

    fn hand_over(value: T) -> Shared {
        Arc::new(value)
    }

    fn fits(shared: &Shared) -> bool {
        shared.is::<T>()
    }

    fn take(shared: Shared) -> Option<T> {
        shared.downcast::<T>().ok().map(Arc::unwrap_or_clone)
    }
}

// The caller's own `Arc` is stored, so a hit is one more count and never a deep clone.
impl<U: Send + Sync + 'static> Keep<Arc<U>> for Whole<U> {
    fn share(value: &Arc<U>) -> Shared {
        Arc::<U>::clone(value)
    }

    fn hand_over(value: Arc<U>) -> Shared {
        value
    }

    fn fits(shared: &Shared) -> bool {
        shared.is::<U>()
    }

    fn take(shared: Shared) -> Option<Arc<U>> {
        shared.downcast::<U>().ok()
    }
}

/// A value that can be kept in every tier.
#[diagnostic::on_unimplemented(
    message = "`{T}` cannot be cached",
    label = "this is what would be stored",
    note = "a cached value is `Clone + Serialize + DeserializeOwned + Send + Sync + 'static`, or an `Arc` of one",
    note = "to keep an HTTP response, use `CacheLayer`"
)]
pub trait Cacheable<T>: Keep<T> {
    /// The codec of what is stored.
    const CODEC: &'static Codec;
}

#[diagnostic::do_not_recommend]
impl<T: Value> Cacheable<T> for Owned<T> {
    const CODEC: &'static Codec = T::CODEC;
}

#[diagnostic::do_not_recommend]
impl<U: crate::value::Coded> Cacheable<Arc<U>> for Whole<U> {
    const CODEC: &'static Codec = U::CODEC;
}

/// A value that can be kept in this process.
#[diagnostic::on_unimplemented(
    message = "`{T}` cannot be cached",
    label = "this is what would be stored",
    note = "with `local`, a cached value is `Clone + Send + Sync + 'static`, or an `Arc` of a value that is `Send + Sync + 'static`"
)]
pub trait Keepable<T>: Keep<T> {}

#[diagnostic::do_not_recommend]
impl<T: Clone + Send + Sync + 'static> Keepable<T> for Owned<T> {}

#[diagnostic::do_not_recommend]
impl<U: Send + Sync + 'static> Keepable<Arc<U>> for Whole<U> {}

// ===== how an error is shared =====

/// How an error is handed to those who waited for the same load.
pub trait ShareError<E> {
    /// Takes a clone back; `None` where errors of this type are not shared.
    const TAKE: Option<fn(&Shared) -> Option<E>>;
    /// A shared clone, where the type has one.
    fn share(error: &E) -> Option<Shared>;
}

impl<E: Clone + Send + Sync + 'static> ShareError<E> for Kept<E> {
    const TAKE: Option<fn(&Shared) -> Option<E>> = Some(|shared| shared.downcast_ref().cloned());

    fn share(error: &E) -> Option<Shared> {
        Some(Arc::new(error.clone()))
    }
}

impl<E> ShareError<E> for Lost<E> {
    const TAKE: Option<fn(&Shared) -> Option<E>> = None;

    fn share(_: &E) -> Option<Shared> {
        None
    }
}

/// A type's marker that is `Send` and `Sync` whatever the type is.
pub(super) type Marker<T> = PhantomData<fn() -> T>;
