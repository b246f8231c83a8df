//! Statements that tell which migrations the database has. The first programs kept their history in
//! `_sqlx_migrations`, the library's table, which an app of the same database may use as well.

/// One migration at a time on the whole server: the lock is named after the database. (The
/// migrator's own lock does not work on MariaDB, which knows no endless waiting.) 1: the session has it.
pub(in crate::outbox::mysql) const LOCK: &str =
    "SELECT COALESCE(GET_LOCK(CONCAT('contact-courier/', LEFT(DATABASE(), 40)), 10), 0)";

/// As the library would make it, but with an engine that does not lose it.
pub(in crate::outbox::mysql) const MAKE_HISTORY: &str = "
    CREATE TABLE IF NOT EXISTS contact_courier_migrations (
        version        bigint NOT NULL PRIMARY KEY,
        description    text NOT NULL,
        installed_on   timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
        success        boolean NOT NULL,
        checksum       blob NOT NULL,
        execution_time bigint NOT NULL
    ) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";

/// Whether there is a history of ours, and a table of contacts.
pub(in crate::outbox::mysql) const TABLES: &str = "
    SELECT COALESCE(MAX(table_name = 'contact_courier_migrations'), 0) AS history,
        COALESCE(MAX(table_name = 'contact_outbox'), 0) AS outbox
    FROM information_schema.tables
    WHERE table_schema = DATABASE()
      AND table_name IN ('contact_courier_migrations', 'contact_outbox')";

/// Removes the entry of a migration that was cut short. The migration runs again from its
/// beginning.
pub(in crate::outbox::mysql) const FORGET_UNFINISHED: &str =
    "DELETE FROM contact_courier_migrations WHERE success = false";

/// Has a migration wait for a table for a moment only, and removes the entry of one that has waited in vain.
pub(in crate::outbox::mysql) const LIMIT_WAITS: &str = "
    SET SESSION lock_wait_timeout = 3;
    DELETE FROM contact_courier_migrations WHERE success = false";

/// The history that is shared with apps, unfinished migrations too.
pub(in crate::outbox::mysql) const SHARED: &str = "SELECT version, checksum FROM _sqlx_migrations";

/// Version, checksum. Copies one of our migrations, unless it was copied before or is unfinished.
pub(in crate::outbox::mysql) const COPY: &str = "
    INSERT INTO contact_courier_migrations
        (version, description, installed_on, success, checksum, execution_time)
    SELECT s.version, s.description, s.installed_on, s.success, s.checksum, s.execution_time
    FROM _sqlx_migrations AS s
    LEFT JOIN contact_courier_migrations AS o ON o.version = s.version
    WHERE s.version = ? AND s.checksum = ? AND s.success AND o.version IS NULL";

/// Version, checksum.
pub(in crate::outbox::mysql) const LEAVE: &str =
    "DELETE FROM _sqlx_migrations WHERE version = ? AND checksum = ?";

/// Apps and couriers go on meanwhile.
pub(in crate::outbox::mysql) const MAKE_RESULTS_INDEX: &str = "
    ALTER TABLE contact_outbox ADD INDEX contact_outbox_results (finished_at, id),
        ALGORITHM = INPLACE, LOCK = NONE";
