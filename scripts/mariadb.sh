# shellcheck shell=bash
# For test-databases.sh and private-server.sh: a MariaDB in a directory, which holds data/, log, pid and
# the socket.

# The server's program; empty if there is none.
mariadb_server() {
    command -v mariadbd || ls /usr/sbin/mariadbd 2>/dev/null || true
}

# The server does not like to run as root. The working directory may be closed to its user.
as_mysql() (
    cd /
    if [ "$(id -u)" -eq 0 ]; then runuser -u mysql -- "$@"; else "$@"; fi
)

make_mariadb() {
    local dir=$1
    mkdir "$dir"
    if [ "$(id -u)" -eq 0 ]; then chown mysql "$dir"; fi
    # A server that starts clears away temporary tables in its tmpdir: one of its own, for they may
    # be another server's.
    as_mysql mariadb-install-db --no-defaults --datadir="$dir/data" --tmpdir="$dir" --skip-test-db \
        --auth-root-authentication-method=normal "${mariadb_settings[@]}" \
        >"$dir/log" 2>&1 || { cat "$dir/log" >&2; return 1; }
    start_mariadb "$dir"
}

# Nothing here has to survive a power failure, so nothing waits for the disk. But what is committed has
# to survive the death of the server: the log goes out of its hands with each commit (2, not 0), and
# a page that it was writing when it died is repaired (the doublewrite buffer stays on).
mariadb_settings=(
    --skip-log-bin
    --innodb-flush-log-at-trx-commit=2
    --innodb-flush-method=nosync
    --innodb-buffer-pool-size=64M
    --innodb-log-file-size=32M
    --userstat=1
)

# Answers when the server does.
start_mariadb() {
    local dir=$1
    as_mysql "$(mariadb_server)" --no-defaults --datadir="$dir/data" --socket="$dir/socket" \
        --tmpdir="$dir" --pid-file="$dir/pid" --skip-networking --max-connections=200 "${mariadb_settings[@]}" \
        >>"$dir/log" 2>&1 &
    local server=$!
    until mariadb-admin --no-defaults --socket="$dir/socket" --user=root ping >/dev/null 2>&1; do
        kill -0 "$server" 2>/dev/null || { cat "$dir/log" >&2; return 1; }
        sleep 0.05
    done
}

stop_mariadb() {
    local dir=$1 pid
    pid=$(cat "$dir/pid" 2>/dev/null || true)
    [ -n "$pid" ] || return 0
    kill -KILL "$pid" 2>/dev/null || true
    # It is gone when nothing of it is left to read but its name.
    while [ -n "$({ tr -d '\0' <"/proc/$pid/cmdline"; } 2>/dev/null)" ]; do sleep 0.02; done
}

mariadb_url() {
    echo "mysql://root@localhost/mysql?socket=$1/socket"
}
