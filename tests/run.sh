#!/usr/bin/env bash
# Runs every test but those that take hours. On Debian and Ubuntu it first installs the servers that
# are missing, which takes root or sudo; elsewhere it says what to install.
#
# CACHEKIT_TORTURE_SECONDS is how long each run of readers and writers lasts (5 to 60 by default),
# CACHEKIT_TORTURE_KILLS how many processes are killed for each database (at least; 10),
# CACHEKIT_TORTURE_OUTAGE for how many seconds Redis is away under write load (3),
# CACHEKIT_TORTURE_SEED what a run that failed said, to make the same choices again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

step() {
    printf '\n== %s (%s)\n' "$*" "$(date +%T)"
}

# Unit and integration tests in this profile, of these packages and features.
run_tests() {
    local profile=$1
    shift
    if cargo nextest --version >/dev/null 2>&1; then
        cargo nextest run --locked --no-fail-fast --cargo-profile "$profile" "$@"
    else
        cargo test --locked --no-fail-fast --profile "$profile" --tests "$@"
    fi
}

step servers
tests/servers.sh

step "tests, no features"
run_tests dev --package cachekit-core

step "tests, all features"
run_tests dev --workspace --all-features

step "examples in the documentation"
cargo test --locked --no-fail-fast --workspace --all-features --doc

step "schedules of the flights"
RUSTFLAGS="${RUSTFLAGS:-} --cfg shuttle" CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/shuttle" \
    run_tests schedules --package cachekit-core --lib schedules
