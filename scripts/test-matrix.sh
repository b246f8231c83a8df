#!/usr/bin/env bash
# Tests every version of every database that can be had: scripts/test-matrix.sh [NAME ...]
#
# For each line of the list below: the outbox's contract and its plans, the README's grants, steps and
# snippets, and delivery by the real program. MariaDB and MySQL are reached over TCP on loopback, with TLS
# where the server has it by itself, and delivery is tried by their socket, too. What came of it goes into
# the table of docs/databases.md. With NAMEs, such as "MySQL 9", only those lines.
# "Clusters" are the tests that `make test` leaves out because they take minutes: three MariaDBs of this
# machine with Galera, and a PostgreSQL with a standby behind pgpool.
# The exit code is 1 if a test failed. What is not to be had fails nothing; the table and the last lines
# say so.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

# Name as in the table, and the server as test-databases.sh knows it, or why there is none.
list=(
    'SQLite|'
    'PostgreSQL 13|postgres@bullseye'
    'PostgreSQL 14|postgres@npm14'
    'PostgreSQL 15|postgres@here'
    'PostgreSQL 16|postgres@npm16'
    'PostgreSQL 17|postgres@trixie'
    'PostgreSQL 18|postgres@sid'
    'MariaDB 10.11|mariadb@here'
    'MariaDB 11.8|mariadb@trixie'
    'MySQL 8|none: no release of Debian has it, and no package that ships it was found'
    'MySQL 9|mysql@sid'
    'Clusters|mariadb@here'
)
page=docs/databases.md
opening='<!-- the table: make test-matrix -->'
closing='<!-- end of the table -->'
logs=target/test-matrix
mkdir -p "$logs"

# shellcheck source=scripts/install-databases.sh
. scripts/install-databases.sh
install_pgpool

cargo test --locked --no-run --test it

# Leaves out all areas of the tests but these. Filters alone cannot say "of this area and on this database".
only_areas() {
    local area
    while read -r area; do
        if [[ " $* support " != *" $area "* ]]; then echo "--skip $area::"; fi
    done < <(sed -n 's/^mod \(.*\);$/\1/p' tests/it/main.rs)
}
contract=$(only_areas outbox docs delivery)
delivery=$(only_areas delivery)
storm=$(only_areas conservation)

# What the tests of a database have in their names.
filter_of() {
    case $1 in
    SQLite*) echo sqlite ;;
    # A PgBouncer of the same release is in between.
    PostgreSQL*) echo postgres pooled ;;
    MariaDB*) echo mariadb ;;
    MySQL*) echo mysql --skip mariadb ;;
    Clusters) echo --ignored ;;
    esac
}

# Runs tests on a server; 0 if they passed, 1 if not, 2 if it is not to be had.
try_on() {
    local server=$1 log=$2 filter=$3
    # shellcheck disable=SC2086 # Words.
    scripts/test-databases.sh --servers "$server" cargo test --locked --no-fail-fast --test it -- $filter \
        >>"$log" 2>&1
}

passed_in() { grep -oE '[0-9]+ passed' "$1" | awk '{ n += $1 } END { print n + 0 }'; }
failed_in() { grep -oE '^test .* \.\.\. FAILED' "$1" | sed 's/^test //; s/ \.\.\. FAILED//' | sort -u | paste -sd ' '; }
version_of() {
    if [ "$2" = SQLite ] && [ -s "$1" ]; then
        sqlite_version
    else
        sed -n "s/^test-databases.sh: there were: SQLite, [A-Za-z]* //p" "$1" | tail -n 1
    fi
}

# It is built into the program, so the program is asked.
sqlite_version() {
    local folder
    folder=$(mktemp -d)
    for command in migrate doctor; do
        target/debug/contact-courier "$command" --set "database.url=sqlite://$folder/outbox.db" 2>&1 || true
    done | grep -oE 'SQLite 3[.0-9]*[0-9]' | head -n 1 | cut -d ' ' -f 2
    rm -r "$folder"
}

# The table's line for one name.
line_for() {
    local name=$1 server=$2 log code=0 result version filter
    log=$logs/${name// /-}.log
    if [[ $server == none:* ]]; then
        echo "| $name | – | $(date -u +%F) | – | not to be had: ${server#none: } |"
        return
    fi
    : >"$log"
    filter=$(filter_of "$name")
    if [ "$name" = Clusters ]; then
        try_on "$server" "$log" "$filter $storm" || code=$?
    elif [[ $server == mariadb* || $server == mysql* ]]; then
        COURIER_TEST_TCP=yes try_on "$server" "$log" "$filter $contract" || code=$?
        if [ "$code" -ne 2 ]; then try_on "$server" "$log" "$filter $delivery" || code=$?; fi
    else
        try_on "$server" "$log" "$filter $contract" || code=$?
    fi
    version=$(version_of "$log" "$name")
    if [ "$code" -eq 0 ]; then
        result=passed
    elif grep -q 'is not to be had: ' "$log"; then
        result="not to be had: $(sed -n 's/^.* is not to be had: //p' "$log" | tail -n 1)"
    elif [ -z "$version" ]; then
        result="FAILED: the server does not start"
    else
        result="FAILED: $(failed_in "$log")"
    fi
    echo "| $name | ${version:-–} | $(date -u +%F) | $(passed_in "$log") | $result |"
}

is_wanted() {
    local wanted
    [ "${#only[@]}" -gt 0 ] || return 0
    for wanted in "${only[@]}"; do
        if [[ $1 == "$wanted"* ]]; then return 0; fi
    done
    return 1
}

only=("$@")
table=$(mktemp)
trap 'rm -f "$table"' EXIT
printf '%s\n' '| database | version | tested on | tests passed | result |' '| --- | --- | --- | --- | --- |' >"$table"
for entry in "${list[@]}"; do
    name=${entry%%|*}
    if is_wanted "$name"; then
        echo "test-matrix: $name ..." >&2
        line=$(line_for "$name" "${entry#*|}")
        echo "test-matrix: $line" >&2
    else
        line=$(grep -F "| $name |" "$page" || true)
    fi
    if [ -n "$line" ]; then echo "$line" >>"$table"; fi
done

awk -v opening="$opening" -v closing="$closing" -v table="$table" '
    $0 == closing { while ((getline line < table) > 0) print line; print ""; within = 0 }
    !within { print }
    $0 == opening { print ""; within = 1 }
' "$page" >"$page.new"
mv "$page.new" "$page"

if grep -F 'not to be had' "$table" | sed 's/^/test-matrix: NOT TESTED: /' >&2; then :; fi
if grep -qF '| FAILED' "$table"; then
    echo "test-matrix: something failed; the logs are in $logs" >&2
    exit 1
fi
