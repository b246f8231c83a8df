# shellcheck shell=bash
# For test-databases.sh and private-server.sh: a MariaDB in a directory, which holds data/, log, pid and
# the socket. It runs from mariadb_place (roots.sh).

mariadb_place=${COURIER_TEST_MARIADB_PLACE-}

as_mariadb() { in_place "$mariadb_place" mysql "$@"; }

# The server's program; empty if there is none.
mariadb_server() {
    local program
    for program in /usr/sbin/mariadbd "$(command -v mariadbd || true)"; do
        if [ -x "$mariadb_place$program" ]; then echo "$program"; return; fi
    done
}

mariadb_version() {
    version_in "$(as_mariadb "$(mariadb_server)" --version)"
}

make_mariadb() {
    local dir=$1
    mkdir "$dir"
    give_to "$mariadb_place" mysql "$dir"
    # A server that starts clears away temporary tables in its tmpdir: one of its own, for they may
    # be another server's.
    # By force: in a Debian of its own no host has a name.
    as_mariadb mariadb-install-db --no-defaults --force --datadir="$dir/data" --tmpdir="$dir" --skip-test-db \
        --auth-root-authentication-method=normal "${mariadb_settings[@]}" \
        >"$dir/log" 2>&1 || { cat "$dir/log" >&2; return 1; }
    choose_port "$dir"
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
    local dir=$1 network
    mapfile -t network < <(network_of "$dir")
    as_mariadb "$(mariadb_server)" --no-defaults --datadir="$dir/data" --socket="$dir/socket" \
        --tmpdir="$dir" --pid-file="$dir/pid" --max-connections=200 "${network[@]}" "${mariadb_settings[@]}" \
        >>"$dir/log" 2>&1 &
    local server=$!
    until as_mariadb mariadb-admin --no-defaults --socket="$dir/socket" --user=root ping >/dev/null 2>&1; do
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

# With COURIER_TEST_TCP=yes the server listens on loopback, too, and that is its address; else it has
# its socket alone. Below what the kernel gives to connections that go out.
choose_port() {
    local dir=$1 port
    if [ "${COURIER_TEST_TCP-}" != yes ]; then return; fi
    for port in $(shuf -i 10000-32000 -n 100); do
        if ! (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            echo "$port" >"$dir/port"
            return
        fi
    done
}

# The server's options for it, one a line.
network_of() {
    if [ -f "$1/port" ]; then
        printf '%s\n' --bind-address=127.0.0.1 "--port=$(cat "$1/port")"
    else
        echo --skip-networking
    fi
    if [ -f "$1/tls/server.pem" ]; then
        printf '%s\n' "--ssl-cert=$1/tls/server.pem" "--ssl-key=$1/tls/server.key"
    fi
}

mariadb_url() {
    if [ -f "$1/port" ]; then
        echo "mysql://root@127.0.0.1:$(cat "$1/port")/mysql"
    else
        echo "mysql://root@localhost/mysql?socket=$1/socket"
    fi
}
