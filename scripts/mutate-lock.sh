#!/usr/bin/env bash
# Proves that the model test catches lost updates: in a copy of the committed tree
# the posting road reads accounts without locking them, and the test must fail.
# Exits 0 if it does. Usage: scripts/mutate-lock.sh [OPERATIONS]
set -euo pipefail
operations=${1:-4000}
root=$(git -C "$(dirname "$0")" rev-parse --show-toplevel)
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
git clone --quiet --shared "$root" "$copy/repo"
cd "$copy/repo"
store=crates/platform/src/posting/store.rs
lock='ORDER BY id FOR NO KEY UPDATE ",'
grep -qF "$lock" "$store" || { echo "the lock is not where it was in $store: mend this script" >&2; exit 2; }
sed -i -e 's/ORDER BY id FOR NO KEY UPDATE ",/ORDER BY id ",/' -e 's/read!("SKIP LOCKED")/read!("")/' "$store"
git --no-pager diff --stat

# A target directory of its own: what is built here must not pass for the real thing.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target}/mutated
export WALLSTREET_FIRE_OPERATIONS=$operations RUST_BACKTRACE=0
cargo test -p platform --test it --no-run
if cargo test -p platform --test it histories:: -- --nocapture >"$copy/log" 2>&1; then
    tail -n 20 "$copy/log"
    echo "NOT caught: the model test passed without the lock" >&2
    exit 1
fi
grep -m 1 -A 12 'faults: \[' "$copy/log" || { tail -n 40 "$copy/log"; echo "it failed, but not by a fault of the history" >&2; exit 1; }
echo "caught: without the lock the model test fails, as it must"
