#!/usr/bin/env bash
# Tries a package: scripts/test-package.sh PACKAGE
#
# First it is unpacked and looked at. Then it is installed into a small Debian of its own, of this host's release
# and of Debian 13 (or of those that COURIER_PACKAGE_DEBIANS names), which is made for this and thrown away, and whose systemd is booted in a container without a network: there the
# service is configured, started, watched, killed, reloaded, stopped, upgraded and purged. This needs root,
# mmdebstrap and systemd-nspawn. The exit code is 0 if all is well, 1 if not, 2 if that cannot be told.
set -euo pipefail

[ $# -eq 1 ] || { echo "usage: $0 PACKAGE" >&2; exit 2; }
package=$(readlink -f "$1")
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=scripts/test-package/tools.sh
. "$here/test-package/tools.sh"
# shellcheck source=scripts/test-package/contents.sh
. "$here/test-package/contents.sh"
# shellcheck source=scripts/test-package/machine.sh
. "$here/test-package/machine.sh"

fail() { echo "$0: $*" >&2; exit 1; }

dir=$(mktemp -d /tmp/courier-package.XXXXXX)
# shellcheck disable=SC2317 # The traps call it.
cleanup() {
    local code=$?
    trap - EXIT INT TERM
    stop_machine
    rm -rf --one-file-system "$dir"
    exit "$code"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

look_at_contents "$package" "$dir/contents"
install_missing_tools
check_with_lintian "$package"

newer_package "$dir/contents" "$dir/newer.deb"
try_on() {
    local suite=$1
    echo "on Debian $suite:"
    make_machine "$package" "$suite"
    boot_machine
    install -d "$dir/root/test"
    cp "$package" "$dir/root/test/contact-courier.deb"
    cp "$dir/newer.deb" "$here/test-package/installed.sh" "$dir/root/test/"
    # In the background, because bash handles a signal only after a command in the foreground has ended.
    on_machine bash /test/installed.sh &
    wait $! || fail "it does not do what it should when it is installed on Debian $suite"
    stop_machine
    rm -rf --one-file-system "$dir/root"
}
# shellcheck disable=SC2086 # Words.
mapfile -t suites < <(printf '%s\n' ${COURIER_PACKAGE_DEBIANS-$(own_suite) trixie} | awk 'NF && !seen[$0]++')
for suite in "${suites[@]}"; do try_on "$suite"; done
echo "$1: all is there, and works when it is installed on Debian ${suites[*]}"
