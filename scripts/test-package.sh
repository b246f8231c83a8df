#!/usr/bin/env bash
# Unpacks a package and tries what is in it: scripts/test-package.sh PACKAGE
#
# Nothing is installed: the program runs from the unpacked tree.
set -euo pipefail

[ $# -eq 1 ] || { echo "usage: $0 PACKAGE" >&2; exit 2; }
root=$(mktemp -d /tmp/courier-package.XXXXXX)
trap 'rm -rf "$root"' EXIT
dpkg-deb --extract "$1" "$root"
dpkg-deb --control "$1" "$root/control"

fail() { echo "$0: $*" >&2; exit 1; }

program=$root/usr/bin/contact-courier
version=$(dpkg-deb --field "$1" Version)
[ "$("$program" --version)" = "contact-courier ${version%-*}" ] ||
    fail "the program and the package ($version) are of different versions"

grep -qx /etc/contact-courier/config.toml "$root/control/conffiles" ||
    fail "an upgrade would overwrite the settings"
# The installed settings are the defaults.
clean() { env -i "$program" "$@"; }
[ "$(clean config --config "$root/etc/contact-courier/config.toml")" = "$(clean config --config /dev/null)" ] ||
    fail "the installed settings are not the defaults"

unit=$(find "$root" -path "*/lib/systemd/system/contact-courier.service")
[ -n "$unit" ] || fail "there is no unit"
executable=$(sed -n 's/^ExecStart=\([^ ]*\).*/\1/p' "$unit")
[ -x "$root$executable" ] || fail "the unit starts $executable, which is not there"
if grep -Eq 'deb-systemd-invoke (re)?start' "$root/control/postinst"; then
    fail "it would be started before there is a token"
fi

zcat "$root/usr/share/man/man1/contact-courier.1.gz" | grep -q '^\.TH contact-courier 1' ||
    fail "there is no man page"
bash -n "$root/usr/share/bash-completion/completions/contact-courier"
for file in zsh/vendor-completions/_contact-courier fish/vendor_completions.d/contact-courier.fish \
    contact-courier/prometheus/rules.yml contact-courier/grafana/contact-courier.json; do
    [ -s "$root/usr/share/$file" ] || fail "there is no $file"
done

# It works: a row in, a row out, in a place of its own.
cd "$root"
clean migrate --set "database.url=sqlite://$root/outbox.db" >/dev/null
clean status --set "database.url=sqlite://$root/outbox.db" | grep -q '^Pending *0 contacts' ||
    fail "status does not tell of an empty outbox"
echo "$1: all is there and works"
