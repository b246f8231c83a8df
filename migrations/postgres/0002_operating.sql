-- For the people who run it: which contacts failed last. An index of failed rows only; a row that
-- succeeds never touches it.
CREATE INDEX contact_outbox_failed ON contact_outbox (finished_at, id) WHERE status = 'failed';
