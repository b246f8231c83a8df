//! Statements that take personal data out.

use crate::outbox::sql::statements::{Erasing, Statement};

/// A text (a column), unless it is so long that nobody would have quoted it.
macro_rules! short {
    ($text:literal) => {
        concat!(
            "CASE WHEN char_length(",
            $text,
            ") <= 200 THEN ",
            $text,
            " END AS ",
            $text
        )
    };
}

/// A row may leave it to the settings whether its number is encrypted. So `phone_mask` is read
/// unless the row says that it is not.
pub(in crate::outbox::postgres) static ERASING: Erasing = Erasing {
    numbers: Statement::new(
        "SELECT id, CASE WHEN char_length(phone) <= $1::bigint THEN phone END AS phone,
             CASE WHEN coalesce(encryption, true) AND char_length(phone_mask) <= $1
                  THEN phone_mask END AS phone_mask
         FROM contact_outbox WHERE id < $2 ORDER BY id DESC LIMIT $3",
    ),
    standing: Statement::new(
        "SELECT c.id, CASE
             WHEN c.redacted_at IS NOT NULL THEN 'redacted'
             WHEN c.status = 'pending' THEN 'pending'
             WHEN (SELECT true FROM delivery_batch b
                   WHERE b.closed_at IS NULL AND b.user_id = c.user_id AND b.task_id = c.task_id
                     AND c.id = ANY (b.contact_ids) LIMIT 1) THEN 'open'
             ELSE 'free' END AS state
         FROM contact_outbox c WHERE c.id = ANY ($1) ORDER BY c.id",
    ),
    personal: Statement::new(concat!(
        "SELECT id, ",
        ends!("", "phone"),
        ", CASE WHEN coalesce(encryption, true) THEN left(phone_mask, 1000) END AS phone_mask, ",
        short!("name"),
        ", ",
        short!("email"),
        ", ",
        short!("company"),
        ", ",
        short!("extra"),
        ", ",
        ends!("", "sub_user_id"),
        ", fail_cause, idempotency_key, batch_id::text AS batch_id
         FROM contact_outbox
         WHERE id = ANY ($1) AND status <> 'pending' AND redacted_at IS NULL
         ORDER BY id FOR UPDATE"
    )),
    redact: Statement::counting(
        "WITH written AS (
             UPDATE contact_outbox AS c
             SET phone = r.phone, name = NULL, email = NULL, company = NULL, sex = NULL,
                 source_id = NULL, industry_id = NULL, grade_id = NULL, components = NULL,
                 custom_vars = NULL, extra = NULL, control_select_robot = NULL, phone_mask = NULL,
                 sub_user_id = r.sub_user_id, fail_cause = r.fail_cause,
                 idempotency_key = coalesce(r.idempotency_key, c.idempotency_key),
                 redacted_at = now()
             FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[])
                 AS r (id, phone, sub_user_id, fail_cause, idempotency_key)
             WHERE c.id = r.id AND c.status <> 'pending' AND c.redacted_at IS NULL
             RETURNING c.redacted_at
         )
         SELECT count(*) FROM written WHERE redacted_at IS NOT NULL",
    ),
    earlier_batches: Statement::new(
        "SELECT contact_id, batch_id::text AS batch_id FROM contact_requeue
         WHERE contact_id = ANY ($1) AND batch_id IS NOT NULL",
    ),
    forget_causes: Statement::new(
        "UPDATE contact_requeue SET fail_cause = NULL
         WHERE contact_id = ANY ($1) AND fail_cause IS NOT NULL",
    ),
    held_lanes: Statement::new(
        "SELECT c.id, l.user_id, l.task_id, l.hold_message
         FROM contact_outbox c
         JOIN delivery_lane l ON l.user_id = c.user_id AND l.task_id = c.task_id
         WHERE c.id = ANY ($1) AND l.hold_message <> ''",
    ),
    reword_hold: Statement::new(
        "UPDATE delivery_lane SET hold_message = $1
         WHERE user_id = $2 AND task_id = $3 AND hold_message = $4",
    ),
    answers: Statement::new(
        "SELECT id::text AS id, parent_id::text AS parent_id, answer FROM delivery_batch
         WHERE id = ANY ($1::text[]::uuid[])",
    ),
    reword: Statement::new(
        "UPDATE delivery_batch SET answer = $1
         WHERE id = ANY ($2::text[]::uuid[]) AND closed_at IS NOT NULL",
    ),
};
