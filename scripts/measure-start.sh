#!/usr/bin/env bash
# How long a start takes until the first answer that asked the database, and how
# much memory the server then holds at rest. Five rounds, each on a new data
# directory. Needs curl. Usage: scripts/measure-start.sh [BINARY]
set -euo pipefail
binary=${1:-target/release/wallstreet}
port=3987
rounds=5

start() { # data directory -> sets pid and seconds
    local began now
    began=$(date +%s%N)
    WALLSTREET_DATA_DIR=$1 LOG_LEVEL=warn "$binary" serve --port "$port" >/dev/null 2>&1 &
    pid=$!
    until curl -sf -o /dev/null "http://127.0.0.1:$port/health/db"; do
        kill -0 "$pid" 2>/dev/null || { echo "the server ended: run '$binary serve' to see why" >&2; exit 1; }
        sleep 0.005
    done
    now=$(date +%s%N)
    seconds=$(( (now - began) / 1000000 ))
}
stop() { kill -TERM "$pid"; wait "$pid" || true; }

cold=() warm=() memory=()
for _ in $(seq "$rounds"); do
    dir=$(mktemp -d)
    chmod 755 "$dir"
    start "$dir/data"; cold+=("$seconds"); stop
    start "$dir/data"; warm+=("$seconds"); sleep 1
    memory+=("$(awk '/VmRSS/ { print $2 }' "/proc/$pid/status")"); stop
    rm -rf "$dir"
done

row() { local name=$1; shift; printf '%-28s %s\n' "$name" "$(printf '%s\n' "$@" | sort -n | tr '\n' ' ')"; }
row "first start, ms" "${cold[@]}"
row "later start, ms" "${warm[@]}"
row "memory at rest (RSS), KiB" "${memory[@]}"
