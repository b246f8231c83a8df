//! Every statement that is sent to SQLite, named by intent.
//!
//! Lists come as one JSON parameter and are read by `json_each`. Where a statement depends on an
//! index it says `INDEXED BY`: SQLite then uses that index or refuses the statement, and no
//! statistics can change its mind. Instants are text, so `now!()` compares with them.

use std::sync::LazyLock;

use crate::outbox::sql::statements::{Statement, Statements, hot};

/// The present instant, as the tables write it.
macro_rules! now {
    () => {
        "strftime('%Y-%m-%d %H:%M:%f', 'now')"
    };
}

/// Seconds from an instant (an expression) until now.
macro_rules! seconds_since {
    ($instant:literal) => {
        concat!(
            "(unixepoch('now', 'subsec') - unixepoch(",
            $instant,
            ", 'subsec'))"
        )
    };
}

/// How many bytes texts have together. Of a long text only its length is read.
macro_rules! bytes {
    ($($column:literal)+) => {
        concat!("0", $(" + coalesce(octet_length(", $column, "), 0)",)+)
    };
}

/// Texts, each unless it is longer than `$short` (a parameter), and than `$most` together with the texts
/// before it; then the bytes of all. Nearly all texts are short.
macro_rules! texts {
    ($most:literal, $short:literal, [$($before:literal)*]) => {
        bytes!($($before)*)
    };
    ($most:literal, $short:literal, [$($before:literal)*] $column:literal $($rest:literal)*) => {
        concat!(
            "CASE WHEN octet_length(", $column, ") > ", $short, " THEN CASE WHEN ",
            bytes!($($before)* $column), " <= ", $most, " THEN ", $column, " END ELSE ", $column,
            " END, ",
            texts!($most, $short, [$($before)* $column] $($rest)*)
        )
    };
}

/// Whether a contact that was requeued may be in its task by an earlier send. One that never went out
/// has no batch, so nothing is looked up for it.
macro_rules! in_doubt {
    () => {
        "CASE WHEN batch_id IS NULL THEN false
              ELSE (SELECT true FROM contact_requeue q INDEXED BY contact_requeue_by_contact
                    WHERE q.contact_id = contact_outbox.id AND q.fail_kind = 'unconfirmed' LIMIT 1)
         END AS in_doubt"
    };
}

/// The columns of an `OutboxRow`. `$most` and `$short`: the lengths of texts.
macro_rules! row_columns {
    ($most:literal, $short:literal) => {
        concat!(
            "id, ",
            texts!($most, $short, [] "phone" "name" "email" "company" "sub_user_id"
                "control_select_robot" "phone_mask" "extra" "components" "custom_vars"),
            " AS bytes, sex, sort, source_id, industry_id, grade_id, ignore_crm, skip_error,
             number_add_suffix, encryption, ",
            seconds_since!("coalesce(not_before, created_at)"),
            " AS due_for, ",
            in_doubt!()
        )
    };
}

/// Whether the owner `$owner` (an expression) is an instance whose leases are good.
macro_rules! is_alive {
    ($owner:literal) => {
        concat!(
            "EXISTS (SELECT 1 FROM courier_instance i WHERE i.id = ",
            $owner,
            " AND ",
            seconds_since!("i.heartbeat_at"),
            " * 1000 < i.lease_ms)"
        )
    };
}

/// The two halves of a lane's key (`user task`).
macro_rules! user_of_walk {
    () => {
        "substr(walk.lane, 1, instr(walk.lane, ' ') - 1)"
    };
}
macro_rules! task_of_walk {
    () => {
        "substr(walk.lane, instr(walk.lane, ' ') + 1)"
    };
}

/// The key of the first lane behind the walk's in an index of a table; `~` when there is none.
///
/// It seeks twice, to the same user's next task and to the next user. One seek by both columns at
/// once, `(user_id, task_id) > (…)`, begins at the equal rows and reads through all rows of the
/// walk's lane.
///
/// Rows that break the rules of the ids may be there where an app has switched the rules off. A user with a
/// blank or a task of bytes would lead the walk back to where it was, so such rows are passed over.
macro_rules! next_lane {
    ($table_and_index:literal, $rows:literal) => {
        concat!(
            "coalesce((SELECT user_id || ' ' || task_id FROM ",
            $table_and_index,
            " WHERE ",
            $rows,
            " AND user_id = ",
            user_of_walk!(),
            " AND task_id > ",
            task_of_walk!(),
            " AND typeof(task_id) = 'text' ORDER BY task_id LIMIT 1), (SELECT user_id || ' ' || task_id FROM ",
            $table_and_index,
            " WHERE ",
            $rows,
            " AND user_id > ",
            user_of_walk!(),
            " AND user_id NOT GLOB '*[^A-Za-z0-9_-]*' AND typeof(task_id) = 'text'
              ORDER BY user_id, task_id LIMIT 1), '~')"
        )
    };
}

/// A column of a row (with its dot) that apps may fill with any text: its two ends, if it is longer than
/// any number.
macro_rules! ends {
    ($row:literal, $text:literal) => {
        concat!(
            "CASE WHEN length(",
            $row,
            $text,
            ") <= 1000 THEN ",
            $row,
            $text,
            " ELSE substr(",
            $row,
            $text,
            ", 1, 10) || '***' || substr(",
            $row,
            $text,
            ", -10) END AS ",
            $text
        )
    };
}

/// An instant (an expression) as text for people, and how long ago it was, under a name.
macro_rules! moment {
    ($instant:literal, $name:literal) => {
        concat!(
            "strftime('%Y-%m-%dT%H:%M:%SZ', ",
            $instant,
            ") AS ",
            $name,
            ", ",
            seconds_since!($instant),
            " AS ",
            $name,
            "_ago"
        )
    };
}

/// Whether an operator has paused the lane that a table expression has the columns of.
macro_rules! is_paused {
    ($lane:literal) => {
        concat!(
            "EXISTS (SELECT 1 FROM delivery_pause p
                 WHERE (p.user_id = '' OR p.user_id = ",
            $lane,
            ".user_id AND p.task_id IN ('', ",
            $lane,
            ".task_id))
                   AND (p.paused_until IS NULL OR p.paused_until > ",
            now!(),
            "))"
        )
    };
}

/// Whether an operator has paused a lane by itself.
macro_rules! is_paused_alone {
    ($lane:literal) => {
        concat!(
            "EXISTS (SELECT 1 FROM delivery_pause p
                 WHERE p.user_id = ",
            $lane,
            ".user_id AND p.task_id = ",
            $lane,
            ".task_id
                   AND (p.paused_until IS NULL OR p.paused_until > ",
            now!(),
            "))"
        )
    };
}

/// When the last pause of a lane (two expressions) ended by itself.
macro_rules! unpaused_at {
    ($user:literal, $task:literal) => {
        concat!(
            "(SELECT max(p.paused_until) FROM delivery_pause p
              WHERE (p.user_id = '' OR p.user_id = ",
            $user,
            " AND p.task_id IN ('', ",
            $task,
            ")) AND p.paused_until <= ",
            now!(),
            ")"
        )
    };
}

pub(super) mod erasing;
pub(super) mod intervening;
pub(super) mod migrating;
pub(super) mod operating;

/// ?1 instance, ?2 and ?3 the lane to begin behind, ?4 linger in seconds, ?5 batch size, ?6 limit,
/// ?7 horizon in seconds.
///
/// `walk` goes from lane to lane: each step seeks the next lane in three indexes and takes the
/// least. It carries a lane as one text, `user task`, since there is no LATERAL to carry two
/// columns out of a seek. A space is less than any character of an id, so keys sort like pairs, and
/// `~` is greater than all of them. It ends where a step would not lead on. `walk` is read lazily, so
/// `LIMIT` stops it. Nothing here touches more than a batch of rows of a lane, and only of a lane that is
/// still lingering.
pub(super) const FIND_LANES: &str = concat!(
    "WITH RECURSIVE walk (lane, before) AS (
         SELECT ?2 || ' ' || ?3, ''
         UNION ALL
         SELECT min(",
    next_lane!(
        "contact_outbox INDEXED BY contact_outbox_immediate",
        "status = 'pending' AND not_before IS NULL"
    ),
    ", ",
    next_lane!(
        "contact_outbox INDEXED BY contact_outbox_deferred",
        "status = 'pending' AND not_before IS NOT NULL"
    ),
    ", ",
    next_lane!(
        "delivery_batch INDEXED BY delivery_batch_open",
        "closed_at IS NULL"
    ),
    "), walk.lane FROM walk WHERE walk.lane <> '~' AND walk.lane > walk.before
     ), free (user_id, task_id, hold_reason) AS (
         SELECT ",
    user_of_walk!(),
    ", ",
    task_of_walk!(),
    ", l.hold_reason
         FROM walk LEFT JOIN delivery_lane l ON l.user_id = ",
    user_of_walk!(),
    " AND l.task_id = ",
    task_of_walk!(),
    "
         WHERE walk.lane <> '~' AND walk.lane > ?2 || ' ' || ?3 AND walk.lane > walk.before
           AND (l.held_until > ",
    now!(),
    " OR (l.lease_owner <> ?1 AND ",
    is_alive!("l.lease_owner"),
    ")) IS NOT TRUE
     ), aged (user_id, task_id, hold_reason, age) AS (
         SELECT user_id, task_id, hold_reason,
             (SELECT ",
    seconds_since!("c.created_at"),
    "
              FROM contact_outbox c INDEXED BY contact_outbox_immediate
              WHERE c.status = 'pending' AND c.not_before IS NULL
                AND c.user_id = free.user_id AND c.task_id = free.task_id
              ORDER BY c.id LIMIT 1)
         FROM free
     ), ripening (user_id, task_id, hold_reason, ripe_in) AS (
         SELECT user_id, task_id, hold_reason, CASE
             WHEN age >= ?4 OR age < 0 THEN 0.0
             WHEN (SELECT 1 FROM delivery_batch b INDEXED BY delivery_batch_open
                   WHERE b.user_id = aged.user_id AND b.task_id = aged.task_id
                     AND b.closed_at IS NULL LIMIT 1) THEN 0.0
             WHEN (SELECT 1 FROM contact_outbox c INDEXED BY contact_outbox_deferred
                   WHERE c.status = 'pending' AND c.not_before IS NOT NULL
                     AND c.user_id = aged.user_id AND c.task_id = aged.task_id
                     AND c.not_before <= ",
    now!(),
    " LIMIT 1) THEN 0.0
             WHEN age IS NULL THEN (
                 SELECT unixepoch(c.not_before, 'subsec') - unixepoch('now', 'subsec')
                 FROM contact_outbox c INDEXED BY contact_outbox_deferred
                 WHERE c.status = 'pending' AND c.not_before IS NOT NULL
                   AND c.user_id = aged.user_id AND c.task_id = aged.task_id
                   AND c.not_before <= strftime('%Y-%m-%d %H:%M:%f', 'now', ?7 || ' seconds')
                 ORDER BY c.not_before LIMIT 1)
             WHEN (SELECT 1 FROM contact_outbox c INDEXED BY contact_outbox_immediate
                   WHERE c.status = 'pending' AND c.not_before IS NULL
                     AND c.user_id = aged.user_id AND c.task_id = aged.task_id
                   LIMIT 1 OFFSET ?5 - 1) THEN 0.0
             ELSE ?4 - age
         END
         FROM aged
     )
     SELECT user_id, task_id, hold_reason, ripe_in FROM ripening WHERE ripe_in IS NOT NULL LIMIT ?6"
);

/// ?1 user, ?2 task, ?3 limit, ?4 and ?5 the last deferred row, ?6 the last other row, ?7 and ?8 the
/// lengths of texts.
///
/// The second half is only read when the first has left room.
pub(super) const READ_PAGE: &str = concat!(
    "SELECT * FROM (SELECT ",
    row_columns!("?7", "?8"),
    ", not_before
      FROM contact_outbox INDEXED BY contact_outbox_deferred
      WHERE status = 'pending' AND not_before IS NOT NULL AND user_id = ?1 AND task_id = ?2
        AND (not_before, id) > (?4, ?5) AND not_before <= ",
    now!(),
    "
      ORDER BY not_before, id LIMIT ?3)
     UNION ALL
     SELECT * FROM (SELECT ",
    row_columns!("?7", "?8"),
    ", NULL AS not_before
      FROM contact_outbox INDEXED BY contact_outbox_immediate
      WHERE status = 'pending' AND not_before IS NULL AND user_id = ?1 AND task_id = ?2
        AND id > ?6
      ORDER BY id LIMIT ?3)
     LIMIT ?3"
);

/// ?1 ids. How many of them still wait to be settled: only a trigger can be the reason. A trigger's
/// changes after an update do not show in the update's number of changed rows.
pub(super) const STILL_PENDING: &str = "
    SELECT count(*) FROM (SELECT 1 FROM sqlite_schema WHERE type = 'trigger' LIMIT 1)
    CROSS JOIN contact_outbox NOT INDEXED
    WHERE id IN (SELECT value FROM json_each(?1)) AND status = 'pending'";

/// ?1 name; in microseconds ?2 span, ?3 burst, ?4 how far ahead the rate can be given away, ?5 how
/// far ahead it begins anew. The rate is given away up to `given_until`.
pub(super) const CLAIM_RATE: &str = "
    INSERT INTO rate_budget AS r (name, given_until)
    VALUES (?1, CAST(unixepoch('now', 'subsec') * 1000000 AS INTEGER) - ?3 + ?2)
    ON CONFLICT (name) DO UPDATE
        SET given_until = ?2 + CASE
            WHEN r.given_until > CAST(unixepoch('now', 'subsec') * 1000000 AS INTEGER) + ?4
                THEN CAST(unixepoch('now', 'subsec') * 1000000 AS INTEGER) + ?5
            ELSE max(r.given_until, CAST(unixepoch('now', 'subsec') * 1000000 AS INTEGER) - ?3)
        END
    RETURNING given_until - ?2 - CAST(unixepoch('now', 'subsec') * 1000000 AS INTEGER)";

/// ?1 contacts: `NewContact`.
pub(super) const INSERT_CONTACTS: &str = "
    INSERT INTO contact_outbox (user_id, task_id, phone, name, email, company, sex, sort, source_id,
        industry_id, grade_id, components, custom_vars, extra, sub_user_id, control_select_robot,
        ignore_crm, skip_error, number_add_suffix, encryption, phone_mask, idempotency_key,
        not_before)
    SELECT value ->> 'user_id', value ->> 'task_id', value ->> 'phone', value ->> 'name',
        value ->> 'email', value ->> 'company', value ->> 'sex', coalesce(value ->> 'sort', 0),
        value ->> 'source_id', value ->> 'industry_id', value ->> 'grade_id',
        value ->> 'components', value ->> 'custom_vars', value ->> 'extra',
        value ->> 'sub_user_id', value ->> 'control_select_robot', value ->> 'ignore_crm',
        value ->> 'skip_error', value ->> 'number_add_suffix', value ->> 'encryption',
        value ->> 'phone_mask', value ->> 'idempotency_key', value ->> 'not_before'
    FROM json_each(?1)
    WHERE true
    ON CONFLICT (idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING";

/// ?1 keys. How many of them are there.
pub(super) const KEYS_THERE: &str = "
    SELECT count(*) FROM contact_outbox
    WHERE idempotency_key IN (SELECT value FROM json_each(?1))";

/// How the file keeps texts.
pub(super) const ENCODING: &str = "PRAGMA encoding";

/// The statements that every database has.
pub(super) static STATEMENTS: Statements = Statements {
    beat: Statement::new(concat!(
        "INSERT INTO courier_instance (id, host, pid, lease_ms, standing)
         VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (id) DO UPDATE
             SET host = excluded.host, pid = excluded.pid, lease_ms = excluded.lease_ms,
                 standing = excluded.standing, heartbeat_at = ",
        now!()
    )),
    alive: None,
    bring_back_beats: concat!(
        "UPDATE courier_instance SET heartbeat_at = ",
        now!(),
        " WHERE heartbeat_at > strftime('%Y-%m-%d %H:%M:%f', 'now', '10 seconds')"
    ),
    bring_back_holds: Statement::new(concat!(
        "UPDATE delivery_lane
         SET held_until = min(held_until,
                 strftime('%Y-%m-%d %H:%M:%f', 'now', ?1 || ' seconds')),
             held_since = min(held_since, ",
        now!(),
        "), waits_since = min(waits_since, ",
        now!(),
        ")
         WHERE held_until > strftime('%Y-%m-%d %H:%M:%f', 'now', ?1 || ' seconds')
            OR held_since > ",
        now!(),
        " OR waits_since > ",
        now!()
    )),
    bring_back_failures: concat!(
        "UPDATE delivery_batch INDEXED BY delivery_batch_open SET failing_since = ",
        now!(),
        " WHERE closed_at IS NULL AND failing_since > ",
        now!()
    ),
    clear_silent_instances: "DELETE FROM courier_instance
         WHERE unixepoch(heartbeat_at) < unixepoch('now', '-1 day')",
    keep_rate: Statement::new(concat!(
        "INSERT INTO rate_budget (name, given_until, learned, learned_at)
         VALUES ('learned', 0, ?1, ",
        now!(),
        ")
         ON CONFLICT (name) DO UPDATE
             SET learned = excluded.learned, learned_at = excluded.learned_at"
    )),
    learned_rate: concat!(
        "SELECT learned, ",
        seconds_since!("learned_at"),
        " AS learned_ago FROM rate_budget WHERE name = 'learned' AND learned IS NOT NULL"
    ),
    forget_rates: Statement::new(
        "DELETE FROM rate_budget
         WHERE name <> 'learned' AND given_until < (unixepoch('now', 'subsec') - ?1) * 1000000",
    ),
    free_lanes: "UPDATE delivery_lane SET lease_owner = NULL WHERE lease_owner = ?1",
    remove_instance: "DELETE FROM courier_instance WHERE id = ?1",
    // The token is the time in microseconds, and always greater than the last one. A restore may
    // lose leases; if tokens were only counted, the next owner would get one that a lost lease had.
    lease_lane: concat!(
        "INSERT INTO delivery_lane AS l (user_id, task_id, lease_owner, lease_token, leased_at)
         VALUES (?1, ?2, ?3, CAST(unixepoch('now', 'subsec') * 1000000 AS INTEGER), ",
        now!(),
        ")
         ON CONFLICT (user_id, task_id) DO UPDATE
             SET lease_owner = excluded.lease_owner,
                 lease_token = max(l.lease_token + 1, excluded.lease_token),
                 leased_at = excluded.leased_at
             WHERE (l.held_until > excluded.leased_at) IS NOT TRUE
               AND (l.lease_owner <> excluded.lease_owner AND ",
        is_alive!("l.lease_owner"),
        ") IS NOT TRUE
         RETURNING lease_token, failures, hold_reason, ",
        seconds_since!("waits_since"),
        " AS waiting_for,
             unixepoch('now', 'subsec') - unixepoch(",
        unpaused_at!("?1", "?2"),
        ", 'subsec') AS unpaused_ago"
    ),

    adopt_batches: Statement::new(
        "UPDATE delivery_batch INDEXED BY delivery_batch_open
         SET lease_token = ?3, maybe_delivered = maybe_delivered OR state = 'sending',
             state = 'waiting'
         WHERE user_id = ?1 AND task_id = ?2 AND closed_at IS NULL",
    ),
    open_entries: Some(concat!(
        "SELECT id, lease_token, parent_id, contact_ids, options, attempts, maybe_delivered, ",
        seconds_since!("failing_since"),
        " AS failing_for
         FROM delivery_batch INDEXED BY delivery_batch_open
         WHERE user_id = ?1 AND task_id = ?2 AND closed_at IS NULL
         ORDER BY created_at, id"
    )),
    pending_rows: Statement::new(concat!(
        "SELECT ",
        row_columns!("?2", "?3"),
        " FROM contact_outbox NOT INDEXED
          WHERE id IN (SELECT value FROM json_each(?1)) AND status = 'pending'"
    )),
    lift_holds: "UPDATE delivery_lane
         SET held_until = NULL, hold_reason = NULL, hold_message = NULL, held_since = NULL
         WHERE hold_reason = ?1",
    release_lane: "UPDATE delivery_lane SET lease_owner = NULL
         WHERE user_id = ?1 AND task_id = ?2 AND lease_token = ?3",
    newest: "SELECT coalesce(max(id), 0) FROM contact_outbox",
    newest_lanes: concat!(
        "SELECT user_id, task_id FROM contact_outbox NOT INDEXED
         WHERE id > ?1 AND id <= ?2 AND status = 'pending'
           AND (not_before IS NULL OR not_before <= ",
        now!(),
        ") ORDER BY id DESC LIMIT 256"
    ),
    // Reads the two small indexes from end to end.
    backlog: concat!(
        "WITH due (user_id, task_id, contacts) AS (
             SELECT user_id, task_id, count(*)
             FROM contact_outbox INDEXED BY contact_outbox_immediate
             WHERE status = 'pending' AND not_before IS NULL GROUP BY user_id, task_id
             UNION ALL
             SELECT user_id, task_id, count(*)
             FROM contact_outbox INDEXED BY contact_outbox_deferred
             WHERE status = 'pending' AND not_before IS NOT NULL AND not_before <= ",
        now!(),
        "
         GROUP BY user_id, task_id
         ), classed (contacts, class, because) AS (
             SELECT due.contacts,
                 CASE WHEN ",
        is_paused!("due"),
        " THEN 'paused' WHEN l.held_until > ",
        now!(),
        " THEN 'held'
                      WHEN l.lease_owner <> ?1 AND ",
        is_alive!("l.lease_owner"),
        " THEN 'elsewhere'
                      ELSE 'due' END,
                 CASE WHEN l.held_until > ",
        now!(),
        "
         THEN coalesce(nullif(l.hold_message, ''), l.hold_reason) END
             FROM due LEFT JOIN delivery_lane l
                 ON l.user_id = due.user_id AND l.task_id = due.task_id
             UNION ALL
             SELECT count(*), 'deferred', NULL
             FROM contact_outbox INDEXED BY contact_outbox_deferred
             WHERE status = 'pending' AND not_before IS NOT NULL AND not_before > ",
        now!(),
        ")
         SELECT class, because, sum(contacts) AS contacts
         FROM classed GROUP BY class, because ORDER BY 3 DESC"
    ),
    // The transaction that asks is the only one that writes.
    lock_lanes: "SELECT l.user_id, l.task_id, l.lease_token
         FROM json_each(?1) AS named CROSS JOIN delivery_lane l
             ON l.user_id = named.value ->> 'user_id' AND l.task_id = named.value ->> 'task_id'",
    find_batches: "SELECT id, lease_token, closed_at IS NOT NULL AS closed
         FROM delivery_batch WHERE id IN (SELECT value FROM json_each(?1))",
    open_batches: concat!(
        "INSERT INTO delivery_batch (id, parent_id, user_id, task_id, lease_token, contact_ids,
             options, state, attempts, maybe_delivered, sent_at)
         SELECT value ->> 'id', value ->> 'parent_id', value ->> 'user_id', value ->> 'task_id',
             value ->> 'lease_token', value ->> 'contact_ids', value ->> 'options',
             value ->> 'state', value ->> 'attempts', value ->> 'maybe_delivered',
             CASE value ->> 'state' WHEN 'sending' THEN ",
        now!(),
        " END
         FROM json_each(?1) AS o
         WHERE (SELECT l.lease_token FROM delivery_lane l
                WHERE l.user_id = o.value ->> 'user_id' AND l.task_id = o.value ->> 'task_id')
               = o.value ->> 'lease_token'
           AND (o.value ->> 'state' <> 'sending' OR NOT EXISTS (
               SELECT 1 FROM json_each(o.value ->> 'contact_ids') AS named
               WHERE (SELECT status FROM contact_outbox WHERE id = named.value) IS NOT 'pending'))
         ON CONFLICT (id) DO NOTHING"
    ),
    sending_batches: "SELECT id FROM delivery_batch
         WHERE id IN (SELECT value FROM json_each(?1)) AND state = 'sending'",
    stale_rows: "SELECT named.value FROM json_each(?1) AS named
         WHERE (SELECT status FROM contact_outbox WHERE id = named.value) IS NOT 'pending'",
    postpone_batches: Statement::new(concat!(
        "UPDATE delivery_batch AS b
         SET state = 'waiting', attempts = p.value ->> 'attempts',
             maybe_delivered = b.maybe_delivered OR (p.value ->> 'maybe_delivered'),
             failing_since = CASE WHEN p.value ->> 'failing' THEN coalesce(b.failing_since, ",
        now!(),
        ") END,
             outcome = coalesce(p.value ->> 'outcome', b.outcome),
             answer = coalesce(p.value ->> 'answer', b.answer)
         FROM json_each(?1) AS p
         WHERE b.id = p.value ->> 'id'"
    )),
    resend_batches: Statement::new(concat!(
        "UPDATE delivery_batch AS b
         SET state = 'sending', attempts = r.value ->> 'attempts', sent_at = ",
        now!(),
        "
         FROM json_each(?1) AS r
         WHERE b.id = r.value ->> 'id'"
    )),
    close_batches: Statement::new(concat!(
        "UPDATE delivery_batch AS b
         SET state = 'closed', closed_at = ",
        now!(),
        ", attempts = c.value ->> 'attempts',
             outcome = c.value ->> 'outcome', answer = c.value ->> 'answer'
         FROM json_each(?1) AS c
         WHERE b.id = c.value ->> 'id'"
    )),
    settle_successes: concat!(
        "UPDATE contact_outbox NOT INDEXED
         SET status = 'succeeded', attempts = attempts + ?2, batch_id = ?3, finished_at = ",
        now!(),
        "
         WHERE id IN (SELECT value FROM json_each(?1)) AND status = 'pending'"
    ),
    settle_failures: Statement::new(concat!(
        "UPDATE contact_outbox NOT INDEXED
         SET status = 'failed', fail_kind = s.value ->> 'fail_kind',
             fail_cause = s.value ->> 'fail_cause',
             attempts = contact_outbox.attempts + (s.value ->> 'attempts'),
             batch_id = coalesce(s.value ->> 'batch_id', contact_outbox.batch_id),
             finished_at = ",
        now!(),
        "
         FROM json_each(?1) AS s
         WHERE contact_outbox.id = s.value ->> 'id' AND contact_outbox.status = 'pending'"
    )),
    change_lanes: Statement::new(concat!(
        "UPDATE delivery_lane AS l
         SET failures = h.value ->> 'failures',
             held_until = strftime('%Y-%m-%d %H:%M:%f', 'now',
                 (h.value ->> 'delay') || ' seconds'),
             hold_reason = h.value ->> 'reason', hold_message = h.value ->> 'message',
             held_since = CASE
                 WHEN h.value ->> 'reason' IS NULL THEN NULL
                 WHEN l.hold_reason = h.value ->> 'reason' THEN coalesce(l.held_since, ",
        now!(),
        ")
                 ELSE ",
        now!(),
        "
         END,
             waits_since = CASE
                 WHEN h.value ->> 'reason' IS NULL THEN NULL
                 WHEN h.value ->> 'needs_person' THEN coalesce(l.waits_since, ",
        now!(),
        ")
                 ELSE l.waits_since
             END
         FROM json_each(?1) AS h
         WHERE l.user_id = h.value ->> 'user_id' AND l.task_id = h.value ->> 'task_id'"
    )),
};

/// The statements that run all day, for the test that looks at their plans.
pub(super) static HOT: LazyLock<Vec<(&str, &str)>> = LazyLock::new(|| {
    let own = [
        ("find_lanes", FIND_LANES),
        ("read_page", READ_PAGE),
        ("still_pending", STILL_PENDING),
        ("claim_rate", CLAIM_RATE),
    ];
    hot(&STATEMENTS, &operating::OPERATING, &erasing::ERASING, &own)
});
