#!/usr/bin/env bash
# A MySQL with Group Replication of three members for one test alone: scripts/group.sh start|stop DIR
#
# start makes and starts all three in DIR and prints their URLs, as administrator, a line each, when all
# of them take part; the first is the primary. stop ends all of them, however far they have come. Each
# member lives in DIR/node1 … DIR/node3, which hold data/, log, pid and the socket. Clients come by the
# sockets; the members speak to each other on free ports of the loopback interface.
# It runs from COURIER_TEST_MYSQL_PLACE (mysql.sh). The exit code is 2 if there is no MySQL with the plugin.
set -euo pipefail

usage() { echo "usage: $0 start|stop DIR" >&2; exit 2; }
[ $# -eq 2 ] || usage
action=$1 dir=$2

here=$(dirname "$(readlink -f "$0")")
# shellcheck source=scripts/roots.sh
. "$here/roots.sh"
# shellcheck source=scripts/mariadb.sh
. "$here/mariadb.sh"
# shellcheck source=scripts/ports.sh
. "$here/ports.sh"
# shellcheck source=scripts/mysql.sh
. "$here/mysql.sh"

nodes=(1 2 3)
group=8a94f357-aab4-11df-86ab-c80aa9429562

ask() {
    local nth=$1
    shift
    as_mysql mysql --no-defaults --socket="$dir/node$nth/socket" --user=root --batch --skip-column-names \
        --execute="$*"
}

make_members() {
    local nth
    mkdir -p "$dir"
    give_to "$mysql_place" mysql "$dir"
    # One of each member for the group, and one for its data.
    free_ports 6 >"$dir/ports"
    mkdir "$dir/node1"
    give_to "$mysql_place" mysql "$dir/node1"
    as_mysql mysqld --no-defaults --initialize-insecure --datadir="$dir/node1/data" --tmpdir="$dir/node1" \
        --innodb-flush-method=nosync --innodb-redo-log-capacity=64M >"$dir/node1/log" 2>&1 ||
        { cat "$dir/node1/log" >&2; return 1; }
    # The others begin with the same data, and each under a name of its own.
    for nth in 2 3; do
        mkdir "$dir/node$nth"
        cp -a "$dir/node1/data" "$dir/node$nth/data"
        rm -f "$dir/node$nth/data/auto.cnf"
        give_to "$mysql_place" mysql "$dir/node$nth"
    done
}

start_member() {
    local nth=$1 base home=$dir/node$1 server
    base=$(cat "$dir/ports")
    as_mysql mysqld --no-defaults --datadir="$home/data" --socket="$home/socket" --tmpdir="$home" \
        --pid-file="$home/pid" --mysqlx=OFF --secure-file-priv=NULL --max-connections=200 \
        --bind-address=127.0.0.1 --port=$((base + 2 * nth - 1)) --server-id="$nth" \
        --report-host=127.0.0.1 --gtid-mode=ON --enforce-gtid-consistency=ON --log-bin=binlog \
        --innodb-flush-log-at-trx-commit=2 --innodb-flush-method=nosync --innodb-buffer-pool-size=64M \
        --innodb-redo-log-capacity=64M --sync-binlog=0 --plugin-load-add=group_replication.so \
        --loose-group-replication-group-name="$group" --loose-group-replication-start-on-boot=OFF \
        --loose-group-replication-local-address="127.0.0.1:$((base + 2 * nth - 2))" \
        --loose-group-replication-group-seeds="127.0.0.1:$base,127.0.0.1:$((base + 2)),127.0.0.1:$((base + 4))" \
        --loose-group-replication-ip-allowlist=127.0.0.1/8 \
        --loose-group-replication-member-expel-timeout=3600 \
        --loose-group-replication-recovery-get-public-key=ON \
        --loose-group-replication-communication-stack=XCOM >>"$home/log" 2>&1 &
    server=$!
    until ask "$nth" 'SELECT 1' >/dev/null 2>&1; do
        kill -0 "$server" 2>/dev/null || { cat "$home/log" >&2; return 1; }
        sleep 0.1
    done
}

join() {
    local nth=$1
    ask "$nth" "CHANGE REPLICATION SOURCE TO SOURCE_USER = 'root' FOR CHANNEL 'group_replication_recovery'"
    if [ "$nth" = 1 ]; then ask 1 'SET GLOBAL group_replication_bootstrap_group = ON'; fi
    ask "$nth" 'START GROUP_REPLICATION'
    if [ "$nth" = 1 ]; then ask 1 'SET GLOBAL group_replication_bootstrap_group = OFF'; fi
    local tries
    for ((tries = 0; tries < 600; tries++)); do
        if [ "$(ask "$nth" "SELECT MEMBER_STATE FROM performance_schema.replication_group_members
            WHERE MEMBER_ID = @@server_uuid")" = ONLINE ]; then return; fi
        sleep 0.1
    done
    cat "$dir/node$nth/log" >&2
    return 1
}

case $action in
start)
    if [ -z "$(mysql_version)" ] || ! as_mysql test -e /usr/lib/mysql/plugin/group_replication.so; then
        echo "no Group Replication: there is no MySQL with its plugin" >&2
        exit 2
    fi
    make_members
    for nth in "${nodes[@]}"; do start_member "$nth" && join "$nth"; done
    for nth in "${nodes[@]}"; do mysql_url "$dir/node$nth"; done
    ;;
stop) for nth in "${nodes[@]}"; do stop_mysql "$dir/node$nth"; done ;;
*) usage ;;
esac
