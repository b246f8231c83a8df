#!/bin/sh
# Makes the secrets of compose.yaml that are missing: printf %s "$TOKEN" | sudo sh secrets.sh
#
# The token is the platform's, and read only if it is not there yet. A container sees the file itself, with its
# owner; so each file belongs to the user who reads it in there: 65532 is the courier, 999 the server of the
# database, 472 is Grafana. With COURIER_SECRETS they are made there, and with COURIER_SECRETS_OWNED=no
# they stay this user's own.
set -eu
umask 077
folder=${COURIER_SECRETS:-$(dirname "$0")/secrets}
mkdir -p "$folder"

# Hands out what is on standard input as a secret: keep NAME OWNER MODE
keep() {
    # Under another name until it is whole.
    cat >"$folder/$1.new"
    if [ ! -s "$folder/$1.new" ]; then
        rm "$folder/$1.new"
        echo "$0: there is no $1: nothing came on standard input" >&2
        exit 2
    fi
    if [ "${COURIER_SECRETS_OWNED-}" != no ]; then chown "$2" "$folder/$1.new"; fi
    chmod "$3" "$folder/$1.new"
    mv "$folder/$1.new" "$folder/$1"
}

made_up() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

missing() { [ ! -e "$folder/$1" ]; }

if missing token; then keep token 65532 0400; fi
# The database makes its users with these, and the courier and its migration use them.
for name in owner_password courier_password; do
    if missing $name; then made_up | keep $name 65532:999 0440; fi
done
for name in admin_password app_password viewer_password; do
    if missing $name; then made_up | keep $name 999 0400; fi
done
if missing grafana_password; then made_up | keep grafana_password 472 0400; fi
