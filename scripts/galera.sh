#!/usr/bin/env bash
# A Galera cluster of three MariaDBs for one test alone: scripts/galera.sh start|kill|stop DIR [NODE]
#
# start without a NODE makes and starts all three in DIR and prints their URLs, as administrator, a line
# each, when all of them take part; with a NODE (1, 2 or 3) it starts that one again and waits until it
# takes part. kill ends a node as a crash would; stop ends all of them, however far they have come.
# Each node lives in DIR/node1 … DIR/node3, which hold data/, log, pid and the socket. Clients come by
# the sockets; the nodes speak to each other on free ports of the loopback interface.
# The exit code is 2 if the cluster's library or rsync, by which a node gets its data, is not installed.
set -euo pipefail

usage() { echo "usage: $0 start|kill|stop DIR [NODE]" >&2; exit 2; }
[ $# -eq 2 ] || [ $# -eq 3 ] || usage
action=$1 dir=$2 node=${3-}

here=$(dirname "$(readlink -f "$0")")
# shellcheck source=scripts/roots.sh
. "$here/roots.sh"
# shellcheck source=scripts/mariadb.sh
. "$here/mariadb.sh"
# shellcheck source=scripts/ports.sh
. "$here/ports.sh"
# The library is this machine's, and so is the server.
mariadb_place=

nodes=(1 2 3)

galera_library() {
    local library
    for library in /usr/lib/galera/libgalera_smm.so /usr/lib64/galera-4/libgalera_smm.so; do
        if [ -e "$library" ]; then echo "$library" && return; fi
    done
}

make_nodes() {
    local first=$dir/node1 nth
    mkdir -p "$dir"
    if [ "$(id -u)" -eq 0 ]; then chown mysql "$dir"; fi
    # Three for each node.
    free_ports 9 >"$dir/ports"
    for nth in "${nodes[@]}"; do
        mkdir "$dir/node$nth"
        if [ "$(id -u)" -eq 0 ]; then chown mysql "$dir/node$nth"; fi
    done
    as_mariadb mariadb-install-db --no-defaults --datadir="$first/data" --tmpdir="$first" --skip-test-db \
        --auth-root-authentication-method=normal "${mariadb_settings[@]}" >"$first/log" 2>&1 ||
        { cat "$first/log" >&2; return 1; }
    # The others get all of their data when they join; this spares them making their own before.
    for nth in 2 3; do cp -a "$first/data" "$dir/node$nth/data"; done
}

# Starts a node; further arguments are the server's. A node that lags must not slow the others down
# (flow control), for that is what a test may be about.
start_node() {
    local nth=$1 base
    local home=$dir/node$nth
    shift
    base=$(($(cat "$dir/ports") + 3 * (nth - 1)))
    local first
    first=$(cat "$dir/ports")
    as_mariadb "$(mariadb_server)" --no-defaults --datadir="$home/data" --socket="$home/socket" \
        --tmpdir="$home" --pid-file="$home/pid" --skip-networking --max-connections=200 \
        "${mariadb_settings[@]}" --binlog-format=ROW --innodb-autoinc-lock-mode=2 \
        --wsrep-on=ON --wsrep-provider="$library" --wsrep-cluster-name=courier \
        --wsrep-cluster-address="gcomm://127.0.0.1:$first,127.0.0.1:$((first + 3)),127.0.0.1:$((first + 6))" \
        --wsrep-node-name="node$nth" --wsrep-node-address="127.0.0.1:$base" \
        --wsrep-sst-method=rsync --wsrep-sst-receive-address="127.0.0.1:$((base + 2))" \
        --wsrep-provider-options="gmcast.listen_addr=tcp://127.0.0.1:$base;ist.recv_addr=127.0.0.1:$((base + 1));gcache.size=64M;gcs.fc_limit=100000;pc.recovery=false;evs.keepalive_period=PT0.5S;evs.suspect_timeout=PT3S;evs.inactive_timeout=PT5S" \
        "$@" >>"$home/log" 2>&1 &
    echo $! >"$home/starting"
}

# Waits until a node takes part.
joined() {
    local home=$dir/node$1
    until mariadb --no-defaults --socket="$home/socket" --user=root --batch --skip-column-names \
        --execute="SHOW STATUS LIKE 'wsrep_local_state_comment'" 2>/dev/null | grep -q Synced; do
        kill -0 "$(cat "$home/starting")" 2>/dev/null || { cat "$home/log" >&2; return 1; }
        sleep 0.1
    done
}

library=$(galera_library)
case $action in
start)
    if [ -z "$library" ] || [ -z "$(mariadb_server)" ] || ! command -v rsync >/dev/null; then
        echo "no Galera cluster: install mariadb-server, galera-4 and rsync" >&2
        exit 2
    fi
    if [ -n "$node" ]; then
        start_node "$node"
        joined "$node"
        exit
    fi
    make_nodes
    start_node 1 --wsrep-new-cluster
    joined 1
    # One after the other: a node that gives its data to another one is slow to give it to a third.
    for nth in 2 3; do start_node "$nth" && joined "$nth"; done
    for nth in "${nodes[@]}"; do mariadb_url "$dir/node$nth"; done
    ;;
kill)
    [ -n "$node" ] || usage
    stop_mariadb "$dir/node$node"
    ;;
stop) for nth in "${nodes[@]}"; do stop_mariadb "$dir/node$nth"; done ;;
*) usage ;;
esac
