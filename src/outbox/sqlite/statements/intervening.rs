//! Questions and writes of operators who change work that is under way.

use crate::outbox::sql::statements::{Intervening, Statement};

/// When the last pause of a lane (a table with its columns) ended: by itself, or now because a
/// resume ends it (?1 user, ?2 task, each empty for any).
macro_rules! pause_end {
    ($lane:literal) => {
        concat!(
            "(SELECT max(min(coalesce(p.paused_until, ",
            now!(),
            "), ",
            now!(),
            ")) FROM delivery_pause p
              WHERE (p.user_id = '' OR p.user_id = ",
            $lane,
            ".user_id AND p.task_id IN ('', ",
            $lane,
            ".task_id))
                AND (p.paused_until <= ",
            now!(),
            "       OR (?1 = '' OR p.user_id = ?1) AND (?2 = '' OR p.task_id = ?2)))"
        )
    };
}

/// Whether a row was inserted at most `$age` seconds ago; null: at any time.
macro_rules! created_since {
    ($age:literal) => {
        concat!(
            "created_at >= coalesce(strftime('%Y-%m-%d %H:%M:%f', 'now', '-' || ",
            $age,
            " || ' seconds'), '')"
        )
    };
}

/// Counts the pending rows that are in one of the two small indexes.
macro_rules! counted {
    ($index:literal, $rows:literal) => {
        concat!(
            "SELECT user_id, task_id, count(*) AS contacts FROM contact_outbox INDEXED BY ",
            $index,
            " WHERE status = 'pending' AND ",
            $rows,
            " AND (?1 IS NULL OR user_id = ?1) AND (?2 IS NULL OR task_id = ?2) AND ",
            created_since!("?3"),
            " GROUP BY user_id, task_id"
        )
    };
}

/// The ids of a lane that are in one of the two small indexes.
macro_rules! ids {
    ($index:literal, $rows:literal) => {
        concat!(
            "SELECT id FROM contact_outbox INDEXED BY ",
            $index,
            " WHERE status = 'pending' AND ",
            $rows,
            " AND user_id = ?1 AND task_id = ?2 AND id > ?4 AND ",
            created_since!("?3")
        )
    };
}

/// The columns of a `Pause`, for the pauses that are in force.
macro_rules! pauses {
    ($more:literal) => {
        concat!(
            "SELECT user_id, task_id, reason, ",
            seconds_since!("paused_at"),
            " AS paused_for, -",
            seconds_since!("paused_until"),
            " AS ends_in",
            $more,
            " FROM delivery_pause WHERE paused_until IS NULL OR paused_until > ",
            now!()
        )
    };
}

pub(in crate::outbox::sqlite) static INTERVENING: Intervening = Intervening {
    count_pending: Statement::new(concat!(
        "SELECT user_id, task_id, sum(contacts) AS contacts FROM (",
        counted!("contact_outbox_immediate", "not_before IS NULL"),
        " UNION ALL ",
        counted!("contact_outbox_deferred", "not_before IS NOT NULL"),
        ") GROUP BY user_id, task_id ORDER BY user_id, task_id"
    )),
    going: Statement::new(
        "SELECT user_id, task_id, contact_ids
         FROM delivery_batch INDEXED BY delivery_batch_open
         WHERE closed_at IS NULL AND (state = 'sending' OR maybe_delivered)
           AND (?1 IS NULL OR user_id = ?1) AND (?2 IS NULL OR task_id = ?2)",
    ),
    pending: Statement::new(concat!(
        ids!("contact_outbox_immediate", "not_before IS NULL"),
        " UNION ALL ",
        ids!("contact_outbox_deferred", "not_before IS NOT NULL"),
        " ORDER BY id LIMIT 20000"
    )),
    contacts_by_id: "SELECT id, user_id, task_id, status, NULL AS idempotency_key
         FROM contact_outbox NOT INDEXED
         WHERE id IN (SELECT value FROM json_each(?1)) ORDER BY id",
    contacts_by_key: "SELECT id, user_id, task_id, status, idempotency_key FROM contact_outbox
         WHERE idempotency_key IN (SELECT value FROM json_each(?1)) ORDER BY idempotency_key",
    doubted: "SELECT DISTINCT contact_id AS id FROM contact_requeue
         WHERE contact_id IN (SELECT value FROM json_each(?1)) AND fail_kind = 'unconfirmed'",
    make_lane: Statement::new(
        "INSERT INTO delivery_lane (user_id, task_id) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
    ),
    pauses: concat!(pauses!(""), " ORDER BY paused_at, user_id, task_id"),
    orders: concat!(
        pauses!(", NULL AS resume_id"),
        " UNION ALL SELECT user_id, task_id, NULL, NULL, NULL, id FROM delivery_resume"
    ),
    pause: Statement::new(concat!(
        "INSERT INTO delivery_pause (user_id, task_id, reason, paused_until)
         VALUES (?1, ?2, ?3, strftime('%Y-%m-%d %H:%M:%f', 'now', ?4 || ' seconds'))
         ON CONFLICT (user_id, task_id) DO UPDATE
             SET reason = excluded.reason, paused_until = excluded.paused_until, paused_at = ",
        now!()
    )),
    forget_orders: [
        concat!("DELETE FROM delivery_pause WHERE paused_until <= ", now!()),
        "DELETE FROM delivery_resume
         WHERE resumed_at < strftime('%Y-%m-%d %H:%M:%f', 'now', '-10 minutes')",
    ],
    leave_out_pauses: [
        Statement::new(concat!(
            "UPDATE delivery_lane AS l SET waits_since = ",
            pause_end!("l"),
            " WHERE l.waits_since < ",
            pause_end!("l")
        )),
        Statement::new(concat!(
            "UPDATE delivery_batch AS b INDEXED BY delivery_batch_open SET failing_since = ",
            pause_end!("b"),
            " WHERE b.closed_at IS NULL AND b.failing_since < ",
            pause_end!("b")
        )),
    ],
    end_pauses: Statement::new(
        "DELETE FROM delivery_pause
         WHERE (?1 = '' OR user_id = ?1) AND (?2 = '' OR task_id = ?2)",
    ),
    end_holds: Statement::new(concat!(
        "UPDATE delivery_lane
         SET held_until = NULL, hold_reason = NULL, hold_message = NULL, held_since = NULL
         WHERE held_until > ",
        now!(),
        " AND (?1 = '' OR user_id = ?1) AND (?2 = '' OR task_id = ?2)"
    )),
    resume: Statement::new(
        "INSERT INTO delivery_resume (id, user_id, task_id) VALUES (?1, ?2, ?3)",
    ),
    actions: Statement::new(concat!(
        "SELECT a.id, a.action, a.host, a.os_user, a.selection, a.affected, ",
        seconds_since!("a.changed_at"),
        " AS changed_ago, ",
        moment!("a.began_at", "began_at"),
        ", ",
        moment!("a.ended_at", "ended_at"),
        " FROM operator_action AS a ORDER BY a.began_at DESC, a.id DESC LIMIT ?1"
    )),
    forget_actions: Statement::new(
        "DELETE FROM operator_action
         WHERE began_at < strftime('%Y-%m-%d %H:%M:%f', 'now', '-' || ?1 || ' seconds')",
    ),
    note_action: Statement::new(concat!(
        "INSERT INTO operator_action AS a
             (id, action, host, os_user, selection, affected, ended_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, CASE WHEN ?7 = 1 THEN ",
        now!(),
        " END)
         ON CONFLICT (id) DO UPDATE
             SET affected = CASE WHEN excluded.affected IS NULL THEN a.affected
                     ELSE coalesce(a.affected, 0) + excluded.affected END,
                 changed_at = ",
        now!(),
        ", ended_at = excluded.ended_at"
    )),
};
