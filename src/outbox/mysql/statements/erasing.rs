//! Statements that take personal data out.

use crate::outbox::sql::statements::{Erasing, Statement};

/// A text (a column of `c`), unless it is so long that nobody would have quoted it.
macro_rules! short {
    ($text:literal) => {
        concat!(
            "CASE WHEN CHAR_LENGTH(c.",
            $text,
            ") <= 200 THEN c.",
            $text,
            " END AS ",
            $text
        )
    };
}

/// Batches by their ids as text.
macro_rules! batches_named {
    () => {
        "JSON_TABLE(?, '$[*]' COLUMNS (id CHAR(36) CHARACTER SET utf8mb4 PATH '$')) AS named
         STRAIGHT_JOIN delivery_batch AS b FORCE INDEX (PRIMARY) ON b.id = named.id"
    };
}

/// A row may leave it to the settings whether its number is encrypted. So `phone_mask` is read
/// unless the row says that it is not.
pub(in crate::outbox::mysql) static ERASING: Erasing = Erasing {
    numbers: Statement::new(
        "SELECT c.id, CASE WHEN CHAR_LENGTH(c.phone) <= ? THEN c.phone END AS phone,
             CASE WHEN COALESCE(c.encryption, TRUE) AND CHAR_LENGTH(c.phone_mask) <= ?
                  THEN c.phone_mask END AS phone_mask
         FROM contact_outbox AS c FORCE INDEX (PRIMARY)
         WHERE c.id < ? ORDER BY c.id DESC LIMIT ?",
    )
    .with(&[1, 1, 2, 3]),
    standing: Statement::new(concat!(
        "SELECT c.id, CASE
             WHEN c.redacted_at IS NOT NULL THEN 'redacted'
             WHEN c.status = 'pending' THEN 'pending'
             WHEN EXISTS (SELECT 1 FROM delivery_batch AS b FORCE INDEX (delivery_batch_open)
                 WHERE b.closed_at IS NULL AND b.user_id = c.user_id AND b.task_id = c.task_id
                   AND JSON_CONTAINS(b.contact_ids, CAST(c.id AS CHAR))) THEN 'open'
             ELSE 'free' END AS state
         FROM ",
        contact_ids!(),
        " AS named STRAIGHT_JOIN contact_outbox AS c FORCE INDEX (PRIMARY) ON c.id = named.id"
    )),
    personal: Statement::new(concat!(
        "SELECT c.id, ",
        ends!("c.", "phone"),
        ", CASE WHEN COALESCE(c.encryption, TRUE) THEN LEFT(c.phone_mask, 1000) END AS phone_mask, ",
        short!("name"),
        ", ",
        short!("email"),
        ", ",
        short!("company"),
        ", ",
        short!("extra"),
        ", ",
        ends!("c.", "sub_user_id"),
        ", c.fail_cause, c.idempotency_key, c.batch_id
         FROM ",
        contact_ids!(),
        " AS named STRAIGHT_JOIN contact_outbox AS c FORCE INDEX (PRIMARY) ON c.id = named.id
          WHERE c.status <> 'pending' AND c.redacted_at IS NULL FOR UPDATE /*!80001 OF c */"
    )),
    redact: Statement::new(concat!(
        "UPDATE JSON_TABLE(?, '$[*]' COLUMNS (
            id BIGINT UNSIGNED PATH '$.id',
            phone LONGTEXT CHARACTER SET utf8mb4 PATH '$.phone',
            sub_user_id LONGTEXT CHARACTER SET utf8mb4 PATH '$.sub_user_id',
            fail_cause LONGTEXT CHARACTER SET utf8mb4 PATH '$.fail_cause',
            idempotency_key VARCHAR(255) CHARACTER SET utf8mb4 PATH '$.idempotency_key'
        )) AS r STRAIGHT_JOIN contact_outbox AS c FORCE INDEX (PRIMARY) ON c.id = r.id
        SET c.phone = r.phone, c.name = NULL, c.email = NULL, c.company = NULL, c.sex = NULL,
            c.source_id = NULL, c.industry_id = NULL, c.grade_id = NULL, c.components = NULL,
            c.custom_vars = NULL, c.extra = NULL, c.control_select_robot = NULL,
            c.phone_mask = NULL, c.sub_user_id = r.sub_user_id, c.fail_cause = r.fail_cause,
            c.idempotency_key = COALESCE(r.idempotency_key, c.idempotency_key),
            c.redacted_at = NOW(6)
        WHERE c.status <> 'pending' AND c.redacted_at IS NULL",
        stands!()
    )),
    earlier_batches: Statement::new(concat!(
        "SELECT q.contact_id, q.batch_id FROM ",
        contact_ids!(),
        " AS named STRAIGHT_JOIN contact_requeue AS q FORCE INDEX (contact_requeue_by_contact)
              ON q.contact_id = named.id
          WHERE q.batch_id IS NOT NULL"
    )),
    forget_causes: Statement::new(concat!(
        "UPDATE ",
        contact_ids!(),
        " AS named STRAIGHT_JOIN contact_requeue AS q FORCE INDEX (contact_requeue_by_contact)
              ON q.contact_id = named.id
          SET q.fail_cause = NULL WHERE q.fail_cause IS NOT NULL"
    )),
    held_lanes: Statement::new(concat!(
        "SELECT c.id, l.user_id, l.task_id, l.hold_message FROM ",
        contact_ids!(),
        " AS named STRAIGHT_JOIN contact_outbox AS c FORCE INDEX (PRIMARY) ON c.id = named.id
          STRAIGHT_JOIN delivery_lane AS l FORCE INDEX (PRIMARY)
              ON l.user_id = c.user_id AND l.task_id = c.task_id
          WHERE l.hold_message <> ''"
    )),
    reword_hold: Statement::new(
        "UPDATE delivery_lane SET hold_message = ?
         WHERE user_id = ? AND task_id = ? AND hold_message = ?",
    ),
    answers: Statement::new(concat!(
        "SELECT b.id, b.parent_id, b.answer FROM ",
        batches_named!()
    )),
    reword: Statement::new(concat!(
        "UPDATE ",
        batches_named!(),
        " SET b.answer = ? WHERE b.closed_at IS NOT NULL"
    ))
    .with(&[2, 1]),
};
