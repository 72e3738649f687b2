#!/usr/bin/env bash
# Installs the servers that the tests start themselves, the C compiler, curl and a gRPC client, where they are missing.
# Nothing is touched that is there, and no service is started.
set -euo pipefail

has_postgres() {
    command -v postgres >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null
}

has() {
    command -v "$1" >/dev/null || [[ -x /usr/sbin/$1 || -x /usr/local/bin/$1 ]]
}

# The one of this system: packages are not seen by a Python from elsewhere.
has_grpc_client() {
    /usr/bin/python3 -c 'import grpc' 2>/dev/null
}

missing=()
has cc || missing+=(gcc libc6-dev)
has curl || missing+=(curl)
has_grpc_client || missing+=(python3-grpcio)
has redis-server || missing+=(redis-server)
has mariadbd || missing+=(mariadb-server)
has_postgres || missing+=(postgresql)
if [[ ${#missing[@]} == 0 ]]; then
    exit 0
fi

install="apt-get install -y --no-install-recommends ${missing[*]}"
if ! command -v apt-get >/dev/null; then
    echo "missing: ${missing[*]} (Debian's names); install them with this system's package manager" >&2
    exit 1
fi
if [[ $(id -u) != 0 ]]; then
    if ! command -v sudo >/dev/null; then
        echo "missing: ${missing[*]}; as root: $install" >&2
        exit 1
    fi
    exec sudo "$0"
fi

# While it answers 101, packages start no service when they are installed.
policy=/usr/sbin/policy-rc.d
kept=$(mktemp -d)
restore() {
    rm -f "$policy"
    if [[ -e $kept/policy-rc.d || -L $kept/policy-rc.d ]]; then
        mv "$kept/policy-rc.d" "$policy"
    fi
    rmdir "$kept"
}
trap restore EXIT
trap 'exit 130' INT TERM
if [[ -e $policy || -L $policy ]]; then
    mv "$policy" "$kept/policy-rc.d"
fi
printf '#!/bin/sh\nexit 101\n' >"$policy"
chmod 755 "$policy"

echo "installing: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get -q -o DPkg::Lock::Timeout=300 update
# shellcheck disable=SC2086 # the words of a command
${install/apt-get/apt-get -q -o DPkg::Lock::Timeout=300}
