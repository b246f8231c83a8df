#!/usr/bin/env bash
# A database server for one test alone: scripts/private-server.sh start|kill postgres|mariadb|mysql DIR
#
# start makes it if DIR is not there yet, else starts what is there again, and prints its URL, as
# administrator. Where it runs from is told by the environment, as test-databases.sh sets it. kill ends
# it as a crash would: nothing is written that was not written before.
#
# scripts/private-server.sh standby postgres DIR PRIMARY makes and starts one that follows the server in
# the directory PRIMARY, whose commits wait for it from then on; promote postgres DIR makes it take writes.
set -euo pipefail

usage() { echo "usage: $0 start|kill postgres|mariadb|mysql DIR" >&2; exit 2; }
[ $# -ge 3 ] || usage
action=$1 kind=$2 dir=$3 primary=${4-}

here=$(dirname "$(readlink -f "$0")")
# shellcheck source=scripts/roots.sh
. "$here/roots.sh"
# shellcheck source=scripts/postgres.sh
. "$here/postgres.sh"
# shellcheck source=scripts/mariadb.sh
. "$here/mariadb.sh"
# shellcheck source=scripts/mysql.sh
. "$here/mysql.sh"

case $kind in postgres | mariadb | mysql) ;; *) usage ;; esac
case $action in
start)
    if [ -d "$dir" ]; then "start_$kind" "$dir"; else "make_$kind" "$dir"; fi
    "${kind}_url" "$dir"
    ;;
standby)
    if [ "$kind" != postgres ] || [ -z "$primary" ]; then usage; fi
    make_postgres_standby "$dir" "$primary"
    postgres_url "$dir"
    ;;
promote)
    [ "$kind" = postgres ] || usage
    as_postgres "$(postgres_bin)/pg_ctl" -D "$dir/data" -w promote >/dev/null
    ;;
kill) "stop_$kind" "$dir" ;;
*) usage ;;
esac
