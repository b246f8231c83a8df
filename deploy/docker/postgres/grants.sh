#!/bin/bash
# Runs deploy/grants/postgres.sql as the owner of the tables.
set -euo pipefail
PGPASSWORD=$(cat "${SECRETS:-/run/secrets}/owner_password")
export PGPASSWORD
exec psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --single-transaction --username=courier_owner \
    --file="${GRANTS:-/grants.sql}"
