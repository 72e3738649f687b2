//! Which characters of a value are escaped in a key, and how.

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// Bytes that end the part of a text which is copied as it is.
static STOPS: [bool; 256] = stops();

/// The first byte in UTF-8 of U+0080 to U+00BF, of which U+0080 to U+009F are control characters.
const LATIN1_LEAD: u8 = 0xC2;

const fn stops() -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = byte <= b' ' as usize || byte == 0x7F || byte == LATIN1_LEAD as usize;
        byte += 1;
    }
    table[b'%' as usize] = true;
    table[b':' as usize] = true;
    table[b'{' as usize] = true;
    table[b'}' as usize] = true;
    table
}

/// How many bytes at the start of `text` can be copied as they are.
#[inline]
pub(super) fn plain_prefix(text: &str) -> usize {
    text.bytes().position(|byte| STOPS[usize::from(byte)]).unwrap_or(text.len())
}

/// Whether a character is escaped inside a value.
pub(super) fn is_escaped(c: char) -> bool {
    matches!(c, '%' | ':' | '{' | '}' | ' ') || c.is_control()
}

/// `%XX` of one byte.
pub(super) fn hex(byte: u8) -> [u8; 3] {
    [b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scan_stops_at_every_escaped_character() {
        for c in (0..=0x10_FFFF).filter_map(char::from_u32) {
            let stops = plain_prefix(c.encode_utf8(&mut [0; 4])) == 0;
            assert!(stops || !is_escaped(c), "{c:?} would be copied");
        }
    }
}
