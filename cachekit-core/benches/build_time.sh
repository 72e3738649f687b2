#!/usr/bin/env bash
# What annotating functions costs a build: 200 plain functions beside 200 with `#[cached]`, each in
# a crate of its own whose dependencies are built before. Prints the user time of the two builds and
# the difference a function.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
count=${1:-200}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

crate() { # name, attribute of the functions
    mkdir -p "$work/$1/src"
    cat >"$work/$1/Cargo.toml" <<EOF
[package]
name = "$1"
version = "0.0.0"
edition = "2024"
[dependencies]
cachekit = { path = "$root", features = ["redis"] }
serde = { version = "1", features = ["derive"] }
tokio = { version = "1", features = ["rt"] }
[workspace]
EOF
    {
        echo '#![allow(dead_code)]'
        for ((i = 0; i < count; i++)); do
            echo "#[derive(Clone, serde::Serialize, serde::Deserialize)] pub struct V$i { id: i64, name: String }"
            [[ $2 == cached ]] && echo "#[cachekit::cached(key = \"f$i:<id>\", ttl = \"30m±5m\")]"
            echo "pub async fn f$i(id: i64, name: &str) -> Result<Option<V$i>, std::io::Error> {"
            echo "    let _ = name; Ok(Some(V$i { id, name: String::new() }))"
            echo "}"
        done | sed 's/ttl = "30m±5m")/ttl = "30m±5m", skip(name))/'
        echo 'fn main() { let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap(); runtime.block_on(async {'
        for ((i = 0; i < count; i++)); do echo "    drop(f$i($i, \"\").await);"; done
        echo '}) }'
    } >"$work/$1/src/main.rs"
}

user_time() { # name
    (cd "$work/$1" && export CARGO_TARGET_DIR="$work/target" && cargo build -q && touch src/main.rs &&
        TIMEFORMAT=%U && { time cargo build -q; } 2>&1 | tail -1)
}

crate plain plain
crate annotated cached
plain=$(user_time plain)
annotated=$(user_time annotated)
awk -v p="$plain" -v a="$annotated" -v n="$count" 'BEGIN {
    printf "%d functions: plain %.2f s, annotated %.2f s, %.1f ms a function\n", n, p, a, (a - p) * 1000 / n }'
