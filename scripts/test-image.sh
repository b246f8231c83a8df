#!/usr/bin/env bash
# Builds the image and tries it: scripts/test-image.sh [BINARY]
#
# It runs the lines of deploy/docker/Dockerfile. The two images that these begin with are made here, by their
# names: that of Rust out of a small Debian and this machine's toolchain, with the sources of all crates, and the
# one without a shell out of Debian's packages. With BINARY, a release binary that was built on the same Debian,
# nothing is compiled: a program that stands for cargo hands it out.
# The image is then run as docker/compose.yaml runs it, without a network: it becomes healthy, delivers to the
# simulator, and stops in time. Where no container can be started, the same is done in the image's root by
# chroot, and the last line says so; COURIER_IMAGE_TEST=chroot asks for that.
# This needs root on a Debian. The exit code is 0 if all is well, 1 if not, 2 if that cannot be told.
set -euo pipefail

[ $# -le 1 ] || { echo "usage: $0 [BINARY]" >&2; exit 2; }
binary=
if [ $# -eq 1 ]; then binary=$(readlink -f "$1"); fi
here=$(dirname "$(readlink -f "$0")")
# shellcheck disable=SC2034 # The sourced ones use it.
repository=$(dirname "$here")
fail() { echo "$0: $*" >&2; exit 1; }
cannot() { echo "$0: $*" >&2; exit 2; }
step() { echo "  $*"; }
# shellcheck source=scripts/roots.sh
. "$here/roots.sh"
# shellcheck source=scripts/test-image/tools.sh
. "$here/test-image/tools.sh"
# shellcheck source=scripts/test-image/bases.sh
. "$here/test-image/bases.sh"
# shellcheck source=scripts/test-image/image.sh
. "$here/test-image/image.sh"
# shellcheck source=scripts/test-image/container.sh
. "$here/test-image/container.sh"
# shellcheck source=scripts/test-image/chroot.sh
. "$here/test-image/chroot.sh"
# shellcheck source=scripts/test-image/checks.sh
. "$here/test-image/checks.sh"

dir=$(mktemp -d /tmp/courier-image.XXXXXX)
chmod 755 "$dir"
way=
# shellcheck disable=SC2317 # The traps call it.
cleanup() {
    local code=$?
    trap - EXIT INT TERM
    if [ -n "$way" ]; then "end_$way"; fi
    podman_here image unmount --all --force >/dev/null 2>&1 || true
    # What podman has left mounted in there, the deepest first.
    awk -v dir="$dir/" 'index($2, dir) == 1 { print $2 }' /proc/mounts | sort -r | xargs -r umount
    rm -rf --one-file-system "$dir"
    exit "$code"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

install_missing_tools
began=$SECONDS
make_bases
build_image
look_at_image
choose_way
try_image
echo "the image of $(size_of_image): all is there, and works $(told_way), after $((SECONDS - began)) s"
