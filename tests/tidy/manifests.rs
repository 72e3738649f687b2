//! Rules for the packages: their lints, and what the facade pulls in.

use std::process::Command;

use crate::source::{self, assert_none};

#[test]
fn no_package_allows_unsafe_code() {
    let manifests = source::files("Cargo.toml");
    let lax = manifests.iter().filter(|file| {
        let shared = file.text.contains("[lints]\nworkspace = true");
        !shared && !file.text.contains("unsafe_code = \"forbid\"")
    });
    assert_none(
        "a package forbids unsafe code",
        &lax.map(|file| file.path.clone()).collect::<Vec<_>>(),
    );
    let workspace = manifests.iter().find(|file| file.path == "Cargo.toml");
    assert!(workspace.is_some_and(|file| file.text.contains("unsafe_code = \"forbid\"")));
}

#[test]
fn the_facade_alone_brings_no_database_no_redis_and_no_server() {
    let heavy = ["axum", "hyper", "redis", "sqlx", "sqlx-core", "tonic", "tower", "rmp-serde"];
    let pulled_in = dependencies(&["--package", "cachekit"]);
    assert!(pulled_in.iter().any(|name| name == "cachekit-core"), "{pulled_in:?}");
    let found = pulled_in.into_iter().filter(|name| heavy.contains(&name.as_str()));
    assert_none("default features pull in none of these", &found.collect::<Vec<_>>());
}

#[test]
fn features_of_one_database_bring_no_other() {
    let pulled_in = dependencies(&["--package", "cachekit", "--features", "sqlx-sqlite"]);
    assert!(pulled_in.iter().any(|name| name == "sqlx-sqlite"), "{pulled_in:?}");
    let others =
        pulled_in.into_iter().filter(|name| name == "sqlx-mysql" || name == "sqlx-postgres");
    assert_none("`sqlx-sqlite` means SQLite", &others.collect::<Vec<_>>());
}

/// The names of all packages that a build with these arguments needs.
fn dependencies(args: &[&str]) -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--edges", "normal", "--prefix", "none", "--format", "{p}"])
        .args(args)
        .current_dir(source::root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let names = String::from_utf8(output.stdout).expect("names of packages");
    names.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}
