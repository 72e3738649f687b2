//! Who may use whom: the arrows of ARCHITECTURE.md.

use std::collections::BTreeMap;

use crate::source::{self, File, assert_none};

/// The modules of the core from the bottom up, and what each may use.
const CORE: &[(&str, &[&str])] = &[
    ("clock", &[]),
    ("mutant", &[]),
    ("sync", &["mutant"]),
    ("entry", &[]),
    ("error", &["key"]),
    ("retry", &["error", "sync"]),
    ("key", &["error"]),
    ("ttl", &["error"]),
    ("codec", &["error"]),
    ("redis", &["clock", "entry", "error", "mutant", "retry"]),
    ("events", &["cache", "error", "key", "observe", "redis", "retry"]),
    ("value", &["__private", "codec", "error"]),
    ("observe", &["cache"]),
    ("tier", &["cache", "entry", "error", "key", "sync"]),
    ("slot", &["entry", "flight", "key", "mutant", "sync"]),
    ("flight", &["__private", "cache", "engine", "entry", "key", "mutant", "sync"]),
    (
        "store",
        &[
            "__private",
            "cache",
            "codec",
            "entry",
            "error",
            "events",
            "flight",
            "key",
            "redis",
            "sync",
        ],
    ),
    ("bloom", &["cache", "clock", "error", "key", "observe", "redis", "store", "sync"]),
    (
        "lock",
        &[
            "cache", "clock", "engine", "error", "key", "observe", "redis", "retry", "sql",
            "store", "sync",
        ],
    ),
    ("audit", &["__private", "key", "sync"]),
    (
        "write",
        &[
            "__private",
            "cache",
            "engine",
            "entry",
            "error",
            "events",
            "key",
            "observe",
            "redis",
            "retry",
            "slot",
            "store",
            "sync",
        ],
    ),
    (
        "sql",
        &[
            "bloom", "cache", "engine", "error", "events", "key", "lock", "observe", "retry",
            "store", "sync", "write",
        ],
    ),
    (
        "engine",
        &[
            "audit", "cache", "clock", "entry", "key", "lock", "observe", "slot", "sql", "store",
            "tier", "write",
        ],
    ),
    (
        "cache",
        &[
            "__private",
            "audit",
            "bloom",
            "clock",
            "codec",
            "engine",
            "entry",
            "error",
            "flight",
            "key",
            "lock",
            "mutant",
            "observe",
            "redis",
            "slot",
            "sql",
            "store",
            "sync",
            "tier",
            "ttl",
            "value",
            "write",
        ],
    ),
    (
        "__private",
        &[
            "bloom", "cache", "codec", "engine", "error", "flight", "key", "lock", "sql", "sync",
            "ttl", "value", "write",
        ],
    ),
    ("testing", &["cache", "clock", "observe", "redis"]),
    ("docs", &[]),
];

#[test]
fn the_core_s_arrows_point_one_way() {
    let rules: BTreeMap<_, _> = CORE.iter().copied().collect();
    let mut findings = Vec::new();
    for file in core() {
        let module = module(&file);
        let Some(allowed) = rules.get(module.as_str()) else {
            findings.push(format!("{}: give `{module}` its place in this table", file.path));
            continue;
        };
        for used in used(&file) {
            if used != module && !allowed.contains(&used.as_str()) {
                findings.push(format!("{}: `{module}` must not use `{used}`", file.path));
            }
        }
    }
    assert_none("see \"Arrows\" in ARCHITECTURE.md", &findings);
}

#[test]
fn the_map_names_every_module() {
    let map = source::files("ARCHITECTURE.md").remove(0).text;
    let mut modules: Vec<_> = core().iter().map(module).collect();
    modules.sort();
    modules.dedup();
    let unnamed = modules.into_iter().filter(|module| !map.contains(&format!("`{module}`")));
    assert_none("the code map in ARCHITECTURE.md names each module", &unnamed.collect::<Vec<_>>());
}

#[test]
fn layers_use_the_public_core_only() {
    let mut findings = Vec::new();
    for file in
        source::files(".rs").iter().filter(|file| file.path.starts_with("cachekit-tower/src/"))
    {
        if file.code().any(|line| line.contains("__private") || line.contains("cachekit_macros")) {
            findings.push(file.path.clone());
        }
    }
    assert_none("a layer uses what users can use", &findings);
}

/// What an expansion may name of the facade: the door, and the public names that users see in signatures.
const NAMED: &[&str] = &["__private", "Key", "Segment", "SegmentWriter", "testing"];

#[test]
fn expansions_name_private_and_little_else() {
    let mut findings = Vec::new();
    for file in
        source::files(".rs").iter().filter(|file| file.path.starts_with("cachekit-macros/src/"))
    {
        for line in file.code() {
            let mut named = line.split("#root::").skip(1).filter_map(first_word);
            let fixed = line.contains("quote!(::cachekit") && !file.path.ends_with("/krate.rs");
            if line.contains("cachekit_core")
                || fixed
                || named.any(|name| !NAMED.contains(&name.as_str()))
            {
                findings.push(format!("{}: {}", file.path, line.trim()));
            }
        }
    }
    assert_none("an expansion calls into `__private`, at the root it was given", &findings);
}

/// The core's shipped files, `lib.rs` aside.
fn core() -> Vec<File> {
    let mut files = source::files(".rs");
    files.retain(|file| {
        let own = file.path.strip_prefix("cachekit-core/src/");
        // The schedules bring a store of their own and drive the whole engine.
        let harness = file.path.contains("/schedules/");
        own.is_some_and(|own| own != "lib.rs" && own != "test_cases.rs")
            && !file.is_test()
            && !harness
    });
    files
}

fn module(file: &File) -> String {
    let own = file.path.trim_start_matches("cachekit-core/src/");
    own.split(['/', '.']).next().unwrap_or_default().to_owned()
}

/// The modules named by `crate::a::..` and `crate::{a::.., b::..}`. What the crate's root re-exports counts as
/// its home.
fn used(file: &File) -> Vec<String> {
    let text = file.code().collect::<Vec<_>>().join("\n");
    let mut used = Vec::new();
    for rest in text.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            Some(list) => used.extend(top_level(list)),
            None => used.extend(first_word(rest)),
        }
    }
    let home = |name: String| match name.as_str() {
        "Error" | "ErrorKind" => "error".to_owned(),
        "Key" | "KeyArg" | "Segment" | "SegmentWriter" => "key".to_owned(),
        "Ttl" => "ttl".to_owned(),
        "Value" => "value".to_owned(),
        _ => name,
    };
    used.into_iter().map(home).collect()
}

/// The first words of a list's entries, up to the brace that closes it.
fn top_level(list: &str) -> Vec<String> {
    let (mut depth, mut words, mut start) = (0_usize, Vec::new(), 0);
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                words.extend(first_word(&list[start..at]));
                return words;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                words.extend(first_word(&list[start..at]));
                start = at + 1;
            }
            _ => {}
        }
    }
    words
}

fn first_word(text: &str) -> Option<String> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let word: String = text.trim_start().chars().take_while(|c| is_part(*c)).collect();
    (!word.is_empty()).then_some(word)
}

#[test]
fn lists_of_imports_are_taken_apart() {
    assert_eq!(top_level("a::{x, y},\n b, c::d};"), ["a", "b", "c"]);
    assert_eq!(first_word("flight::{A, B};").as_deref(), Some("flight"));
}
