//! Postcard.

use serde::{Serialize, de::DeserializeOwned};

use super::{cannot_decode, cannot_encode, left_over};
use crate::error::Error;

pub(super) fn encode<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), Error> {
    postcard::to_io(value, out).map(drop).map_err(cannot_encode::<T>)
}

pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    let (value, rest) = postcard::take_from_bytes(bytes).map_err(cannot_decode::<T>)?;
    if rest.is_empty() { Ok(value) } else { Err(left_over::<T>()) }
}
