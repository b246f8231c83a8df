#!/usr/bin/env bash
# Has the tools that they are made for read the manifests of deploy/: scripts/manifests.sh
#
# Docker's compose reads each composition, kubectl puts each overlay of Kubernetes together, and
# kubernetes-validate holds what comes out against the schemas of Kubernetes. A tool that is not on this
# machine runs out of a small Debian of its own (roots.sh), as root on a Debian, or comes as a package of
# Python. What was not checked for the want of a tool is named. The exit code is 1 if a tool finds a fault.
set -euo pipefail

here=$(dirname "$(readlink -f "$0")")
# shellcheck source=scripts/roots.sh
. "$here/roots.sh"

# Where both, compose and kubectl, can be had.
release=trixie tools=docker-compose,kubernetes-client

dir=$(mktemp -d /tmp/courier-manifests.XXXXXX)
trap 'rm -rf "$dir"' EXIT
# The tools may run as nobody.
cp -r "$here/../deploy" "$dir/deploy"
chmod -R a+rX "$dir"

not_checked() { echo "manifests: NOT CHECKED: $*" >&2; }
fail() { echo "manifests: $*" >&2; exit 1; }

place=
why=
find_place() {
    if [ -n "$place$why" ]; then [ -n "$place" ]; return; fi
    if ! place=$(debian_with "$release" "$tools" 2>"$dir/why"); then
        place='' why=$(head -n 1 "$dir/why")
        return 1
    fi
}

compose=()
find_compose() {
    if docker compose version >/dev/null 2>&1; then
        compose=(docker compose)
    elif find_place; then
        compose=(in_place "$place" nobody env HOME=/tmp docker-compose)
    else
        not_checked "deploy/docker: there is no docker compose here, and $why"
        return 1
    fi
}

check_compositions() {
    find_compose || return 0
    local database
    for database in postgres mysql; do
        "${compose[@]}" --file "$dir/deploy/docker/compose.yaml" --file "$dir/deploy/docker/$database.yaml" \
            config --quiet || fail "compose finds fault with deploy/docker/$database.yaml"
    done
    echo "manifests: compose has read deploy/docker with each database"
}

check_compositions
