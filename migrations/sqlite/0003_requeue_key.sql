-- A key for each row of contact_requeue, as in the other databases. SQLite adds none to a table that is
-- there: it is made anew. (Not renamed: a view of somebody's would forbid that.)
CREATE TEMP TABLE requeues_kept AS SELECT rowid AS id, * FROM contact_requeue;
DROP TABLE contact_requeue;
CREATE TABLE contact_requeue (
    id          INTEGER PRIMARY KEY,
    contact_id  INTEGER NOT NULL,
    requeued_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')),
    -- What the row's columns of these names said.
    fail_kind   TEXT NOT NULL,
    fail_cause  TEXT,
    attempts    INTEGER NOT NULL,
    batch_id    TEXT,
    finished_at TEXT NOT NULL
);
CREATE INDEX contact_requeue_by_contact ON contact_requeue (contact_id, requeued_at);
INSERT INTO contact_requeue
    (id, contact_id, requeued_at, fail_kind, fail_cause, attempts, batch_id, finished_at)
SELECT id, contact_id, requeued_at, fail_kind, fail_cause, attempts, batch_id, finished_at
FROM temp.requeues_kept;
DROP TABLE temp.requeues_kept;
