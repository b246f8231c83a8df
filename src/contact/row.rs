//! A row as the table has it.

use std::time::Duration;

use super::violation::Violation;

/// A row of `contact_outbox` as the table has it, before any rule is checked.
#[derive(Clone, Debug, Default)]
pub struct OutboxRow {
    pub id: i64,
    /// The number as the app wrote it.
    pub phone: String,
    pub name: Option<String>,
    pub email: Option<String>,
    /// Contact's company; ciphertext when `encryption`.
    pub company: Option<String>,
    /// 0 unknown, 1 male, 2 female.
    pub sex: Option<i64>,
    /// The platform's sorting number.
    pub sort: i64,
    /// Id of the source of information.
    pub source_id: Option<i64>,
    /// Id of the industry.
    pub industry_id: Option<i64>,
    /// Id of the customer grade.
    pub grade_id: Option<i64>,
    /// JSON text, an array of `{id, value}`.
    pub components: Option<String>,
    /// JSON text, an array of `{name, text}`.
    pub custom_vars: Option<String>,
    /// Third-party data that the platform keeps with the number.
    pub extra: Option<String>,
    pub sub_user_id: Option<String>,
    /// AI dialogue marker.
    pub control_select_robot: Option<String>,
    /// Null: the configured default.
    pub ignore_crm: Option<bool>,
    /// Null: the configured default.
    pub skip_error: Option<bool>,
    /// Null: the configured default.
    pub number_add_suffix: Option<bool>,
    /// Null: the configured default.
    pub encryption: Option<bool>,
    /// The mask that the platform would show for an encrypted number.
    pub phone_mask: Option<String>,
    /// How long the row has been due, by the database's clock.
    pub due_for: Duration,
    /// Whether it was unconfirmed once, and requeued: an earlier send may have put it into the task.
    pub in_doubt: bool,
    /// How many bytes its texts have in the table. If this is more than the longest contact may
    /// have, not all texts were read.
    pub bytes: u64,
}

impl OutboxRow {
    /// Refuses a row whose texts are too long.
    pub(super) fn fits(bytes: u64, most: u64) -> Result<(), Violation> {
        if bytes <= most {
            return Ok(());
        }
        Err(Violation(format!(
            "the contact is {bytes} bytes long, longer than delivery.max_contact_bytes = {most}"
        )))
    }

    /// Turns a blank text into null: an app that writes an empty text means null.
    pub(super) fn forget_blanks(&mut self) {
        for text in [
            &mut self.name,
            &mut self.email,
            &mut self.company,
            &mut self.components,
            &mut self.custom_vars,
            &mut self.extra,
            &mut self.sub_user_id,
            &mut self.control_select_robot,
            &mut self.phone_mask,
        ] {
            if text.as_deref().is_some_and(is_blank) {
                *text = None;
            }
        }
    }
}

/// Whether a text has nothing but blanks.
pub(super) fn is_blank(text: &str) -> bool {
    let begins_visibly = text.bytes().next().is_some_and(|b| b.is_ascii_graphic());
    !begins_visibly && text.trim().is_empty()
}
