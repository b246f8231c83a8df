//! Questions and writes of operators who change work that is under way.

use crate::outbox::sql::statements::{Intervening, Statement};

/// Whether a row was inserted at most so many seconds ago; null: at any time.
macro_rules! created_since {
    () => {
        "c.created_at >= COALESCE(NOW(6) - INTERVAL ? * 1e6 MICROSECOND, TIMESTAMP('1970-01-01 00:00:01'))"
    };
}

/// When the last pause of a lane (a table with its columns) ended: by itself, or now because a
/// resume ends it (user twice, task twice, each empty for any).
macro_rules! pause_end {
    ($lane:literal) => {
        concat!(
            "(SELECT MAX(LEAST(COALESCE(p.paused_until, NOW(6)), NOW(6))) FROM delivery_pause AS p
              WHERE (p.user_id = '' OR p.user_id = ",
            $lane,
            ".user_id AND p.task_id IN ('', ",
            $lane,
            ".task_id))
                AND (p.paused_until <= NOW(6)
                    OR (? = '' OR p.user_id = ?) AND (? = '' OR p.task_id = ?)))"
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
            " FROM delivery_pause WHERE (paused_until IS NULL OR paused_until > NOW(6))"
        )
    };
}

/// Whether the filter selects a lane's row: user twice, task twice, each empty for any.
macro_rules! meant {
    () => {
        "(? = '' OR user_id = ?) AND (? = '' OR task_id = ?)"
    };
}

pub(in crate::outbox::mysql) static INTERVENING: Intervening = Intervening {
    count_pending: Statement::new(concat!(
        "SELECT c.user_id, c.task_id, COUNT(*) AS contacts FROM ",
        pending!(),
        " WHERE c.status = 'pending'
            AND (? IS NULL OR c.user_id = ?) AND (? IS NULL OR c.task_id = ?) AND ",
        created_since!(),
        " GROUP BY c.user_id, c.task_id ORDER BY c.user_id, c.task_id"
    ))
    .with(&[1, 1, 2, 2, 3]),
    going: Statement::new(
        "SELECT b.user_id, b.task_id, b.contact_ids
         FROM delivery_batch AS b FORCE INDEX (delivery_batch_open)
         WHERE b.closed_at IS NULL AND (b.state = 'sending' OR b.maybe_delivered)
           AND (? IS NULL OR b.user_id = ?) AND (? IS NULL OR b.task_id = ?)",
    )
    .with(&[1, 1, 2, 2]),
    pending: Statement::new(concat!(
        "SELECT c.id FROM ",
        pending!(),
        " WHERE c.status = 'pending' AND c.user_id = ? AND c.task_id = ? AND ",
        created_since!(),
        " AND c.id > ? ORDER BY c.id LIMIT 20000"
    )),
    contacts_by_id: concat!(
        "SELECT c.id, c.user_id, c.task_id, c.status, NULL AS idempotency_key FROM ",
        contact_ids!(),
        " AS named STRAIGHT_JOIN contact_outbox AS c FORCE INDEX (PRIMARY) ON c.id = named.id
          ORDER BY c.id"
    ),
    // The key as it was asked for: a comparison may pass over blanks at its end.
    contacts_by_key: "SELECT c.id, c.user_id, c.task_id, c.status, named.idempotency_key
         FROM JSON_TABLE(?, '$[*]' COLUMNS (
             idempotency_key VARCHAR(512) CHARACTER SET utf8mb4 PATH '$'
         )) AS named
         STRAIGHT_JOIN contact_outbox AS c FORCE INDEX (idempotency_key_is_unique)
             ON c.idempotency_key = named.idempotency_key
         ORDER BY c.idempotency_key",
    // An upsert locks the row for writing at once: see `NEW_RATE`.
    doubted: concat!(
        "SELECT DISTINCT named.id FROM ",
        contact_ids!(),
        " AS named
            STRAIGHT_JOIN contact_requeue AS q FORCE INDEX (contact_requeue_by_contact) ON q.contact_id = named.id
          WHERE q.fail_kind = 'unconfirmed'"
    ),
    make_lane: Statement::new(
        "INSERT INTO delivery_lane (user_id, task_id) VALUES (?, ?)
         ON DUPLICATE KEY UPDATE user_id = user_id",
    ),
    pauses: concat!(pauses!(""), " ORDER BY paused_at, user_id, task_id"),
    orders: concat!(
        pauses!(", NULL AS resume_id"),
        " UNION ALL SELECT user_id, task_id, NULL, NULL, NULL, id FROM delivery_resume"
    ),
    pause: Statement::new(
        "INSERT INTO delivery_pause (user_id, task_id, reason, paused_until)
         VALUES (?, ?, ?, NOW(6) + INTERVAL ? * 1e6 MICROSECOND)
         ON DUPLICATE KEY UPDATE reason = ?, paused_at = NOW(6),
             paused_until = NOW(6) + INTERVAL ? * 1e6 MICROSECOND",
    )
    .with(&[1, 2, 3, 4, 3, 4]),
    forget_orders: [
        "DELETE FROM delivery_pause WHERE paused_until <= NOW(6)",
        "DELETE FROM delivery_resume WHERE resumed_at < NOW(6) - INTERVAL 10 MINUTE",
    ],
    leave_out_pauses: [
        Statement::new(concat!(
            "UPDATE delivery_lane AS l SET l.waits_since = ",
            pause_end!("l"),
            " WHERE l.waits_since < ",
            pause_end!("l"),
            stands!()
        ))
        .with(&[1, 1, 2, 2, 1, 1, 2, 2]),
        Statement::new(concat!(
            "UPDATE delivery_batch AS b FORCE INDEX (delivery_batch_open) SET b.failing_since = ",
            pause_end!("b"),
            " WHERE b.closed_at IS NULL AND b.failing_since < ",
            pause_end!("b"),
            stands!()
        ))
        .with(&[1, 1, 2, 2, 1, 1, 2, 2]),
    ],
    end_pauses: Statement::new(concat!("DELETE FROM delivery_pause WHERE ", meant!()))
        .with(&[1, 1, 2, 2]),
    end_holds: Statement::new(concat!(
        "UPDATE delivery_lane
         SET held_until = NULL, hold_reason = NULL, hold_message = NULL, held_since = NULL
         WHERE held_until > NOW(6) AND ",
        meant!(),
        stands!()
    ))
    .with(&[1, 1, 2, 2]),
    resume: Statement::new("INSERT INTO delivery_resume (id, user_id, task_id) VALUES (?, ?, ?)"),
    actions: Statement::new(concat!(
        "SELECT a.id, a.action, a.host, a.os_user, a.selection, a.affected, ",
        seconds_since!("a.changed_at"),
        " AS changed_ago, ",
        moment!("a.began_at", "began_at"),
        ", ",
        moment!("a.ended_at", "ended_at"),
        " FROM operator_action AS a ORDER BY a.began_at DESC, a.id DESC LIMIT ?"
    )),
    forget_actions: Statement::new(
        "DELETE FROM operator_action WHERE began_at < NOW(6) - INTERVAL ? * 1e6 MICROSECOND",
    ),
    note_action: Statement::new(concat!(
        "INSERT INTO operator_action (id, action, host, os_user, selection, affected, ended_at)
         SELECT ?, ?, ?, ?, ?, ?, CASE WHEN ? = 1 THEN NOW(6) END FROM DUAL WHERE true",
        stands!(),
        "
         ON DUPLICATE KEY UPDATE
             affected = CASE WHEN ? IS NULL THEN operator_action.affected
                 ELSE COALESCE(operator_action.affected, 0) + ? END,
             changed_at = NOW(6), ended_at = CASE WHEN ? = 1 THEN NOW(6) END"
    ))
    .with(&[1, 2, 3, 4, 5, 6, 7, 6, 6, 7]),
};
