#!/usr/bin/env bash
# Runs a command with database servers of its own:
#
#     scripts/test-databases.sh [--measuring] [--servers "SERVER ..."] COMMAND [ARGUMENT ...]
#
# A SERVER is postgres, mariadb or mysql; @ says where it is taken from: here (this machine), the name of
# a Debian release (roots.sh), or for postgres npmVERSION (npm.sh). Without it PostgreSQL and MariaDB are
# this machine's, and MySQL is that of Debian's sid. A ? at its end: it is left out if it is not to be
# had. COURIER_TEST_DATABASES names servers, too; by default they are "postgres mariadb".
#
# They live in a fresh temporary directory, listen on unix sockets only (with COURIER_TEST_TCP=yes MariaDB
# and MySQL on loopback, too) and are stopped and removed when the command ends, however it ends. The
# command finds them in COURIER_TEST_POSTGRES_URL, COURIER_TEST_MARIADB_URL and COURIER_TEST_MYSQL_URL, as
# administrator: it makes its own databases. For a server that is left out, COURIER_TEST_WITHOUT_... says
# why; so do the last lines on standard error, which also name the programs of docs/from-an-app.md whose
# language is not here.
# A test that wants to kill its server makes one of its own in a directory of COURIER_TEST_SERVERS, by
# private-server.sh; what is left there is stopped, too.
# With --measuring in front of the command they keep what they confirm, and the variables are called
# COURIER_BENCH_..., so that nothing is measured by mistake on servers that do not.
# The exit code is the command's; 2 if a server is not to be had.
set -euo pipefail

purpose=TEST
wanted=${COURIER_TEST_DATABASES-postgres mariadb}
usage() { echo "usage: $0 [--measuring] [--servers \"SERVER ...\"] COMMAND [ARGUMENT ...]" >&2; exit 2; }
while :; do
    case ${1-} in
    --measuring) purpose=BENCH ;;
    --servers)
        [ $# -gt 1 ] || usage
        wanted=$2
        shift
        ;;
    *) break ;;
    esac
    shift
done
[ $# -gt 0 ] || usage

here=$(dirname "$(readlink -f "$0")")
# shellcheck source=scripts/roots.sh
. "$here/roots.sh"
# shellcheck source=scripts/programs.sh
. "$here/programs.sh"
# shellcheck source=scripts/npm.sh
. "$here/npm.sh"
# shellcheck source=scripts/install-databases.sh
. "$here/install-databases.sh"
# shellcheck source=scripts/postgres.sh
. "$here/postgres.sh"
# shellcheck source=scripts/mariadb.sh
. "$here/mariadb.sh"
# shellcheck source=scripts/mysql.sh
. "$here/mysql.sh"
# shellcheck source=scripts/servers.sh
. "$here/servers.sh"
if [ "$purpose" = BENCH ]; then
    # shellcheck source=scripts/measuring.sh
    . "$here/measuring.sh"
fi

look_elsewhere
install_missing
# Directly under /tmp, whatever TMPDIR says: a socket's path must be shorter than 107 characters.
dir=$(mktemp -d /tmp/courier-db.XXXXXX)
chmod 755 "$dir"
mkdir -m 755 "$dir/own"
child=
began=
not_run=
servers=()
# shellcheck disable=SC2317 # The traps call it.
cleanup() {
    local code=$? kind own
    trap - EXIT INT TERM
    if [ -n "$child" ]; then kill "$child" 2>/dev/null || true; fi
    # One that is still coming up cannot be stopped yet.
    wait "${servers[@]}" 2>/dev/null || true
    # A cluster has its nodes in directories of its own.
    for own in "$dir"/*/ "$dir"/own/*/ "$dir"/own/*/node*/; do
        if [ -f "${own}pgbouncer.pid" ]; then "$here/pgbouncer.sh" stop "${own%/}"; fi
        if [ -d "${own}pgpool" ]; then "$here/pgpool.sh" stop "${own%/}"; fi
        for kind in "${kinds[@]}"; do "stop_$kind" "${own%/}"; done
    done
    not_run=$(cat "$dir/own/not-run" 2>/dev/null || true)
    rm -rf "$dir"
    if [ "$purpose" = TEST ] && [ -n "$began" ]; then say_what_was_tested; fi
    exit "$code"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# shellcheck disable=SC2086 # Words.
choose_servers $wanted

# All at the same time; each has its log to tell why it did not come up.
for kind in "${chosen[@]}"; do
    "make_$kind" "$dir/$kind" &
    servers+=($!)
done
for server in "${servers[@]}"; do
    wait "$server" || exit 2
done

for kind in "${chosen[@]}"; do
    export "COURIER_${purpose}_${kind^^}_URL=$("${kind}_url" "$dir/$kind")"
done
export COURIER_TEST_SERVERS="$dir/own"
# In the background, because bash handles a signal only after a command in the foreground has ended.
began=yes
"$@" <&0 &
child=$!
code=0
wait "$child" || code=$?
child=
exit "$code"
