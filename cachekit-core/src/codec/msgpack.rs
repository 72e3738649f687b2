//! MessagePack, with named fields.

use rmp_serde::{Deserializer, Serializer};
use serde::{Serialize, de::DeserializeOwned};

use super::{cannot_decode, cannot_encode, left_over};
use crate::error::Error;

pub(super) fn encode<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), Error> {
    let mut serializer = Serializer::new(out).with_struct_map();
    value.serialize(&mut serializer).map_err(cannot_encode::<T>)
}

pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    let mut rest = bytes;
    let value = T::deserialize(&mut Deserializer::new(&mut rest)).map_err(cannot_decode::<T>)?;
    if rest.is_empty() { Ok(value) } else { Err(left_over::<T>(rest.len())) }
}
