# shellcheck shell=bash
# shellcheck disable=SC2154 # dir is set by the script that sources this.
# For test-image.sh: what it needs, installed where that can be done.

# Two runtimes: crun does not run on every arrangement of control groups.
packages=(podman buildah crun runc netavark mmdebstrap iproute2)

have_tools() {
    command -v podman >/dev/null && { command -v crun || command -v runc; } >/dev/null &&
        command -v netavark /usr/lib/podman/netavark >/dev/null && command -v mmdebstrap >/dev/null &&
        command -v ip >/dev/null
}

install_missing_tools() {
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        cannot "to build and run the image it takes root on a Debian with ${packages[*]}"
    fi
    if have_tools; then return; fi
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${packages[@]}"; } >&2 || true
    have_tools || cannot "apt-get could not install ${packages[*]}"
}

# Podman with a storage of its own, which goes when this ends.
podman_here() {
    podman --root "$dir/storage" --runroot "$dir/run" --log-level fatal "$@"
}

# Limits for a container that any machine allows: podman's own are higher than those of some machines, which
# then start none.
# shellcheck disable=SC2034 # image.sh and container.sh use it.
limits=(--ulimit=nofile=1024:1024 --ulimit=nproc=1024:1024)
