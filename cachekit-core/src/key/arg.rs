//! What a companion function takes for a key's part: the part's type, or what lends it.

use std::{borrow::Cow, sync::Arc};

/// An argument that can stand for a key part of type `T`.
///
/// Companion functions (`find_user_key`) take `impl KeyArg<T>`, so that they accept `T`, `&T` and `&&T`; for `str` also
/// `String`, `Cow<str>`, `Box<str>` and `Arc<str>`; for `[T]` also `Vec<T>` and arrays.
#[diagnostic::on_unimplemented(
    message = "this key part is `{T}`, not `{Self}`",
    label = "expected `{T}`"
)]
pub trait KeyArg<T: ?Sized> {
    /// Lends the key part.
    fn arg(&self) -> &T;
}

impl<T: ?Sized> KeyArg<T> for T {
    #[inline]
    fn arg(&self) -> &T {
        self
    }
}

impl<T: ?Sized> KeyArg<T> for &T {
    #[inline]
    fn arg(&self) -> &T {
        self
    }
}

impl<T: ?Sized> KeyArg<T> for &&T {
    #[inline]
    fn arg(&self) -> &T {
        self
    }
}

macro_rules! lends {
    ($([$($generics:tt)*] $owner:ty => $target:ty;)*) => {$(
        impl<$($generics)*> KeyArg<$target> for $owner {
            #[inline]
            fn arg(&self) -> &$target {
                self
            }
        }

        impl<$($generics)*> KeyArg<$target> for &$owner {
            #[inline]
            fn arg(&self) -> &$target {
                <$owner as KeyArg<$target>>::arg(self)
            }
        }
    )*};
}

lends! {
    [] String => str;
    [] Cow<'_, str> => str;
    [] Box<str> => str;
    [] Arc<str> => str;
    [T] Vec<T> => [T];
    [T, const N: usize] [T; N] => [T];
}

#[cfg(test)]
// The borrows are what is tested.
#[allow(clippy::needless_borrows_for_generic_args)]
mod tests {
    use super::*;

    fn number(id: impl KeyArg<i64>) -> i64 {
        *id.arg()
    }

    fn name(name: impl KeyArg<str>) -> String {
        name.arg().to_owned()
    }

    fn list(ids: impl KeyArg<[i64]>) -> Vec<i64> {
        ids.arg().to_vec()
    }

    #[test]
    fn values_and_what_lends_them_are_taken() {
        assert_eq!([number(7), number(&7), number(&&7)], [7; 3]);
        assert_eq!(
            [list(vec![1, 2]), list(&vec![1, 2]), list([1, 2]), list(&[1, 2][..])],
            [[1, 2]; 4]
        );
        let owned = String::from("a");
        let names = [
            name("a"),
            name(&"a"),
            name(&owned),
            name(Cow::Borrowed("a")),
            name(Box::<str>::from("a")),
            name(&Arc::<str>::from("a")),
            name(owned),
        ];
        assert!(names.iter().all(|name| name == "a"));
    }
}
