//! Every statement that is sent to PostgreSQL, named by intent.
//!
//! A range over an index begins with a row comparison, `(task_id, id) > (…)`, and is ordered by all
//! of its columns. Then no other index yields the order, and a planner with stale statistics cannot
//! walk the primary key instead. The range ends with a plain comparison of the column behind those
//! that `=` fixes: a row comparison ends a scan by its first column only, and would read on through
//! everything behind the lane. `EXISTS` is written as `(SELECT true … LIMIT 1)`: the planner may
//! turn the former into a hash of the whole table, never the latter.
//!
//! A statement that updates rows which are known to be there returns how many of them are now as
//! they should be. A row policy or a trigger can leave a row as it was, or put its old values back,
//! without an error.

use std::sync::LazyLock;

use crate::outbox::sql::statements::{Statement, Statements, hot};

/// The columns of an `OutboxRow` out of `$rows`, which have the columns of `raw_columns!`, and `$more`
/// columns. A text that is longer than `$short` is left out if it is longer than `$most`, the most bytes
/// of a contact, together with the texts before it. A text that is stored apart is not fetched for its
/// length.
///
/// `in_doubt`: whether a contact that was requeued may be in its task by an earlier send. One that never
/// went out has no batch, so nothing is looked up for it.
///
/// OFFSET 0: the text of JSON is worked out once.
macro_rules! outbox_rows {
    ($most:literal, $short:literal, $more:literal, $rows:expr) => {
        concat!(
            "SELECT id, ",
            texts!($most, $short, [] "phone" "name" "email" "company" "sub_user_id"
                "control_select_robot" "phone_mask" "extra" "components" "custom_vars"),
            " AS bytes, sex, sort, source_id, industry_id, grade_id, ignore_crm, skip_error,
             number_add_suffix, encryption,
             date_part('epoch', now() - coalesce(not_before, created_at)) AS due_for,
             CASE WHEN batch_id IS NOT NULL THEN
                 (SELECT true FROM contact_requeue q
                  WHERE q.contact_id = outbox_row.id AND q.fail_kind = 'unconfirmed' LIMIT 1)
             END AS in_doubt",
            $more,
            " FROM (SELECT id, phone, name, email, company, sub_user_id, control_select_robot,
                 phone_mask, extra, components::text AS components,
                 custom_vars::text AS custom_vars, sex, sort, source_id, industry_id, grade_id,
                 ignore_crm, skip_error, number_add_suffix, encryption, not_before, created_at,
                 batch_id
             FROM (",
            $rows,
            ") AS found OFFSET 0) AS outbox_row"
        )
    };
}

/// How many bytes texts have together.
macro_rules! bytes {
    ($($column:literal)+) => {
        concat!("0::bigint", $(" + coalesce(octet_length(", $column, "), 0)",)+)
    };
}

/// Texts, each unless it is too long together with the texts before it; then the bytes of all. Nearly
/// all texts are short.
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

/// The columns of the table that a row is made of. The lane is among them because rows are ordered by
/// it: another column would cost a step for each row.
macro_rules! raw_columns {
    () => {
        "id, phone, name, email, company, sex, sort, source_id, industry_id, grade_id, components,
         custom_vars, extra, sub_user_id, control_select_robot, ignore_crm, skip_error,
         number_add_suffix, encryption, phone_mask, not_before, created_at, batch_id, user_id,
         task_id"
    };
}

/// Whether the owner `$owner` (an expression) is an instance whose leases are good.
macro_rules! is_alive {
    ($owner:literal) => {
        concat!(
            "(SELECT true FROM courier_instance i WHERE i.id = ",
            $owner,
            " AND i.heartbeat_at + i.lease_ms * interval '1 millisecond' > now())"
        )
    };
}

/// Stands before a read that decides something. pgpool, which balances reads over standbys that lag
/// behind, sends such a read to the primary.
macro_rules! primary {
    () => {
        "/*NO LOAD BALANCE*/ "
    };
}

/// A column of a row (with its dot) that apps may fill with any text: its two ends, if it is longer than
/// any number.
macro_rules! ends {
    ($row:literal, $text:literal) => {
        concat!(
            "CASE WHEN char_length(",
            $row,
            $text,
            ") <= 1000 THEN ",
            $row,
            $text,
            " ELSE left(",
            $row,
            $text,
            ", 10) || '***' || right(",
            $row,
            $text,
            ", 10) END AS ",
            $text
        )
    };
}

/// An instant (an expression) as text for people, and how long ago it was, under a name.
macro_rules! moment {
    ($instant:literal, $name:literal) => {
        concat!(
            "to_char(",
            $instant,
            " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') AS ",
            $name,
            ", (extract(epoch FROM now()) - extract(epoch FROM ",
            $instant,
            "))::float8 AS ",
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
                   AND (p.paused_until IS NULL OR p.paused_until > now()))"
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
                   AND (p.paused_until IS NULL OR p.paused_until > now()))"
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
            ")) AND p.paused_until <= now())"
        )
    };
}

pub(super) mod erasing;
pub(super) mod intervening;
pub(super) mod migrating;
pub(super) mod operating;

/// $1 instance, $2 and $3 the lane to begin behind, $4 linger in seconds, $5 batch size, $6 limit.
///
/// `walk` goes from lane to lane: each step seeks the next lane in three indexes and takes the
/// least. It is read lazily, so `LIMIT` stops it. Nothing here touches more than a batch of rows of
/// a lane, and only of a lane that is still lingering.
pub(super) const FIND_LANES: &str = concat!(
    primary!(),
    "WITH RECURSIVE walk AS (
         SELECT $2::text COLLATE \"C\" AS user_id, $3::text COLLATE \"C\" AS task_id
         UNION ALL
         SELECT next.user_id, next.task_id
         FROM walk CROSS JOIN LATERAL (
             SELECT candidate.user_id, candidate.task_id
             FROM (
                 (SELECT user_id, task_id FROM contact_outbox
                  WHERE status = 'pending' AND not_before IS NULL
                    AND (user_id, task_id) > (walk.user_id, walk.task_id)
                  ORDER BY user_id, task_id LIMIT 1)
                 UNION ALL
                 (SELECT user_id, task_id FROM contact_outbox
                  WHERE status = 'pending' AND not_before IS NOT NULL
                    AND (user_id, task_id) > (walk.user_id, walk.task_id)
                  ORDER BY user_id, task_id LIMIT 1)
                 UNION ALL
                 (SELECT user_id, task_id FROM delivery_batch
                  WHERE closed_at IS NULL AND (user_id, task_id) > (walk.user_id, walk.task_id)
                  ORDER BY user_id, task_id LIMIT 1)
             ) AS candidate
             ORDER BY candidate.user_id, candidate.task_id LIMIT 1
         ) AS next
     )
     SELECT walk.user_id, walk.task_id, lane.hold_reason, ripeness.ripe_in
     FROM walk LEFT JOIN LATERAL (
         SELECT l.hold_reason, (l.held_until > now())
                OR (l.lease_owner <> $1 AND ",
    is_alive!("l.lease_owner"),
    ") AS is_taken
         FROM delivery_lane l
         WHERE l.user_id = walk.user_id AND l.task_id = walk.task_id
         -- Keeps the planner from a join that reads all lanes.
         OFFSET 0
     ) AS lane ON true CROSS JOIN LATERAL (
         SELECT CASE
             WHEN oldest.age >= $4 OR oldest.age < 0 THEN 0
             WHEN (SELECT true FROM delivery_batch b
                   WHERE b.user_id = walk.user_id AND b.task_id = walk.task_id
                     AND b.closed_at IS NULL LIMIT 1) THEN 0
             WHEN (SELECT true FROM contact_outbox c
                   WHERE c.status = 'pending' AND c.not_before IS NOT NULL
                     AND c.user_id = walk.user_id AND c.task_id = walk.task_id
                     AND c.not_before <= now()
                   ORDER BY c.not_before LIMIT 1) THEN 0
             WHEN oldest.age IS NULL THEN (
                 SELECT extract(epoch FROM c.not_before - now())::float8 FROM contact_outbox c
                 WHERE c.status = 'pending' AND c.not_before IS NOT NULL
                   AND c.user_id = walk.user_id AND c.task_id = walk.task_id
                   AND c.not_before <= now() + make_interval(secs => $7)
                 ORDER BY c.not_before LIMIT 1)
             WHEN (SELECT true FROM contact_outbox c
                   WHERE c.status = 'pending' AND c.not_before IS NULL
                     AND c.user_id = walk.user_id
                     AND c.task_id >= walk.task_id AND c.task_id <= walk.task_id
                   ORDER BY c.user_id, c.task_id, c.id OFFSET $5 - 1 LIMIT 1) THEN 0
             ELSE $4 - oldest.age
         END AS ripe_in
         FROM (SELECT (
             SELECT (extract(epoch FROM now()) - extract(epoch FROM c.created_at))::float8
             FROM contact_outbox c
             WHERE c.status = 'pending' AND c.not_before IS NULL
               AND c.user_id = walk.user_id
               AND c.task_id >= walk.task_id AND c.task_id <= walk.task_id
             ORDER BY c.user_id, c.task_id, c.id LIMIT 1
         ) AS age) AS oldest
         WHERE lane.is_taken IS NOT TRUE
         -- Keeps the planner from working this out once for the filter and once for the answer.
         OFFSET 0
     ) AS ripeness
     WHERE (walk.user_id, walk.task_id) > ($2, $3)
       AND ripeness.ripe_in IS NOT NULL
     LIMIT $6"
);

/// $1 user, $2 task, $3 limit, $4 and $5 the last deferred row, $6 the last other row, $7 and $8 the
/// lengths of texts.
///
/// The second half is only read when the first has left room.
pub(super) const READ_PAGE: &str = concat!(
    primary!(),
    outbox_rows!(
        "$7",
        "$8",
        ", not_before::text AS not_before",
        concat!(
            "(SELECT ",
            raw_columns!(),
            " FROM contact_outbox
              WHERE status = 'pending' AND not_before IS NOT NULL
                AND user_id = $1 AND task_id = $2
                AND (not_before, id) > ($4::timestamptz, $5) AND not_before <= now()
              ORDER BY not_before, id LIMIT $3)
             UNION ALL
             (SELECT ",
            raw_columns!(),
            " FROM contact_outbox
              WHERE status = 'pending' AND not_before IS NULL
                AND user_id = $1 AND (task_id, id) > ($2, $6) AND task_id <= $2
              ORDER BY user_id, task_id, id LIMIT $3)
             LIMIT $3"
        )
    )
);

/// $1 ids. The lock is the one that an update takes. It is released at once.
pub(super) const LOCKED_ROWS: &str = "
    WITH free AS MATERIALIZED (
        SELECT id FROM contact_outbox WHERE id = ANY ($1) FOR NO KEY UPDATE SKIP LOCKED
    )
    SELECT id FROM contact_outbox WHERE id = ANY ($1)
        AND NOT EXISTS (SELECT FROM free WHERE free.id = contact_outbox.id)";

/// $1 ids. Fails if another session keeps one of them locked.
pub(super) const LOCK_ROWS_AT_ONCE: &str =
    "SELECT FROM contact_outbox WHERE id = ANY ($1) FOR NO KEY UPDATE NOWAIT";

/// How many rows an update has settled; none is reported if the table has triggers, because their
/// later changes do not show in the update's count.
macro_rules! settled {
    () => {
        "SELECT CASE WHEN c.relhastriggers THEN 0
             ELSE (SELECT count(*) FROM written WHERE status <> 'pending') END
         FROM pg_class AS c WHERE c.oid = 'contact_outbox'::regclass"
    };
}

/// Settles all batches at once, and returns nothing: the server counts the rows. $1 contacts,
/// $2 attempts, $3 batches.
///
/// It changes no row of a table on which a trigger, a rule or a part of the table could undo the
/// change or do another: there the server's count says nothing.
pub(super) const SETTLE_UNWATCHED: &str = "
    UPDATE contact_outbox AS c
    SET status = 'succeeded', attempts = c.attempts + s.attempts, batch_id = s.batch_id,
        finished_at = now()
    FROM unnest($1::bigint[], $2::integer[], $3::uuid[]) AS s (id, attempts, batch_id)
    WHERE c.id = s.id AND c.status = 'pending'
      AND (SELECT t.relkind = 'r'
               AND NOT (t.relhastriggers OR t.relhasrules OR t.relhassubclass)
           FROM pg_class AS t WHERE t.oid = 'contact_outbox'::regclass)";

/// $1 ids. How many of them still wait to be settled.
pub(super) const STILL_PENDING: &str =
    "SELECT count(*) FROM contact_outbox WHERE id = ANY ($1) AND status = 'pending'";

/// $1 name; in microseconds $2 span, $3 burst, $4 how far ahead the rate can be given away, $5 how
/// far ahead it begins anew. `now()` is the beginning of the statement, however long it waits for
/// another courier's claim; the rate is given away up to `given_until`.
pub(super) const CLAIM_RATE: &str = "
    INSERT INTO rate_budget AS r (name, given_until)
    VALUES ($1, (extract(epoch FROM now()) * 1000000)::bigint - $3 + $2)
    ON CONFLICT (name) DO UPDATE
        SET given_until = $2 + CASE
            WHEN r.given_until > (extract(epoch FROM now()) * 1000000)::bigint + $4
                THEN (extract(epoch FROM now()) * 1000000)::bigint + $5
            ELSE greatest(r.given_until, (extract(epoch FROM now()) * 1000000)::bigint - $3)
        END
    RETURNING given_until - $2 - (extract(epoch FROM now()) * 1000000)::bigint";

/// $1 … $23: the columns as arrays, in the order of `inserting::insert`.
pub(super) const INSERT_CONTACTS: &str = "
    INSERT INTO contact_outbox (user_id, task_id, phone, name, email, company, sex, sort, source_id,
        industry_id, grade_id, components, custom_vars, extra, sub_user_id, control_select_robot,
        ignore_crm, skip_error, number_add_suffix, encryption, phone_mask, idempotency_key,
        not_before)
    SELECT user_id, task_id, phone, name, email, company, sex, coalesce(sort, 0), source_id,
        industry_id, grade_id, components::jsonb, custom_vars::jsonb, extra, sub_user_id,
        control_select_robot, ignore_crm, skip_error, number_add_suffix, encryption, phone_mask,
        idempotency_key, not_before::timestamptz
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[],
        $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::text[],
        $13::text[], $14::text[], $15::text[], $16::text[], $17::boolean[], $18::boolean[],
        $19::boolean[], $20::boolean[], $21::text[], $22::text[], $23::text[])
        AS added (user_id, task_id, phone, name, email, company, sex, sort, source_id, industry_id,
            grade_id, components, custom_vars, extra, sub_user_id, control_select_robot, ignore_crm,
            skip_error, number_add_suffix, encryption, phone_mask, idempotency_key, not_before)
    ON CONFLICT (idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING";

/// $1 keys. How many of them are there.
pub(super) const KEYS_THERE: &str =
    "SELECT count(*) FROM contact_outbox WHERE idempotency_key = ANY ($1)";

/// The server's session that runs this.
pub(super) const BACKEND: &str = concat!(primary!(), "SELECT pg_backend_pid()");

/// The same as a transaction, in one round trip.
pub(super) const BACKEND_OF_TRANSACTION: &str =
    concat!(primary!(), "BEGIN; SELECT pg_backend_pid(); ROLLBACK");

/// Whether the database, and this user in it, are fit: see `outbox::fitness`.
pub(super) const FITNESS: &str = "
    SELECT current_setting('server_encoding') AS encoding, quote_ident(current_user) AS role,
        current_setting('enable_seqscan') AS enable_seqscan,
        current_setting('enable_bitmapscan') AS enable_bitmapscan,
        current_setting('enable_hashjoin') AS enable_hashjoin,
        current_setting('enable_mergejoin') AS enable_mergejoin,
        current_setting('jit') AS jit, current_setting('lock_timeout') AS lock_timeout,
        current_setting('statement_timeout') AS statement_timeout,
        current_setting('default_transaction_isolation') AS default_transaction_isolation,
        (SELECT string_agg(named.oid::regclass::text, ', ')
         FROM unnest(ARRAY[to_regclass('contact_outbox'), to_regclass('contact_requeue'),
             to_regclass('delivery_lane'), to_regclass('delivery_batch'),
             to_regclass('courier_instance'), to_regclass('rate_budget'),
             to_regclass('delivery_pause'), to_regclass('delivery_resume'),
             to_regclass('operator_action')]) AS named (oid)
         WHERE named.oid IS NOT NULL AND row_security_active(named.oid)) AS secured";

/// $1 name, $2 value. A setting as it is, and how it would be written with this value.
pub(super) const WOULD_BE: &str = "
    WITH now AS MATERIALIZED (SELECT current_setting($1, true) AS found)
    SELECT now.found, set_config($1, $2, true) AS would_be FROM now";

/// The statements that every database has.
pub(super) static STATEMENTS: Statements = Statements {
    beat: Statement::new(
        "INSERT INTO courier_instance (id, host, pid, lease_ms, standing)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (id) DO UPDATE
             SET host = excluded.host, pid = excluded.pid, lease_ms = excluded.lease_ms,
                 standing = excluded.standing, heartbeat_at = now()",
    ),
    alive: None,
    // The time when the row is looked at, not `now()`: the statement may have waited for a
    // heartbeat.
    bring_back_beats: "UPDATE courier_instance SET heartbeat_at = clock_timestamp()
         WHERE heartbeat_at > clock_timestamp() + interval '10 seconds'",
    bring_back_holds: Statement::new(
        "UPDATE delivery_lane
         SET held_until = CASE
                 WHEN held_until > now() + $1 * interval '1 second'
                 THEN now() + $1 * interval '1 second'
                 ELSE held_until
             END,
             held_since = CASE WHEN held_since > now() THEN now() ELSE held_since END,
             waits_since = CASE WHEN waits_since > now() THEN now() ELSE waits_since END
         WHERE held_until > now() + $1 * interval '1 second' OR held_since > now()
            OR waits_since > now()",
    ),
    bring_back_failures: "UPDATE delivery_batch SET failing_since = now()
         WHERE closed_at IS NULL AND failing_since > now()",
    clear_silent_instances: "DELETE FROM courier_instance
         WHERE heartbeat_at < now() - interval '1 day'",
    keep_rate: Statement::new(
        "INSERT INTO rate_budget (name, given_until, learned, learned_at)
         VALUES ('learned', 0, $1, now())
         ON CONFLICT (name) DO UPDATE
             SET learned = excluded.learned, learned_at = excluded.learned_at",
    ),
    learned_rate: "SELECT learned,
             (extract(epoch FROM now()) - extract(epoch FROM learned_at))::float8 AS learned_ago
         FROM rate_budget WHERE name = 'learned' AND learned IS NOT NULL",
    forget_rates: Statement::new(
        "DELETE FROM rate_budget
         WHERE name <> 'learned'
           AND given_until < (extract(epoch FROM now())::float8 - $1::float8) * 1000000",
    ),
    free_lanes: "UPDATE delivery_lane SET lease_owner = NULL WHERE lease_owner = $1",
    remove_instance: "DELETE FROM courier_instance WHERE id = $1",
    // If an owner registers while this statement waits for the lane's row, it is not seen as alive
    // and loses the lane to us. Its token does not fit any more, so only a turn is wasted.
    //
    // The token is the time in microseconds, and always greater than the last one. A failover may
    // lose leases; if tokens were only counted, the next owner would get one that a lost lease had.
    lease_lane: concat!(
        "INSERT INTO delivery_lane AS l (user_id, task_id, lease_owner, lease_token, leased_at)
         VALUES ($1, $2, $3, (extract(epoch FROM now()) * 1000000)::bigint, now())
         ON CONFLICT (user_id, task_id) DO UPDATE
             SET lease_owner = excluded.lease_owner,
                 lease_token = greatest(l.lease_token + 1, excluded.lease_token),
                 leased_at = now()
             WHERE (l.held_until > now()) IS NOT TRUE
               AND (l.lease_owner <> excluded.lease_owner AND ",
        is_alive!("l.lease_owner"),
        ") IS NOT TRUE
         RETURNING l.lease_token, l.failures::bigint AS failures, l.hold_reason,
             (extract(epoch FROM now()) - extract(epoch FROM l.waits_since))::float8 AS waiting_for,
             (extract(epoch FROM now()) - extract(epoch FROM ",
        unpaused_at!("$1", "$2"),
        "))::float8 AS unpaused_ago"
    ),
    // Returns all open batches, also those that were not written, with the token that they have
    // now.
    adopt_batches: Statement::new(
        "WITH opened AS (
             SELECT id, parent_id, contact_ids, options, attempts, maybe_delivered, failing_since,
                 created_at, lease_token
             FROM delivery_batch
             WHERE user_id = $1 AND task_id = $2 AND closed_at IS NULL
         ), adopted AS (
             UPDATE delivery_batch
             SET lease_token = $3, maybe_delivered = maybe_delivered OR state = 'sending',
                 state = 'waiting'
             WHERE user_id = $1 AND task_id = $2 AND closed_at IS NULL
             RETURNING id, maybe_delivered, lease_token
         )
         SELECT o.id, coalesce(a.lease_token, o.lease_token) AS lease_token, o.parent_id,
             o.contact_ids, o.options::text AS options, o.attempts::bigint AS attempts,
             coalesce(a.maybe_delivered, true) AS maybe_delivered,
             (extract(epoch FROM now()) - extract(epoch FROM o.failing_since))::float8
                 AS failing_for
         FROM opened AS o LEFT JOIN adopted AS a ON a.id = o.id
         ORDER BY o.created_at, o.id",
    ),
    open_entries: None,
    pending_rows: Statement::new(concat!(
        primary!(),
        outbox_rows!(
            "$2",
            "$3",
            "",
            concat!(
                "SELECT ",
                raw_columns!(),
                " FROM contact_outbox WHERE id = ANY($1) AND status = 'pending'"
            )
        )
    )),
    lift_holds: "UPDATE delivery_lane
         SET held_until = NULL, hold_reason = NULL, hold_message = NULL, held_since = NULL
         WHERE hold_reason = $1",
    release_lane: "UPDATE delivery_lane SET lease_owner = NULL
         WHERE user_id = $1 AND task_id = $2 AND lease_token = $3",
    newest: concat!(
        primary!(),
        "SELECT coalesce(max(id), 0) FROM contact_outbox"
    ),
    newest_lanes: concat!(
        primary!(),
        "SELECT user_id, task_id FROM contact_outbox
         WHERE id > $1 AND id <= $2 AND status = 'pending'
           AND (not_before IS NULL OR not_before <= now())
         ORDER BY id DESC LIMIT 256"
    ),
    // Reads the two small indexes from end to end.
    backlog: concat!(
        primary!(),
        "WITH due AS (
             SELECT user_id, task_id, count(*) AS contacts FROM contact_outbox
             WHERE status = 'pending' AND not_before IS NULL GROUP BY user_id, task_id
             UNION ALL
             SELECT user_id, task_id, count(*) FROM contact_outbox
             WHERE status = 'pending' AND not_before IS NOT NULL AND not_before <= now()
             GROUP BY user_id, task_id
         ), classed AS (
             SELECT due.contacts,
                 CASE WHEN ",
        is_paused!("due"),
        " THEN 'paused'
                      WHEN l.held_until > now() THEN 'held'
                      WHEN l.lease_owner <> $1 AND ",
        is_alive!("l.lease_owner"),
        " THEN 'elsewhere'
                      ELSE 'due' END AS class,
                 CASE WHEN l.held_until > now()
                      THEN coalesce(nullif(l.hold_message, ''), l.hold_reason) END AS because
             FROM due LEFT JOIN delivery_lane l
                 ON l.user_id = due.user_id AND l.task_id = due.task_id
             UNION ALL
             SELECT count(*), 'deferred', NULL FROM contact_outbox
             WHERE status = 'pending' AND not_before IS NOT NULL AND not_before > now()
         )
         SELECT class, because, sum(contacts)::bigint AS contacts
         FROM classed GROUP BY class, because ORDER BY 3 DESC"
    ),
    // The rows are locked in their order, and for writing at once: a shared lock that is raised
    // later would deadlock with another one.
    lock_lanes: "SELECT l.user_id, l.task_id, l.lease_token
         FROM unnest($1::text[], $2::text[]) AS named (user_id, task_id)
         JOIN delivery_lane l ON l.user_id = named.user_id AND l.task_id = named.task_id
         ORDER BY l.user_id, l.task_id
         FOR NO KEY UPDATE OF l",
    find_batches: concat!(
        primary!(),
        "SELECT id, lease_token, closed_at IS NOT NULL AS closed FROM delivery_batch
         WHERE id = ANY($1)"
    ),
    // Ids of contacts come as text (`{1,2}`), because arrays of arrays must be rectangular. The
    // lane and the rows are checked in this statement, which runs where writes run: a read may run
    // on a standby that lags behind.
    open_batches: "INSERT INTO delivery_batch (id, parent_id, user_id, task_id, lease_token,
             contact_ids, options, state, attempts, maybe_delivered, sent_at)
         SELECT o.id, o.parent_id, o.user_id, o.task_id, o.lease_token, o.contact_ids,
             o.options::jsonb, o.state, o.attempts, o.maybe_delivered,
             CASE o.state WHEN 'sending' THEN now() END
         FROM (
             SELECT id, parent_id, user_id, task_id, lease_token,
                 contact_ids::bigint[] AS contact_ids, options, state, attempts, maybe_delivered
             FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::bigint[], $6::text[],
                 $7::text[], $8::text[], $9::integer[], $10::boolean[])
                 AS o (id, parent_id, user_id, task_id, lease_token, contact_ids, options, state,
                     attempts, maybe_delivered)
             -- Each text of ids is read once.
             OFFSET 0
         ) AS o
         WHERE (SELECT l.lease_token FROM delivery_lane l
                WHERE l.user_id = o.user_id AND l.task_id = o.task_id) = o.lease_token
           AND (o.state <> 'sending'
             OR (SELECT count(*) FROM contact_outbox c
                 WHERE c.id = ANY (o.contact_ids) AND c.status = 'pending')
                 = cardinality(o.contact_ids))
         ON CONFLICT (id) DO NOTHING",
    sending_batches: concat!(
        primary!(),
        "SELECT id FROM delivery_batch WHERE id = ANY($1) AND state = 'sending'"
    ),
    stale_rows: concat!(
        primary!(),
        "SELECT named.id FROM unnest($1::bigint[]) AS named (id)
         WHERE (SELECT c.status FROM contact_outbox c WHERE c.id = named.id)
            IS DISTINCT FROM 'pending'"
    ),
    postpone_batches: Statement::counting(
        "WITH written AS (
             UPDATE delivery_batch AS b
             SET state = 'waiting', attempts = p.attempts,
                 maybe_delivered = b.maybe_delivered OR p.maybe_delivered,
                 failing_since = CASE WHEN p.failing THEN coalesce(b.failing_since, now()) END,
                 outcome = coalesce(p.outcome, b.outcome), answer = coalesce(p.answer, b.answer)
             FROM unnest($1::uuid[], $2::integer[], $3::boolean[], $4::boolean[], $5::text[],
                 $6::text[])
                 AS p (id, attempts, maybe_delivered, failing, outcome, answer)
             WHERE b.id = p.id
             RETURNING b.state
         )
         SELECT count(*) FROM written WHERE state = 'waiting'",
    ),
    resend_batches: Statement::counting(
        "WITH written AS (
             UPDATE delivery_batch AS b
             SET state = 'sending', attempts = r.attempts, sent_at = now()
             FROM unnest($1::uuid[], $2::integer[]) AS r (id, attempts)
             WHERE b.id = r.id
             RETURNING b.state
         )
         SELECT count(*) FROM written WHERE state = 'sending'",
    ),
    close_batches: Statement::counting(
        "WITH written AS (
             UPDATE delivery_batch AS b
             SET state = 'closed', closed_at = now(), attempts = c.attempts, outcome = c.outcome,
                 answer = c.answer
             FROM unnest($1::uuid[], $2::integer[], $3::text[], $4::text[])
                 AS c (id, attempts, outcome, answer)
             WHERE b.id = c.id
             RETURNING b.state
         )
         SELECT count(*) FROM written WHERE state = 'closed'",
    ),
    // Settles all batches at once [contacts, attempts, batches].
    settle_successes: concat!(
        "WITH written AS (
             UPDATE contact_outbox AS c
             SET status = 'succeeded', attempts = c.attempts + s.attempts, batch_id = s.batch_id,
                 finished_at = now()
             FROM unnest($1::bigint[], $2::integer[], $3::uuid[]) AS s (id, attempts, batch_id)
             WHERE c.id = s.id AND c.status = 'pending'
             RETURNING c.status
         )
         ",
        settled!()
    ),
    settle_failures: Statement::counting(concat!(
        "WITH written AS (
             UPDATE contact_outbox AS c
             SET status = 'failed', fail_kind = s.fail_kind, fail_cause = s.fail_cause,
                 attempts = c.attempts + s.attempts, batch_id = coalesce(s.batch_id, c.batch_id),
                 finished_at = now()
             FROM unnest($1::bigint[], $2::integer[], $3::uuid[], $4::text[], $5::text[])
                 AS s (id, attempts, batch_id, fail_kind, fail_cause)
             WHERE c.id = s.id AND c.status = 'pending'
             RETURNING c.status
         )
         ",
        settled!(),
    )),
    change_lanes: Statement::counting(
        "WITH written AS (
             UPDATE delivery_lane AS l
             SET failures = h.failures, held_until = now() + h.delay * interval '1 second',
                 hold_reason = h.reason, hold_message = h.message,
                 held_since = CASE
                     WHEN h.reason IS NULL THEN NULL
                     WHEN l.hold_reason = h.reason THEN coalesce(l.held_since, now())
                     ELSE now()
                 END,
                 waits_since = CASE
                     WHEN h.reason IS NULL THEN NULL
                     WHEN h.needs_person THEN coalesce(l.waits_since, now())
                     ELSE l.waits_since
                 END
             FROM unnest($1::text[], $2::text[], $3::integer[], $4::float8[], $5::text[],
                 $6::text[], $7::boolean[])
                 AS h (user_id, task_id, failures, delay, reason, message, needs_person)
             WHERE l.user_id = h.user_id AND l.task_id = h.task_id
             RETURNING l.hold_reason IS NOT DISTINCT FROM h.reason AS holds
         )
         SELECT count(*) FROM written WHERE holds",
    ),
};

/// The statements that run all day, for the test that looks at their plans.
pub(super) static HOT: LazyLock<Vec<(&str, &str)>> = LazyLock::new(|| {
    let own = [
        ("find_lanes", FIND_LANES),
        ("read_page", READ_PAGE),
        ("locked_rows", LOCKED_ROWS),
        ("lock_rows_at_once", LOCK_ROWS_AT_ONCE),
        ("still_pending", STILL_PENDING),
        ("settle_unwatched", SETTLE_UNWATCHED),
        ("claim_rate", CLAIM_RATE),
    ];
    hot(&STATEMENTS, &operating::OPERATING, &erasing::ERASING, &own)
});

/// Whether the server, and this session, take writes. A demoted server keeps its sessions. The
/// comment keeps a pgpool from asking a standby.
pub(super) const TAKES_WRITES: &str = "/*NO LOAD BALANCE*/
    SELECT pg_is_in_recovery() AS is_standby,
        current_setting('transaction_read_only')::boolean AS is_read_only";

/// Takes away the limits that a server or a role may have set for the silence of a session and for
/// the length of a transaction: the session's own limits serve. Not every version knows both.
pub(super) const UNLIMITED: &str = "/*NO LOAD BALANCE*/
    SELECT set_config(name, '0', false)
    FROM (VALUES ('idle_session_timeout'), ('transaction_timeout')) AS known (name)
    WHERE current_setting(name, true) <> '0'";
