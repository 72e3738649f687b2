//! The grammar of key templates, the same as that of `cachekit::keys::RuntimeTemplate`.

/// What follows the name of an argument whose elements each have a key.
pub(crate) const EACH: &str = "[]";

/// One part of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Text as it is.
    Literal(String),
    /// `<path>`, without its brackets.
    Placeholder(String),
}

/// Takes a template apart; the error is a sentence for whoever wrote it.
pub(crate) fn parse(template: &str) -> Result<Vec<Piece>, String> {
    let pieces = parse_batch(template)?;
    let each = pieces.iter().find_map(|piece| match piece {
        Piece::Placeholder(path) => path.contains(EACH).then_some(path),
        Piece::Literal(_) => None,
    });
    match each {
        None => Ok(pieces),
        Some(path) => Err(format!(
            "`<{path}>` stands for each element in turn, which is for functions with `#[cached]`; name one element here, or write `keys = ids.iter().map(…)`"
        )),
    }
}

/// [`parse`] for a template that may have placeholders for each element of an argument, such as `<ids[]>`.
pub(crate) fn parse_batch(template: &str) -> Result<Vec<Piece>, String> {
    let pieces = pieces(template)?;
    check_start(&pieces)?;
    check_separators(&pieces)?;
    Ok(pieces)
}

fn pieces(template: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut chunks = template.split('<');
    pieces.extend(literal(chunks.next()));
    for chunk in chunks {
        let Some((path, text)) = chunk.split_once('>') else {
            return Err("unclosed `<` in key template".into());
        };
        check_path(path)?;
        pieces.push(Piece::Placeholder(path.to_owned()));
        pieces.extend(literal(Some(text)));
    }
    Ok(pieces)
}

fn literal(text: Option<&str>) -> Option<Piece> {
    text.filter(|text| !text.is_empty()).map(|text| Piece::Literal(text.to_owned()))
}

fn check_path(path: &str) -> Result<(), String> {
    if path.trim().is_empty() {
        return Err("a placeholder needs a name, such as `<id>`".into());
    }
    let legal = is_fields(path) || is_constant(path) || is_element(path);
    if legal { Ok(()) } else { Err(not_a_path(path)) }
}

/// `ids[]`, or a field of each: `refs[].id`.
fn is_element(path: &str) -> bool {
    path.split_once(EACH).is_some_and(|(root, fields)| {
        is_name(root) && (fields.is_empty() || is_fields(&format!("{root}{fields}")))
    })
}

/// What to say of a placeholder that is no path.
pub(super) fn not_a_path(path: &str) -> String {
    format!(
        "`<{path}>` is not a name, a field path or a constant, such as `<id>`, `<user.id>` or `<T::TABLE>`"
    )
}

fn is_fields(path: &str) -> bool {
    let (root, fields) = path.split_once('.').unwrap_or((path, "0"));
    is_name(root) && fields.split('.').all(|field| is_name(field) || is_index(field))
}

fn is_constant(path: &str) -> bool {
    path.contains("::") && path.split("::").all(is_name)
}

fn is_name(part: &str) -> bool {
    let letters = |c: char| c == '_' || c.is_alphanumeric();
    part != "_"
        && part.chars().all(letters)
        && part.starts_with(|c: char| c == '_' || c.is_alphabetic())
}

fn is_index(part: &str) -> bool {
    let digits = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    digits && (part == "0" || !part.starts_with('0'))
}

fn check_start(pieces: &[Piece]) -> Result<(), String> {
    let message = match pieces.first() {
        Some(Piece::Literal(text)) if !text.starts_with(['#', '~']) => return Ok(()),
        Some(Piece::Literal(_)) => {
            "a key must not start with `#` or `~`, which mark keys of the library"
        }
        Some(Piece::Placeholder(_)) => {
            "a key must start with a literal, so that two functions never share a key"
        }
        None => "a key needs a text, such as `user:<id>`",
    };
    Err(message.into())
}

/// Between two values must stand something that neither can contain, or `x-y` and `z` would read as `x` and `y-z`.
fn check_separators(pieces: &[Piece]) -> Result<(), String> {
    let mut open: Option<&str> = None;
    for piece in pieces {
        match (piece, open) {
            (Piece::Literal(text), _) if text.contains([':', '{', '}', ' ']) => open = None,
            (Piece::Literal(_), _) => {}
            (Piece::Placeholder(path), None) => open = Some(path),
            (Piece::Placeholder(path), Some(last)) => {
                return Err(format!(
                    "a `:` must stand between `<{last}>` and `<{path}>`, or two argument lists could give one key"
                ));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::cases;

    #[test]
    fn verdicts_and_messages_are_those_of_the_shared_table() {
        for case in cases(include_str!("../../../cachekit-core/src/key/template_cases.txt")) {
            let expected = case.fields[1];
            match parse(case.fields[0]) {
                Ok(pieces) => {
                    assert!(case.ok, "{} should be refused: {expected}", case.fields[0]);
                    assert_eq!(shape(&pieces), (expected.to_owned(), case.fields[2].to_owned()));
                }
                Err(message) => assert_eq!((case.ok, message.as_str()), (false, expected)),
            }
        }
    }

    proptest::proptest! {
        /// Every template that is good at run time is good in an attribute, where a placeholder may say more.
        #[test]
        fn any_text_is_judged_as_at_run_time(text in "[<>:{}a-z0-9_ -]{0,16}|[a-z]<[a-z.0-9]{1,5}>|\\PC*") {
            let at_run_time = cachekit::keys::RuntimeTemplate::parse(&text);
            proptest::prop_assert!(at_run_time.is_err() || parse(&text).is_ok(), "{text}");
        }
    }

    fn shape(pieces: &[Piece]) -> (String, String) {
        let (mut shape, mut paths) = (String::new(), Vec::new());
        for piece in pieces {
            match piece {
                Piece::Literal(text) => shape.push_str(text),
                Piece::Placeholder(path) => {
                    shape.push_str("<>");
                    paths.push(path.as_str());
                }
            }
        }
        (shape, paths.join(" "))
    }
}
