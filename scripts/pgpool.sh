#!/usr/bin/env bash
# A PostgreSQL, a standby that lags behind it, and a pgpool that balances reads over both, for one test
# alone: scripts/pgpool.sh start|stop DIR
#
# start makes and starts them in DIR and prints two URLs, as administrator: pgpool's, and that of the
# primary behind its back. stop ends them. The primary lives in DIR/node1, the standby in DIR/node2.
# The exit code is 2 if pgpool is not installed (the package pgpool2 of Debian). PGPOOL names its program
# if it is not in the path.
set -euo pipefail

usage() { echo "usage: $0 start|stop DIR" >&2; exit 2; }
[ $# -eq 2 ] || usage
action=$1 dir=$2

here=$(dirname "$(readlink -f "$0")")
# shellcheck source=scripts/roots.sh
. "$here/roots.sh"
# shellcheck source=scripts/postgres.sh
. "$here/postgres.sh"
# pgpool is this machine's, and so are the servers.
postgres_place=
unset COURIER_TEST_POSTGRES_BIN

pgpool=${PGPOOL-$(command -v pgpool || ls /usr/sbin/pgpool 2>/dev/null || true)}

# Everything in it is carried out on the standby so much later.
lag=500ms

start_standby() {
    local standby=$dir/node2
    mkdir "$standby"
    if [ "$(id -u)" -eq 0 ]; then chown postgres "$standby"; fi
    as_postgres "$(postgres_bin)/pg_basebackup" --host="$dir/node1" --username=postgres \
        --pgdata="$standby/data" --write-recovery-conf --checkpoint=fast --no-sync
    as_postgres tee -a "$standby/data/postgresql.conf" >/dev/null <<CONF
unix_socket_directories = '$standby'
recovery_min_apply_delay = $lag
CONF
    start_postgres "$standby"
}

start_pgpool() {
    mkdir "$dir/pgpool"
    if [ "$(id -u)" -eq 0 ]; then chown postgres "$dir/pgpool"; fi
    # Before 4.4 the directory of its socket had another name; each version passes over the other one's.
    as_postgres tee "$dir/pgpool/conf" >/dev/null <<CONF
backend_clustering_mode = 'streaming_replication'
listen_addresses = ''
socket_dir = '$dir/pgpool'
unix_socket_directories = '$dir/pgpool'
pcp_socket_dir = '$dir/pgpool'
port = 5432
backend_hostname0 = '$dir/node1'
backend_port0 = 5432
backend_weight0 = 1
backend_hostname1 = '$dir/node2'
backend_port1 = 5432
backend_weight1 = 1
load_balance_mode = on
statement_level_load_balance = on
num_init_children = 60
pid_file_name = '$dir/pgpool/pid'
logdir = '$dir/pgpool'
memqcache_oiddir = '$dir/pgpool'
sr_check_user = 'postgres'
sr_check_period = 1
pool_passwd = ''
CONF
    as_postgres touch "$dir/pgpool/pcp"
    as_postgres "$pgpool" -n -f "$dir/pgpool/conf" -F "$dir/pgpool/pcp" >>"$dir/pgpool/log" 2>&1 &
    local server=$!
    # It takes the primary for one when it has looked.
    until as_postgres psql --host="$dir/pgpool" --username=postgres --no-align --tuples-only \
        --command='show pool_nodes' 2>/dev/null | grep -q 'up|.*|primary|'; do
        kill -0 "$server" 2>/dev/null || { cat "$dir/pgpool/log" >&2; return 1; }
        sleep 0.1
    done
}

case $action in
start)
    if [ -z "$pgpool" ] || [ -z "$(postgres_bin)" ]; then
        echo "no pgpool: install postgresql and pgpool2" >&2
        exit 2
    fi
    mkdir -p "$dir"
    make_postgres "$dir/node1"
    start_standby
    start_pgpool
    postgres_url "$dir/pgpool"
    postgres_url "$dir/node1"
    ;;
stop)
    if [ -f "$dir/pgpool/pid" ]; then
        # At once, for its clients are gone. (It writes the pid with a byte too many.)
        kill -INT "$(tr -d '\0' <"$dir/pgpool/pid")" 2>/dev/null || true
    fi
    for node in node2 node1; do stop_postgres "$dir/$node"; done
    ;;
*) usage ;;
esac
