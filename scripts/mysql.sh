# shellcheck shell=bash
# For test-databases.sh and private-server.sh: a MySQL in a directory, which holds data/, log, pid and
# the socket, as a MariaDB does. It runs from mysql_place (roots.sh).

mysql_place=${COURIER_TEST_MYSQL_PLACE-}

as_mysql() { in_place "$mysql_place" mysql "$@"; }

# The server's version; empty if there is none, or if it is a MariaDB by this name.
mysql_version() {
    local said
    said=$(as_mysql mysqld --version 2>/dev/null || true)
    if [[ $said != *MariaDB* ]]; then version_in "$said"; fi
}

make_mysql() {
    local dir=$1
    mkdir "$dir"
    give_to "$mysql_place" mysql "$dir"
    as_mysql mysqld --no-defaults --initialize-insecure --datadir="$dir/data" --tmpdir="$dir" \
        "${mysql_settings[@]}" >"$dir/log" 2>&1 || { cat "$dir/log" >&2; return 1; }
    choose_port "$dir"
    start_mysql "$dir"
}

# As for MariaDB: nothing waits for the disk, and what is committed survives the death of the server.
mysql_settings=(
    --disable-log-bin
    --innodb-flush-log-at-trx-commit=2
    --innodb-flush-method=nosync
    --innodb-buffer-pool-size=64M
    --innodb-redo-log-capacity=64M
)

# Answers when the server does.
start_mysql() {
    local dir=$1 network
    mapfile -t network < <(network_of "$dir")
    as_mysql mysqld --no-defaults --datadir="$dir/data" --socket="$dir/socket" --tmpdir="$dir" \
        --pid-file="$dir/pid" --mysqlx=OFF --secure-file-priv=NULL --max-connections=200 "${network[@]}" "${mysql_settings[@]}" \
        >>"$dir/log" 2>&1 &
    local server=$!
    until as_mysql mysqladmin --no-defaults --socket="$dir/socket" --user=root ping >/dev/null 2>&1; do
        kill -0 "$server" 2>/dev/null || { cat "$dir/log" >&2; return 1; }
        sleep 0.05
    done
}

stop_mysql() { stop_mariadb "$1"; }

mysql_url() { mariadb_url "$1"; }
