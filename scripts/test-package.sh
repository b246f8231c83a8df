#!/usr/bin/env bash
# Tries a package: scripts/test-package.sh PACKAGE
#
# First it is unpacked and looked at. Then it is installed into a small Debian of its own, which is made
# for this and thrown away, and whose systemd is booted in a container without a network: there the
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

make_machine "$package"
boot_machine
install -d "$dir/root/test"
cp "$package" "$dir/root/test/contact-courier.deb"
newer_package "$dir/contents" "$dir/root/test/newer.deb"
cp "$here/test-package/installed.sh" "$dir/root/test/"
# In the background, because bash handles a signal only after a command in the foreground has ended.
on_machine bash /test/installed.sh &
wait $! || fail "it does not do what it should when it is installed"
echo "$1: all is there, and works when it is installed"
