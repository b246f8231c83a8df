-- When what is personal was taken out of a final row (`erase`, retention.redact_after). Such a row can
-- never be sent again.
ALTER TABLE contact_outbox ADD COLUMN redacted_at TEXT
    CONSTRAINT redacted_rows_are_final CHECK (redacted_at IS NULL OR status <> 'pending');
