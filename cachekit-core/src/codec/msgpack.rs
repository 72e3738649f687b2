//! MessagePack, with named fields.

use rmp_serde::{Deserializer, Serializer};
use serde::{
    Deserialize as _, Serialize,
    de::{DeserializeOwned, IgnoredAny},
};

use super::{cannot_decode, cannot_encode, left_over};
use crate::error::Error;

pub(super) fn encode<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), Error> {
    let mut serializer = Serializer::new(out).with_struct_map();
    value.serialize(&mut serializer).map_err(cannot_encode::<T>)
}

pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    // By reference: strings are then read in one piece. What is left over it tells only by its
    // failure to read any more.
    let mut deserializer = Deserializer::from_read_ref(bytes);
    let value = T::deserialize(&mut deserializer).map_err(cannot_decode::<T>)?;
    match IgnoredAny::deserialize(&mut deserializer) {
        Err(_) => Ok(value),
        Ok(_) => Err(left_over::<T>()),
    }
}
