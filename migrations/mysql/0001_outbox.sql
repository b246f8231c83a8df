-- The outbox (one row per contact, written by your apps) and the courier's own tables.
--
-- An app needs INSERT and SELECT on contact_outbox and nothing else. Constraint names are written
-- as the rule they keep: an app that breaks one reads the rule in its error message.
--
-- Runs on MariaDB 10.6 and MySQL 8.0.16 or newer: only what both understand. Their DDL cannot be
-- rolled back, so everything here may be run a second time: a migration that was cut short is run
-- again from its beginning.
--
-- Text compares byte by byte (utf8mb4_bin), as in the other databases, and as utf8mb4 it compares
-- with an app's own columns without losing the index. Texts are wider than their rules allow, or
-- have no end: a session that is not strict would cut them off in silence.
-- Instants are TIMESTAMP: the server converts them from and to each session's time zone.

CREATE TABLE IF NOT EXISTS contact_outbox (
    id                   bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY
        COMMENT 'The order within a lane, that is within one (user_id, task_id).',
    user_id              varchar(255) NOT NULL
        COMMENT 'The platform''s user id; part of the request''s path.',
    task_id              varchar(255) NOT NULL
        COMMENT 'The platform''s task id; part of the request''s path.',
    phone                longtext NOT NULL
        COMMENT 'The number as it is sent; ciphertext when encryption is true.',
    name                 longtext
        COMMENT 'The contact''s name.',
    email                longtext
        COMMENT 'The contact''s e-mail address.',
    company              longtext
        COMMENT 'The contact''s company; ciphertext when encryption is true.',
    sex                  smallint
        COMMENT '0 unknown, 1 male, 2 female.',
    sort                 int NOT NULL DEFAULT 0
        COMMENT 'The platform''s sorting number.',
    source_id            int
        COMMENT 'Id of the source of information.',
    industry_id          int
        COMMENT 'Id of the industry.',
    grade_id             int
        COMMENT 'Id of the customer grade.',
    components           longtext
        COMMENT 'Variables of a 1.0 script: a JSON array of {id, value}.',
    custom_vars          longtext
        COMMENT 'Variables of a 2.0 script: a JSON array of {name, text}.',
    extra                longtext
        COMMENT 'Third-party data that the platform keeps with the number.',
    sub_user_id          longtext
        COMMENT 'The sub account that the request is for.',
    control_select_robot longtext
        COMMENT 'AI dialogue marker.',
    ignore_crm           boolean
        COMMENT 'true: keep the number out of the CRM pool. Null: the courier''s default.',
    skip_error           boolean
        COMMENT 'true: the platform skips a bad number and goes on. Null: the courier''s default.',
    number_add_suffix    boolean
        COMMENT 'true: a suffix is appended, so that the number may be in the task twice. Null: the courier''s default.',
    encryption           boolean
        COMMENT 'true: phone and company are ciphertext. Null: the courier''s default.',
    phone_mask           longtext
        COMMENT 'For an encrypted number: the mask that the platform would show (130***1211).',
    idempotency_key      varchar(255)
        COMMENT 'The app''s own key, unique: lets it repeat an INSERT safely.',
    not_before           timestamp(6) NULL DEFAULT NULL
        COMMENT 'Not sent before this instant; null: at once.',
    created_at           timestamp(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)
        COMMENT 'When the row was inserted.',

    status               varchar(16) NOT NULL DEFAULT 'pending'
        COMMENT 'Written by the courier: pending, succeeded (the platform has it) or failed.',
    fail_kind            varchar(16)
        COMMENT 'Written by the courier: invalid (never sent, breaks a rule), rejected (refused by the platform), duplicate (already in the task), unconfirmed (the platform may or may not have it), expired (surely not delivered, gave up).',
    fail_cause           longtext
        COMMENT 'Written by the courier: the platform''s words for this row, or the rule that it broke.',
    attempts             int NOT NULL DEFAULT 0
        COMMENT 'Written by the courier: how many requests carried this row.',
    batch_id             char(36)
        COMMENT 'Written by the courier: the last batch that this row was part of.',
    finished_at          timestamp(6) NULL DEFAULT NULL
        COMMENT 'Written by the courier: when the row became final.',

    -- Two indexes of other databases in one: NULL comes first in each lane, so rows that are due by
    -- their id stand before those that were put off. Final rows stand apart under another status.
    INDEX contact_outbox_pending (status, user_id, task_id, not_before, id),
    UNIQUE INDEX idempotency_key_is_unique (idempotency_key),

    -- Both ids become segments of a URL: a row must not be able to address another path.
    CONSTRAINT user_id_is_1_to_64_letters_digits_underscore_or_hyphen
        CHECK (char_length(user_id) BETWEEN 1 AND 64 AND NOT user_id REGEXP '[^A-Za-z0-9_-]'),
    CONSTRAINT task_id_is_1_to_64_letters_digits_underscore_or_hyphen
        CHECK (char_length(task_id) BETWEEN 1 AND 64 AND NOT task_id REGEXP '[^A-Za-z0-9_-]'),
    CONSTRAINT phone_is_not_empty CHECK (trim(phone) <> ''),
    CONSTRAINT sex_is_0_1_or_2 CHECK (sex IN (0, 1, 2)),
    -- CASE, because json_type fails with an error of its own on text that is not JSON; compared with
    -- 1, because MySQL takes nothing for a rule that is not a comparison. The columns
    -- are not of the type JSON: that would be another type on each of the two, and what MySQL's
    -- refuses has no readable name.
    CONSTRAINT components_is_a_json_array CHECK (CASE
        WHEN components IS NULL THEN 1
        WHEN NOT json_valid(components) THEN 0
        ELSE json_type(components) = 'ARRAY' END = 1),
    CONSTRAINT custom_vars_is_a_json_array CHECK (CASE
        WHEN custom_vars IS NULL THEN 1
        WHEN NOT json_valid(custom_vars) THEN 0
        ELSE json_type(custom_vars) = 'ARRAY' END = 1),
    CONSTRAINT ignore_crm_is_0_or_1 CHECK (ignore_crm IN (0, 1)),
    CONSTRAINT skip_error_is_0_or_1 CHECK (skip_error IN (0, 1)),
    CONSTRAINT number_add_suffix_is_0_or_1 CHECK (number_add_suffix IN (0, 1)),
    CONSTRAINT encryption_is_0_or_1 CHECK (encryption IN (0, 1)),
    CONSTRAINT idempotency_key_is_not_empty CHECK (idempotency_key <> ''),
    -- Comparisons pad with blanks: 'k ' would be taken for 'k'.
    CONSTRAINT idempotency_key_does_not_end_with_a_blank CHECK (idempotency_key NOT LIKE '% '),
    -- What a session that is not strict makes of text that is no instant: 0000-00-00.
    CONSTRAINT not_before_is_a_finite_instant CHECK (year(not_before) > 0),
    CONSTRAINT created_at_is_a_finite_instant CHECK (year(created_at) > 0),
    CONSTRAINT status_is_pending_succeeded_or_failed
        CHECK (status IN ('pending', 'succeeded', 'failed')),
    CONSTRAINT fail_kind_is_one_of_the_documented_kinds
        CHECK (fail_kind IN ('invalid', 'rejected', 'duplicate', 'unconfirmed', 'expired')),
    CONSTRAINT failed_rows_have_a_fail_kind CHECK ((status = 'failed') = (fail_kind IS NOT NULL)),
    CONSTRAINT final_rows_have_a_finished_at CHECK (CASE status
        WHEN 'pending' THEN finished_at IS NULL
        WHEN 'succeeded' THEN finished_at IS NOT NULL
        WHEN 'failed' THEN finished_at IS NOT NULL
        ELSE 1 END = 1),
    CONSTRAINT attempts_is_not_negative CHECK (attempts >= 0)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin
    COMMENT 'Contacts on their way to the calling platform: apps INSERT, contact-courier delivers and writes back what became of each.';

-- One row per lane, made when it is first leased and never removed: its token must only grow.
CREATE TABLE IF NOT EXISTS delivery_lane (
    user_id      varchar(64) NOT NULL,
    task_id      varchar(64) NOT NULL,
    -- The courier_instance that works the lane; null: nobody.
    lease_owner  char(36),
    -- The fencing token: grows with every lease; a write in an older token's name is refused.
    lease_token  bigint NOT NULL DEFAULT 0,
    leased_at    timestamp(6) NULL DEFAULT NULL,
    -- Failures in a row; the backoff is computed from it and survives restarts with it.
    failures     int NOT NULL DEFAULT 0,
    -- The hold: no courier takes the lane before held_until. It is in force, or was the last one,
    -- while hold_reason is not null; delivering something clears all four. (DATETIME in UTC, for a
    -- hold may outlast the TIMESTAMPs.)
    held_until   datetime(6),
    hold_reason  varchar(64),
    hold_message longtext,
    held_since   timestamp(6) NULL DEFAULT NULL,
    PRIMARY KEY (user_id, task_id)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- The journal: what is, or may be, on its way. Written before a request is sent.
CREATE TABLE IF NOT EXISTS delivery_batch (
    id              char(36) NOT NULL PRIMARY KEY,
    -- The batch that this one was split off.
    parent_id       char(36),
    user_id         varchar(64) NOT NULL,
    task_id         varchar(64) NOT NULL,
    -- The lease in whose name the batch is open, or was closed.
    lease_token     bigint NOT NULL,
    -- Rows of contact_outbox, in sending order: a JSON array. They stay untouched until they are
    -- final.
    contact_ids     longtext NOT NULL,
    -- The request's options, JSON: a retry must be the same request.
    options         longtext NOT NULL,
    -- sending: may be on its way. waiting: surely is not, and will be sent (again). closed: done.
    state           varchar(16) NOT NULL,
    -- How many requests carried these rows.
    attempts        int NOT NULL DEFAULT 0,
    -- Whether one of them may have reached the platform: then "already there" means success.
    maybe_delivered boolean NOT NULL DEFAULT false,
    -- Since when its sends fail for passing reasons; retry.give_up_after counts from here.
    failing_since   timestamp(6) NULL DEFAULT NULL,
    -- The last verdict: one word for programs, the platform's words for people.
    outcome         varchar(64),
    answer          longtext,
    created_at      timestamp(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    sent_at         timestamp(6) NULL DEFAULT NULL,
    closed_at       timestamp(6) NULL DEFAULT NULL,
    INDEX delivery_batch_open (closed_at, user_id, task_id),
    CONSTRAINT state_is_sending_waiting_or_closed CHECK (state IN ('sending', 'waiting', 'closed')),
    CONSTRAINT closed_batches_have_a_closed_at CHECK ((state = 'closed') = (closed_at IS NOT NULL))
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- The running couriers. A lane whose owner is not here, or has been silent for its lease, is free.
CREATE TABLE IF NOT EXISTS courier_instance (
    id           char(36) NOT NULL PRIMARY KEY,
    host         longtext NOT NULL,
    pid          bigint NOT NULL,
    -- How long after its last heartbeat its leases stay good.
    lease_ms     bigint NOT NULL,
    started_at   timestamp(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    heartbeat_at timestamp(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Rates that all couriers share (rate_limit.scope = "cluster").
CREATE TABLE IF NOT EXISTS rate_budget (
    name        VARCHAR(160) NOT NULL PRIMARY KEY,
    -- Up to when the rate is given away, in microseconds since 1970.
    given_until BIGINT NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
