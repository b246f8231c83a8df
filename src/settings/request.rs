//! `[request]`: the request options of a row that leaves them null.

use serde::{Deserialize, Serialize};

use super::key::{Key, Kind};

pub(super) const KEYS: &[Key] = &[
    Key::new("request.ignore_crm", Kind::Switch),
    Key::new("request.skip_error", Kind::Switch),
    Key::new("request.number_add_suffix", Kind::Switch),
    Key::new("request.encryption", Kind::Switch),
];

#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a column of the table, named as there"
)]
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RequestSettings {
    /// Whether the number stays out of the CRM pool. Default false.
    pub ignore_crm: bool,
    /// Whether the platform skips a bad number instead of refusing the whole request. Default true.
    pub skip_error: bool,
    /// Whether a suffix is appended to the number, so that it can be in a task twice; by whom says
    /// `delivery.suffix`. Default false.
    pub number_add_suffix: bool,
    /// Whether phone and company are ciphertext. Default false.
    pub encryption: bool,
}

impl Default for RequestSettings {
    fn default() -> Self {
        Self {
            ignore_crm: false,
            skip_error: true,
            number_add_suffix: false,
            encryption: false,
        }
    }
}
