#!/bin/bash
# For the image of MySQL, which runs it when it makes the database: the users of README.md#grants and the owner
# of the tables, each with the password of its secret. The owner may hand on its rights on this one database.
set -euo pipefail
secrets=${SECRETS:-/run/secrets}
for name in owner courier app viewer; do
    [ -s "$secrets/${name}_password" ] || { echo "$0: $secrets/${name}_password is empty or cannot be read" >&2; exit 1; }
done

# A password as it stands between the quotes of SQL.
password() { sed "s/[\\\\']/\\\\&/g" "$secrets/$1"; }

export MYSQL_PWD=${MYSQL_ROOT_PASSWORD-}
exec mysql --user=root <<SQL
CREATE USER courier_owner IDENTIFIED BY '$(password owner_password)';
CREATE USER courier IDENTIFIED BY '$(password courier_password)';
CREATE USER app IDENTIFIED BY '$(password app_password)';
CREATE USER viewer IDENTIFIED BY '$(password viewer_password)';
GRANT CREATE, ALTER, INDEX, SELECT, INSERT, UPDATE, DELETE ON \`$MYSQL_DATABASE\`.* TO courier_owner WITH GRANT OPTION;
SQL
