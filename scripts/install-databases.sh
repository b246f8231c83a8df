# shellcheck shell=bash
# For test-databases.sh: installs what is missing, where that can be done: the servers, and the browser
# and the Prometheus of the tests of tests/it/admin and tests/it/deploy.

packages=(postgresql postgresql-client pgbouncer mariadb-server mariadb-client sqlite3 openssl chromium
    chromium-driver prometheus)

have_all() { [ -z "$(missing_packages)" ]; }

install_missing() {
    if have_all; then return; fi
    local missing
    missing=$(missing_packages)
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        echo "$0: programs that the tests run are missing here: $(how_to_install "${missing% }")" >&2
        exit 2
    fi
    forbid_services
    local failed=0
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq "${packages[@]}"; } >&2 || failed=1
    allow_services
    if [ "$failed" -ne 0 ]; then
        echo "$0: apt-get could not install ${packages[*]}" >&2
        exit 2
    fi
    if ! have_all; then
        echo "$0: the packages were installed, but not where they are looked for: $(missing_packages)" >&2
        exit 2
    fi
}

# For test-matrix.sh: the one part of its clusters that `make test` does without. Where it cannot be
# installed, its test says so.
install_pgpool() {
    if [ -x /usr/sbin/pgpool ] || [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then return; fi
    forbid_services
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq pgpool2; } \
        >/dev/null 2>&1 || true
    allow_services
}

# Debian starts a server when it installs it, unless told not to: PostgreSQL by a setting of its own,
# all of them by a policy. A policy that is there already stays as it is: it may forbid as well.
no_cluster=/etc/postgresql-common/createcluster.d/no-cluster-for-tests.conf
policy=/usr/sbin/policy-rc.d
our_policy=

forbid_services() {
    trap allow_services EXIT
    mkdir -p "$(dirname "$no_cluster")"
    echo 'create_main_cluster = false' >"$no_cluster"
    if [ ! -e "$policy" ]; then
        our_policy=$policy
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
}

allow_services() {
    trap - EXIT
    rm -f "$no_cluster"
    if [ -n "$our_policy" ]; then rm -f "$our_policy"; fi
}
