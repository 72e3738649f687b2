//! How values become bytes for Redis and back.

#[cfg(feature = "compress")]
pub(crate) mod compress;
#[cfg(feature = "json")]
mod json;
mod msgpack;
#[cfg(feature = "postcard")]
mod postcard;

#[cfg(test)]
mod tests;

use std::error;

use serde::{Serialize, de::DeserializeOwned};

use crate::error::{Error, ErrorKind};

/// The format of values in Redis.
///
/// It is part of every entry's schema hash: after a change of format, old entries are misses, not errors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// MessagePack with named fields: a struct that has since gained a `#[serde(default)]` field or lost one still
    /// decodes.
    #[default]
    MessagePack,
    /// Postcard: the smallest and fastest, but fields have no names, so change the type's name when its fields change.
    #[cfg(feature = "postcard")]
    Postcard,
    /// JSON: to be read by people and other programs.
    #[cfg(feature = "json")]
    Json,
}

impl Format {
    /// A zero byte, which no type's name has, and the format's name.
    const fn suffix(self) -> &'static [u8] {
        match self {
            Format::MessagePack => b"\0msgpack",
            #[cfg(feature = "postcard")]
            Format::Postcard => b"\0postcard",
            #[cfg(feature = "json")]
            Format::Json => b"\0json",
        }
    }

    /// The schema hash of a type's values in this format: the same in every process of a build.
    pub(crate) fn schema(self, type_name: &str) -> u32 {
        let hash = crc32c::crc32c(type_name.as_bytes());
        crc32c::crc32c_append(hash, self.suffix())
    }
}

/// Appends `value` to `out`; on an error `out` is as it was.
pub(crate) fn encode<T: Serialize + ?Sized>(
    format: Format,
    value: &T,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    let start = out.len();
    let result = match format {
        Format::MessagePack => msgpack::encode(value, out),
        #[cfg(feature = "postcard")]
        Format::Postcard => postcard::encode(value, out),
        #[cfg(feature = "json")]
        Format::Json => json::encode(value, out),
    };
    result.inspect_err(|_| out.truncate(start))
}

/// Reads a value; bytes that are left over are an error.
pub(crate) fn decode<T: DeserializeOwned>(format: Format, bytes: &[u8]) -> Result<T, Error> {
    match format {
        Format::MessagePack => msgpack::decode(bytes),
        #[cfg(feature = "postcard")]
        Format::Postcard => postcard::decode(bytes),
        #[cfg(feature = "json")]
        Format::Json => json::decode(bytes),
    }
}

fn cannot_encode<T: ?Sized>(source: impl error::Error + Send + Sync + 'static) -> Error {
    let message = format!("a `{}` cannot be serialized", std::any::type_name::<T>());
    Error::new(ErrorKind::Codec, "encode value", message).with_source(source)
}

fn cannot_decode<T>(source: impl error::Error + Send + Sync + 'static) -> Error {
    let message = format!("the stored bytes are not a `{}`", std::any::type_name::<T>());
    Error::new(ErrorKind::Codec, "decode value", message).with_source(source)
}

fn left_over<T>() -> Error {
    let name = std::any::type_name::<T>();
    let message = format!("bytes are left over after a `{name}`");
    Error::new(ErrorKind::Codec, "decode value", message)
}
