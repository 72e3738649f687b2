//! Rules for single files.

use crate::source::{self, File, assert_none};

/// Lines of a file without its tests; the house aims at 300.
const LINES: usize = 400;

/// A `mod.rs` longer than this is a table of contents and nothing else.
const CONTENTS: usize = 100;

/// Longer ones that are more than that. Each leaves this list with the change that splits it.
const EXCEPTIONS: &[&str] =
    &["cachekit-core/src/store/mod.rs", "cachekit-macros/src/signature/mod.rs"];

#[test]
fn every_file_opens_with_what_lives_there() {
    let files = source::files(".rs");
    let silent = files.iter().filter(|file| {
        let opening = file.text.lines().find(|line| !line.starts_with("#!/")).unwrap_or_default();
        !opening.starts_with("//! ") && !opening.starts_with("#![doc =")
    });
    let findings: Vec<_> = silent.map(|file| file.path.clone()).collect();
    assert_none("a file opens with `//!` and one sentence", &findings);
}

#[test]
fn no_file_is_too_long() {
    let files = source::files(".rs");
    let lengths = files.iter().filter(|file| !file.is_test());
    let findings: Vec<_> = lengths
        .map(|file| (file.shipped().count(), &file.path))
        .filter(|(lines, _)| *lines > LINES)
        .map(|(lines, path)| format!("{path}: {lines}"))
        .collect();
    assert_none("a file has at most 400 lines without its tests; split it", &findings);
}

#[test]
fn a_long_mod_file_is_a_table_of_contents() {
    let items = ["fn ", "struct ", "enum ", "trait ", "impl ", "impl<", "static ", "const "];
    let mut findings = Vec::new();
    for file in source::files(".rs").iter().filter(|file| is_shipped_mod(file)) {
        let is_item = |line: &&str| {
            let item = line.trim_start_matches("pub(crate) ").trim_start_matches("pub(super) ");
            items.iter().any(|start| item.trim_start_matches("pub ").starts_with(start))
        };
        if file.text.lines().count() > CONTENTS && file.code().any(|line| is_item(&line)) {
            findings.push(file.path.clone());
        }
    }
    let stale = EXCEPTIONS.iter().filter(|known| !findings.iter().any(|found| found == **known));
    let stale: Vec<_> = stale.map(|known| (*known).to_owned()).collect();
    assert_none("no exception any more; take it off the list", &stale);
    findings.retain(|found| !EXCEPTIONS.contains(&found.as_str()));
    assert_none("a `mod.rs` of more than 100 lines has docs, `mod` and `pub use` only", &findings);
}

fn is_shipped_mod(file: &File) -> bool {
    file.path.starts_with("cachekit-") && file.path.ends_with("/mod.rs") && !file.is_test()
}

#[test]
fn nothing_is_left_for_later() {
    // Written in halves, so that this file does not find itself.
    let marks = [
        ("to", "do!("),
        ("un", "implemented!("),
        ("db", "g!("),
        ("#[ig", "nore"),
        ("TO", "DO"),
        ("FIX", "ME"),
    ];
    let marks = marks.map(|(start, end)| format!("{start}{end}"));
    let mut findings = Vec::new();
    for file in source::files(".rs") {
        for (number, line) in file.text.lines().enumerate() {
            if marks.iter().any(|mark| line.contains(mark.as_str())) {
                findings.push(format!("{}:{}: {}", file.path, number + 1, line.trim()));
            }
        }
    }
    assert_none("finish it or leave it out", &findings);
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut findings = Vec::new();
    for file in source::files(".md") {
        let folder = source::root().join(&file.path);
        let folder = folder.parent().expect("a file's folder");
        for target in file.text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = target.split('#').next().unwrap_or_default();
            let elsewhere = path.is_empty() || path.contains("://") || path.contains("::");
            if !elsewhere && !folder.join(path).exists() {
                findings.push(format!("{}: {target}", file.path));
            }
        }
    }
    assert_none("a link leads to a file of the workspace", &findings);
}
