#!/bin/bash
# Runs deploy/grants/mysql.sql as the owner of the tables.
set -euo pipefail
MYSQL_PWD=$(cat "${SECRETS:-/run/secrets}/owner_password")
export MYSQL_PWD
exec mysql --user=courier_owner "$MYSQL_DATABASE" <"${GRANTS:-/grants.sql}"
