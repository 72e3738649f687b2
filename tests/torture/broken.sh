#!/usr/bin/env bash
# Breaks one rule of the shipped code at a time and runs the ordeal on it: each must be caught within a minute.
# Takes a build of its own, so it is not among the tests that run every time.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

export RUSTFLAGS="${RUSTFLAGS:-} --cfg cachekit_mutants" CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/mutants"
export CARGO_PROFILE_DEV_DEBUG=0 CACHEKIT_TORTURE_SECONDS="${CACHEKIT_TORTURE_SECONDS:-40}"

# Which rules are broken, and the test that must fail.
lease=older_whatever_fails
local=behind_whatever_fails
cases=(
    "none $lease"
    "FillWhateverIsThere $lease"
    "JoinProbe,JoinFill,JoinDirect,ShareRefused,ShareUnknown $lease"
    "none $local"
    "InsertWithoutTicket $local"
)
log=$(mktemp)
trap 'rm -f "$log"' EXIT

cargo nextest run --locked --package cachekit-torture --no-run
survived=0
for case in "${cases[@]}"; do
    read -r mutants test <<<"$case"
    printf '\n== %s\n' "$mutants"
    if CACHEKIT_MUTANTS=$mutants cargo nextest run --locked --package cachekit-torture \
        -E "test($test)" >"$log" 2>&1; then
        caught=no
    elif grep -qE '[1-9][0-9]* violations in' "$log"; then
        caught=yes
    else
        caught='no, but it failed'
    fi
    grep -E 'violations in|error\[|could not compile' "$log" | head -3 || true
    echo "caught: $caught"
    expected=yes
    [[ $mutants != none ]] || expected=no
    [[ $caught == "$expected" ]] || survived=1
done
exit "$survived"
