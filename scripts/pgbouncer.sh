#!/usr/bin/env bash
# A PgBouncer for one test alone: scripts/pgbouncer.sh start|stop DIR, or scripts/pgbouncer.sh version
#
# start runs it by DIR/pgbouncer.ini, which keeps its socket and its pgbouncer.pid in DIR, and returns when
# it answers. stop ends it. version prints the version. It is taken from where PostgreSQL is taken from, as
# test-databases.sh says it in the environment.
set -euo pipefail

usage() { echo "usage: $0 start|stop DIR | version" >&2; exit 2; }
action=${1-} dir=${2-}

here=$(dirname "$(readlink -f "$0")")
# shellcheck source=scripts/roots.sh
. "$here/roots.sh"
# shellcheck source=scripts/postgres.sh
. "$here/postgres.sh"

# Elsewhere than on Debian it may be in another folder of PATH, as test-databases.sh has set it.
pooler=/usr/sbin/pgbouncer
if [ -z "$postgres_place" ] && [ ! -x "$pooler" ]; then pooler=$(command -v pgbouncer || echo "$pooler"); fi

case $action in
start)
    [ -d "$dir" ] || usage
    give_to "$postgres_place" postgres "$dir"
    # It goes to the background when it listens, and keeps no file open that this script was given.
    as_postgres "$pooler" -d -q "$dir/pgbouncer.ini" </dev/null >"$dir/start.log" 2>&1 ||
        { cat "$dir/start.log" >&2; exit 1; }
    until [ -S "$dir/.s.PGSQL.6432" ]; do sleep 0.02; done
    ;;
stop)
    [ -d "$dir" ] || usage
    # Its signals differ between versions; this one ends each of them at once, clients or not.
    if [ -f "$dir/pgbouncer.pid" ]; then kill -KILL "$(cat "$dir/pgbouncer.pid")" 2>/dev/null || true; fi
    ;;
version) version_in "$(as_postgres "$pooler" --version)" ;;
*) usage ;;
esac
