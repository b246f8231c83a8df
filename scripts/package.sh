#!/usr/bin/env bash
# Builds target/package/contact-courier.deb: scripts/package.sh [BINARY]
#
# Without BINARY it builds the release. The man page and the completions come from the binary itself.
# The package's maintainer is who DEBFULLNAME and DEBEMAIL say, as Debian's own tools have it; else the
# authors.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
cd "$here/.."

# Where cargo builds is told by its settings and CARGO_TARGET_DIR, too; cargo-deb looks there.
built=$(cargo metadata --format-version 1 --no-deps --locked | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
release=$built/release/contact-courier
if [ $# -gt 0 ]; then
    if ! [ "$1" -ef "$release" ]; then install -D "$1" "$release"; fi
else
    cargo build --release --locked --bin contact-courier
fi
mkdir -p target/package
"$release" man >target/package/contact-courier.1
"$release" completions bash >target/package/contact-courier.bash
"$release" completions zsh >target/package/_contact-courier
"$release" completions fish >target/package/contact-courier.fish
"$here/package-pages.sh" target/package
maintainer=()
if [ -n "${DEBFULLNAME-}" ] && [ -n "${DEBEMAIL-}" ]; then
    maintainer=(--maintainer "$DEBFULLNAME <$DEBEMAIL>")
fi
cargo deb --no-build --locked "${maintainer[@]}" --output target/package/contact-courier.deb
