# shellcheck shell=bash
# shellcheck disable=SC2154 # dir is set by the script that sources this.
# For test-databases.sh: which servers are tested, where they are taken from, and what is said of those
# that are not.

kinds=(postgres mariadb mysql)
chosen=()
declare -A name=([postgres]=PostgreSQL [mariadb]=MariaDB [mysql]=MySQL)
declare -A usual=([postgres]=here [mariadb]=here [mysql]=sid)
declare -A packages_of=([postgres]='postgresql,pgbouncer' [mariadb]='mariadb-server-core,mariadb-client'
    [mysql]='mysql-server-core,mysql-client-core')
declare -A version why_not
for kind in "${kinds[@]}"; do why_not[$kind]='not asked for'; done

# Finds each of the servers, or ends with code 2, save for those that end in a question mark.
choose_servers() {
    local server kind said
    said=$(mktemp)
    for server in "$@"; do
        kind=${server%%[@?]*}
        if [ -z "${name[$kind]-}" ]; then
            echo "$0: a server is postgres, mariadb or mysql, not $server" >&2
            exit 2
        fi
        if find_server "${server%\?}" 2>"$said"; then
            chosen+=("$kind")
            unset "why_not[$kind]"
        elif [[ $server == *\? ]]; then
            why_not[$kind]=$(tail -n 1 "$said")
        else
            echo "$0: ${name[$kind]} is not to be had: $(cat "$said")" >&2
            rm -f "$said"
            exit 2
        fi
    done
    rm -f "$said"
    for kind in "${!why_not[@]}"; do export "COURIER_TEST_WITHOUT_${kind^^}=${why_not[$kind]}"; done
}

# Sets the place of a server for this script and, in the environment, for private-server.sh; or fails and
# says why.
find_server() {
    local kind=${1%%@*} where place=''
    where=${usual[$kind]}
    if [[ $1 == *@* ]]; then where=${1#*@}; fi
    case $kind@$where in
    *@here) ;;
    postgres@npm*)
        place=$(postgres_from_npm "${where#npm}") || return 1
        # The cache may be closed to the server's user.
        cp -r "$place" "$dir/npm-postgres"
        export COURIER_TEST_POSTGRES_BIN=$dir/npm-postgres/bin
        place=
        ;;
    *) place=$(debian_with "$where" "${packages_of[$kind]}") || return 1 ;;
    esac
    declare -g "${kind}_place=$place"
    export "COURIER_TEST_${kind^^}_PLACE=$place"
    version[$kind]=$("${kind}_version")
    if [ -z "${version[$kind]}" ]; then
        echo "there is no such server ($where)" >&2
        return 1
    fi
}

say_what_was_tested() {
    local kind tested=SQLite
    for kind in "${chosen[@]}"; do tested+=", ${name[$kind]} ${version[$kind]}"; done
    echo "test-databases.sh: there were: $tested" >&2
    for kind in "${kinds[@]}"; do
        if [ -n "${why_not[$kind]-}" ]; then
            echo "test-databases.sh: NOT TESTED: ${name[$kind]}: ${why_not[$kind]}" \
                "(COURIER_TEST_DATABASES=\"postgres mariadb mysql\" asks for all)" >&2
        fi
    done
    # What tests have said of themselves.
    if [ -n "$not_run" ]; then
        sort -u <<<"$not_run" | sed 's/^/test-databases.sh: NOT RUN: /' >&2
    fi
}
