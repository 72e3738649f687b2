//! Reads the tables of cases that the tests of this crate and of the engine share.

/// One line of a table: `ok | input | expected …`, or `err | input | message`.
pub(crate) struct Case {
    /// Whether the input is legal.
    pub(crate) ok: bool,
    /// The input, then what is expected.
    pub(crate) fields: Vec<&'static str>,
}

/// The cases of a table.
pub(crate) fn cases(table: &'static str) -> Vec<Case> {
    let lines = table.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let cases: Vec<Case> = lines.map(case).collect();
    assert!(cases.len() > 20, "the table is not there");
    cases
}

fn case(line: &'static str) -> Case {
    let mut fields: Vec<&str> = line.split('|').map(unquote).collect();
    let ok = fields.remove(0) == "ok";
    Case { ok, fields }
}

fn unquote(field: &'static str) -> &'static str {
    let field = field.trim();
    field.strip_prefix('"').and_then(|field| field.strip_suffix('"')).unwrap_or(field)
}
