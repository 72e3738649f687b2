//! JSON.

use serde::{Serialize, de::DeserializeOwned};

use super::{cannot_decode, cannot_encode};
use crate::error::Error;

pub(super) fn encode<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), Error> {
    serde_json::to_writer(out, value).map_err(cannot_encode::<T>)
}

pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(cannot_decode::<T>)
}
