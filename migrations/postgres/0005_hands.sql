-- `cancelled`: an operator ended the contact before it was sent. All rows keep the narrower rule that was
-- here before, so none has to be read for the new one.
ALTER TABLE contact_outbox DROP CONSTRAINT fail_kind_is_one_of_the_documented_kinds;
ALTER TABLE contact_outbox ADD CONSTRAINT fail_kind_is_one_of_the_documented_kinds
    CHECK (fail_kind IN ('invalid', 'rejected', 'duplicate', 'unconfirmed', 'expired', 'cancelled'))
    NOT VALID;
COMMENT ON COLUMN contact_outbox.fail_kind IS 'Written by the courier: invalid (never sent, breaks a rule), rejected (refused by the platform), duplicate (already in the task), unconfirmed (the platform may or may not have it), expired (surely not delivered, gave up), cancelled (surely not delivered, an operator ended it).';

-- What operators have paused: a lane, all lanes of a user (task_id is empty), or all (both are).
CREATE TABLE delivery_pause (
    user_id      text COLLATE "C" NOT NULL,
    task_id      text COLLATE "C" NOT NULL,
    reason       text,
    paused_at    timestamptz NOT NULL DEFAULT now(),
    -- Null: until somebody resumes it.
    paused_until timestamptz,
    PRIMARY KEY (user_id, task_id)
);

-- What operators have resumed lately, so that each courier tries it at once. Scopes as above.
CREATE TABLE delivery_resume (
    id         uuid PRIMARY KEY,
    user_id    text COLLATE "C" NOT NULL,
    task_id    text COLLATE "C" NOT NULL,
    resumed_at timestamptz NOT NULL DEFAULT now()
);

-- Who did what: what operators have changed, and how many rows that were.
CREATE TABLE operator_action (
    id         uuid PRIMARY KEY,
    action     text NOT NULL,
    host       text NOT NULL,
    os_user    text NOT NULL,
    -- Which contacts, lanes or settings, in words.
    selection  text NOT NULL,
    -- How many rows so far; null where rows are not counted.
    affected   bigint,
    began_at   timestamptz NOT NULL DEFAULT now(),
    changed_at timestamptz NOT NULL DEFAULT now(),
    -- Null: under way, or broken off.
    ended_at   timestamptz
);
CREATE INDEX operator_action_by_time ON operator_action (began_at, id);
