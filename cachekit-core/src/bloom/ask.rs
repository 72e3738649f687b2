//! Questions to a filter: the parts of a key, in its type.

use std::{fmt, sync::Arc};

use super::{Bloom, filter::Filter};
use crate::key::{Key, KeyArg, KeyBuf, Segment};

/// Parts of a key that a filter of `K` can be asked for: one, or a tuple of them.
#[diagnostic::on_unimplemented(
    message = "the filter holds `{K}`, and the key has other parts",
    label = "the parts of this key, in their order",
    note = "one placeholder asks for an id of a `Bloom<K>`, two ask for a pair, as a `Bloom<(A, B)>` holds"
)]
pub trait Asks<K: ?Sized> {
    /// How the id is written: as keys write it.
    fn text(&self) -> Key;
}

impl<K: Segment + ?Sized, A: KeyArg<K>> Asks<K> for (A,) {
    fn text(&self) -> Key {
        KeyBuf::new("(bloom)", |w| w.value(self.0.arg())).into_key()
    }
}

macro_rules! tuples {
    ($($($key:ident $arg:ident $at:tt)+;)*) => {$(
        impl<$($key: Segment,)+ $($arg: KeyArg<$key>),+> Asks<($($key,)+)> for ($($arg,)+) {
            fn text(&self) -> Key {
                KeyBuf::new("(bloom)", |w| w.value(&($(self.$at.arg(),)+))).into_key()
            }
        }
    )*};
}

tuples! {
    K0 A0 0 K1 A1 1;
    K0 A0 0 K1 A1 1 K2 A2 2;
    K0 A0 0 K1 A1 1 K2 A2 2 K3 A3 3;
}

/// An id that is to be asked for, if it comes to that.
pub struct Question<'a> {
    filter: &'a Arc<Filter>,
    text: Key,
}

impl<'a> Question<'a> {
    pub(crate) fn new<K: ?Sized>(bloom: &'a Bloom<K>, parts: &impl Asks<K>) -> Self {
        Self { filter: &bloom.filter, text: parts.text() }
    }

    /// The question on its own.
    pub(crate) fn to_asked(&self) -> Asked {
        Asked { filter: self.filter.clone(), text: self.text.clone() }
    }
}

/// A question that borrows nothing.
pub(crate) struct Asked {
    filter: Arc<Filter>,
    text: Key,
}

impl Asked {
    /// Whether the id is certainly not there.
    pub(crate) async fn is_absent(&self) -> bool {
        !self.filter.may_contain(self.text.as_str()).await
    }

    #[cfg(feature = "_sqlx")]
    pub(super) fn into_parts(self) -> (Arc<Filter>, Key) {
        (self.filter, self.text)
    }
}

impl fmt::Debug for Question<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Question").field("filter", &self.filter.name).finish_non_exhaustive()
    }
}

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asked").field("filter", &self.filter.name).finish_non_exhaustive()
    }
}
