//! Statements that tell which migrations the database has. The first programs kept their history in
//! `_sqlx_migrations`, the library's table, which an app of the same database may use as well.

/// The schema that tables are made in, as SQL writes it (null: there is none), whether it has a history
/// of ours, and a table of contacts; then the schema of the history that statements would use.
pub(in crate::outbox::postgres) const TABLES: &str = "
    SELECT quote_ident(current_schema()),
        to_regclass(quote_ident(current_schema()) || '.contact_courier_migrations') IS NOT NULL,
        to_regclass(quote_ident(current_schema()) || '.contact_outbox') IS NOT NULL,
        (SELECT quote_ident(n.nspname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.oid = to_regclass('contact_courier_migrations'))";

/// Has a migration wait for a lock for a moment only.
pub(in crate::outbox::postgres) const LIMIT_WAITS: &str = "SET lock_timeout = '3s'";

/// The history that is shared with apps, of this schema: a history in another schema on the path is
/// not ours.
pub(in crate::outbox::postgres) fn shared(schema: &str) -> String {
    format!("SELECT version, checksum FROM {schema}._sqlx_migrations")
}

/// Keeps others from writing there while our entries are taken out.
pub(in crate::outbox::postgres) fn lock_shared(schema: &str) -> String {
    format!("LOCK TABLE {schema}._sqlx_migrations IN ACCESS EXCLUSIVE MODE")
}

/// $1 version, $2 checksum. Copies one of our migrations, unless it was copied before.
pub(in crate::outbox::postgres) fn copy(schema: &str) -> String {
    format!(
        "INSERT INTO {schema}.contact_courier_migrations
             (version, description, installed_on, success, checksum, execution_time)
         SELECT version, description, installed_on, success, checksum, execution_time
         FROM {schema}._sqlx_migrations WHERE version = $1 AND checksum = $2 AND success
         ON CONFLICT (version) DO NOTHING"
    )
}

/// $1 version, $2 checksum.
pub(in crate::outbox::postgres) fn leave(schema: &str) -> String {
    format!("DELETE FROM {schema}._sqlx_migrations WHERE version = $1 AND checksum = $2")
}

/// Whether the history that is shared with apps is empty.
pub(in crate::outbox::postgres) fn is_empty(schema: &str) -> String {
    format!("SELECT NOT EXISTS (SELECT FROM {schema}._sqlx_migrations)")
}

pub(in crate::outbox::postgres) fn drop_shared(schema: &str) -> String {
    format!("DROP TABLE {schema}._sqlx_migrations")
}

/// A session that builds an index of the table concurrently holds this lock until it is done. Two
/// such locks exclude each other and nothing else: apps go on.
pub(in crate::outbox::postgres) const AWAIT_INDEXING: &str =
    "BEGIN; LOCK TABLE contact_outbox IN SHARE UPDATE EXCLUSIVE MODE; COMMIT";

/// Drops the remains of an interrupted build.
pub(in crate::outbox::postgres) const DROP_RESULTS_INDEX: &str =
    "DROP INDEX CONCURRENTLY IF EXISTS contact_outbox_results";

pub(in crate::outbox::postgres) const MAKE_RESULTS_INDEX: &str = "
    CREATE INDEX CONCURRENTLY IF NOT EXISTS contact_outbox_results
    ON contact_outbox (finished_at, id) WHERE finished_at IS NOT NULL";
