-- `cancelled`: an operator ended the contact before it was sent. Both servers copy the table for a new
-- rule, so all of it is one statement. MySQL before 8.0.19 drops a rule by another word.
SET @missing = (SELECT count(*) = 0 FROM information_schema.check_constraints
    WHERE constraint_schema = DATABASE()
      AND constraint_name = 'fail_kind_is_one_of_the_documented_kinds'
      AND check_clause LIKE '%cancelled%');
SET @alter = IF(@missing,
    'ALTER TABLE contact_outbox
        DROP /*!80016 CHECK */ /*M!100000 CONSTRAINT */ fail_kind_is_one_of_the_documented_kinds,
        ADD CONSTRAINT fail_kind_is_one_of_the_documented_kinds
            CHECK (fail_kind IN (''invalid'', ''rejected'', ''duplicate'', ''unconfirmed'',
                ''expired'', ''cancelled'')),
        MODIFY COLUMN fail_kind varchar(16)
            COMMENT ''Written by the courier: invalid (never sent, breaks a rule), rejected (refused by the platform), duplicate (already in the task), unconfirmed (the platform may or may not have it), expired (surely not delivered, gave up), cancelled (surely not delivered, an operator ended it).''',
    'DO 0');
PREPARE alter_outbox FROM @alter;
EXECUTE alter_outbox;
DEALLOCATE PREPARE alter_outbox;

-- What operators have paused: a lane, all lanes of a user (task_id is empty), or all (both are).
CREATE TABLE IF NOT EXISTS delivery_pause (
    user_id      varchar(64) NOT NULL,
    task_id      varchar(64) NOT NULL,
    reason       longtext,
    paused_at    timestamp(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    -- Null: until somebody resumes it. (DATETIME in UTC, for it may outlast the TIMESTAMPs.)
    paused_until datetime(6),
    PRIMARY KEY (user_id, task_id)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- What operators have resumed lately, so that each courier tries it at once. Scopes as above.
CREATE TABLE IF NOT EXISTS delivery_resume (
    id         char(36) NOT NULL PRIMARY KEY,
    user_id    varchar(64) NOT NULL,
    task_id    varchar(64) NOT NULL,
    resumed_at timestamp(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Who did what: what operators have changed, and how many rows that were.
CREATE TABLE IF NOT EXISTS operator_action (
    id         char(36) NOT NULL PRIMARY KEY,
    action     varchar(32) NOT NULL,
    host       longtext NOT NULL,
    os_user    longtext NOT NULL,
    -- Which contacts, lanes or settings, in words.
    selection  longtext NOT NULL,
    -- How many rows so far; null where rows are not counted.
    affected   bigint,
    began_at   timestamp(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    changed_at timestamp(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    -- Null: under way, or broken off.
    ended_at   timestamp(6) NULL DEFAULT NULL,
    INDEX operator_action_by_time (began_at, id)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
