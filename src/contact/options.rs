//! The options that a request sets once for all of its contacts.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::json_bytes::json_bytes;

/// Who appends a suffix to the number, so that the same number can be in a task twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Suffix {
    /// Nobody: the platform refuses a number that the task already has.
    #[default]
    None,
    /// The platform appends random characters; a second send would put the person in twice.
    Platform,
    /// We append the row's id; the same row always has the same suffix, so a second send is safe.
    Courier,
}

/// The options that a request sets once for all of its contacts. They are equal in a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RequestOptions {
    /// `true`: the number does not go into the CRM pool.
    pub ignore_crm: bool,
    /// `true`: the platform skips a bad number and goes on; `false`: it refuses the whole request.
    pub skip_error: bool,
    /// Whether and by whom a suffix is appended to each number.
    pub suffix: Suffix,
    /// `true`: phone and company are ciphertext.
    pub encryption: bool,
    /// The sub account for which the request is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub_user_id: Option<Arc<str>>,
}

impl RequestOptions {
    /// Returns the most bytes that a request has beside its contacts.
    pub fn request_bytes(&self) -> usize {
        let sub_user_id = self.sub_user_id.as_deref().map_or(0, json_bytes);
        REQUEST_FRAME.len() + sub_user_id
    }

    /// Whether the same numbers may be sent once more without calling anybody twice.
    pub fn resend_is_safe(&self) -> bool {
        self.suffix != Suffix::Platform
    }
}

/// The options for a row that leaves them null, who appends suffixes, and how long a contact may
/// be.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a column of the table, named as there"
)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestDefaults {
    pub ignore_crm: bool,
    pub skip_error: bool,
    pub number_add_suffix: bool,
    pub encryption: bool,
    /// Whether the courier itself appends the suffix that a row asks for, or the platform does.
    pub courier_appends_suffix: bool,
    /// `delivery.max_contact_bytes`: the most bytes of a contact, in the table and as JSON.
    pub max_contact_bytes: u64,
}

/// The default of `delivery.max_contact_bytes`.
pub const MAX_CONTACT_BYTES: u64 = 65_536;

impl RequestDefaults {
    /// Returns who appends a suffix to the number of a row.
    ///
    /// An encrypted number cannot carry the courier's suffix (it would break the ciphertext), so
    /// there the platform has to append it.
    pub fn suffix(&self, number_add_suffix: Option<bool>, encryption: bool) -> Suffix {
        let wants_suffix = number_add_suffix.unwrap_or(self.number_add_suffix);
        match (wants_suffix, self.courier_appends_suffix && !encryption) {
            (false, _) => Suffix::None,
            (true, true) => Suffix::Courier,
            (true, false) => Suffix::Platform,
        }
    }
}

impl Default for RequestDefaults {
    fn default() -> Self {
        Self {
            ignore_crm: false,
            skip_error: true,
            number_add_suffix: false,
            encryption: false,
            courier_appends_suffix: false,
            max_contact_bytes: MAX_CONTACT_BYTES,
        }
    }
}

/// A request without its contacts and its sub account.
const REQUEST_FRAME: &str = r#"{"ignore_crm":false,"skip_error":false,"number_add_suffix":false,"encryption":false,"sub_user_id":,"data":[]}"#;
