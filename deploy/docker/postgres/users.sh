#!/bin/bash
# For the image of PostgreSQL, which runs it when it makes the database: the users of README.md#grants and the
# owner of the tables, each with the password of its secret. None of them is a superuser.
set -euo pipefail
export SECRETS=${SECRETS:-/run/secrets}
for name in owner courier app viewer; do
    [ -s "$SECRETS/${name}_password" ] || { echo "$0: $SECRETS/${name}_password is empty or cannot be read" >&2; exit 1; }
done

psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" \
    --set=database="$POSTGRES_DB" <<'SQL'
\set owner_password `cat "$SECRETS/owner_password"`
\set courier_password `cat "$SECRETS/courier_password"`
\set app_password `cat "$SECRETS/app_password"`
\set viewer_password `cat "$SECRETS/viewer_password"`
CREATE ROLE courier_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE courier LOGIN PASSWORD :'courier_password';
CREATE ROLE app LOGIN PASSWORD :'app_password';
CREATE ROLE viewer LOGIN PASSWORD :'viewer_password';
-- The database's owner owns its schema `public`, too.
ALTER DATABASE :"database" OWNER TO courier_owner;
SQL
