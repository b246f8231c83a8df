-- When what is personal was taken out of a final row (`erase`, retention.redact_after). Such a row can
-- never be sent again. Both servers copy the table for a new rule, so all of it is one statement.
SET @missing = (SELECT count(*) = 0 FROM information_schema.columns
    WHERE table_schema = DATABASE() AND table_name = 'contact_outbox' AND column_name = 'redacted_at');
SET @alter = IF(@missing,
    'ALTER TABLE contact_outbox
        ADD COLUMN redacted_at timestamp(6) NULL DEFAULT NULL
            COMMENT ''Written by the courier: when what is personal was taken out of the row; of the number only the mask is left.'',
        ADD CONSTRAINT redacted_rows_are_final CHECK (redacted_at IS NULL OR status <> ''pending'')',
    'DO 0');
PREPARE alter_outbox FROM @alter;
EXECUTE alter_outbox;
DEALLOCATE PREPARE alter_outbox;
