#!/usr/bin/env bash
# Runs a command with a private PostgreSQL at its disposal: scripts/test-databases.sh cargo test
#
# The cluster lives in a fresh temporary directory, listens on a unix socket only and is stopped and
# removed when the command ends, however it ends. The command finds it in COURIER_TEST_POSTGRES_URL.
# The exit code is the command's; 2 if there is no PostgreSQL to be had.
set -euo pipefail

[ $# -gt 0 ] || { echo "usage: $0 COMMAND [ARGUMENT...]" >&2; exit 2; }

# The directory with the server's programs, the newest first; empty if there is none.
server_bin() {
    local initdb
    initdb=$(ls -d /usr/lib/postgresql/*/bin/initdb 2>/dev/null | sort -Vr | head -n 1 || true)
    [ -n "$initdb" ] || initdb=$(command -v initdb || true)
    [ -n "$initdb" ] && dirname "$(readlink -f "$initdb")" || true
}

install_server() {
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        echo "$0: no PostgreSQL server here; install it (Debian: postgresql, postgresql-client, sqlite3)" >&2
        exit 2
    fi
    # Debian starts a cluster on port 5432 when it installs the server, unless told not to.
    local config=/etc/postgresql-common/createcluster.d/no-cluster-for-tests.conf
    mkdir -p "$(dirname "$config")"
    echo 'create_main_cluster = false' >"$config"
    local failed=0
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq postgresql postgresql-client sqlite3; } >&2 || failed=1
    rm -f "$config"
    if [ "$failed" -ne 0 ]; then
        echo "$0: apt-get could not install postgresql, postgresql-client, sqlite3" >&2
        exit 2
    fi
}

bin=$(server_bin)
if [ -z "$bin" ]; then
    install_server
    bin=$(server_bin)
    [ -n "$bin" ] || { echo "$0: PostgreSQL was installed, but not where it is looked for" >&2; exit 2; }
fi

# The server refuses to run as root.
as_postgres() {
    if [ "$(id -u)" -eq 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi
}

# Directly under /tmp, whatever TMPDIR says: a socket's path must be shorter than 107 characters.
dir=$(mktemp -d /tmp/courier-pg.XXXXXX)
child=
cleanup() {
    local code=$?
    trap - EXIT INT TERM
    if [ -n "$child" ]; then kill "$child" 2>/dev/null || true; fi
    if [ -f "$dir/data/postmaster.pid" ]; then
        as_postgres "$bin/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1 || true
    fi
    rm -rf "$dir"
    exit "$code"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

if [ "$(id -u)" -eq 0 ]; then chown postgres "$dir"; fi
# The working directory may be closed to the user postgres, and its programs look at it.
(cd / && as_postgres "$bin/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --no-sync >"$dir/log" 2>&1) ||
    { cat "$dir/log" >&2; exit 2; }
# Nothing here has to survive a power failure, so nothing waits for the disk; what the program itself
# asks of a session (synchronous_commit) is tested by asking the session.
cat >>"$dir/data/postgresql.conf" <<CONF
listen_addresses = ''
unix_socket_directories = '$dir'
unix_socket_permissions = 0777
fsync = off
full_page_writes = off
max_connections = 200
CONF
(cd / && as_postgres "$bin/pg_ctl" -D "$dir/data" -l "$dir/server.log" -w start >"$dir/log" 2>&1) ||
    { cat "$dir/log" "$dir/server.log" >&2; exit 2; }
chmod 755 "$dir"

export COURIER_TEST_POSTGRES_URL="postgres://postgres@localhost/postgres?host=$dir"
# In the background, because bash handles a signal only after a command in the foreground has ended.
"$@" <&0 &
child=$!
code=0
wait "$child" || code=$?
child=
exit "$code"
