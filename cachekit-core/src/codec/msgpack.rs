//! MessagePack, with named fields.

use rmp_serde::{Deserializer, Serializer, decode::Error as DecodeError};
use serde::{Deserialize as _, Serialize, de::DeserializeOwned};

use super::{cannot_decode, cannot_encode, left_over};
use crate::error::Error;

pub(super) fn encode<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), Error> {
    let mut serializer = Serializer::new(out).with_struct_map();
    value.serialize(&mut serializer).map_err(cannot_encode::<T>)
}

pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    // By reference: strings are then read in one piece. That nothing is left over shows in that
    // not even the marker of a scalar can be read.
    let mut deserializer = Deserializer::from_read_ref(bytes);
    let value = T::deserialize(&mut deserializer).map_err(cannot_decode::<T>)?;
    match bool::deserialize(&mut deserializer) {
        Err(DecodeError::InvalidMarkerRead(_)) => Ok(value),
        _ => Err(left_over::<T>()),
    }
}
