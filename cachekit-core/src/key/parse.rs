//! The grammar of key templates. The macro crate has its own parser over the same table of cases.

/// A template's parts, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'t> {
    Literal(&'t str),
    Placeholder(&'t str),
}

/// Takes a template apart; the error is a message for whoever wrote it.
pub(super) fn parse(template: &str) -> Result<Vec<Piece<'_>>, String> {
    let pieces = split(template)?;
    check_start(&pieces)?;
    check_separators(&pieces)?;
    Ok(pieces)
}

fn split(template: &str) -> Result<Vec<Piece<'_>>, String> {
    let mut pieces = Vec::new();
    let mut rest = template;
    while let Some((literal, tail)) = rest.split_once('<') {
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        let Some((path, tail)) = tail.split_once('>').filter(|(path, _)| !path.contains('<'))
        else {
            return Err("unclosed `<` in key template".into());
        };
        check_path(path)?;
        pieces.push(Piece::Placeholder(path));
        rest = tail;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Literal(rest));
    }
    Ok(pieces)
}

fn check_path(path: &str) -> Result<(), String> {
    if path.trim().is_empty() {
        return Err("a placeholder needs a name, such as `<id>`".into());
    }
    if is_field_path(path) || is_constant(path) {
        return Ok(());
    }
    Err(format!(
        "`<{path}>` is not a name, a field path or a constant, such as `<id>`, `<user.id>` or `<T::TABLE>`"
    ))
}

fn is_field_path(path: &str) -> bool {
    let mut parts = path.split('.');
    parts.next().is_some_and(is_name) && parts.all(|part| is_name(part) || is_index(part))
}

fn is_constant(path: &str) -> bool {
    path.contains("::") && path.split("::").all(is_name)
}

fn is_name(part: &str) -> bool {
    let mut chars = part.chars();
    chars.next().is_some_and(|c| c == '_' || c.is_alphabetic())
        && chars.all(|c| c == '_' || c.is_alphanumeric())
        && part != "_"
}

/// A tuple's field; rustc refuses `.00` and `.01`.
fn is_index(part: &str) -> bool {
    part == "0"
        || (!part.starts_with('0') && !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
}

fn check_start(pieces: &[Piece<'_>]) -> Result<(), String> {
    match pieces.first() {
        None => Err("a key needs a text, such as `user:<id>`".into()),
        Some(Piece::Placeholder(_)) => {
            Err("a key must start with a literal, so that two functions never share a key".into())
        }
        Some(Piece::Literal(text)) if text.starts_with(['#', '~']) => {
            Err("a key must not start with `#` or `~`, which mark keys of the library".into())
        }
        Some(Piece::Literal(_)) => Ok(()),
    }
}

/// Between two values must stand something that neither can contain, or `x-y` and `z` would read as `x` and `y-z`.
fn check_separators(pieces: &[Piece<'_>]) -> Result<(), String> {
    let mut last = None;
    let mut separated = true;
    for piece in pieces {
        match *piece {
            Piece::Literal(text) => separated |= text.contains([':', '{', '}', ' ']),
            Piece::Placeholder(path) => {
                if let Some(last) = last.filter(|_| !separated) {
                    return Err(format!(
                        "a `:` must stand between `<{last}>` and `<{path}>`, or two argument lists could give one key"
                    ));
                }
                last = Some(path);
                separated = false;
            }
        }
    }
    Ok(())
}
