#!/usr/bin/env bash
# Runs a command with database servers of its own: scripts/test-databases.sh cargo test
#
# A PostgreSQL and a MariaDB live in a fresh temporary directory, listen on unix sockets only and are
# stopped and removed when the command ends, however it ends. The command finds them in
# COURIER_TEST_POSTGRES_URL and COURIER_TEST_MYSQL_URL, as administrator: it makes its own databases.
# A test that wants to kill its server makes one of its own in a directory of COURIER_TEST_SERVERS, by
# private-server.sh; what is left there is stopped, too.
# With --measuring in front of the command they keep what they confirm, and the variables are called
# COURIER_BENCH_..., so that nothing is measured by mistake on servers that do not.
# The exit code is the command's; 2 if a server is not to be had.
set -euo pipefail

purpose=TEST
if [ "${1-}" = --measuring ]; then
    purpose=BENCH
    shift
fi
[ $# -gt 0 ] || { echo "usage: $0 [--measuring] COMMAND [ARGUMENT...]" >&2; exit 2; }

here=$(dirname "$(readlink -f "$0")")
# shellcheck source=scripts/install-databases.sh
. "$here/install-databases.sh"
# shellcheck source=scripts/postgres.sh
. "$here/postgres.sh"
# shellcheck source=scripts/mariadb.sh
. "$here/mariadb.sh"
if [ "$purpose" = BENCH ]; then
    # shellcheck source=scripts/measuring.sh
    . "$here/measuring.sh"
fi

install_missing

# Directly under /tmp, whatever TMPDIR says: a socket's path must be shorter than 107 characters.
dir=$(mktemp -d /tmp/courier-db.XXXXXX)
chmod 755 "$dir"
mkdir -m 755 "$dir/own"
child=
servers=()
# shellcheck disable=SC2317 # The traps call it.
cleanup() {
    local code=$?
    trap - EXIT INT TERM
    if [ -n "$child" ]; then kill "$child" 2>/dev/null || true; fi
    # One that is still coming up cannot be stopped yet.
    wait "${servers[@]}" 2>/dev/null || true
    stop_postgres "$dir/postgres"
    stop_mariadb "$dir/mariadb"
    local own
    # A cluster has its nodes in directories of its own.
    for own in "$dir"/own/* "$dir"/own/*/node*; do
        stop_postgres "$own"
        stop_mariadb "$own"
    done
    rm -rf "$dir"
    exit "$code"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Both at the same time; each has its log to tell why it did not come up.
make_mariadb "$dir/mariadb" &
servers+=($!)
make_postgres "$dir/postgres" &
servers+=($!)
for server in "${servers[@]}"; do
    wait "$server" || exit 2
done

export "COURIER_${purpose}_POSTGRES_URL=$(postgres_url "$dir/postgres")"
export "COURIER_${purpose}_MYSQL_URL=$(mariadb_url "$dir/mariadb")"
export COURIER_TEST_SERVERS="$dir/own"
# In the background, because bash handles a signal only after a command in the foreground has ended.
"$@" <&0 &
child=$!
code=0
wait "$child" || code=$?
child=
exit "$code"
