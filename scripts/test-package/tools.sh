# shellcheck shell=bash
# For test-package.sh: what it needs, installed where that can be done.

packages=(mmdebstrap systemd-container lintian)

have_tools() {
    command -v mmdebstrap >/dev/null && command -v systemd-nspawn >/dev/null &&
        command -v lintian >/dev/null
}

install_missing_tools() {
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        echo "$0: to install the package it takes root on a Debian with ${packages[*]}" >&2
        exit 2
    fi
    if have_tools; then return; fi
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${packages[@]}"; } >&2 || true
    if ! have_tools; then
        echo "$0: apt-get could not install ${packages[*]}" >&2
        exit 2
    fi
}

# It is not uploaded to Debian, so there is no bug that asks for it.
check_with_lintian() {
    lintian --allow-root --fail-on error,warning \
        --suppress-tags initial-upload-closes-no-bugs "$1" ||
        fail "lintian finds fault with the package"
}
