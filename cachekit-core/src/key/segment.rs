//! What can be part of a key, and how each type is written.

use std::{
    borrow::Cow,
    fmt::{self, Write as _},
    sync::Arc,
};

use super::SegmentWriter;

/// One part of a cache key.
///
/// Two values that are not equal must be written differently. Implement it by delegating to another type's
/// `write`: a newtype to its field, several fields to a tuple of them. Equal values of different types are written
/// alike (`7i32`, `7i64`, `&7` and `Some(7)`; `str`, `String` and `Cow`), so a writer need not name the
/// reader's exact type.
///
/// Implemented for integers, `bool`, `char`, `str`, `String`, `Uuid` (feature `uuid`), `Option<T>`, `[T]`, `[T; N]`,
/// `Vec<T>`, tuples of up to 8, and `&`, `Box`, `Arc`, `Cow` of those. Not for floats (`NaN`, `-0.0`), paths and maps;
/// [`text`] turns any `Display` value into a part.
///
/// ```
/// use cachekit_core::{Segment, SegmentWriter};
///
/// struct Place {
///     country: String,
///     zip: u32,
/// }
///
/// impl Segment for Place {
///     fn write(&self, w: &mut SegmentWriter<'_>) {
///         (&self.country, self.zip).write(w);
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be part of a cache key",
    label = "not a key part",
    note = "derive it: `#[derive(cachekit::Segment)]`, or use a field of it, such as `<arg.id>`"
)]
pub trait Segment {
    /// Writes this value.
    fn write(&self, w: &mut SegmentWriter<'_>);
}

// ===== scalars =====

macro_rules! integers {
    ($($integer:ty)*) => {$(
        impl Segment for $integer {
            #[inline]
            fn write(&self, w: &mut SegmentWriter<'_>) {
                w.integer(*self);
            }
        }
    )*};
}

integers!(i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize);

impl Segment for bool {
    #[inline]
    fn write(&self, w: &mut SegmentWriter<'_>) {
        w.bool(*self);
    }
}

impl Segment for char {
    fn write(&self, w: &mut SegmentWriter<'_>) {
        w.char(*self);
    }
}

impl Segment for str {
    #[inline]
    fn write(&self, w: &mut SegmentWriter<'_>) {
        w.str(self);
    }
}

impl Segment for String {
    #[inline]
    fn write(&self, w: &mut SegmentWriter<'_>) {
        w.str(self);
    }
}

#[cfg(feature = "uuid")]
impl Segment for uuid::Uuid {
    #[inline]
    fn write(&self, w: &mut SegmentWriter<'_>) {
        w.str(self.as_hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer()));
    }
}

// ===== wrappers =====

macro_rules! transparent {
    ($($wrapper:ty),*) => {$(
        impl<T: Segment + ?Sized> Segment for $wrapper {
            #[inline]
            fn write(&self, w: &mut SegmentWriter<'_>) {
                (**self).write(w);
            }
        }
    )*};
}

transparent!(&T, Box<T>, Arc<T>);

impl<T: Segment + ToOwned + ?Sized> Segment for Cow<'_, T> {
    #[inline]
    fn write(&self, w: &mut SegmentWriter<'_>) {
        (**self).write(w);
    }
}

impl<T: Segment> Segment for Option<T> {
    #[inline]
    fn write(&self, w: &mut SegmentWriter<'_>) {
        match self {
            None => w.none(),
            Some(value) => w.some(value),
        }
    }
}

// ===== sequences =====

impl<T: Segment> Segment for [T] {
    fn write(&self, w: &mut SegmentWriter<'_>) {
        w.sequence(|w| self.iter().for_each(|item| w.item(item)));
    }
}

impl<T: Segment, const N: usize> Segment for [T; N] {
    fn write(&self, w: &mut SegmentWriter<'_>) {
        self.as_slice().write(w);
    }
}

impl<T: Segment> Segment for Vec<T> {
    fn write(&self, w: &mut SegmentWriter<'_>) {
        self.as_slice().write(w);
    }
}

macro_rules! tuples {
    ($($($name:ident)+;)*) => {$(
        impl<$($name: Segment),+> Segment for ($($name,)+) {
            fn write(&self, w: &mut SegmentWriter<'_>) {
                #[allow(non_snake_case)]
                let ($($name,)+) = self;
                w.sequence(|w| {
                    $(w.item($name);)+
                });
            }
        }
    )*};
}

tuples! {
    A;
    A B;
    A B C;
    A B C D;
    A B C D E;
    A B C D E F;
    A B C D E F G;
    A B C D E F G H;
}

// ===== text =====

/// What [`text`] returns: a value that is written as its `Display` form, escaped.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a, D: ?Sized>(&'a D);

/// Makes a key part of any `Display` value.
///
/// The choice is the caller's because two unlike values may print alike: such values share an entry.
///
/// ```
/// use cachekit_core::{key::KeyBuf, text};
///
/// let address: std::net::IpAddr = "::1".parse()?;
/// let key = KeyBuf::new("host:<address>", |w| {
///     w.literal("host:");
///     w.value(&text(&address));
/// });
/// assert_eq!(key.as_ref().text, "host:%3A%3A1");
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
pub fn text<D: fmt::Display + ?Sized>(value: &D) -> Text<'_, D> {
    Text(value)
}

impl<D: fmt::Display + ?Sized> Segment for Text<'_, D> {
    fn write(&self, w: &mut SegmentWriter<'_>) {
        // Only the value's own `Display` can fail here; what it wrote until then stands.
        let _ = write!(Escaped(w), "{}", self.0);
    }
}

struct Escaped<'w, 'a>(&'w mut SegmentWriter<'a>);

impl fmt::Write for Escaped<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.str(text);
        Ok(())
    }
}
