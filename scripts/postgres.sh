# shellcheck shell=bash
# For test-databases.sh and private-server.sh: a PostgreSQL in a directory, which holds data/, server.log
# and the socket. It runs from postgres_place (roots.sh).

postgres_place=${COURIER_TEST_POSTGRES_PLACE-}

# The directory with the server's programs, the newest first; empty if there is none.
postgres_bin() {
    local initdb
    if [ -n "${COURIER_TEST_POSTGRES_BIN-}" ]; then
        echo "$COURIER_TEST_POSTGRES_BIN"
        return
    fi
    # shellcheck disable=SC2012 # Names of versions, which it has to sort.
    initdb=$(ls -d "$postgres_place"/usr/lib/postgresql/*/bin/initdb 2>/dev/null | sort -Vr | head -n 1 || true)
    if [ -z "$initdb" ] && [ -z "$postgres_place" ]; then
        initdb=$(readlink -f "$(command -v initdb || true)" || true)
    fi
    if [ -n "$initdb" ]; then dirname "${initdb#"$postgres_place"}"; fi
}

as_postgres() { in_place "$postgres_place" postgres "$@"; }

postgres_version() {
    version_in "$(as_postgres "$(postgres_bin)/postgres" --version)"
}

make_postgres() {
    local dir=$1 bin
    bin=$(postgres_bin)
    mkdir "$dir"
    give_to "$postgres_place" postgres "$dir"
    as_postgres "$bin/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --no-sync \
        >"$dir/initdb.log" 2>&1 || { cat "$dir/initdb.log" >&2; return 1; }
    cat >>"$dir/data/postgresql.conf" <<CONF
listen_addresses = ''
unix_socket_directories = '$dir'
unix_socket_permissions = 0777
max_connections = 200
CONF
    printf '%s\n' "${postgres_settings[@]}" >>"$dir/data/postgresql.conf"
    start_postgres "$dir"
}

# A standby of a primary that runs, which waits for it with each commit from then on.
make_postgres_standby() {
    local dir=$1 primary=$2 bin
    bin=$(postgres_bin)
    mkdir "$dir"
    if [ "$(id -u)" -eq 0 ]; then chown postgres "$dir"; fi
    as_postgres "$bin/pg_basebackup" -h "$primary" -U postgres -D "$dir/data" -R -X stream -c fast \
        >"$dir/basebackup.log" 2>&1 || { cat "$dir/basebackup.log" >&2; return 1; }
    # The last one counts.
    printf '%s\n' "unix_socket_directories = '$dir'" >>"$dir/data/postgresql.conf"
    start_postgres "$dir"
    local setting
    for setting in "ALTER SYSTEM SET synchronous_standby_names = '*'" 'SELECT pg_reload_conf()'; do
        as_postgres "$bin/psql" -h "$primary" -U postgres -qAt -c "$setting" >/dev/null
    done
    # Until the primary has taken it for one that counts.
    until as_postgres "$bin/psql" -h "$primary" -U postgres -qAt \
        -c "SELECT sync_state FROM pg_stat_replication" | grep -q sync; do sleep 0.05; done
}

# Nothing here has to survive a power failure, so nothing waits for the disk; what the program itself
# asks of a session (synchronous_commit) is tested by asking the session. But what is committed has to
# survive the death of the server: full_page_writes stays on.
postgres_settings=(
    'fsync = off'
)

start_postgres() {
    local dir=$1
    # What a test wants of its own server besides. The last one counts.
    if [ -f "$dir/more.conf" ]; then cat "$dir/more.conf" >>"$dir/data/postgresql.conf"; fi
    as_postgres "$(postgres_bin)/pg_ctl" -D "$dir/data" -l "$dir/server.log" -w start >/dev/null 2>&1 ||
        { cat "$dir/server.log" >&2; return 1; }
}

stop_postgres() {
    local dir=$1
    if [ -f "$dir/data/postmaster.pid" ]; then
        as_postgres "$(postgres_bin)/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1 || true
    fi
}

postgres_url() {
    echo "postgres://postgres@localhost/postgres?host=$1"
}
