-- For the people who run it: which contacts failed last. An index of failed rows only; a row that
-- succeeds never touches it.
CREATE INDEX contact_outbox_failed ON contact_outbox (finished_at, id) WHERE status = 'failed';

-- How a contact had ended before an operator sent it on its way again (`requeue`): explain tells it.
CREATE TABLE contact_requeue (
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
