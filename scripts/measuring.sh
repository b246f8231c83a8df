# shellcheck shell=bash
# shellcheck disable=SC2034 # Used by the script that sources this.
# For test-databases.sh: settings to measure with. Everything that is confirmed survives the loss of
# power, as it must where the program runs, and the memory is that of a small server.

postgres_settings=(
    'fsync = on'
    'synchronous_commit = on'
    'full_page_writes = on'
    'autovacuum = on'
    'shared_buffers = 512MB'
    'max_wal_size = 4GB'
    'checkpoint_timeout = 30min'
)

mariadb_settings=(
    --skip-log-bin
    --innodb-flush-log-at-trx-commit=1
    --innodb-doublewrite=1
    --innodb-buffer-pool-size=1G
    --innodb-log-file-size=1G
)

mysql_settings=(
    --disable-log-bin
    --innodb-flush-log-at-trx-commit=1
    --innodb-doublewrite=ON
    --innodb-buffer-pool-size=1G
    --innodb-redo-log-capacity=2G
)
