# shellcheck shell=bash
# For test-databases.sh and private-server.sh: servers that this machine does not have run out of small
# Debians of their own.
#
# A place is a directory to run programs from: empty is this machine itself. A Debian is made once and
# kept in roots_dir; whoever removes it there has a newer one made. What runs in it sees this machine's
# /tmp and /dev, by mounts of its own process alone: nothing is left mounted, however it ends.

roots_dir() {
    echo "${COURIER_TEST_ROOTS:-${XDG_CACHE_HOME:-$HOME/.cache}/contact-courier/roots}"
}

# Runs a command as a user who is not root, from a place. The working directory may be closed to its
# user, and servers look at it. In a Debian there is but one user for all: nobody.
in_place() (
    local place=$1 user=$2
    shift 2
    cd /
    if [ -n "$place" ]; then
        # shellcheck disable=SC2016 # The inner shell's own.
        exec unshare --mount --propagation private sh -c '
            mount --rbind /dev "$0/dev" && mount --bind /tmp "$0/tmp" &&
                exec chroot --userspec=nobody:nogroup "$0" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin \
                    LC_ALL=C.UTF-8 TMPDIR=/tmp "$@"' "$place" "$@"
    fi
    if [ "$(id -u)" -eq 0 ]; then exec runuser -u "$user" -- "$@"; else exec "$@"; fi
)

# Hands a directory to the user of in_place.
give_to() {
    local place=$1 user=$2 dir=$3
    if [ -n "$place" ]; then user=nobody; fi
    if [ "$(id -u)" -eq 0 ]; then chown "$user" "$dir"; fi
}

# The first version that a text names.
version_in() {
    grep -oE '[0-9]+(\.[0-9]+)+' <<<"$1" | head -n 1 || true
}

# The Debian of a release with some packages, made if it is not there. Answers its place; if it is not
# to be had, says why in one line and fails.
debian_with() {
    local release=$1 packages=$2 name root
    name=$release-${packages//,/+}
    root=$(roots_dir)/$name
    if [ "$(id -u)" -ne 0 ]; then
        echo "only root can make and enter a Debian of its own" >&2
        return 1
    fi
    mkdir -p "$(roots_dir)"
    (
        flock 9
        if [ ! -d "$root" ]; then make_debian "$release" "$packages" "$root"; fi
    ) 9>"$root.lock" || return 1
    if ! in_place "$root" nobody true 2>/dev/null; then
        echo "this machine does not let a process mount /tmp in $root" >&2
        return 1
    fi
    echo "$root"
}

# Under another name until it is whole.
make_debian() {
    local release=$1 packages=$2 root=$3 proxy='' options=()
    install_mmdebstrap || return 1
    eval "$(apt-config shell proxy Acquire::http::Proxy)"
    if [ -n "$proxy" ]; then options+=(--aptopt="Acquire::http::Proxy \"$proxy\""); fi
    rm -rf --one-file-system "$root.new"
    if ! mmdebstrap --variant=minbase --aptopt='Acquire::Check-Valid-Until "false"' "${options[@]}" \
        --include="$packages" "$release" "$root.new" >"$root.log" 2>&1 9>&-; then
        rm -rf --one-file-system "$root.new"
        echo "mmdebstrap could not make a Debian $release with $packages:" \
            "$(grep -E '^E:' "$root.log" | head -n 1) (more in $root.log)" >&2
        return 1
    fi
    mv -T "$root.new" "$root"
}

install_mmdebstrap() {
    if command -v mmdebstrap >/dev/null; then return; fi
    if ! command -v apt-get >/dev/null; then
        echo "mmdebstrap is missing, and there is no apt-get to install it with" >&2
        return 1
    fi
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq mmdebstrap; } \
        >/dev/null 2>&1 9>&- || { echo "mmdebstrap is missing, and apt-get could not install it" >&2; return 1; }
}
