-- When what is personal was taken out of a final row (`erase`, retention.redact_after). Such a row can
-- never be sent again. No row that is there has such an instant, so none has to be read for the rule.
ALTER TABLE contact_outbox ADD COLUMN redacted_at timestamptz;
ALTER TABLE contact_outbox ADD CONSTRAINT redacted_rows_are_final
    CHECK (redacted_at IS NULL OR status <> 'pending') NOT VALID;
COMMENT ON COLUMN contact_outbox.redacted_at IS 'Written by the courier: when what is personal was taken out of the row; of the number only the mask is left.';
