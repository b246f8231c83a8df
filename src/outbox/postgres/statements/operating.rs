//! The questions of operators.

use crate::outbox::operations::cancelled_in_doubt;
use crate::outbox::sql::statements::{Operating, Statement};

/// Everything known about every lane, as `standing`: the pending rows, counted in the two small
/// indexes from end to end; the open batches; the lanes. There is no join: each part selects what
/// it knows, and `GROUP BY` brings the parts together.
macro_rules! standing {
    () => {
        concat!(
            "WITH facts AS (
                 SELECT user_id, task_id, count(*) AS due, 0::bigint AS deferred,
                     min(id) AS first_id, NULL::timestamptz AS first_due, 0 AS open_batches,
                     false AS held, NULL::text AS owner
                 FROM contact_outbox
                 WHERE status = 'pending' AND not_before IS NULL GROUP BY user_id, task_id
                 UNION ALL
                 SELECT user_id, task_id, count(*) FILTER (WHERE not_before <= now()),
                     count(*) FILTER (WHERE not_before > now()), NULL,
                     min(not_before) FILTER (WHERE not_before <= now()), 0, false, NULL
                 FROM contact_outbox
                 WHERE status = 'pending' AND not_before IS NOT NULL GROUP BY user_id, task_id
                 UNION ALL
                 SELECT user_id, task_id, 0, 0, NULL, NULL, 1, false, NULL
                 FROM delivery_batch WHERE closed_at IS NULL
                 UNION ALL
                 SELECT l.user_id, l.task_id, 0, 0, NULL, NULL, 0, l.hold_reason IS NOT NULL,
                     CASE WHEN ",
            is_alive!("l.lease_owner"),
            "        THEN l.lease_owner::text END
                 FROM delivery_lane l
             ), known AS (
                 SELECT user_id, task_id, sum(due)::bigint AS due, sum(deferred)::bigint AS deferred,
                     min(first_id) AS first_id, min(first_due) AS first_due,
                     sum(open_batches)::bigint AS open_batches, bool_or(held) AS held,
                     max(owner) AS owner
                 FROM facts GROUP BY user_id, task_id
             ), lane AS (
                 SELECT user_id, task_id, due, deferred, first_id, first_due, open_batches,
                     held OR ",
            is_paused!("known"),
            "        OR $1 = '*' OR user_id = ANY (string_to_array($1, ',')) AS held,
                     due > 0 AND (held OR ",
            is_paused_alone!("known"),
            ") AS alone, owner FROM known
             ), standing AS (
                 SELECT user_id, task_id, due, deferred, open_batches, owner, held, alone,
                     CASE WHEN held AND due > 0 THEN 'held'
                          WHEN owner IS NOT NULL THEN 'leased'
                          WHEN due > 0 OR open_batches > 0 AND NOT held THEN 'due'
                          ELSE 'idle' END AS state,
                     (extract(epoch FROM now()) - extract(epoch FROM least(
                         (SELECT c.created_at FROM contact_outbox c WHERE c.id = lane.first_id),
                         first_due)))::float8 AS oldest
                 FROM lane
             ) "
        )
    };
}

/// The earlier ends of a contact, before a requeue, that left open whether it had arrived.
macro_rules! earlier_doubts {
    () => {
        "FROM contact_requeue q
             WHERE q.contact_id = c.id AND q.fail_kind = 'unconfirmed'"
    };
}

/// The last batch of a contact that may have arrived, if all such batches are known and were sent in the
/// same way.
macro_rules! last_batch {
    () => {
        concat!(
            " LEFT JOIN delivery_batch b
                 ON b.id = CASE WHEN c.fail_kind = 'unconfirmed' THEN c.batch_id
                     ELSE (SELECT q.batch_id ",
            earlier_doubts!(),
            " ORDER BY q.requeued_at DESC LIMIT 1) END
                 AND NOT EXISTS (SELECT FROM contact_requeue q
                     LEFT JOIN delivery_batch d ON d.id = q.batch_id
                     WHERE q.contact_id = c.id AND q.fail_kind = 'unconfirmed'
                       AND (d.id IS NULL
                           OR d.options ->> 'suffix' IS DISTINCT FROM b.options ->> 'suffix'
                           OR d.options ->> 'encryption'
                               IS DISTINCT FROM b.options ->> 'encryption')) "
        )
    };
}

/// Whether a request may have put the contact into the task, this time or before it was requeued.
macro_rules! maybe_in_task {
    () => {
        concat!(
            "(c.fail_kind = 'unconfirmed' OR EXISTS (SELECT 1 ",
            earlier_doubts!(),
            ")) AS maybe_in_task"
        )
    };
}

/// The options of all sends that may have arrived, as texts; null where they differ or are not known.
macro_rules! sent_columns {
    () => {
        "b.options ->> 'suffix' AS sent_suffix, b.options ->> 'encryption' AS sent_encryption"
    };
}

/// The columns of a `FailedContact`.
macro_rules! failed_columns {
    () => {
        concat!(
            "c.id, c.user_id, c.task_id, ",
            ends!("c.", "phone"),
            ", c.fail_kind, c.fail_cause,
             c.attempts::bigint AS attempts, c.batch_id::text AS batch_id, c.idempotency_key,
             c.number_add_suffix, c.encryption, c.redacted_at IS NOT NULL AS redacted,
             c.finished_at::text AS cursor_at, ",
            moment!("c.finished_at", "finished"),
            ", ",
            maybe_in_task!(),
            ", ",
            sent_columns!()
        )
    };
}

/// $1 user, $2 task, $3 kinds, $4 part of the cause, $5 and $6 the youngest and the oldest age in
/// seconds, each null for any.
macro_rules! passing {
    () => {
        "c.status = 'failed'
           AND ($1::text IS NULL OR c.user_id = $1) AND ($2::text IS NULL OR c.task_id = $2)
           AND ($3::text IS NULL OR c.fail_kind = ANY (string_to_array($3, ',')))
           AND ($4::text IS NULL OR position(lower($4) IN lower(c.fail_cause)) > 0)
           AND c.finished_at <= coalesce(now() - $5::float8 * interval '1 second', 'infinity')
           AND c.finished_at >= coalesce(now() - $6::float8 * interval '1 second', '-infinity')"
    };
}

/// $1 ids. The rows are locked in their order. Returns those that had failed.
pub(in crate::outbox::postgres) const REQUEUE: &str = "
    WITH failed AS (
        SELECT id, fail_kind, fail_cause, attempts, batch_id, finished_at FROM contact_outbox
        WHERE id = ANY ($1) AND status = 'failed' AND redacted_at IS NULL
        ORDER BY id FOR NO KEY UPDATE
    ), kept AS (
        INSERT INTO contact_requeue
            (contact_id, fail_kind, fail_cause, attempts, batch_id, finished_at)
        SELECT id, fail_kind, fail_cause, attempts, batch_id, finished_at FROM failed
    ), written AS (
        UPDATE contact_outbox c
        SET status = 'pending', fail_kind = NULL, fail_cause = NULL, finished_at = NULL
        FROM failed WHERE c.id = failed.id
    )
    SELECT id FROM failed";

/// The columns of a `BatchReport`.
macro_rules! batch_columns {
    () => {
        concat!(
            "b.id::text AS id, b.parent_id::text AS parent_id, b.state,
             cardinality(b.contact_ids)::bigint AS contacts, b.attempts::bigint AS attempts,
             b.maybe_delivered, b.outcome, b.answer, ",
            moment!("b.created_at", "created_at"),
            ", ",
            moment!("b.sent_at", "sent_at"),
            ", ",
            moment!("b.closed_at", "closed_at")
        )
    };
}

/// How this session is encrypted; empty if it is not.
pub(in crate::outbox::postgres) const WHETHER_TLS: &str = "
    SELECT CASE WHEN ssl THEN version ELSE '' END AS protocol
    FROM pg_stat_ssl WHERE pid = pg_backend_pid()";

/// The kind of this server, and the settings that its durability rests on. A standby reads the log; so does
/// who takes a backup, or the changes alone, and that one never takes the server's place.
pub(in crate::outbox::postgres) const SERVER: &str = "
    SELECT current_setting('server_version') AS version, current_setting('fsync') AS fsync,
        current_setting('full_page_writes') AS full_page_writes,
        current_setting('synchronous_commit') AS synchronous_commit,
        current_setting('synchronous_standby_names') AS synchronous_standby_names,
        (SELECT count(*) FROM pg_stat_replication) AS readers,
        (SELECT count(*) FROM pg_stat_replication AS reader
         WHERE reader.state IS DISTINCT FROM 'backup'
           AND coalesce(reader.application_name, '') NOT IN ('pg_basebackup', 'pg_receivewal')
           AND NOT EXISTS (SELECT FROM pg_replication_slots AS slot
               WHERE slot.active_pid = reader.pid AND slot.slot_type = 'logical')) AS standbys,
        (SELECT CASE WHEN role.rolsuper THEN current_setting('max_connections')::bigint
             ELSE least(nullif(role.rolconnlimit, -1), nullif(base.datconnlimit, -1),
                 current_setting('max_connections')::bigint
                 - current_setting('superuser_reserved_connections')::bigint
                 - coalesce(current_setting('reserved_connections', true)::bigint, 0)) END
         FROM pg_roles AS role, pg_database AS base
         WHERE role.rolname = session_user AND base.datname = current_database()) AS connections,
        extract(epoch FROM clock_timestamp())::float8 AS clock";

/// The statements of operators that every database has.
pub(in crate::outbox::postgres) static OPERATING: Operating = Operating {
    overview: Statement::new(concat!(
        standing!(),
        "SELECT coalesce(sum(due) FILTER (WHERE NOT held), 0)::bigint AS due,
             coalesce(sum(due) FILTER (WHERE held), 0)::bigint AS held,
             coalesce(sum(deferred), 0)::bigint AS deferred, max(oldest) AS oldest,
             count(*) FILTER (WHERE state = 'due') AS lanes_due,
             count(*) FILTER (WHERE state = 'held') AS lanes_held,
             count(*) FILTER (WHERE state = 'leased') AS lanes_leased,
             count(*) FILTER (WHERE state = 'idle') AS lanes_idle,
             count(*) FILTER (WHERE alone) AS lanes_held_alone,
             coalesce(sum(open_batches), 0)::bigint AS open_batches,
             (SELECT count(*) FROM (SELECT status FROM contact_outbox ORDER BY id DESC LIMIT 100)
                 AS newest WHERE newest.status = 'succeeded') AS newest_succeeded,
             (SELECT count(*) FROM (SELECT status, fail_kind FROM contact_outbox ORDER BY id DESC LIMIT 100)
                 AS newest WHERE newest.status = 'failed'
                 AND newest.fail_kind <> 'cancelled') AS newest_failed,
             (SELECT count(*) FROM (SELECT fail_kind FROM contact_outbox ORDER BY id DESC LIMIT 100)
                 AS newest WHERE newest.fail_kind = 'cancelled') AS newest_cancelled,
             to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') AS seen_at
         FROM standing"
    )),
    instances: "SELECT id::text AS id, host, pid, standing,
             (extract(epoch FROM now()) - extract(epoch FROM started_at))::float8 AS started_ago,
             (extract(epoch FROM now()) - extract(epoch FROM heartbeat_at))::float8
                 AS heartbeat_ago,
             heartbeat_at + lease_ms * interval '1 millisecond' > now() AS alive
         FROM courier_instance ORDER BY started_at, id",
    lanes: Statement::new(concat!(
        standing!(),
        "SELECT most.user_id, most.task_id, most.due + most.deferred AS pending, most.due,
             most.oldest,
             most.state, most.owner AS owner_id, i.host AS owner_host, i.pid AS owner_pid
         FROM (SELECT * FROM standing WHERE due + deferred > 0
               ORDER BY due + deferred DESC, user_id, task_id LIMIT $2) AS most
         LEFT JOIN courier_instance i ON i.id = most.owner::uuid
         ORDER BY pending DESC, most.user_id, most.task_id"
    )),
    paused: "SELECT held.user_id, held.task_id, held.hold_reason AS reason,
             held.hold_message AS message,
             (extract(epoch FROM now()) - extract(epoch FROM held.held_since))::float8 AS held_for,
             (extract(epoch FROM held.held_until) - extract(epoch FROM now()))::float8
                 AS next_try_in,
             held.failures::bigint AS failures,
             (SELECT count(*) FROM contact_outbox c
              WHERE c.status = 'pending' AND c.not_before IS NULL
                AND c.user_id = held.user_id AND c.task_id = held.task_id)
             + (SELECT count(*) FROM contact_outbox c
                WHERE c.status = 'pending' AND c.not_before IS NOT NULL
                  AND c.user_id = held.user_id AND c.task_id = held.task_id) AS pending
         FROM (
             SELECT * FROM delivery_lane l
             WHERE l.hold_reason IS NOT NULL AND coalesce(
                 (SELECT true FROM contact_outbox c
                  WHERE c.status = 'pending' AND c.not_before IS NULL
                    AND c.user_id = l.user_id AND c.task_id = l.task_id LIMIT 1),
                 (SELECT true FROM contact_outbox c
                  WHERE c.status = 'pending' AND c.not_before <= now()
                    AND c.user_id = l.user_id AND c.task_id = l.task_id LIMIT 1),
                 false)
             ORDER BY l.held_since, l.user_id, l.task_id LIMIT $1
         ) AS held
         ORDER BY held.held_since, held.user_id, held.task_id",
    contact: concat!(
        "SELECT c.id, c.user_id, c.task_id, ",
        ends!("c.", "phone"),
        ", c.idempotency_key, c.status, c.fail_kind,
             c.fail_cause, c.attempts::bigint AS attempts, c.batch_id::text AS batch_id, ",
        moment!("c.created_at", "created_at"),
        ", ",
        moment!("c.not_before", "not_before"),
        ", ",
        moment!("c.finished_at", "finished_at"),
        ", ",
        moment!("c.redacted_at", "redacted_at"),
        " FROM contact_outbox c WHERE c.id = $1"
    ),
    requeues: concat!(
        "SELECT q.fail_kind, q.fail_cause, q.attempts::bigint AS attempts,
             q.batch_id::text AS batch_id, ",
        moment!("q.requeued_at", "requeued_at"),
        ", ",
        moment!("q.finished_at", "finished_at"),
        " FROM contact_requeue q WHERE q.contact_id = $1 ORDER BY q.requeued_at"
    ),
    batches_named: concat!(
        "SELECT ",
        batch_columns!(),
        " FROM delivery_batch b WHERE b.id = ANY ($1::text[]::uuid[])"
    ),
    open_batches_with: concat!(
        "SELECT ",
        batch_columns!(),
        " FROM delivery_batch b
          WHERE b.closed_at IS NULL AND b.user_id = $1 AND b.task_id = $2
            AND $3 = ANY (b.contact_ids)"
    ),
    ahead: "SELECT count(*) FROM contact_outbox c
         WHERE c.status = 'pending' AND c.not_before IS NULL
           AND (c.user_id, c.task_id) >= ($1, $2) AND (c.user_id, c.task_id, c.id) < ($1, $2, $3)",
    user_waits: "SELECT 1 WHERE EXISTS (
             SELECT FROM contact_outbox
             WHERE status = 'pending' AND not_before IS NULL AND user_id = $1)
         OR EXISTS (
             SELECT FROM contact_outbox
             WHERE status = 'pending' AND not_before IS NOT NULL AND user_id = $1)",
    lane_is_due: "SELECT 1 WHERE EXISTS (
             SELECT FROM contact_outbox
             WHERE status = 'pending' AND not_before IS NULL AND user_id = $1 AND task_id = $2)
         OR EXISTS (
             SELECT FROM contact_outbox
             WHERE status = 'pending' AND not_before <= now() AND user_id = $1 AND task_id = $2)",
    lane_of_user: "SELECT task_id FROM delivery_lane WHERE user_id = $1 LIMIT 1",
    lane: concat!(
        "SELECT l.hold_reason AS reason, l.hold_message AS message, l.failures::bigint AS failures,
             (extract(epoch FROM now()) - extract(epoch FROM l.held_since))::float8 AS held_for,
             (extract(epoch FROM l.held_until) - extract(epoch FROM now()))::float8 AS next_try_in,
             i.id::text AS owner_id, i.host AS owner_host, i.pid AS owner_pid
         FROM delivery_lane l
         LEFT JOIN courier_instance i ON i.id = l.lease_owner AND ",
        is_alive!("l.lease_owner"),
        " WHERE l.user_id = $1 AND l.task_id = $2"
    ),
    failures: Statement::new(concat!(
        "SELECT ",
        failed_columns!(),
        " FROM contact_outbox c",
        last_batch!(),
        "WHERE ",
        passing!(),
        " AND (c.finished_at, c.id)
              < (coalesce($7::text::timestamptz, 'infinity'), coalesce($8::bigint, 0))
          ORDER BY c.finished_at DESC, c.id DESC LIMIT $9"
    )),
    count_failures: Statement::new(concat!(
        "SELECT c.fail_kind, c.number_add_suffix, c.encryption,
             c.redacted_at IS NOT NULL AS redacted, ",
        cancelled_in_doubt!("c.fail_cause"),
        " AS cancelled, count(*) AS contacts, ",
        maybe_in_task!(),
        ", ",
        sent_columns!(),
        " FROM contact_outbox c",
        last_batch!(),
        "WHERE ",
        passing!(),
        " GROUP BY c.fail_kind, c.number_add_suffix, c.encryption, redacted, cancelled, maybe_in_task,
             sent_suffix, sent_encryption
          ORDER BY c.fail_kind"
    )),
    failures_by: Statement::new(concat!(
        "SELECT (CASE $7::text WHEN 'cause' THEN c.fail_cause
                 WHEN 'lane' THEN c.user_id::text || '/' || c.task_id::text
                 ELSE c.fail_kind END) COLLATE \"C\" AS shared, count(*) AS contacts,
             (extract(epoch FROM now()) - extract(epoch FROM max(c.finished_at)))::float8
                 AS last_ago
         FROM contact_outbox c WHERE ",
        passing!(),
        " GROUP BY shared ORDER BY contacts DESC, shared"
    )),
    contact_by_key: "SELECT id FROM contact_outbox WHERE idempotency_key = $1",
    count_lane: "SELECT (SELECT count(*) FROM contact_outbox
                 WHERE status = 'pending' AND not_before IS NULL AND user_id = $1 AND task_id = $2)
             + (SELECT count(*) FROM contact_outbox
                WHERE status = 'pending' AND not_before IS NOT NULL AND user_id = $1 AND task_id = $2)",
    lock_failed: "SELECT id FROM contact_outbox
         WHERE id = ANY ($1) AND status = 'failed' AND redacted_at IS NULL
         ORDER BY id FOR NO KEY UPDATE",
    failures_named: concat!(
        "SELECT ",
        failed_columns!(),
        " FROM contact_outbox c",
        last_batch!(),
        "WHERE c.id = ANY ($1) AND c.status = 'failed' ORDER BY c.id"
    ),
    results: Statement::new(concat!(
        "SELECT id, idempotency_key, user_id, task_id, ",
        ends!("", "phone"),
        ", status, fail_kind, fail_cause,
             to_char(finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')
                 AS finished_at,
             (extract(epoch FROM finished_at) * 1000000)::bigint AS finished
         FROM contact_outbox
         WHERE finished_at IS NOT NULL
           AND finished_at >= coalesce(
               least(coalesce(($1::text || 'Z')::timestamptz, now()), now())
                   - $2::float8 * interval '1 second', '-infinity')
           AND (finished_at, id)
               > (coalesce(($3::text || 'Z')::timestamptz, '-infinity'), coalesce($4::bigint, 0))
         ORDER BY contact_outbox.finished_at, contact_outbox.id LIMIT $5"
    )),
    results_index: "SELECT CASE WHEN i.indisvalid THEN 'there' ELSE 'unfinished' END AS state
         FROM pg_index i WHERE i.indexrelid = to_regclass('contact_outbox_results')
           AND i.indrelid = to_regclass('contact_outbox')",
    prunable_contacts: Statement::new(
        "SELECT id,
             status <> 'pending' AND finished_at < now() - $1 * interval '1 second' AS old,
             created_at < now() - $1 * interval '1 second' AS made_before,
             redacted_at IS NOT NULL AS redacted,
             (extract(epoch FROM now()) - extract(epoch FROM created_at))::float8 AS age
         FROM contact_outbox WHERE id > $2 ORDER BY id LIMIT $3",
    ),
    prunable_batches: Statement::new(
        "SELECT id::text AS id, contact_ids,
             closed_at < now() - $1 * interval '1 second' AS old,
             created_at < now() - $1 * interval '1 second' AS made_before,
             (extract(epoch FROM now()) - extract(epoch FROM created_at))::float8 AS age,
             extract(epoch FROM now())::float8 AS now
         FROM delivery_batch WHERE delivery_batch.id > $2::text::uuid
         ORDER BY delivery_batch.id LIMIT $3",
    ),
    delete_contacts: Statement::new(
        "DELETE FROM contact_outbox
         WHERE id = ANY ($2) AND status <> 'pending'
             AND finished_at < now() - $1 * interval '1 second'",
    ),
    forget_requeues: "DELETE FROM contact_requeue q
         WHERE q.contact_id = ANY ($1)
           AND (SELECT true FROM contact_outbox c WHERE c.id = q.contact_id) IS NULL",
    contacts_standing: Statement::new(
        "SELECT id FROM contact_outbox
         WHERE id = ANY ($2) AND ($1::float8 IS NULL OR status = 'pending'
             OR finished_at >= now() - $1::float8 * interval '1 second')",
    ),
    delete_batches: "DELETE FROM delivery_batch
         WHERE id = ANY ($1::text[]::uuid[]) AND closed_at IS NOT NULL",
};
