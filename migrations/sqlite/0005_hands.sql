-- `cancelled`: an operator ended the contact before it was sent. SQLite changes no rule of a table, and
-- copying the table would take long and break what others have tied to it. So the rule is changed where
-- it is written, as SQLite's manual tells. No row breaks the new one. The tables that are made below
-- tell other connections that the schema has changed.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema
SET sql = replace(replace(sql, '''unconfirmed'', ''expired'')', '''unconfirmed'', ''expired'', ''cancelled'')'),
    '-- gave up).', '-- gave up), cancelled (surely not delivered, an operator ended it).')
WHERE type = 'table' AND name = 'contact_outbox';
PRAGMA writable_schema = RESET;

-- What operators have paused: a lane, all lanes of a user (task_id is empty), or all (both are).
CREATE TABLE delivery_pause (
    user_id      TEXT NOT NULL,
    task_id      TEXT NOT NULL,
    reason       TEXT,
    paused_at    TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')),
    -- Null: until somebody resumes it.
    paused_until TEXT,
    PRIMARY KEY (user_id, task_id)
);

-- What operators have resumed lately, so that each courier tries it at once. Scopes as above.
CREATE TABLE delivery_resume (
    id         TEXT PRIMARY KEY NOT NULL,
    user_id    TEXT NOT NULL,
    task_id    TEXT NOT NULL,
    resumed_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now'))
);

-- Who did what: what operators have changed, and how many rows that were.
CREATE TABLE operator_action (
    id         TEXT PRIMARY KEY NOT NULL,
    action     TEXT NOT NULL,
    host       TEXT NOT NULL,
    os_user    TEXT NOT NULL,
    -- Which contacts, lanes or settings, in words.
    selection  TEXT NOT NULL,
    -- How many rows so far; null where rows are not counted.
    affected   INTEGER,
    began_at   TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')),
    changed_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')),
    -- Null: under way, or broken off.
    ended_at   TEXT
);
CREATE INDEX operator_action_by_time ON operator_action (began_at, id);
