-- The outbox (one row per contact, written by your apps) and the courier's own tables.
--
-- An app needs INSERT and SELECT on contact_outbox and nothing else. Constraint names are written
-- as the rule they keep: an app that breaks one reads the rule in its error message. The tables are
-- not STRICT, and the checks use nothing newer than SQLite 3.38, so that old client libraries can
-- write; instants are UTC text, booleans 0 and 1, JSON is text.

CREATE TABLE contact_outbox (
    -- The order within a lane, that is within one (user_id, task_id). AUTOINCREMENT: an id never
    -- comes back after its row was deleted.
    id                   INTEGER PRIMARY KEY AUTOINCREMENT,

    -- Written by apps. The platform's user and task id: part of the request's path.
    user_id              TEXT NOT NULL,
    task_id              TEXT NOT NULL,
    -- The number as it is sent; ciphertext when encryption is 1.
    phone                TEXT NOT NULL,
    name                 TEXT,
    email                TEXT,
    -- Ciphertext when encryption is 1.
    company              TEXT,
    -- 0 unknown, 1 male, 2 female.
    sex                  INTEGER,
    -- The platform's sorting number.
    sort                 INTEGER NOT NULL DEFAULT 0,
    -- Ids of the source of information, the industry and the customer grade.
    source_id            INTEGER,
    industry_id          INTEGER,
    grade_id             INTEGER,
    -- Variables of a 1.0 script: a JSON array of {id, value}.
    components           TEXT,
    -- Variables of a 2.0 script: a JSON array of {name, text}.
    custom_vars          TEXT,
    -- Third-party data that the platform keeps with the number.
    extra                TEXT,
    -- The sub account that the request is for.
    sub_user_id          TEXT,
    -- AI dialogue marker.
    control_select_robot TEXT,
    -- The request's options; null: the courier's default.
    ignore_crm           INTEGER,
    skip_error           INTEGER,
    number_add_suffix    INTEGER,
    encryption           INTEGER,
    -- For an encrypted number: the mask that the platform would show (130***1211).
    phone_mask           TEXT,
    -- The app's own key, unique: lets it repeat an INSERT safely.
    idempotency_key      TEXT,
    -- Not sent before this instant; null: at once.
    not_before           TEXT,
    created_at           TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')),

    -- Written by the courier. pending, succeeded (the platform has it) or failed.
    status               TEXT NOT NULL DEFAULT 'pending',
    -- invalid (never sent, breaks a rule), rejected (refused by the platform), duplicate (already in
    -- the task), unconfirmed (the platform may or may not have it), expired (surely not delivered,
    -- gave up).
    fail_kind            TEXT,
    -- The platform's words for this row, or the rule that it broke.
    fail_cause           TEXT,
    -- How many requests carried this row.
    attempts             INTEGER NOT NULL DEFAULT 0,
    -- The last batch that this row was part of.
    batch_id             TEXT,
    -- When the row became final.
    finished_at          TEXT,

    -- Reading goes on behind the last id seen and begins behind 0.
    CONSTRAINT id_is_positive CHECK (id > 0),
    -- Both ids become segments of a URL: a row must not be able to address another path. (The blob's
    -- length finds a NUL character, behind which length and GLOB do not look.)
    CONSTRAINT user_id_is_1_to_64_letters_digits_underscore_or_hyphen CHECK (typeof(user_id) = 'text'
        AND length(user_id) BETWEEN 1 AND 64 AND length(CAST(user_id AS BLOB)) = length(user_id)
        AND user_id NOT GLOB '*[^A-Za-z0-9_-]*'),
    CONSTRAINT task_id_is_1_to_64_letters_digits_underscore_or_hyphen CHECK (typeof(task_id) = 'text'
        AND length(task_id) BETWEEN 1 AND 64 AND length(CAST(task_id AS BLOB)) = length(task_id)
        AND task_id NOT GLOB '*[^A-Za-z0-9_-]*'),
    CONSTRAINT phone_is_not_empty CHECK (typeof(phone) = 'text' AND trim(phone) <> ''),
    CONSTRAINT sex_is_0_1_or_2 CHECK (sex IS NULL OR (typeof(sex) = 'integer' AND sex IN (0, 1, 2))),
    CONSTRAINT sort_is_an_integer CHECK (sort IS NULL
        OR (typeof(sort) = 'integer' AND sort BETWEEN -2147483648 AND 2147483647)),
    CONSTRAINT source_id_is_an_integer CHECK (source_id IS NULL
        OR (typeof(source_id) = 'integer' AND source_id BETWEEN -2147483648 AND 2147483647)),
    CONSTRAINT industry_id_is_an_integer CHECK (industry_id IS NULL
        OR (typeof(industry_id) = 'integer' AND industry_id BETWEEN -2147483648 AND 2147483647)),
    CONSTRAINT grade_id_is_an_integer CHECK (grade_id IS NULL
        OR (typeof(grade_id) = 'integer' AND grade_id BETWEEN -2147483648 AND 2147483647)),
    -- CASE, because json_type fails with an error of its own on text that is not JSON.
    CONSTRAINT components_is_a_json_array CHECK (CASE
        WHEN components IS NULL THEN 1
        WHEN typeof(components) <> 'text' OR NOT json_valid(components) THEN 0
        ELSE json_type(components) = 'array' END),
    CONSTRAINT custom_vars_is_a_json_array CHECK (CASE
        WHEN custom_vars IS NULL THEN 1
        WHEN typeof(custom_vars) <> 'text' OR NOT json_valid(custom_vars) THEN 0
        ELSE json_type(custom_vars) = 'array' END),
    CONSTRAINT ignore_crm_is_0_or_1 CHECK (ignore_crm IS NULL OR (typeof(ignore_crm) = 'integer' AND ignore_crm IN (0, 1))),
    CONSTRAINT skip_error_is_0_or_1 CHECK (skip_error IS NULL OR (typeof(skip_error) = 'integer' AND skip_error IN (0, 1))),
    CONSTRAINT number_add_suffix_is_0_or_1 CHECK (number_add_suffix IS NULL OR (typeof(number_add_suffix) = 'integer' AND number_add_suffix IN (0, 1))),
    CONSTRAINT encryption_is_0_or_1 CHECK (encryption IS NULL OR (typeof(encryption) = 'integer' AND encryption IN (0, 1))),
    CONSTRAINT idempotency_key_is_not_empty CHECK (idempotency_key <> ''),
    -- Instants are compared as text, so there is one way to write them: 'YYYY-MM-DD HH:MM:SS', UTC,
    -- with a fraction of up to six digits if you like. No 'T', no zone.
    CONSTRAINT not_before_is_utc_text_like_2030_12_31_23_59_59 CHECK (not_before IS NULL OR (typeof(not_before) = 'text'
            AND substr(not_before, 1, 19) GLOB '[0-9][0-9][0-9][0-9]-[0-1][0-9]-[0-3][0-9] [0-2][0-9]:[0-5][0-9]:[0-5][0-9]'
            AND julianday(not_before) IS NOT NULL
            AND (length(not_before) = 19
                OR (length(not_before) BETWEEN 21 AND 26 AND substr(not_before, 20, 1) = '.' AND substr(not_before, 21) NOT GLOB '*[^0-9]*')))),
    CONSTRAINT created_at_is_utc_text_like_2030_12_31_23_59_59 CHECK ((typeof(created_at) = 'text'
            AND substr(created_at, 1, 19) GLOB '[0-9][0-9][0-9][0-9]-[0-1][0-9]-[0-3][0-9] [0-2][0-9]:[0-5][0-9]:[0-5][0-9]'
            AND julianday(created_at) IS NOT NULL
            AND (length(created_at) = 19
                OR (length(created_at) BETWEEN 21 AND 26 AND substr(created_at, 20, 1) = '.' AND substr(created_at, 21) NOT GLOB '*[^0-9]*')))),
    CONSTRAINT status_is_pending_succeeded_or_failed CHECK (status IN ('pending', 'succeeded', 'failed')),
    CONSTRAINT fail_kind_is_one_of_the_documented_kinds
        CHECK (fail_kind IN ('invalid', 'rejected', 'duplicate', 'unconfirmed', 'expired')),
    CONSTRAINT failed_rows_have_a_fail_kind CHECK ((status = 'failed') = (fail_kind IS NOT NULL)),
    CONSTRAINT final_rows_have_a_finished_at CHECK (CASE status
        WHEN 'pending' THEN finished_at IS NULL
        WHEN 'succeeded' THEN finished_at IS NOT NULL
        WHEN 'failed' THEN finished_at IS NOT NULL
        ELSE true END),
    CONSTRAINT attempts_is_not_negative CHECK (typeof(attempts) = 'integer' AND attempts >= 0)
);

-- Two small indexes instead of one: a million rows put off until tomorrow stand outside the index
-- that finds today's, and an index of pending rows only forgets a row as soon as it is final.
CREATE INDEX contact_outbox_immediate ON contact_outbox (user_id, task_id, id)
    WHERE status = 'pending' AND not_before IS NULL;
CREATE INDEX contact_outbox_deferred ON contact_outbox (user_id, task_id, not_before, id)
    WHERE status = 'pending' AND not_before IS NOT NULL;
CREATE UNIQUE INDEX idempotency_key_is_unique ON contact_outbox (idempotency_key)
    WHERE idempotency_key IS NOT NULL;

-- One row per lane, made when it is first leased and never removed: its token must only grow.
CREATE TABLE delivery_lane (
    user_id      TEXT NOT NULL,
    task_id      TEXT NOT NULL,
    -- The courier_instance that works the lane; null: nobody.
    lease_owner  TEXT,
    -- The fencing token: grows with every lease; a write in an older token's name is refused.
    lease_token  INTEGER NOT NULL DEFAULT 0,
    leased_at    TEXT,
    -- Failures in a row; the backoff is computed from it and survives restarts with it.
    failures     INTEGER NOT NULL DEFAULT 0,
    -- The hold: no courier takes the lane before held_until. It is in force, or was the last one,
    -- while hold_reason is not null; delivering something clears all four.
    held_until   TEXT,
    hold_reason  TEXT,
    hold_message TEXT,
    held_since   TEXT,
    PRIMARY KEY (user_id, task_id)
);

-- The journal: what is, or may be, on its way. Written before a request is sent.
CREATE TABLE delivery_batch (
    id              TEXT PRIMARY KEY NOT NULL,
    -- The batch that this one was split off.
    parent_id       TEXT,
    user_id         TEXT NOT NULL,
    task_id         TEXT NOT NULL,
    -- The lease in whose name the batch is open, or was closed.
    lease_token     INTEGER NOT NULL,
    -- Rows of contact_outbox, in sending order: a JSON array. They stay untouched until they are
    -- final.
    contact_ids     TEXT NOT NULL,
    -- The request's options, JSON: a retry must be the same request.
    options         TEXT NOT NULL,
    -- sending: may be on its way. waiting: surely is not, and will be sent (again). closed: done.
    state           TEXT NOT NULL,
    -- How many requests carried these rows.
    attempts        INTEGER NOT NULL DEFAULT 0,
    -- Whether one of them may have reached the platform: then "already there" means success.
    maybe_delivered INTEGER NOT NULL DEFAULT 0,
    -- Since when its sends fail for passing reasons; retry.give_up_after counts from here.
    failing_since   TEXT,
    -- The last verdict: one word for programs, the platform's words for people.
    outcome         TEXT,
    answer          TEXT,
    created_at      TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')),
    sent_at         TEXT,
    closed_at       TEXT,
    CONSTRAINT state_is_sending_waiting_or_closed CHECK (state IN ('sending', 'waiting', 'closed')),
    CONSTRAINT closed_batches_have_a_closed_at CHECK ((state = 'closed') = (closed_at IS NOT NULL))
);

CREATE INDEX delivery_batch_open ON delivery_batch (user_id, task_id) WHERE closed_at IS NULL;

-- The running couriers. A lane whose owner is not here, or has been silent for its lease, is free.
CREATE TABLE courier_instance (
    id           TEXT PRIMARY KEY NOT NULL,
    host         TEXT NOT NULL,
    pid          INTEGER NOT NULL,
    -- How long after its last heartbeat its leases stay good.
    lease_ms     INTEGER NOT NULL,
    started_at   TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')),
    heartbeat_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now'))
);

-- Rates that all couriers share (rate_limit.scope = "cluster").
CREATE TABLE rate_budget (
    name        TEXT PRIMARY KEY NOT NULL,
    -- Up to when the rate is given away, in microseconds since 1970.
    given_until INTEGER NOT NULL
);
