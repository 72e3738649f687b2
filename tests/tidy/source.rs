//! The files of the workspace, and what of their text is shipped code.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// One file with its text.
#[derive(Debug)]
pub(crate) struct File {
    /// From the workspace's root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// The folder of the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every file with this ending, but for what a build leaves behind, wrong inputs and expected outputs of macros.
pub(crate) fn files(ending: &str) -> Vec<File> {
    let mut found = Vec::new();
    collect(&root(), "", ending, &mut found);
    assert!(!found.is_empty(), "no {ending} file under {}", root().display());
    found
}

fn collect(folder: &Path, prefix: &str, ending: &str, found: &mut Vec<File>) {
    for entry in fs::read_dir(folder).expect("a folder of the workspace") {
        let path = entry.expect("an entry of the folder").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let below = format!("{prefix}{name}");
        if path.is_dir() {
            if !name.starts_with('.') && !matches!(name.as_str(), "snapshots" | "target" | "ui") {
                collect(&path, &format!("{below}/"), ending, found);
            }
        } else if name.ends_with(ending) {
            let text = fs::read_to_string(&path).expect("a text file");
            found.push(File { path: below, text });
        }
    }
}

impl File {
    /// Whether it holds tests alone.
    pub(crate) fn is_test(&self) -> bool {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        let in_folder = self.path.split('/').any(|part| matches!(part, "tests" | "benches"));
        in_folder || name == "tests.rs" || name.ends_with("_tests.rs")
    }

    /// Its lines before a test module at its end, without whole-line comments.
    pub(crate) fn code(&self) -> impl Iterator<Item = &str> {
        self.shipped().filter(|line| !line.trim_start().starts_with("//"))
    }

    /// Its lines before a test module at its end.
    pub(crate) fn shipped(&self) -> impl Iterator<Item = &str> {
        let end = self.text.find("#[cfg(test)]\nmod tests {").unwrap_or(self.text.len());
        self.text[..end].lines()
    }
}

/// Fails with all findings at once.
#[track_caller]
pub(crate) fn assert_none(rule: &str, findings: &[String]) {
    assert!(findings.is_empty(), "{rule}:\n  {}", findings.join("\n  "));
}
