-- For the people who run it: which contacts failed last. There are no partial indexes here; a column
-- that is null unless the row has failed comes to the same, for an entry of a row that succeeds stays
-- where it was put at the INSERT. Nothing is stored for it outside the index, and `SELECT *` does
-- not show it.
--
-- Neither MySQL knows ADD COLUMN IF NOT EXISTS, nor may a migration that was cut short fail when it
-- is run again: so it looks first.
SET @missing = (SELECT count(*) = 0 FROM information_schema.columns
    WHERE table_schema = DATABASE() AND table_name = 'contact_outbox' AND column_name = 'failed_at');
SET @alter = IF(@missing,
    'ALTER TABLE contact_outbox
        ADD COLUMN failed_at timestamp(6)
            GENERATED ALWAYS AS (CASE WHEN status = ''failed'' THEN finished_at END) VIRTUAL
            /*M!100303 INVISIBLE */ /*!80023 INVISIBLE */
            COMMENT ''finished_at of a failed row, for the courier''''s index.'',
        ADD INDEX contact_outbox_failed (failed_at)',
    'DO 0');
PREPARE alter_outbox FROM @alter;
EXECUTE alter_outbox;
DEALLOCATE PREPARE alter_outbox;

-- How a contact had ended before an operator sent it on its way again (`requeue`): explain tells it.
CREATE TABLE IF NOT EXISTS contact_requeue (
    contact_id  bigint unsigned NOT NULL,
    requeued_at timestamp(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    -- What the row's columns of these names said.
    fail_kind   varchar(16) NOT NULL,
    fail_cause  longtext,
    attempts    int NOT NULL,
    batch_id    char(36),
    -- With a default, or an old server would make one up that changes with every write.
    finished_at timestamp(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    INDEX contact_requeue_by_contact (contact_id, requeued_at)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
