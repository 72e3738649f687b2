#!/usr/bin/env bash
# Starts a PostgreSQL, a Redis and two processes of the storefront in a temporary folder, shows
# that what one process writes the other reads, and stops everything. Fails where it is not so.
set -euo pipefail
cd "$(dirname "$0")/../.."

fail() { echo "storefront: $*" >&2; exit 1; }

# ===== programs =====

# Debian keeps PostgreSQL's programs out of PATH.
for folder in /usr/lib/postgresql/*/bin; do PATH="$PATH:$folder"; done
for program in initdb:postgresql postgres:postgresql redis-server:redis-server redis-cli:redis-tools curl:curl; do
    command -v "${program%:*}" >/dev/null ||
        fail "\`${program%:*}\` is not installed; on Debian or Ubuntu: apt-get install -y ${program#*:}"
done

if [ -z "${STOREFRONT:-}" ]; then
    cargo build --quiet --package storefront
    STOREFRONT="${CARGO_TARGET_DIR:-target}/debug/storefront"
fi

# ===== servers =====

dir=$(mktemp -d /tmp/storefront.XXXXXX)
started=()
stop() {
    for ((i = ${#started[@]} - 1; i >= 0; i--)); do
        kill "${started[i]}" 2>/dev/null && wait "${started[i]}" 2>/dev/null
    done
    rm -rf "$dir"
}
trap stop EXIT

# wait_for <what> <log> <command ...>
wait_for() {
    local what=$1 log=$2
    shift 2
    for _ in $(seq 300); do
        if "$@" >/dev/null 2>&1; then return; fi
        sleep 0.1
    done
    cat "$log" >&2
    fail "$what did not come up"
}

# PostgreSQL refuses to run as root.
as_postgres=()
if [ "$(id -u)" = 0 ]; then
    as_postgres=(setpriv --reuid=postgres --regid=postgres --clear-groups)
    chown postgres "$dir"
fi
"${as_postgres[@]}" initdb -D "$dir/data" -U postgres -A trust -E UTF8 --no-sync >"$dir/initdb.log" 2>&1 ||
    { cat "$dir/initdb.log" >&2; fail "initdb failed"; }
"${as_postgres[@]}" postgres -D "$dir/data" -k "$dir" -c listen_addresses= -c fsync=off >"$dir/postgres.log" 2>&1 &
started+=($!)

start_redis() {
    redis-server --port 0 --unixsocket "$dir/redis.sock" --save '' --dir "$dir" >"$dir/redis.log" 2>&1 &
    redis=$!
    started+=("$redis")
    wait_for Redis "$dir/redis.log" redis-cli -s "$dir/redis.sock" ping
}
start_redis
wait_for PostgreSQL "$dir/postgres.log" pg_isready -h "$dir"

# ===== two processes =====

start_process() {
    DATABASE_URL="postgres://postgres@localhost/postgres?host=$dir" REDIS_URL="unix://$dir/redis.sock" \
        PORT=0 "$STOREFRONT" >"$dir/$1.log" 2>&1 &
    started+=($!)
    wait_for "process $1" "$dir/$1.log" grep -q '^listening' "$dir/$1.log"
    sed -n 's#^listening on http://##p' "$dir/$1.log" >"$dir/$1.address"
}
start_process a
start_process b
a=$(cat "$dir/a.address") b=$(cat "$dir/b.address")
echo "process a: $a, process b: $b"

# ===== what is to be seen =====

# header <name>: of the last answer
header() { tr -d '\r' <"$dir/headers" | sed -n "s/^$1: //p"; }

# request <process> <method> <path> [<body>]: puts the answer into $answer, in one line
request() {
    local body=() code
    [ $# -lt 4 ] || body=(-H 'content-type: application/json' -d "$4")
    code=$(curl -sS -m 10 -X "$2" "${body[@]}" -D "$dir/headers" -o "$dir/body" -w '%{http_code}' "${!1}$3")
    answer="$code $(header x-cache)$(header x-invalidation) $(cat "$dir/body")"
}

# check <what> <pattern> <request ...>
check() {
    local what=$1 pattern=$2
    shift 2
    request "$@"
    printf '%-24s %s %-4s %-18s -> %s\n' "$what" "$1" "$2" "$3" "$answer"
    # shellcheck disable=SC2053 # it is a pattern
    [[ $answer == $pattern ]] || fail "$what: expected $pattern, got $answer"
}

check 'a loads' '200 loaded *"price_cents":2900*' a GET /products/1
check 'b has it from Redis' '200 hit *"price_cents":2900*' b GET /products/1
check 'b caches the list' '200 loaded *"price_cents":2900*' b GET /products
check 'a writes' '204 applied ' a PUT /products/1/price '{"price_cents":2500}'
check 'b reads it at once' '200 loaded *"price_cents":2500*' b GET /products/1
check 'in the list too' '200 loaded *"price_cents":2500*' b GET /products
check 'nobody has this id' '404 loaded ' a GET /products/3
check 'which is cached' '404 hit ' b GET /products/3
check 'until b adds it' '201 applied *"id":3*' b POST /products '{"name":"whisk","price_cents":700,"stock":5}'
check 'a finds it' '200 loaded *"stock":5*' a GET /products/3

echo 'twelve customers want five whisks, through both processes'
customers=()
for i in $(seq 6); do
    for process in "$a" "$b"; do
        curl -sS -m 10 -o /dev/null -w '%{http_code}\n' -H 'content-type: application/json' \
            -d '{"quantity":1}' "$process/products/3/sales" >"$dir/sale.$i.${process##*:}" &
        customers+=($!)
    done
done
wait "${customers[@]}"
sold=$(cat "$dir"/sale.* | grep -c 204) || true
[ "$sold" = 5 ] || fail "sold $sold of 5"
check 'none is left' '200 * *"stock":0*' a GET /products/3
check 'b knows' '200 * *"stock":0*' b GET /products/3

echo 'Redis goes'
kill "$redis"
wait "$redis" 2>/dev/null || true
check 'reads go to the database' '200 bypassed *"price_cents":2500*' b GET /products/1
check 'a writes all the same' '204 pending ' a PUT /products/1/price '{"price_cents":2300}'
check 'b reads it' '200 bypassed *"price_cents":2300*' b GET /products/1

echo 'Redis is back'
start_redis
back() { request "$1" GET /products/1 && [[ $answer == '200 hit '* ]]; }
wait_for 'the cache of a' "$dir/a.log" back a
wait_for 'the cache of b' "$dir/b.log" back b
check 'nothing old came back' '200 *"price_cents":2300*' b GET /products/1
echo 'all as it should be'
