//! Reads the tables of cases that tests of this crate and of the macro crate share.

/// One line of a table: `ok | input | expected …`, or `err | input | message`.
#[derive(Debug)]
pub(crate) struct Case {
    ok: bool,
    fields: Vec<&'static str>,
}

impl Case {
    pub(crate) fn is_ok(&self) -> bool {
        self.ok
    }

    pub(crate) fn input(&self) -> &'static str {
        self.fields[0]
    }

    /// What is expected: a column of an `ok` case, or the message (0) of an `err` case.
    pub(crate) fn field(&self, column: usize) -> &'static str {
        self.fields[column + 1]
    }
}

/// The cases of a table; panics on a line it cannot read.
pub(crate) fn cases(table: &'static str) -> Vec<Case> {
    let cases: Vec<_> =
        table.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(case).collect();
    assert!(!cases.is_empty());
    cases
}

fn case(line: &'static str) -> Case {
    let mut fields = line.split('|').map(field);
    let ok = match fields.next() {
        Some("ok") => true,
        Some("err") => false,
        _ => panic!("neither `ok` nor `err`: {line}"),
    };
    let fields: Vec<_> = fields.collect();
    assert!(fields.len() >= 2, "a column is missing: {line}");
    Case { ok, fields }
}

fn field(text: &'static str) -> &'static str {
    let text = text.trim();
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}
