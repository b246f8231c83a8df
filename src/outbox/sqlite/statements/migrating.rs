//! Statements that tell which migrations the database has. The first programs kept their history in
//! `_sqlx_migrations`, the library's table, which an app of the same database may use as well.

/// Whether there is a history of ours, and a table of contacts.
pub(in crate::outbox::sqlite) const TABLES: &str = "
    SELECT COALESCE(max(name = 'contact_courier_migrations'), 0) AS history,
        COALESCE(max(name = 'contact_outbox'), 0) AS outbox
    FROM sqlite_schema WHERE name IN ('contact_courier_migrations', 'contact_outbox')";

/// The history that is shared with apps.
pub(in crate::outbox::sqlite) const SHARED: &str = "SELECT version, checksum FROM _sqlx_migrations";

/// Version, checksum. Copies one of our migrations, unless it was copied before.
pub(in crate::outbox::sqlite) const COPY: &str = "
    INSERT INTO contact_courier_migrations
        (version, description, installed_on, success, checksum, execution_time)
    SELECT version, description, installed_on, success, checksum, execution_time
    FROM _sqlx_migrations WHERE version = ?1 AND checksum = ?2 AND success
    ON CONFLICT (version) DO NOTHING";

/// Version, checksum.
pub(in crate::outbox::sqlite) const LEAVE: &str =
    "DELETE FROM _sqlx_migrations WHERE version = ?1 AND checksum = ?2";

pub(in crate::outbox::sqlite) const MAKE_RESULTS_INDEX: &str = "
    CREATE INDEX IF NOT EXISTS contact_outbox_results
    ON contact_outbox (finished_at, id) WHERE finished_at IS NOT NULL";
