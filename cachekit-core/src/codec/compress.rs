//! LZ4 blocks of a bounded size, each after its decompressed length (four bytes, big-endian).

use lz4_flex::block;

use crate::error::{Error, ErrorKind};

/// The largest value that is compressed or decompressed.
pub(crate) const MAX_BYTES: usize = 64 * 1024 * 1024;

/// No block decompresses to more than this many times its length.
const MAX_RATIO: usize = 255;

/// Compresses `bytes`, where that makes them smaller and they are not too large.
pub(crate) fn compress(bytes: &[u8]) -> Option<Vec<u8>> {
    let length = u32::try_from(bytes.len()).ok().filter(|_| bytes.len() <= MAX_BYTES)?;
    let mut out = vec![0; 4 + block::get_maximum_output_size(bytes.len())];
    let written = block::compress_into(bytes, &mut out[4..]).ok()?;
    out[..4].copy_from_slice(&length.to_be_bytes());
    out.truncate(4 + written);
    (out.len() < bytes.len()).then_some(out)
}

/// Decompresses what [`compress`] made, or fails; never allocates more than [`MAX_BYTES`], whatever the length says.
pub(crate) fn decompress(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    let (length, block) =
        bytes.split_first_chunk::<4>().ok_or_else(|| broken("the length is missing"))?;
    let length = u32::from_be_bytes(*length) as usize;
    if length > MAX_BYTES {
        return Err(broken("it is larger than 64 MiB"));
    }
    if length > block.len().saturating_mul(MAX_RATIO) {
        return Err(broken("its length does not match"));
    }
    let mut out = vec![0; length];
    match block::decompress_into(block, &mut out) {
        Ok(written) if written == length => Ok(out),
        Ok(_) => Err(broken("its length does not match")),
        Err(source) => Err(broken("it is not an LZ4 block").with_source(source)),
    }
}

fn broken(why: &str) -> Error {
    let message = format!("the stored value cannot be decompressed: {why}");
    Error::new(ErrorKind::Codec, "decode value", message)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_does_not_shrink_is_left_alone() {
        assert_eq!(compress(b""), None);
        assert_eq!(compress(b"short"), None);
        let noise: Vec<u8> = (0..1_000).map(|_| fastrand::u8(..)).collect();
        assert_eq!(compress(&noise), None);
        assert_eq!(compress(&vec![0; MAX_BYTES + 1]), None);
    }

    #[test]
    fn the_best_ratio_still_decompresses() {
        let zeros = vec![0; 4 * 1024 * 1024];
        let compressed = compress(&zeros).unwrap();
        assert!(compressed.len() < zeros.len() / 200);
        assert_eq!(decompress(&compressed).unwrap(), zeros);
    }

    #[test]
    fn a_length_that_lies_is_refused_before_it_is_believed() {
        let message = |bytes: &[u8]| decompress(bytes).unwrap_err().message().to_owned();
        assert!(message(&[1, 2, 3]).ends_with("the length is missing"));
        assert!(message(&[0xFF; 64]).ends_with("it is larger than 64 MiB"));
        assert!(message(&[0, 0, 2, 0, 9, 9]).ends_with("its length does not match"));

        let mut bytes = compress(&[7; 1_000]).unwrap();
        bytes[..4].copy_from_slice(&999_u32.to_be_bytes());
        assert!(decompress(&bytes).is_err());
        bytes[..4].copy_from_slice(&1_001_u32.to_be_bytes());
        assert!(message(&bytes).ends_with("its length does not match"));
    }

    proptest! {
        #[test]
        fn what_was_compressed_comes_back(bytes in "[ab]{0,400}") {
            if let Some(compressed) = compress(bytes.as_bytes()) {
                prop_assert_eq!(decompress(&compressed).unwrap(), bytes.as_bytes());
            }
        }

        #[test]
        fn any_bytes_give_a_value_or_an_error(length in 0_u32..2_000, block: Vec<u8>) {
            let bytes = [&length.to_be_bytes()[..], &block].concat();
            if let Ok(value) = decompress(&bytes) {
                prop_assert_eq!(value.len(), length as usize);
            }
        }
    }
}
