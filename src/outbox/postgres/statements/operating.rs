//! What operators ask.

/// What is known of every lane, as `standing`: the pending rows, counted in the two small indexes
/// from end to end; the open batches; the lanes. No join: each says what it knows, and `GROUP BY`
/// brings it together.
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
                 SELECT l.user_id, l.task_id, 0, 0, NULL, NULL, 0, (l.held_until > now()) IS TRUE,
                     CASE WHEN ",
            is_alive!("l.lease_owner"),
            "        THEN l.lease_owner::text END
                 FROM delivery_lane l
             ), lane AS (
                 SELECT user_id, task_id, sum(due)::bigint AS due, sum(deferred)::bigint AS deferred,
                     min(first_id) AS first_id, min(first_due) AS first_due,
                     sum(open_batches)::bigint AS open_batches, bool_or(held) AS held,
                     max(owner) AS owner
                 FROM facts GROUP BY user_id, task_id
             ), standing AS (
                 SELECT user_id, task_id, due, deferred, open_batches, owner, held,
                     CASE WHEN held THEN 'held'
                          WHEN owner IS NOT NULL THEN 'leased'
                          WHEN due > 0 OR open_batches > 0 THEN 'due'
                          ELSE 'idle' END AS state,
                     (extract(epoch FROM now()) - extract(epoch FROM least(
                         (SELECT c.created_at FROM contact_outbox c WHERE c.id = lane.first_id),
                         first_due)))::float8 AS oldest
                 FROM lane
             ) "
        )
    };
}

/// The sum of all lanes.
pub(in crate::outbox::postgres) const OVERVIEW: &str = concat!(
    standing!(),
    "SELECT coalesce(sum(due) FILTER (WHERE NOT held), 0)::bigint AS due,
         coalesce(sum(due) FILTER (WHERE held), 0)::bigint AS held,
         coalesce(sum(deferred), 0)::bigint AS deferred, max(oldest) AS oldest,
         count(*) FILTER (WHERE state = 'due') AS lanes_due,
         count(*) FILTER (WHERE state = 'held') AS lanes_held,
         count(*) FILTER (WHERE state = 'leased') AS lanes_leased,
         count(*) FILTER (WHERE state = 'idle') AS lanes_idle,
         coalesce(sum(open_batches), 0)::bigint AS open_batches
     FROM standing"
);

/// All couriers that are registered.
pub(in crate::outbox::postgres) const INSTANCES: &str = "
    SELECT id::text AS id, host, pid,
        (extract(epoch FROM now()) - extract(epoch FROM started_at))::float8 AS started_ago,
        (extract(epoch FROM now()) - extract(epoch FROM heartbeat_at))::float8 AS heartbeat_ago,
        heartbeat_at + lease_ms * interval '1 millisecond' > now() AS alive
    FROM courier_instance ORDER BY started_at, id";

/// $1 limit.
pub(in crate::outbox::postgres) const LANES: &str = concat!(
    standing!(),
    "SELECT most.user_id, most.task_id, most.due + most.deferred AS pending, most.oldest, most.state,
         most.owner AS owner_id, i.host AS owner_host, i.pid AS owner_pid
     FROM (SELECT * FROM standing WHERE due + deferred > 0
           ORDER BY due + deferred DESC, user_id, task_id LIMIT $1) AS most
     LEFT JOIN courier_instance i ON i.id = most.owner::uuid
     ORDER BY pending DESC, most.user_id, most.task_id"
);

/// $1 limit. A lane whose rows and batches are all gone has nothing that could be held.
pub(in crate::outbox::postgres) const PAUSED: &str = "
    SELECT held.user_id, held.task_id, held.hold_reason AS reason, held.hold_message AS message,
        (extract(epoch FROM now()) - extract(epoch FROM held.held_since))::float8 AS held_for,
        (extract(epoch FROM held.held_until) - extract(epoch FROM now()))::float8 AS next_try_in,
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
             WHERE c.status = 'pending' AND c.not_before IS NOT NULL
               AND c.user_id = l.user_id AND c.task_id = l.task_id LIMIT 1),
            (SELECT true FROM delivery_batch b
             WHERE b.closed_at IS NULL AND b.user_id = l.user_id AND b.task_id = l.task_id LIMIT 1),
            false)
        ORDER BY l.held_since, l.user_id, l.task_id LIMIT $1
    ) AS held
    ORDER BY held.held_since, held.user_id, held.task_id";

/// $1 user, $2 task, $3 kinds, $4 part of the cause, $5 and $6 the youngest and the oldest age in
/// seconds, each null for any; $7 and $8 the last one seen, or null; $9 limit.
pub(in crate::outbox::postgres) const FAILURES: &str = "
    SELECT id, user_id, task_id, phone, fail_kind, fail_cause, attempts::bigint AS attempts,
        batch_id::text AS batch_id,
        to_char(finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') AS finished_at,
        finished_at::text AS cursor_at,
        (extract(epoch FROM now()) - extract(epoch FROM contact_outbox.finished_at))::float8
            AS finished_ago
    FROM contact_outbox
    WHERE status = 'failed'
      AND ($1::text IS NULL OR user_id = $1) AND ($2::text IS NULL OR task_id = $2)
      AND ($3::text IS NULL OR fail_kind = ANY (string_to_array($3, ',')))
      AND ($4::text IS NULL OR position(lower($4) IN lower(fail_cause)) > 0)
      AND contact_outbox.finished_at <= coalesce(now() - $5::float8 * interval '1 second', 'infinity')
      AND contact_outbox.finished_at >= coalesce(now() - $6::float8 * interval '1 second', '-infinity')
      AND (contact_outbox.finished_at, id)
          < (coalesce($7::text::timestamptz, 'infinity'), coalesce($8::bigint, 0))
    ORDER BY contact_outbox.finished_at DESC, id DESC LIMIT $9";
