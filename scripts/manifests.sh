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

kustomize=()
find_kustomize() {
    if kubectl version --client >/dev/null 2>&1; then
        kustomize=(kubectl kustomize)
    elif command -v kustomize >/dev/null; then
        kustomize=(kustomize build)
    elif find_place; then
        kustomize=(in_place "$place" nobody env HOME=/tmp kubectl kustomize)
    else
        not_checked "deploy/kubernetes: there is no kubectl or kustomize here, and $why"
        return 1
    fi
}

# A Python of its own with it, made once.
validate=()
find_validator() {
    local version=1.37.0 home
    home=$(dirname "$(roots_dir)")/kubernetes-validate-$version
    if [ ! -x "$home/bin/kubernetes-validate" ]; then
        rm -rf "$home"
        if ! { python3 -m venv "$home" && "$home/bin/pip" install --quiet "kubernetes-validate==$version"; } \
            >"$dir/pip.log" 2>&1; then
            rm -rf "$home"
            not_checked "the schemas of deploy/kubernetes: python3 could not install kubernetes-validate" \
                "($(tail -n 1 "$dir/pip.log"))"
            return 1
        fi
    fi
    validate=("$home/bin/kubernetes-validate" --strict)
}

# Each overlay as it is, and with all components.
check_kubernetes() {
    find_kustomize || return 0
    local overlays=$dir/deploy/kubernetes/overlays overlay built
    for overlay in postgres mysql; do
        cp -r "$overlays/$overlay" "$overlays/$overlay-whole"
        printf 'components:\n  - ../../components/monitoring\n  - ../../components/autoscaling\n  - ../../components/admin-tls\n' \
            >>"$overlays/$overlay-whole/kustomization.yaml"
        for built in "$overlay" "$overlay-whole"; do
            "${kustomize[@]}" "$overlays/$built" >"$dir/$built.yaml" ||
                fail "kustomize finds fault with deploy/kubernetes/overlays/$built"
        done
    done
    echo "manifests: kustomize has put deploy/kubernetes together for each database"
    find_validator || return 0
    # The resources of the Prometheus operator are none of Kubernetes' own.
    "${validate[@]}" "$dir"/*.yaml >"$dir/validated" 2>&1 ||
        { grep -v '^INFO' "$dir/validated" >&2; fail "deploy/kubernetes does not fit the schemas of Kubernetes"; }
    echo "manifests: $(grep -c '^INFO .* passed' "$dir/validated") resources fit the schemas of Kubernetes"
    grep -o 'schema for kind [A-Za-z]*' "$dir/validated" | sort -u | while read -r _ _ _ kind; do
        not_checked "resources of the kind $kind: there is no schema"
    done
}

check_compositions
check_kubernetes
