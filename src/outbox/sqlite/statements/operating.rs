//! What operators ask.

/// What is known of every lane, as `standing`: the pending rows, counted in the two small indexes
/// from end to end; the open batches; the lanes. No join: each says what it knows, and `GROUP BY`
/// brings it together.
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
                 SELECT l.user_id, l.task_id, 0, 0, NULL, NULL, 0, l.held_until > ",
            now!(),
            " IS TRUE, CASE WHEN ",
            is_alive!("l.lease_owner"),
            " THEN l.lease_owner END
                 FROM delivery_lane l
             ), lane (user_id, task_id, due, deferred, first_id, first_due, open_batches, held,
                 owner) AS (
                 SELECT user_id, task_id, sum(due), sum(deferred), min(first_id), min(first_due),
                     sum(open_batches), max(held), max(owner)
                 FROM facts GROUP BY user_id, task_id
             ), standing (user_id, task_id, due, deferred, open_batches, owner, held, state,
                 oldest) AS (
                 SELECT user_id, task_id, due, deferred, open_batches, owner, held,
                     CASE WHEN held THEN 'held'
                          WHEN owner IS NOT NULL THEN 'leased'
                          WHEN due > 0 OR open_batches > 0 THEN 'due'
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

/// The sum of all lanes.
pub(in crate::outbox::sqlite) const OVERVIEW: &str = concat!(
    standing!(),
    "SELECT coalesce(sum(due) FILTER (WHERE NOT held), 0) AS due,
         coalesce(sum(due) FILTER (WHERE held), 0) AS held,
         coalesce(sum(deferred), 0) AS deferred, max(oldest) AS oldest,
         count(*) FILTER (WHERE state = 'due') AS lanes_due,
         count(*) FILTER (WHERE state = 'held') AS lanes_held,
         count(*) FILTER (WHERE state = 'leased') AS lanes_leased,
         count(*) FILTER (WHERE state = 'idle') AS lanes_idle,
         coalesce(sum(open_batches), 0) AS open_batches
     FROM standing"
);

/// All couriers that are registered.
pub(in crate::outbox::sqlite) const INSTANCES: &str = concat!(
    "SELECT id, host, pid, ",
    seconds_since!("started_at"),
    " AS started_ago, ",
    seconds_since!("heartbeat_at"),
    " AS heartbeat_ago, ",
    seconds_since!("heartbeat_at"),
    " * 1000 < lease_ms AS alive
     FROM courier_instance ORDER BY started_at, id"
);

/// ?1 limit.
pub(in crate::outbox::sqlite) const LANES: &str = concat!(
    standing!(),
    "SELECT most.user_id, most.task_id, most.due + most.deferred AS pending, most.oldest, most.state,
         most.owner AS owner_id, i.host AS owner_host, i.pid AS owner_pid
     FROM (SELECT * FROM standing WHERE due + deferred > 0
           ORDER BY due + deferred DESC, user_id, task_id LIMIT ?1) AS most
     LEFT JOIN courier_instance i ON i.id = most.owner
     ORDER BY pending DESC, most.user_id, most.task_id"
);

/// ?1 limit. A lane whose rows and batches are all gone has nothing that could be held.
pub(in crate::outbox::sqlite) const PAUSED: &str = concat!(
    "SELECT held.user_id, held.task_id, held.hold_reason AS reason, held.hold_message AS message, ",
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
                WHERE c.status = 'pending' AND c.not_before IS NOT NULL
                  AND c.user_id = l.user_id AND c.task_id = l.task_id)
            OR EXISTS (SELECT 1 FROM delivery_batch b INDEXED BY delivery_batch_open
                WHERE b.closed_at IS NULL AND b.user_id = l.user_id AND b.task_id = l.task_id))
        ORDER BY l.held_since, l.user_id, l.task_id LIMIT ?1
     ) AS held
     ORDER BY held.held_since, held.user_id, held.task_id"
);

/// ?1 user, ?2 task, ?3 kinds, ?4 part of the cause, ?5 and ?6 the youngest and the oldest age in
/// seconds, each null for any; ?7 and ?8 the last one seen, or null; ?9 limit. (`~` is greater and
/// the empty text less than any instant.)
pub(in crate::outbox::sqlite) const FAILURES: &str = concat!(
    "SELECT id, user_id, task_id, phone, fail_kind, fail_cause, attempts, batch_id,
         strftime('%Y-%m-%dT%H:%M:%SZ', finished_at) AS finished_at,
         finished_at AS cursor_at, ",
    seconds_since!("contact_outbox.finished_at"),
    " AS finished_ago
     FROM contact_outbox INDEXED BY contact_outbox_failed
     WHERE status = 'failed'
       AND (?1 IS NULL OR user_id = ?1) AND (?2 IS NULL OR task_id = ?2)
       AND (?3 IS NULL OR instr(',' || ?3 || ',', ',' || fail_kind || ',') > 0)
       AND (?4 IS NULL OR instr(lower(fail_cause), lower(?4)) > 0)
       AND contact_outbox.finished_at
           <= coalesce(strftime('%Y-%m-%d %H:%M:%f', 'now', '-' || ?5 || ' seconds'), '~')
       AND contact_outbox.finished_at
           >= coalesce(strftime('%Y-%m-%d %H:%M:%f', 'now', '-' || ?6 || ' seconds'), '')
       AND (contact_outbox.finished_at, id) < (coalesce(?7, '~'), coalesce(?8, 0))
     ORDER BY contact_outbox.finished_at DESC, id DESC LIMIT ?9"
);
