//! Looking for lines in a head.

use http::{HeaderMap, HeaderName};

/// Up to so many lines are looked through one by one: that is quicker than to look names up.
const FEW: usize = 8;

/// Whether there is a line of one of these names.
pub(crate) fn has_any(headers: &HeaderMap, names: &[HeaderName]) -> bool {
    if headers.keys_len() <= FEW {
        headers.keys().any(|name| names.contains(name))
    } else {
        names.iter().any(|name| headers.contains_key(name))
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, header};

    use super::*;

    #[test]
    fn a_line_is_found_among_few_and_among_many() {
        let mut headers = HeaderMap::new();
        let wanted = [header::RANGE, HeaderName::from_static("x-wanted")];
        for number in 0..2 * FEW {
            assert!(!has_any(&headers, &wanted), "{number}");
            headers.insert("x-wanted", HeaderValue::from_static("a"));
            assert!(has_any(&headers, &wanted), "{number}");
            headers.remove("x-wanted");
            let name = HeaderName::try_from(format!("x-{number}")).unwrap();
            headers.insert(name, HeaderValue::from_static("a"));
        }
    }
}
