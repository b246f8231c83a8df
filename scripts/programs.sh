# shellcheck shell=bash
# For test-databases.sh and private-server.sh: where the programs are that the tests run, on Debian and elsewhere,
# and what they are called by those who package them. COURIER_TEST_PREFIX stands before each path; a test of this
# file sets it.

# Fedora, Alpine, PostgreSQL's own packages and Homebrew keep servers where a shell does not look.
look_elsewhere() {
    local prefix=${COURIER_TEST_PREFIX-} place
    for place in "$prefix"/usr/sbin "$prefix"/usr/libexec "$prefix"/usr/lib/chromium "$prefix"/usr/lib64/chromium-browser \
        "$prefix"/usr/libexec/postgresql* "$prefix"/usr/pgsql-*/bin "$prefix"/usr/local/sbin "$prefix"/opt/homebrew/bin \
        "$prefix"/opt/homebrew/opt/postgresql@*/bin "$prefix"/usr/local/opt/postgresql@*/bin; do
        if [ -d "$place" ] && [[ :$PATH: != *:$place:* ]]; then PATH=$PATH:$place; fi
    done
    export PATH
}

# debian, fedora, alpine or macos; empty if it is none of them.
distribution() {
    if [ "$(uname -s)" = Darwin ]; then echo macos; return; fi
    local known
    for known in $(sed -n 's/^ID\(_LIKE\)\{0,1\}=//p' "${COURIER_TEST_PREFIX-}/etc/os-release" 2>/dev/null | tr -d '"'); do
        case $known in
        debian | ubuntu) echo debian; return ;;
        fedora | rhel | centos) echo fedora; return ;;
        alpine) echo alpine; return ;;
        esac
    done
}

# What the tests run, and who has it: a program, or several of which one is enough; then the packages of Debian,
# Fedora, Alpine and Homebrew.
programs='initdb postgresql postgresql-server postgresql17 postgresql@17
psql postgresql-client postgresql postgresql17-client postgresql@17
pgbouncer pgbouncer pgbouncer pgbouncer pgbouncer
mariadbd mariadb-server mariadb-server mariadb mariadb
mariadb mariadb-client mariadb mariadb-client mariadb
sqlite3 sqlite3 sqlite sqlite sqlite
openssl openssl openssl openssl openssl
chromium|chromium-browser|google-chrome chromium chromium chromium chromium
chromedriver chromium-driver chromedriver chromium-chromedriver chromedriver
prometheus prometheus golang-github-prometheus prometheus prometheus
promtool prometheus golang-github-prometheus prometheus prometheus'

has_program() {
    local one
    # Debian keeps its clusters' programs apart, by version.
    if [ "$1" = initdb ] && ls "${COURIER_TEST_PREFIX-}"/usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then return; fi
    for one in ${1//|/ }; do
        if command -v "$one" >/dev/null; then return; fi
    done
    [ "$1" = 'chromium|chromium-browser|google-chrome' ] &&
        [ -d "${COURIER_TEST_PREFIX-}/Applications/Chromium.app" ]
}

# The packages with what is missing, as this distribution calls them (Debian's, where it is not known), each once.
missing_packages() {
    local program debian fedora alpine macos name
    name=$(distribution)
    while read -r program debian fedora alpine macos; do
        if has_program "$program"; then continue; fi
        case $name in
        fedora) echo "$fedora" ;;
        alpine) echo "$alpine" ;;
        macos) echo "$macos" ;;
        *) echo "$debian" ;;
        esac
    done <<<"$programs" | awk '!seen[$0]++' | tr '\n' ' '
}

# How they are installed.
how_to_install() {
    case $(distribution) in
    fedora) echo "dnf install $1" ;;
    alpine) echo "apk add $1" ;;
    macos) echo "brew install $1" ;;
    debian) echo "apt-get install $1" ;;
    *) echo "Debian calls them $1" ;;
    esac
}
