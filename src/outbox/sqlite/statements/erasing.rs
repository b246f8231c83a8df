//! Statements that take personal data out.

use crate::outbox::sql::statements::{Erasing, Statement};

/// A text (a column), unless it is so long that nobody would have quoted it.
macro_rules! short {
    ($text:literal) => {
        concat!(
            "CASE WHEN length(",
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
pub(in crate::outbox::sqlite) static ERASING: Erasing = Erasing {
    numbers: Statement::new(
        "SELECT id, CASE WHEN length(phone) <= ?1 THEN phone END AS phone,
             CASE WHEN coalesce(encryption, true) AND length(phone_mask) <= ?1
                  THEN phone_mask END AS phone_mask
         FROM contact_outbox NOT INDEXED WHERE id < ?2 ORDER BY id DESC LIMIT ?3",
    ),
    standing: Statement::new(
        "SELECT c.id, CASE
             WHEN c.redacted_at IS NOT NULL THEN 'redacted'
             WHEN c.status = 'pending' THEN 'pending'
             WHEN EXISTS (SELECT 1 FROM delivery_batch b INDEXED BY delivery_batch_open
                 WHERE b.closed_at IS NULL AND b.user_id = c.user_id AND b.task_id = c.task_id
                   AND c.id IN (SELECT value FROM json_each(b.contact_ids))) THEN 'open'
             ELSE 'free' END AS state
         FROM contact_outbox c NOT INDEXED
         WHERE c.id IN (SELECT value FROM json_each(?1)) ORDER BY c.id",
    ),
    personal: Statement::new(concat!(
        "SELECT id, ",
        ends!("", "phone"),
        ", CASE WHEN coalesce(encryption, true) THEN substr(phone_mask, 1, 1000) END AS phone_mask, ",
        short!("name"),
        ", ",
        short!("email"),
        ", ",
        short!("company"),
        ", ",
        short!("extra"),
        ", ",
        ends!("", "sub_user_id"),
        ", fail_cause, idempotency_key, batch_id
         FROM contact_outbox NOT INDEXED
         WHERE id IN (SELECT value FROM json_each(?1))
           AND status <> 'pending' AND redacted_at IS NULL
         ORDER BY id"
    )),
    redact: Statement::new(concat!(
        "UPDATE contact_outbox NOT INDEXED
         SET phone = r.value ->> 'phone', name = NULL, email = NULL, company = NULL, sex = NULL,
             source_id = NULL, industry_id = NULL, grade_id = NULL, components = NULL,
             custom_vars = NULL, extra = NULL, control_select_robot = NULL, phone_mask = NULL,
             sub_user_id = r.value ->> 'sub_user_id', fail_cause = r.value ->> 'fail_cause',
             idempotency_key = coalesce(r.value ->> 'idempotency_key',
                 contact_outbox.idempotency_key),
             redacted_at = ",
        now!(),
        "
         FROM json_each(?1) AS r
         WHERE contact_outbox.id = r.value ->> 'id' AND contact_outbox.status <> 'pending'
           AND contact_outbox.redacted_at IS NULL"
    )),
    earlier_batches: Statement::new(
        "SELECT contact_id, batch_id FROM contact_requeue
         WHERE contact_id IN (SELECT value FROM json_each(?1)) AND batch_id IS NOT NULL",
    ),
    forget_causes: Statement::new(
        "UPDATE contact_requeue SET fail_cause = NULL
         WHERE contact_id IN (SELECT value FROM json_each(?1)) AND fail_cause IS NOT NULL",
    ),
    held_lanes: Statement::new(
        "SELECT c.id, l.user_id, l.task_id, l.hold_message
         FROM contact_outbox c NOT INDEXED
         JOIN delivery_lane l ON l.user_id = c.user_id AND l.task_id = c.task_id
         WHERE c.id IN (SELECT value FROM json_each(?1)) AND l.hold_message <> ''",
    ),
    reword_hold: Statement::new(
        "UPDATE delivery_lane SET hold_message = ?1
         WHERE user_id = ?2 AND task_id = ?3 AND hold_message = ?4",
    ),
    answers: Statement::new(
        "SELECT id, parent_id, answer FROM delivery_batch
         WHERE id IN (SELECT value FROM json_each(?1))",
    ),
    reword: Statement::new(
        "UPDATE delivery_batch SET answer = ?1
         WHERE id IN (SELECT value FROM json_each(?2)) AND closed_at IS NOT NULL",
    ),
};
