//! The questions of operators.

use crate::outbox::operations::cancelled_in_doubt;
use crate::outbox::sql::statements::{Operating, Statement};

/// Everything known about every lane, as `standing`: the pending rows, counted in their part of the
/// index from end to end; the open batches; the lanes. There is no join: each part selects what it
/// knows, and `GROUP BY` brings the parts together. Its first value, twice: the users whose
/// requests a gate keeps back.
macro_rules! standing {
    () => {
        concat!(
            "WITH facts AS (
                 SELECT c.user_id, c.task_id,
                     SUM(c.not_before IS NULL OR c.not_before <= NOW(6)) AS due,
                     SUM(c.not_before IS NOT NULL AND c.not_before > NOW(6)) AS deferred,
                     MIN(CASE WHEN c.not_before IS NULL THEN c.id END) AS first_id,
                     MIN(CASE WHEN c.not_before <= NOW(6) THEN c.not_before END) AS first_due,
                     0 AS open_batches, 0 AS held, CAST(NULL AS CHAR(36)) AS owner
                 FROM ",
            pending!(),
            "    WHERE c.status = 'pending' GROUP BY c.user_id, c.task_id
                 UNION ALL
                 SELECT b.user_id, b.task_id, 0, 0, NULL, NULL, 1, 0, NULL
                 FROM delivery_batch AS b FORCE INDEX (delivery_batch_open)
                 WHERE b.closed_at IS NULL
                 UNION ALL
                 SELECT l.user_id, l.task_id, 0, 0, NULL, NULL, 0,
                     l.hold_reason IS NOT NULL,
                     CASE WHEN ",
            is_alive!("l.lease_owner"),
            "        THEN l.lease_owner END
                 FROM delivery_lane AS l
             ), known AS (
                 SELECT user_id, task_id, SUM(due) AS due, SUM(deferred) AS deferred,
                     MIN(first_id) AS first_id, MIN(first_due) AS first_due,
                     SUM(open_batches) AS open_batches, MAX(held) AS held, MAX(owner) AS owner
                 FROM facts GROUP BY user_id, task_id
             ), lane AS (
                 SELECT user_id, task_id, due, deferred, first_id, first_due, open_batches,
                     held OR ",
            is_paused!("known"),
            "        OR ? = '*' OR FIND_IN_SET(known.user_id, ?) > 0 AS held,
                     due > 0 AND (held OR ",
            is_paused_alone!("known"),
            ") AS alone, owner FROM known
             ), aged AS (
                 SELECT user_id, task_id, due, deferred, open_batches, held, alone, owner, first_due,
                     (SELECT c.created_at FROM contact_outbox AS c FORCE INDEX (PRIMARY)
                      WHERE c.id = lane.first_id) AS first_created
                 FROM lane
             ), standing AS (
                 SELECT user_id, task_id, due, deferred, open_batches, owner, held, alone,
                     CASE WHEN held AND due > 0 THEN 'held'
                          WHEN owner IS NOT NULL THEN 'leased'
                          WHEN due > 0 OR open_batches > 0 AND NOT held THEN 'due'
                          ELSE 'idle' END AS state,
                     GREATEST(",
            seconds_since!("COALESCE(first_created, first_due)"),
            ", ",
            seconds_since!("COALESCE(first_due, first_created)"),
            ") AS oldest
                 FROM aged
             ) "
        )
    };
}

/// The earlier ends of a contact, before a requeue, that left open whether it had arrived.
macro_rules! earlier_doubts {
    () => {
        "FROM contact_requeue AS q FORCE INDEX (contact_requeue_by_contact)
             WHERE q.contact_id = c.id AND q.fail_kind = 'unconfirmed'"
    };
}

/// The suffix and the encryption of a batch, as texts; null where they cannot be read.
macro_rules! sent_suffix {
    ($batch:literal) => {
        concat!(
            "CASE WHEN JSON_VALID(",
            $batch,
            ".options) THEN JSON_UNQUOTE(JSON_EXTRACT(",
            $batch,
            ".options, '$.suffix')) END"
        )
    };
}
macro_rules! sent_encryption {
    ($batch:literal) => {
        concat!(
            "CASE WHEN JSON_VALID(",
            $batch,
            ".options) THEN JSON_UNQUOTE(JSON_EXTRACT(",
            $batch,
            ".options, '$.encryption')) END"
        )
    };
}

/// The last batch of a contact that may have arrived, if all such batches are known and were sent in the
/// same way.
macro_rules! last_batch {
    () => {
        concat!(
            " LEFT JOIN delivery_batch AS b FORCE INDEX (PRIMARY)
                 ON b.id = CASE WHEN c.fail_kind = 'unconfirmed' THEN c.batch_id
                     ELSE (SELECT q.batch_id ",
            earlier_doubts!(),
            " ORDER BY q.requeued_at DESC LIMIT 1) END
                 AND NOT EXISTS (SELECT 1
                     FROM contact_requeue AS q FORCE INDEX (contact_requeue_by_contact)
                     LEFT JOIN delivery_batch AS d FORCE INDEX (PRIMARY) ON d.id = q.batch_id
                     WHERE q.contact_id = c.id AND q.fail_kind = 'unconfirmed'
                       AND (d.id IS NULL OR NOT (",
            sent_suffix!("d"),
            " <=> ",
            sent_suffix!("b"),
            ") OR NOT (",
            sent_encryption!("d"),
            " <=> ",
            sent_encryption!("b"),
            "))) "
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
             c.redacted_at IS NOT NULL AS redacted, CAST(c.finished_at AS CHAR) AS cursor_at, ",
            moment!("c.finished_at", "finished"),
            ", ",
            maybe_in_task!(),
            ", ",
            sent_columns!()
        )
    };
}

/// User twice, task twice, kinds twice, part of the cause twice, the youngest and the oldest age in
/// seconds, each null for any.
macro_rules! passing {
    () => {
        "c.failed_at IS NOT NULL
           AND (? IS NULL OR c.user_id = ?) AND (? IS NULL OR c.task_id = ?)
           AND (? IS NULL OR FIND_IN_SET(c.fail_kind, ?))
           AND (? IS NULL OR LOCATE(LOWER(?), LOWER(c.fail_cause)) > 0)
           AND c.failed_at
               <= COALESCE(NOW(6) - INTERVAL ? * 1e6 MICROSECOND, TIMESTAMP('2038-01-19 03:14:07.999999'))
           AND c.failed_at
               >= COALESCE(NOW(6) - INTERVAL ? * 1e6 MICROSECOND, TIMESTAMP('1970-01-01 00:00:01'))"
    };
}

/// Ids, in their order. The failed ones, locked.
pub(in crate::outbox::mysql) const LOCK_FAILED: &str = concat!(
    "SELECT c.id FROM ",
    contact_ids!(),
    " AS named STRAIGHT_JOIN contact_outbox AS c FORCE INDEX (PRIMARY) ON c.id = named.id
      WHERE c.status = 'failed' AND c.redacted_at IS NULL FOR UPDATE /*!80001 OF c */"
);

/// Ids. Keeps how they had ended.
pub(in crate::outbox::mysql) const KEEP_ENDS: &str = concat!(
    "INSERT INTO contact_requeue
         (contact_id, fail_kind, fail_cause, attempts, batch_id, finished_at)
     SELECT c.id, c.fail_kind, c.fail_cause, c.attempts, c.batch_id, c.finished_at
     FROM ",
    contact_ids!(),
    " AS named STRAIGHT_JOIN contact_outbox AS c FORCE INDEX (PRIMARY) ON c.id = named.id"
);

/// Ids.
pub(in crate::outbox::mysql) const REQUEUE: &str = concat!(
    "UPDATE ",
    contact_ids!(),
    " AS named STRAIGHT_JOIN contact_outbox AS c FORCE INDEX (PRIMARY) ON c.id = named.id
      SET c.status = 'pending', c.fail_kind = NULL, c.fail_cause = NULL, c.finished_at = NULL
      WHERE c.status = 'failed' AND c.redacted_at IS NULL",
    stands!()
);

/// The columns of a `BatchReport`.
macro_rules! batch_columns {
    () => {
        concat!(
            "b.id, b.parent_id, b.state, JSON_LENGTH(b.contact_ids) AS contacts, b.attempts,
             b.maybe_delivered, b.outcome, b.answer, ",
            moment!("b.created_at", "created_at"),
            ", ",
            moment!("b.sent_at", "sent_at"),
            ", ",
            moment!("b.closed_at", "closed_at")
        )
    };
}

/// A server's report about its replicas, if it is of a kind that reports them.
pub(in crate::outbox::mysql) const REPLICATION: &str = "
    SHOW GLOBAL STATUS WHERE Variable_name IN ('Slaves_connected', 'Rpl_semi_sync_master_status',
        'Rpl_semi_sync_source_status', 'Rpl_semi_sync_master_clients', 'Rpl_semi_sync_source_clients',
        'wsrep_cluster_size')";

/// The replicas that read its log now. A user without the right to see other sessions sees none.
pub(in crate::outbox::mysql) const REPLICAS: &str = "
    SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE COMMAND LIKE 'Binlog Dump%'";

/// The kind of this server, and the settings that its durability rests on.
pub(in crate::outbox::mysql) const SERVER: &str = "
    SELECT VERSION() AS version,
        CAST(@@GLOBAL.innodb_flush_log_at_trx_commit AS CHAR) AS flush_log,
        CAST(@@GLOBAL.sync_binlog AS CHAR) AS sync_binlog, @@GLOBAL.log_bin AS log_bin,
        @@GLOBAL.sql_mode AS sql_mode,
        CAST(@@GLOBAL.innodb_doublewrite AS CHAR) AS doublewrite,
        CAST(CASE WHEN @@SESSION.max_user_connections > 0
             THEN LEAST(@@SESSION.max_user_connections, @@GLOBAL.max_connections)
             ELSE @@GLOBAL.max_connections END AS SIGNED) AS connections,
        UNIX_TIMESTAMP(SYSDATE(6)) * 1e0 AS clock";

/// The statements of operators that every database has.
pub(in crate::outbox::mysql) static OPERATING: Operating = Operating {
    overview: Statement::new(concat!(
        standing!(),
        "SELECT CAST(COALESCE(SUM(CASE WHEN held THEN 0 ELSE due END), 0) AS SIGNED) AS due,
             CAST(COALESCE(SUM(CASE WHEN held THEN due ELSE 0 END), 0) AS SIGNED) AS held,
             CAST(COALESCE(SUM(deferred), 0) AS SIGNED) AS deferred, MAX(oldest) AS oldest,
             CAST(COALESCE(SUM(state = 'due'), 0) AS SIGNED) AS lanes_due,
             CAST(COALESCE(SUM(state = 'held'), 0) AS SIGNED) AS lanes_held,
             CAST(COALESCE(SUM(state = 'leased'), 0) AS SIGNED) AS lanes_leased,
             CAST(COALESCE(SUM(state = 'idle'), 0) AS SIGNED) AS lanes_idle,
             CAST(COALESCE(SUM(alone), 0) AS SIGNED) AS lanes_held_alone,
             CAST(COALESCE(SUM(open_batches), 0) AS SIGNED) AS open_batches,
             (SELECT count(*) FROM (SELECT status FROM contact_outbox FORCE INDEX (PRIMARY)
                 ORDER BY id DESC LIMIT 100) AS newest WHERE newest.status = 'succeeded') AS newest_succeeded,
             (SELECT count(*) FROM (SELECT status, fail_kind FROM contact_outbox FORCE INDEX (PRIMARY)
                 ORDER BY id DESC LIMIT 100) AS newest WHERE newest.status = 'failed'
                 AND newest.fail_kind <> 'cancelled') AS newest_failed,
             (SELECT count(*) FROM (SELECT fail_kind FROM contact_outbox FORCE INDEX (PRIMARY)
                 ORDER BY id DESC LIMIT 100) AS newest WHERE newest.fail_kind = 'cancelled') AS newest_cancelled,
             DATE_FORMAT(NOW(6), '%Y-%m-%dT%H:%i:%sZ') AS seen_at
         FROM standing"
    ))
    .with(&[1, 1]),
    instances: concat!(
        "SELECT i.id, i.host, i.pid, i.standing, ",
        seconds_since!("i.started_at"),
        " AS started_ago, ",
        seconds_since!("i.heartbeat_at"),
        " AS heartbeat_ago,
             i.heartbeat_at > NOW(6) - INTERVAL i.lease_ms * 1000 MICROSECOND AS alive
         FROM courier_instance AS i ORDER BY i.started_at, i.id"
    ),
    lanes: Statement::new(concat!(
        standing!(),
        "SELECT most.user_id, most.task_id, CAST(most.due + most.deferred AS SIGNED) AS pending,
             CAST(most.due AS SIGNED) AS due, most.oldest, most.state, most.owner AS owner_id, i.host AS owner_host,
             i.pid AS owner_pid
         FROM (SELECT * FROM standing WHERE due + deferred > 0
               ORDER BY due + deferred DESC, user_id, task_id LIMIT ?) AS most
         LEFT JOIN courier_instance AS i ON i.id = most.owner
         ORDER BY pending DESC, most.user_id, most.task_id"
    ))
    .with(&[1, 1, 2]),
    paused: concat!(
        "SELECT held.user_id, held.task_id, held.hold_reason AS reason,
             held.hold_message AS message, ",
        seconds_since!("held.held_since"),
        " AS held_for, -",
        seconds_since!("held.held_until"),
        " AS next_try_in, held.failures,
            (SELECT COUNT(*) FROM ",
        pending!(),
        "    WHERE c.status = 'pending' AND c.user_id = held.user_id AND c.task_id = held.task_id)
             AS pending
         FROM (
            SELECT * FROM delivery_lane AS l
            WHERE l.hold_reason IS NOT NULL AND EXISTS (SELECT 1 FROM ",
        pending!(),
        "       WHERE c.status = 'pending' AND c.user_id = l.user_id AND c.task_id = l.task_id
                  AND (c.not_before IS NULL OR c.not_before <= NOW(6)))
            ORDER BY l.held_since, l.user_id, l.task_id LIMIT ?
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
        " FROM contact_outbox AS c WHERE c.id = ?"
    ),
    requeues: concat!(
        "SELECT q.fail_kind, q.fail_cause, q.attempts, q.batch_id, ",
        moment!("q.requeued_at", "requeued_at"),
        ", ",
        moment!("q.finished_at", "finished_at"),
        " FROM contact_requeue AS q WHERE q.contact_id = ? ORDER BY q.requeued_at"
    ),
    batches_named: concat!(
        "SELECT ",
        batch_columns!(),
        " FROM JSON_TABLE(?, '$[*]' COLUMNS (id CHAR(36) CHARACTER SET utf8mb4 PATH '$')) AS named
          STRAIGHT_JOIN delivery_batch AS b FORCE INDEX (PRIMARY) ON b.id = named.id"
    ),
    open_batches_with: concat!(
        "SELECT ",
        batch_columns!(),
        " FROM delivery_batch AS b FORCE INDEX (delivery_batch_open)
          WHERE b.closed_at IS NULL AND b.user_id = ? AND b.task_id = ?
            AND JSON_CONTAINS(b.contact_ids, CAST(? AS CHAR))"
    ),
    ahead: concat!(
        "SELECT COUNT(*) FROM ",
        pending!(),
        " WHERE c.status = 'pending' AND c.user_id = ? AND c.task_id = ? AND c.not_before IS NULL
            AND c.id < ?"
    ),
    user_waits: concat!(
        "SELECT c.id FROM ",
        pending!(),
        " WHERE c.status = 'pending' AND c.user_id = ? LIMIT 1"
    ),
    lane_is_due: concat!(
        "SELECT c.id FROM ",
        pending!(),
        " WHERE c.status = 'pending' AND c.user_id = ? AND c.task_id = ?
            AND (c.not_before IS NULL OR c.not_before <= NOW(6)) LIMIT 1"
    ),
    lane_of_user: "SELECT task_id FROM delivery_lane WHERE user_id = ? LIMIT 1",
    lane: concat!(
        "SELECT l.hold_reason AS reason, l.hold_message AS message, l.failures, ",
        seconds_since!("l.held_since"),
        " AS held_for, -",
        seconds_since!("l.held_until"),
        " AS next_try_in, i.id AS owner_id, i.host AS owner_host, i.pid AS owner_pid
         FROM delivery_lane AS l
         LEFT JOIN courier_instance AS i ON i.id = l.lease_owner
             AND i.heartbeat_at > NOW(6) - INTERVAL i.lease_ms * 1000 MICROSECOND
         WHERE l.user_id = ? AND l.task_id = ?"
    ),
    failures: Statement::new(concat!(
        "SELECT ",
        failed_columns!(),
        " FROM contact_outbox AS c FORCE INDEX (contact_outbox_failed)",
        last_batch!(),
        "WHERE ",
        passing!(),
        "  AND c.failed_at <= COALESCE(CAST(? AS DATETIME(6)), TIMESTAMP('2038-01-19 03:14:07.999999'))
           AND (? IS NULL OR c.failed_at < ? OR c.id < ?)
         ORDER BY c.failed_at DESC, c.id DESC LIMIT ?"
    ))
    .with(&[1, 1, 2, 2, 3, 3, 4, 4, 5, 6, 7, 7, 7, 8, 9]),
    count_failures: Statement::new(concat!(
        "SELECT c.fail_kind, c.number_add_suffix, c.encryption,
             c.redacted_at IS NOT NULL AS redacted, ",
        cancelled_in_doubt!("c.fail_cause"),
        " AS cancelled, COUNT(*) AS contacts, ",
        maybe_in_task!(),
        ", ",
        sent_columns!(),
        " FROM contact_outbox AS c FORCE INDEX (contact_outbox_failed)",
        last_batch!(),
        "WHERE ",
        passing!(),
        " GROUP BY c.fail_kind, c.number_add_suffix, c.encryption, redacted, cancelled, maybe_in_task,
             sent_suffix, sent_encryption
          ORDER BY c.fail_kind"
    ))
    .with(&[1, 1, 2, 2, 3, 3, 4, 4, 5, 6]),
    failures_by: Statement::new(concat!(
        "SELECT CASE ? WHEN 'cause' THEN c.fail_cause
                 WHEN 'lane' THEN CONCAT(c.user_id, '/', c.task_id)
                 ELSE c.fail_kind END AS shared, COUNT(*) AS contacts, ",
        seconds_since!("MAX(c.finished_at)"),
        " AS last_ago FROM contact_outbox AS c FORCE INDEX (contact_outbox_failed) WHERE ",
        passing!(),
        " GROUP BY shared ORDER BY contacts DESC, shared"
    ))
    .with(&[7, 1, 1, 2, 2, 3, 3, 4, 4, 5, 6]),
    contact_by_key: "SELECT c.id FROM contact_outbox AS c FORCE INDEX (idempotency_key_is_unique)
         WHERE c.idempotency_key = ?",
    count_lane: concat!(
        "SELECT COUNT(*) FROM ",
        pending!(),
        " WHERE c.status = 'pending' AND c.user_id = ? AND c.task_id = ?"
    ),
    lock_failed: LOCK_FAILED,
    failures_named: concat!(
        "SELECT ",
        failed_columns!(),
        " FROM ",
        contact_ids!(),
        " AS named STRAIGHT_JOIN contact_outbox AS c FORCE INDEX (PRIMARY) ON c.id = named.id",
        last_batch!(),
        "WHERE c.status = 'failed' ORDER BY c.id"
    ),
    results: Statement::new(concat!(
        "SELECT c.id, c.idempotency_key, c.user_id, c.task_id, ",
        ends!("c.", "phone"),
        ", c.status, c.fail_kind, c.fail_cause,
             DATE_FORMAT(c.finished_at, '%Y-%m-%dT%H:%i:%s.%fZ') AS finished_at,
             TIMESTAMPDIFF(MICROSECOND, TIMESTAMP('1970-01-01'), c.finished_at) AS finished
         FROM contact_outbox AS c FORCE INDEX (contact_outbox_results)
         WHERE c.finished_at >= COALESCE(
                 LEAST(COALESCE(CAST(? AS DATETIME(6)), NOW(6)), NOW(6))
                     - INTERVAL ? * 1e6 MICROSECOND, TIMESTAMP('1970-01-01 00:00:01'))
           AND c.finished_at >= COALESCE(CAST(? AS DATETIME(6)), TIMESTAMP('1970-01-01 00:00:01'))
           AND (? IS NULL OR c.finished_at > ? OR c.id > ?)
         ORDER BY c.finished_at, c.id LIMIT ?"
    ))
    .with(&[1, 2, 3, 3, 3, 4, 5]),
    results_index: "SELECT 'there' AS state FROM information_schema.statistics
         WHERE table_schema = DATABASE() AND table_name = 'contact_outbox'
           AND index_name = 'contact_outbox_results' LIMIT 1",
    prunable_contacts: Statement::new(concat!(
        "SELECT c.id,
             c.status <> 'pending' AND c.finished_at < NOW(6) - INTERVAL ? * 1e6 MICROSECOND
                 AS old,
             c.created_at < NOW(6) - INTERVAL ? * 1e6 MICROSECOND AS made_before,
             c.redacted_at IS NOT NULL AS redacted, ",
        seconds_since!("c.created_at"),
        " AS age
         FROM contact_outbox AS c FORCE INDEX (PRIMARY) WHERE c.id > ? ORDER BY c.id LIMIT ?"
    ))
    .with(&[1, 1, 2, 3]),
    prunable_batches: Statement::new(concat!(
        "SELECT b.id, b.contact_ids, b.closed_at < NOW(6) - INTERVAL ? * 1e6 MICROSECOND AS old,
             b.created_at < NOW(6) - INTERVAL ? * 1e6 MICROSECOND AS made_before,
             UNIX_TIMESTAMP(NOW(6)) * 1e0 AS now, ",
        seconds_since!("b.created_at"),
        " AS age
         FROM delivery_batch AS b FORCE INDEX (PRIMARY) WHERE b.id > ? ORDER BY b.id LIMIT ?"
    ))
    .with(&[1, 1, 2, 3]),
    delete_contacts: Statement::new(concat!(
        "DELETE c FROM ",
        contact_ids!(),
        " AS named STRAIGHT_JOIN contact_outbox AS c FORCE INDEX (PRIMARY) ON c.id = named.id
          WHERE c.status <> 'pending' AND c.finished_at < NOW(6) - INTERVAL ? * 1e6 MICROSECOND"
    ))
    .with(&[2, 1]),
    forget_requeues: concat!(
        "DELETE q FROM ",
        contact_ids!(),
        " AS named STRAIGHT_JOIN contact_requeue AS q FORCE INDEX (contact_requeue_by_contact)
              ON q.contact_id = named.id
          LEFT JOIN contact_outbox AS c ON c.id = q.contact_id
          WHERE c.id IS NULL"
    ),
    contacts_standing: Statement::new(concat!(
        "SELECT c.id FROM ",
        contact_ids!(),
        " AS named STRAIGHT_JOIN contact_outbox AS c FORCE INDEX (PRIMARY) ON c.id = named.id
          WHERE ? IS NULL OR c.status = 'pending'
             OR c.finished_at >= NOW(6) - INTERVAL ? * 1e6 MICROSECOND"
    ))
    .with(&[2, 1, 1]),
    delete_batches: "DELETE b
         FROM JSON_TABLE(?, '$[*]' COLUMNS (id CHAR(36) CHARACTER SET utf8mb4 PATH '$'))
             AS named
         STRAIGHT_JOIN delivery_batch AS b FORCE INDEX (PRIMARY) ON b.id = named.id
         WHERE b.closed_at IS NOT NULL",
};
