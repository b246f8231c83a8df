//! The questions of operators.

use crate::outbox::operations::cancelled_in_doubt;
use crate::outbox::sql::statements::{Operating, Statement};

/// Everything known about every lane, as `standing`: the pending rows, counted in the two small
/// indexes from end to end; the open batches; the lanes. There is no join: each part selects what
/// it knows, and `GROUP BY` brings the parts together.
macro_rules! standing {
    () => {
        concat!(
            "WITH facts (user_id, task_id, due, deferred, first_id, first_due, open_batches, held,
                 owner) AS (
                 SELECT user_id, task_id, count(*), 0, min(id), NULL, 0, 0, NULL
                 FROM contact_outbox INDEXED BY contact_outbox_immediate
                 WHERE status = 'pending' AND not_before IS NULL GROUP BY user_id, task_id
                 UNION ALL
                 SELECT user_id, task_id, sum(not_before <= ",
            now!(),
            "), sum(not_before > ",
            now!(),
            "), NULL, min(CASE WHEN not_before <= ",
            now!(),
            " THEN not_before END), 0, 0, NULL
                 FROM contact_outbox INDEXED BY contact_outbox_deferred
                 WHERE status = 'pending' AND not_before IS NOT NULL GROUP BY user_id, task_id
                 UNION ALL
                 SELECT user_id, task_id, 0, 0, NULL, NULL, 1, 0, NULL
                 FROM delivery_batch INDEXED BY delivery_batch_open WHERE closed_at IS NULL
                 UNION ALL
                 SELECT l.user_id, l.task_id, 0, 0, NULL, NULL, 0,
                     l.hold_reason IS NOT NULL, CASE WHEN ",
            is_alive!("l.lease_owner"),
            " THEN l.lease_owner END
                 FROM delivery_lane l
             ), known (user_id, task_id, due, deferred, first_id, first_due, open_batches, held,
                 owner) AS (
                 SELECT user_id, task_id, sum(due), sum(deferred), min(first_id), min(first_due),
                     sum(open_batches), max(held), max(owner)
                 FROM facts GROUP BY user_id, task_id
             ), lane (user_id, task_id, due, deferred, first_id, first_due, open_batches, held,
                 alone, owner) AS (
                 SELECT user_id, task_id, due, deferred, first_id, first_due, open_batches,
                     held OR ",
            is_paused!("known"),
            "        OR ?1 = '*' OR instr(',' || ?1 || ',', ',' || user_id || ',') > 0,
                     due > 0 AND (held OR ",
            is_paused_alone!("known"),
            "), owner FROM known
             ), standing (user_id, task_id, due, deferred, open_batches, owner, held, alone, state,
                 oldest) AS (
                 SELECT user_id, task_id, due, deferred, open_batches, owner, held, alone,
                     CASE WHEN held AND due > 0 THEN 'held'
                          WHEN owner IS NOT NULL THEN 'leased'
                          WHEN due > 0 OR open_batches > 0 AND NOT held THEN 'due'
                          ELSE 'idle' END,
                     max(coalesce((SELECT ",
            seconds_since!("c.created_at"),
            "            FROM contact_outbox c WHERE c.id = lane.first_id), ",
            seconds_since!("first_due"),
            "), coalesce(",
            seconds_since!("first_due"),
            ", (SELECT ",
            seconds_since!("c.created_at"),
            "            FROM contact_outbox c WHERE c.id = lane.first_id)))
                 FROM lane
             ) "
        )
    };
}

/// The instant that is so many seconds (a parameter) ago.
macro_rules! so_long_ago {
    ($seconds:literal) => {
        concat!(
            "strftime('%Y-%m-%d %H:%M:%f', 'now', '-' || ",
            $seconds,
            " || ' seconds')"
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

/// The suffix and the encryption of a batch, as texts; null where they cannot be read.
macro_rules! sent_suffix {
    ($batch:literal) => {
        concat!(
            "CASE WHEN json_valid(",
            $batch,
            ".options) THEN ",
            $batch,
            ".options ->> '$.suffix' END"
        )
    };
}
macro_rules! sent_encryption {
    ($batch:literal) => {
        concat!(
            "CASE WHEN json_valid(",
            $batch,
            ".options) THEN ",
            $batch,
            ".options -> '$.encryption' END"
        )
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
                 AND NOT EXISTS (SELECT 1 FROM contact_requeue q
                     LEFT JOIN delivery_batch d ON d.id = q.batch_id
                     WHERE q.contact_id = c.id AND q.fail_kind = 'unconfirmed'
                       AND (d.id IS NULL OR ",
            sent_suffix!("d"),
            " IS NOT ",
            sent_suffix!("b"),
            " OR ",
            sent_encryption!("d"),
            " IS NOT ",
            sent_encryption!("b"),
            ")) "
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
        concat!(
            sent_suffix!("b"),
            " AS sent_suffix, ",
            sent_encryption!("b"),
            " AS sent_encryption"
        )
    };
}

/// The columns of a `FailedContact`.
macro_rules! failed_columns {
    () => {
        concat!(
            "c.id, c.user_id, c.task_id, ",
            ends!("c.", "phone"),
            ", c.fail_kind, c.fail_cause, c.attempts, c.batch_id,
             c.idempotency_key, c.number_add_suffix, c.encryption,
             c.redacted_at IS NOT NULL AS redacted, c.finished_at AS cursor_at, ",
            moment!("c.finished_at", "finished"),
            ", ",
            maybe_in_task!(),
            ", ",
            sent_columns!()
        )
    };
}

/// ?1 user, ?2 task, ?3 kinds, ?4 part of the cause, ?5 and ?6 the youngest and the oldest age in
/// seconds, each null for any. (`~` is greater and the empty text less than any instant.)
macro_rules! passing {
    () => {
        concat!(
            "c.status = 'failed'
               AND (?1 IS NULL OR c.user_id = ?1) AND (?2 IS NULL OR c.task_id = ?2)
               AND (?3 IS NULL OR instr(',' || ?3 || ',', ',' || c.fail_kind || ',') > 0)
               AND (?4 IS NULL OR instr(lower(c.fail_cause), lower(?4)) > 0)
               AND c.finished_at <= coalesce(",
            so_long_ago!("?5"),
            ", '~')
               AND c.finished_at >= coalesce(",
            so_long_ago!("?6"),
            ", '')"
        )
    };
}

/// ?1 ids. Keeps how they had ended.
pub(in crate::outbox::sqlite) const KEEP_ENDS: &str = "
    INSERT INTO contact_requeue
        (contact_id, fail_kind, fail_cause, attempts, batch_id, finished_at)
    SELECT id, fail_kind, fail_cause, attempts, batch_id, finished_at
    FROM contact_outbox NOT INDEXED
    WHERE id IN (SELECT value FROM json_each(?1)) AND status = 'failed'
      AND redacted_at IS NULL";

/// ?1 ids.
pub(in crate::outbox::sqlite) const REQUEUE: &str = "
    UPDATE contact_outbox NOT INDEXED
    SET status = 'pending', fail_kind = NULL, fail_cause = NULL, finished_at = NULL
    WHERE id IN (SELECT value FROM json_each(?1)) AND status = 'failed'
      AND redacted_at IS NULL";

/// The columns of a `BatchReport`.
macro_rules! batch_columns {
    () => {
        concat!(
            "b.id, b.parent_id, b.state, json_array_length(b.contact_ids) AS contacts, b.attempts,
             b.maybe_delivered, b.outcome, b.answer, ",
            moment!("b.created_at", "created_at"),
            ", ",
            moment!("b.sent_at", "sent_at"),
            ", ",
            moment!("b.closed_at", "closed_at")
        )
    };
}

/// The kind of this database, and the settings that its durability rests on.
pub(in crate::outbox::sqlite) const SERVER: &str = "
    SELECT sqlite_version() AS version, (SELECT journal_mode FROM pragma_journal_mode) AS journal_mode,
        (SELECT CAST(synchronous AS TEXT) FROM pragma_synchronous) AS synchronous,
        unixepoch('now', 'subsec') AS clock";

/// The statements of operators that every database has.
pub(in crate::outbox::sqlite) static OPERATING: Operating = Operating {
    overview: Statement::new(concat!(
        standing!(),
        "SELECT coalesce(sum(due) FILTER (WHERE NOT held), 0) AS due,
             coalesce(sum(due) FILTER (WHERE held), 0) AS held,
             coalesce(sum(deferred), 0) AS deferred, max(oldest) AS oldest,
             count(*) FILTER (WHERE state = 'due') AS lanes_due,
             count(*) FILTER (WHERE state = 'held') AS lanes_held,
             count(*) FILTER (WHERE state = 'leased') AS lanes_leased,
             count(*) FILTER (WHERE state = 'idle') AS lanes_idle,
             count(*) FILTER (WHERE alone) AS lanes_held_alone,
             coalesce(sum(open_batches), 0) AS open_batches,
             (SELECT count(*) FROM (SELECT status FROM contact_outbox WHERE id > 0
                 ORDER BY id DESC LIMIT 100)
                 AS newest WHERE newest.status = 'succeeded') AS newest_succeeded,
             (SELECT count(*) FROM (SELECT status, fail_kind FROM contact_outbox WHERE id > 0
                 ORDER BY id DESC LIMIT 100)
                 AS newest WHERE newest.status = 'failed'
                 AND newest.fail_kind <> 'cancelled') AS newest_failed,
             (SELECT count(*) FROM (SELECT fail_kind FROM contact_outbox WHERE id > 0
                 ORDER BY id DESC LIMIT 100)
                 AS newest WHERE newest.fail_kind = 'cancelled') AS newest_cancelled,
             strftime('%Y-%m-%dT%H:%M:%SZ', 'now') AS seen_at
         FROM standing"
    )),
    instances: concat!(
        "SELECT id, host, pid, standing, ",
        seconds_since!("started_at"),
        " AS started_ago, ",
        seconds_since!("heartbeat_at"),
        " AS heartbeat_ago, ",
        seconds_since!("heartbeat_at"),
        " * 1000 < lease_ms AS alive
         FROM courier_instance ORDER BY started_at, id"
    ),
    lanes: Statement::new(concat!(
        standing!(),
        "SELECT most.user_id, most.task_id, most.due + most.deferred AS pending, most.due,
             most.oldest,
             most.state, most.owner AS owner_id, i.host AS owner_host, i.pid AS owner_pid
         FROM (SELECT * FROM standing WHERE due + deferred > 0
               ORDER BY due + deferred DESC, user_id, task_id LIMIT ?2) AS most
         LEFT JOIN courier_instance i ON i.id = most.owner
         ORDER BY pending DESC, most.user_id, most.task_id"
    )),
    paused: concat!(
        "SELECT held.user_id, held.task_id, held.hold_reason AS reason,
             held.hold_message AS message, ",
        seconds_since!("held.held_since"),
        " AS held_for, -",
        seconds_since!("held.held_until"),
        " AS next_try_in, held.failures,
            (SELECT count(*) FROM contact_outbox c INDEXED BY contact_outbox_immediate
             WHERE c.status = 'pending' AND c.not_before IS NULL
               AND c.user_id = held.user_id AND c.task_id = held.task_id)
            + (SELECT count(*) FROM contact_outbox c INDEXED BY contact_outbox_deferred
               WHERE c.status = 'pending' AND c.not_before IS NOT NULL
                 AND c.user_id = held.user_id AND c.task_id = held.task_id) AS pending
         FROM (
            SELECT * FROM delivery_lane l
            WHERE l.hold_reason IS NOT NULL AND (
                EXISTS (SELECT 1 FROM contact_outbox c INDEXED BY contact_outbox_immediate
                    WHERE c.status = 'pending' AND c.not_before IS NULL
                      AND c.user_id = l.user_id AND c.task_id = l.task_id)
                OR EXISTS (SELECT 1 FROM contact_outbox c INDEXED BY contact_outbox_deferred
                    WHERE c.status = 'pending' AND c.not_before <= ",
        now!(),
        "             AND c.user_id = l.user_id AND c.task_id = l.task_id))
            ORDER BY l.held_since, l.user_id, l.task_id LIMIT ?1
         ) AS held
         ORDER BY held.held_since, held.user_id, held.task_id"
    ),
    contact: concat!(
        "SELECT c.id, c.user_id, c.task_id, ",
        ends!("c.", "phone"),
        ", c.idempotency_key, c.status, c.fail_kind,
             c.fail_cause, c.attempts, c.batch_id, ",
        moment!("c.created_at", "created_at"),
        ", ",
        moment!("c.not_before", "not_before"),
        ", ",
        moment!("c.finished_at", "finished_at"),
        ", ",
        moment!("c.redacted_at", "redacted_at"),
        " FROM contact_outbox c WHERE c.id = ?1"
    ),
    requeues: concat!(
        "SELECT q.fail_kind, q.fail_cause, q.attempts, q.batch_id, ",
        moment!("q.requeued_at", "requeued_at"),
        ", ",
        moment!("q.finished_at", "finished_at"),
        " FROM contact_requeue q WHERE q.contact_id = ?1 ORDER BY q.requeued_at"
    ),
    batches_named: concat!(
        "SELECT ",
        batch_columns!(),
        " FROM delivery_batch b WHERE b.id IN (SELECT value FROM json_each(?1))"
    ),
    open_batches_with: concat!(
        "SELECT ",
        batch_columns!(),
        " FROM delivery_batch b INDEXED BY delivery_batch_open
          WHERE b.closed_at IS NULL AND b.user_id = ?1 AND b.task_id = ?2
            AND ?3 IN (SELECT value FROM json_each(b.contact_ids))"
    ),
    ahead: "SELECT count(*) FROM contact_outbox c INDEXED BY contact_outbox_immediate
         WHERE c.status = 'pending' AND c.not_before IS NULL
           AND c.user_id = ?1 AND c.task_id = ?2 AND c.id < ?3",
    user_waits: "SELECT 1 WHERE EXISTS (
             SELECT 1 FROM contact_outbox INDEXED BY contact_outbox_immediate
             WHERE status = 'pending' AND not_before IS NULL AND user_id = ?1)
         OR EXISTS (
             SELECT 1 FROM contact_outbox INDEXED BY contact_outbox_deferred
             WHERE status = 'pending' AND not_before IS NOT NULL AND user_id = ?1)",
    lane_is_due: concat!(
        "SELECT 1 WHERE EXISTS (
             SELECT 1 FROM contact_outbox INDEXED BY contact_outbox_immediate
             WHERE status = 'pending' AND not_before IS NULL AND user_id = ?1 AND task_id = ?2)
         OR EXISTS (
             SELECT 1 FROM contact_outbox INDEXED BY contact_outbox_deferred
             WHERE status = 'pending' AND not_before <= ",
        now!(),
        " AND user_id = ?1 AND task_id = ?2)"
    ),
    lane_of_user: "SELECT task_id FROM delivery_lane WHERE user_id = ?1 LIMIT 1",
    lane: concat!(
        "SELECT l.hold_reason AS reason, l.hold_message AS message, l.failures, ",
        seconds_since!("l.held_since"),
        " AS held_for, -",
        seconds_since!("l.held_until"),
        " AS next_try_in, i.id AS owner_id, i.host AS owner_host, i.pid AS owner_pid
         FROM delivery_lane l
         LEFT JOIN courier_instance i ON i.id = l.lease_owner AND ",
        is_alive!("l.lease_owner"),
        " WHERE l.user_id = ?1 AND l.task_id = ?2"
    ),
    failures: Statement::new(concat!(
        "SELECT ",
        failed_columns!(),
        " FROM contact_outbox c INDEXED BY contact_outbox_failed",
        last_batch!(),
        "WHERE ",
        passing!(),
        " AND (c.finished_at, c.id) < (coalesce(?7, '~'), coalesce(?8, 0))
          ORDER BY c.finished_at DESC, c.id DESC LIMIT ?9"
    )),
    count_failures: Statement::new(concat!(
        "SELECT c.fail_kind, c.number_add_suffix, c.encryption,
             c.redacted_at IS NOT NULL AS redacted, ",
        cancelled_in_doubt!("c.fail_cause"),
        " AS cancelled, count(*) AS contacts, ",
        maybe_in_task!(),
        ", ",
        sent_columns!(),
        " FROM contact_outbox c INDEXED BY contact_outbox_failed",
        last_batch!(),
        "WHERE ",
        passing!(),
        " GROUP BY c.fail_kind, c.number_add_suffix, c.encryption, redacted, cancelled, maybe_in_task,
             sent_suffix, sent_encryption
          ORDER BY c.fail_kind"
    )),
    failures_by: Statement::new(concat!(
        "SELECT CASE ?7 WHEN 'cause' THEN c.fail_cause
                 WHEN 'lane' THEN c.user_id || '/' || c.task_id
                 ELSE c.fail_kind END AS shared, count(*) AS contacts, ",
        seconds_since!("max(c.finished_at)"),
        " AS last_ago
         FROM contact_outbox c INDEXED BY contact_outbox_failed WHERE ",
        passing!(),
        " GROUP BY shared ORDER BY contacts DESC, shared"
    )),
    contact_by_key: "SELECT id FROM contact_outbox WHERE idempotency_key = ?1",
    count_lane: "SELECT (SELECT count(*) FROM contact_outbox INDEXED BY contact_outbox_immediate
                 WHERE status = 'pending' AND not_before IS NULL AND user_id = ?1 AND task_id = ?2)
             + (SELECT count(*) FROM contact_outbox INDEXED BY contact_outbox_deferred
                WHERE status = 'pending' AND not_before IS NOT NULL AND user_id = ?1 AND task_id = ?2)",
    // The transaction has locked the whole file.
    lock_failed: "SELECT id FROM contact_outbox NOT INDEXED
         WHERE id IN (SELECT value FROM json_each(?1)) AND status = 'failed' AND redacted_at IS NULL",
    failures_named: concat!(
        "SELECT ",
        failed_columns!(),
        " FROM contact_outbox c NOT INDEXED",
        last_batch!(),
        "WHERE c.id IN (SELECT value FROM json_each(?1)) AND c.status = 'failed' ORDER BY c.id"
    ),
    results: Statement::new(concat!(
        "SELECT id, idempotency_key, user_id, task_id, ",
        ends!("", "phone"),
        ", status, fail_kind, fail_cause,
             replace(finished_at, ' ', 'T') || 'Z' AS finished_at,
             CAST(round(unixepoch(finished_at, 'subsec') * 1000) AS INTEGER) * 1000 AS finished
         FROM contact_outbox INDEXED BY contact_outbox_results
         WHERE finished_at IS NOT NULL
           AND finished_at >= coalesce(strftime('%Y-%m-%d %H:%M:%f',
               min(coalesce(?1, strftime('%Y-%m-%d %H:%M:%f', 'now')),
                   strftime('%Y-%m-%d %H:%M:%f', 'now')),
               '-' || ?2 || ' seconds'), '')
           AND (finished_at, id) > (coalesce(?3, ''), coalesce(?4, 0))
         ORDER BY contact_outbox.finished_at, contact_outbox.id LIMIT ?5"
    )),
    results_index: "SELECT 'there' AS state FROM sqlite_schema
         WHERE type = 'index' AND name = 'contact_outbox_results' AND tbl_name = 'contact_outbox'",
    prunable_contacts: Statement::new(concat!(
        "SELECT id, status <> 'pending' AND finished_at < ",
        so_long_ago!("?1"),
        " AS old,
             created_at < ",
        so_long_ago!("?1"),
        " AS made_before, redacted_at IS NOT NULL AS redacted, ",
        seconds_since!("created_at"),
        " AS age
         FROM contact_outbox WHERE id > ?2 ORDER BY id LIMIT ?3"
    )),
    prunable_batches: Statement::new(concat!(
        "SELECT id, contact_ids, closed_at < ",
        so_long_ago!("?1"),
        " AS old,
             created_at < ",
        so_long_ago!("?1"),
        " AS made_before, ",
        seconds_since!("created_at"),
        " AS age, unixepoch('now', 'subsec') AS now
         FROM delivery_batch WHERE id > ?2 ORDER BY id LIMIT ?3"
    )),
    delete_contacts: Statement::new(concat!(
        "DELETE FROM contact_outbox NOT INDEXED
         WHERE id IN (SELECT value FROM json_each(?2)) AND status <> 'pending'
           AND finished_at < ",
        so_long_ago!("?1")
    )),
    forget_requeues: "DELETE FROM contact_requeue
         WHERE contact_id IN (SELECT value FROM json_each(?1))
           AND NOT EXISTS (SELECT 1 FROM contact_outbox c WHERE c.id = contact_id)",
    contacts_standing: Statement::new(concat!(
        "SELECT id FROM contact_outbox NOT INDEXED
         WHERE id IN (SELECT value FROM json_each(?2))
           AND (?1 IS NULL OR status = 'pending' OR finished_at >= ",
        so_long_ago!("?1"),
        ")"
    )),
    delete_batches: "DELETE FROM delivery_batch
         WHERE id IN (SELECT value FROM json_each(?1)) AND closed_at IS NOT NULL",
};
