-- Since when a lane waits for a person: a refused token, a task that is not there, one that runs.
-- Unlike held_since it goes on through holds for other reasons; delivering something clears it.
SET @missing = (SELECT count(*) = 0 FROM information_schema.columns
    WHERE table_schema = DATABASE() AND table_name = 'delivery_lane' AND column_name = 'waits_since');
SET @alter = IF(@missing,
    'ALTER TABLE delivery_lane ADD COLUMN waits_since timestamp(6) NULL DEFAULT NULL',
    'DO 0');
PREPARE alter_lane FROM @alter;
EXECUTE alter_lane;
DEALLOCATE PREPARE alter_lane;

-- A session that is not strict cut a key off after 255 characters, so that two keys became one and the
-- second contact was not made. The column is wider than its rule now, and the rule sees a key that is
-- too long. Both servers copy the table for a new rule, so all of it is one statement.
SET @missing = (SELECT count(*) = 0 FROM information_schema.table_constraints
    WHERE table_schema = DATABASE() AND table_name = 'contact_outbox'
      AND constraint_name = 'idempotency_key_has_at_most_255_characters');
SET @alter = IF(@missing,
    'ALTER TABLE contact_outbox
        MODIFY COLUMN idempotency_key varchar(512)
            COMMENT ''The app''''s own key, unique: lets it repeat an INSERT safely.'',
        ADD CONSTRAINT idempotency_key_has_at_most_255_characters
            CHECK (char_length(idempotency_key) <= 255)',
    'DO 0');
PREPARE alter_outbox FROM @alter;
EXECUTE alter_outbox;
DEALLOCATE PREPARE alter_outbox;
