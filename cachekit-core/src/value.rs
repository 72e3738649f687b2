//! What can be cached.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::__private::Codec;

/// A value that a cache can keep: every type that is `Clone + Serialize + DeserializeOwned + Send + Sync + 'static`.
///
/// It is implemented for all of them and cannot be implemented by hand. The bound is the same with every feature of this
/// crate, so that one crate turning on `redis` never breaks another. To skip the clone on a hit, return `Arc<T>`.
///
/// ```
/// #[derive(Clone, serde::Serialize, serde::Deserialize)]
/// struct User {
///     name: String,
/// }
///
/// fn can_be_cached<T: cachekit_core::Value>() {}
/// can_be_cached::<User>();
/// can_be_cached::<std::sync::Arc<User>>();
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be cached",
    label = "this is what would be stored",
    note = "a cached value is `Clone + Serialize + DeserializeOwned + Send + Sync + 'static`, or an `Arc` of one",
    note = "to keep an HTTP response, use `CacheLayer`"
)]
pub trait Value: Clone + Coded {}

#[diagnostic::do_not_recommend]
impl<T: Clone + Serialize + DeserializeOwned + Send + Sync + 'static> Value for T {}

/// How a type is written and read: what [`Value`] knows beyond its bounds.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be cached",
    label = "this is what would be stored",
    note = "a cached value is `Clone + Serialize + DeserializeOwned + Send + Sync + 'static`, or an `Arc` of one"
)]
pub trait Coded: Send + Sync + 'static {
    #[doc(hidden)]
    const CODEC: &'static Codec;
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> Coded for T {
    const CODEC: &'static Codec = &Codec {
        type_name: std::any::type_name::<T>,
        #[cfg(feature = "redis")]
        encode: bytes::encode::<T>,
        #[cfg(feature = "redis")]
        decode: bytes::decode::<T>,
    };
}

#[cfg(feature = "redis")]
mod bytes {
    use std::any::Any;
    use std::sync::Arc;

    use serde::Serialize;
    use serde::de::DeserializeOwned;

    use crate::__private::Shared;
    use crate::codec::{self, Format};
    use crate::{Error, ErrorKind};

    pub(super) fn encode<T: Serialize + 'static>(
        value: &(dyn Any + Send + Sync),
        format: Format,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let value = value.downcast_ref::<T>().ok_or_else(|| other_type::<T>())?;
        codec::encode(format, value, out)
    }

    pub(super) fn decode<T>(bytes: &[u8], format: Format) -> Result<Shared, Error>
    where
        T: DeserializeOwned + Send + Sync + 'static,
    {
        let value: T = codec::decode(format, bytes)?;
        Ok(Arc::new(value))
    }

    fn other_type<T>() -> Error {
        let expected = std::any::type_name::<T>();
        Error::new(ErrorKind::Codec, "encode", format!("the stored value is not a `{expected}`"))
    }
}
