//! Questions and writes of operators who change work that is under way.

use crate::outbox::sql::statements::{Intervening, Statement};

/// Whether a row was inserted at most `$age` seconds ago; null: at any time.
macro_rules! created_since {
    ($age:literal) => {
        concat!(
            "created_at >= coalesce(now() - ",
            $age,
            "::float8 * interval '1 second', '-infinity')"
        )
    };
}

/// When the last pause of a lane (a table with its columns) ended: by itself, or now because a
/// resume ends it ($1 user, $2 task, each empty for any).
macro_rules! pause_end {
    ($lane:literal) => {
        concat!(
            "(SELECT max(least(coalesce(p.paused_until, now()), now())) FROM delivery_pause p
              WHERE (p.user_id = '' OR p.user_id = ",
            $lane,
            ".user_id AND p.task_id IN ('', ",
            $lane,
            ".task_id))
                AND (p.paused_until <= now()
                    OR ($1 = '' OR p.user_id = $1) AND ($2 = '' OR p.task_id = $2)))"
        )
    };
}

/// Counts the pending rows that are in one of the two small indexes.
macro_rules! counted {
    ($index:literal) => {
        concat!(
            "SELECT user_id, task_id, count(*) AS contacts FROM contact_outbox
             WHERE status = 'pending' AND ",
            $index,
            " AND ($1::text IS NULL OR user_id = $1) AND ($2::text IS NULL OR task_id = $2) AND ",
            created_since!("$3"),
            " GROUP BY user_id, task_id"
        )
    };
}

/// The columns of a `Pause`, for the pauses that are in force.
macro_rules! pauses {
    ($more:literal) => {
        concat!(
            primary!(),
            "SELECT user_id, task_id, reason,
                 (extract(epoch FROM now()) - extract(epoch FROM paused_at))::float8 AS paused_for,
                 (extract(epoch FROM paused_until) - extract(epoch FROM now()))::float8 AS ends_in",
            $more,
            " FROM delivery_pause WHERE paused_until IS NULL OR paused_until > now()"
        )
    };
}

/// The columns of a `NamedContact`.
macro_rules! named {
    ($key:literal) => {
        concat!(
            primary!(),
            "SELECT id, user_id, task_id, status, ",
            $key,
            " FROM contact_outbox "
        )
    };
}

pub(in crate::outbox::postgres) static INTERVENING: Intervening = Intervening {
    count_pending: Statement::new(concat!(
        primary!(),
        "SELECT user_id, task_id, sum(contacts)::bigint AS contacts FROM (",
        counted!("not_before IS NULL"),
        " UNION ALL ",
        counted!("not_before IS NOT NULL"),
        ") AS counted GROUP BY user_id, task_id ORDER BY user_id, task_id"
    )),
    going: Statement::new(concat!(
        primary!(),
        "SELECT user_id, task_id, contact_ids FROM delivery_batch
         WHERE closed_at IS NULL AND (state = 'sending' OR maybe_delivered)
           AND ($1::text IS NULL OR user_id = $1) AND ($2::text IS NULL OR task_id = $2)"
    )),
    pending: Statement::new(concat!(
        primary!(),
        "(SELECT id FROM contact_outbox
          WHERE status = 'pending' AND not_before IS NULL
            AND user_id = $1 AND (task_id, id) > ($2, $4) AND task_id <= $2 AND ",
        created_since!("$3"),
        " ORDER BY user_id, task_id, id LIMIT 20000)
         UNION ALL
         (SELECT id FROM contact_outbox
          WHERE status = 'pending' AND not_before IS NOT NULL
            AND user_id = $1 AND task_id = $2 AND id > $4 AND ",
        created_since!("$3"),
        " ORDER BY contact_outbox.id LIMIT 20000)
         ORDER BY 1 LIMIT 20000"
    )),
    contacts_by_id: concat!(
        named!("NULL AS idempotency_key"),
        "WHERE id = ANY ($1) ORDER BY id"
    ),
    contacts_by_key: concat!(
        named!("idempotency_key"),
        "WHERE idempotency_key = ANY ($1) ORDER BY idempotency_key"
    ),
    doubted: "SELECT DISTINCT contact_id AS id FROM contact_requeue
         WHERE contact_id = ANY ($1) AND fail_kind = 'unconfirmed'",
    make_lane: Statement::new(
        "INSERT INTO delivery_lane (user_id, task_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
    ),
    pauses: concat!(pauses!(""), " ORDER BY paused_at, user_id, task_id"),
    orders: concat!(
        pauses!(", NULL::text AS resume_id"),
        " UNION ALL
          SELECT user_id, task_id, NULL, NULL, NULL, id::text FROM delivery_resume"
    ),
    pause: Statement::new(
        "INSERT INTO delivery_pause (user_id, task_id, reason, paused_until)
         VALUES ($1, $2, $3, now() + $4::float8 * interval '1 second')
         ON CONFLICT (user_id, task_id) DO UPDATE
             SET reason = excluded.reason, paused_at = now(), paused_until = excluded.paused_until",
    ),
    forget_orders: [
        "DELETE FROM delivery_pause WHERE paused_until <= now()",
        "DELETE FROM delivery_resume WHERE resumed_at < now() - interval '10 minutes'",
    ],
    leave_out_pauses: [
        Statement::new(concat!(
            "UPDATE delivery_lane AS l SET waits_since = ",
            pause_end!("l"),
            " WHERE l.waits_since < ",
            pause_end!("l")
        )),
        Statement::new(concat!(
            "UPDATE delivery_batch AS b SET failing_since = ",
            pause_end!("b"),
            " WHERE b.closed_at IS NULL AND b.failing_since < ",
            pause_end!("b")
        )),
    ],
    end_pauses: Statement::new(
        "DELETE FROM delivery_pause
         WHERE ($1 = '' OR user_id = $1) AND ($2 = '' OR task_id = $2)",
    ),
    end_holds: Statement::new(
        "UPDATE delivery_lane
         SET held_until = NULL, hold_reason = NULL, hold_message = NULL, held_since = NULL
         WHERE held_until > now() AND ($1 = '' OR user_id = $1) AND ($2 = '' OR task_id = $2)",
    ),
    resume: Statement::new(
        "INSERT INTO delivery_resume (id, user_id, task_id) VALUES ($1, $2, $3)",
    ),
    actions: Statement::new(concat!(
        "SELECT a.id::text AS id, a.action, a.host, a.os_user, a.selection, a.affected,
             (extract(epoch FROM now()) - extract(epoch FROM a.changed_at))::float8
                 AS changed_ago, ",
        moment!("a.began_at", "began_at"),
        ", ",
        moment!("a.ended_at", "ended_at"),
        " FROM operator_action AS a
          ORDER BY a.began_at DESC, a.id DESC LIMIT $1"
    )),
    forget_actions: Statement::new(
        "DELETE FROM operator_action WHERE began_at < now() - $1 * interval '1 second'",
    ),
    note_action: Statement::new(
        "INSERT INTO operator_action AS a
             (id, action, host, os_user, selection, affected, ended_at)
         VALUES ($1, $2, $3, $4, $5, $6::bigint, CASE WHEN $7::bigint = 1 THEN now() END)
         ON CONFLICT (id) DO UPDATE
             SET affected = CASE WHEN excluded.affected IS NULL THEN a.affected
                     ELSE coalesce(a.affected, 0) + excluded.affected END,
                 changed_at = now(), ended_at = excluded.ended_at",
    ),
};
