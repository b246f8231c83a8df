//! A contact: one row of the outbox table, and the rules that a row must keep.
//!
//! The outbox reads an [`OutboxRow`] as the table has it; [`Contact::check`] turns it into a
//! [`Contact`], whose existence is the proof that the row keeps every rule of
//! `docs/outbox-table.md`, or says in plain English which rule it breaks. Nothing here knows a
//! database, a clock or the network.

mod json_bytes;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use self::json_bytes::json_bytes;
use crate::mask;

/// The primary key of a row of `contact_outbox`; it orders the contacts of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ContactId(pub i64);

impl fmt::Display for ContactId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// All contacts of one user and task, sent first in first out.
///
/// Both halves go into a URL, so only `[A-Za-z0-9_-]{1,64}` is let in: a row cannot address another
/// path of the platform.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lane {
    user_id: Arc<str>,
    task_id: Arc<str>,
}

impl Lane {
    /// A lane, if both ids may stand in a URL path.
    pub fn new(user_id: &str, task_id: &str) -> Result<Self, Violation> {
        for (field, id) in [("user_id", user_id), ("task_id", task_id)] {
            let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
            if id.is_empty() || id.len() > 64 || !id.bytes().all(allowed) {
                return Err(Violation(format!(
                    "{field} must be 1 to 64 letters, digits, '_' or '-'"
                )));
            }
        }
        Ok(Self {
            user_id: user_id.into(),
            task_id: task_id.into(),
        })
    }

    /// The place before all lanes of the same user. It is no lane.
    pub(crate) fn before_its_user(&self) -> Self {
        self.at(String::new())
    }

    /// The place behind all lanes of the same user. It is no lane: `~` is in no id, and behind all
    /// characters that are.
    pub(crate) fn behind_its_user(&self) -> Self {
        self.at("~".to_owned())
    }

    fn at(&self, task_id: String) -> Self {
        Self {
            user_id: Arc::clone(&self.user_id),
            task_id: task_id.into(),
        }
    }

    /// The platform's user id, a route parameter.
    pub fn user_id(&self) -> &str {
        &self.user_id
    }

    /// The platform's task id, a route parameter.
    pub fn task_id(&self) -> &str {
        &self.task_id
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.user_id, self.task_id)
    }
}

/// A phone number, or its ciphertext. It prints itself masked, so that no log line and no error
/// can carry it whole.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Phone(Arc<str>);

impl Phone {
    /// Takes a number over as it is.
    pub fn new(number: impl Into<Arc<str>>) -> Self {
        Self(number.into())
    }

    /// The number itself: for the request and for comparing, never for people's eyes.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&mask::mask(&self.0))
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Phone({self})")
    }
}

/// A rule that a row breaks, in words for the row's `fail_cause`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Violation(pub String);

/// One CRM component of a 1.0 script: the platform's `components`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Component {
    /// The component's id, from the platform's page for CRM templates.
    pub id: Scalar,
    /// Its value for this contact.
    pub value: Scalar,
}

/// One variable of a 2.0 script: the platform's `custom_vars`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustomVar {
    /// The variable's name in the script.
    pub name: Scalar,
    /// Its text for this contact.
    pub text: Scalar,
}

/// A JSON string, number or boolean, passed on digit by digit as the app wrote it.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct Scalar(Box<RawValue>);

impl PartialEq for Scalar {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}

impl Eq for Scalar {}

impl Scalar {
    fn json_bytes(&self) -> usize {
        self.0.get().len()
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        match raw.get().bytes().next() {
            Some(b'"' | b'-' | b'0'..=b'9' | b't' | b'f') => Ok(Self(raw)),
            _ => Err(D::Error::custom("it is no string, number or boolean")),
        }
    }
}

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

/// What a request says once for all of its contacts. A batch is uniform in it.
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
    /// The sub account that the request is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub_user_id: Option<Arc<str>>,
}

impl RequestOptions {
    /// Returns how many bytes a request has at the most beside its contacts.
    pub fn request_bytes(&self) -> usize {
        let sub_user_id = self.sub_user_id.as_deref().map_or(0, json_bytes);
        REQUEST_FRAME.len() + sub_user_id
    }

    /// Whether the same numbers may be sent once more without calling anybody twice.
    pub fn resend_is_safe(&self) -> bool {
        self.suffix != Suffix::Platform
    }
}

/// What is in force where a row leaves an option null, who appends suffixes, and how long a contact may
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
    /// Who appends the suffix that a row asks for: the courier itself (`true`) or the platform.
    pub courier_appends_suffix: bool,
    /// `delivery.max_contact_bytes`: the most bytes of a contact, in the table and as JSON.
    pub max_contact_bytes: u64,
}

/// The default of `delivery.max_contact_bytes`.
pub const MAX_CONTACT_BYTES: u64 = 65_536;

impl RequestDefaults {
    /// Who appends a suffix to the number of a row that asks for this.
    ///
    /// An encrypted number cannot carry our suffix (we would break the ciphertext), so there the
    /// platform has to append it.
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

/// A row of `contact_outbox` as the table has it, before any rule is checked.
#[derive(Clone, Debug, Default)]
pub struct OutboxRow {
    pub id: i64,
    /// As the app wrote it.
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
    /// How many bytes its texts have in the table. More than the longest contact may have: then not all
    /// of them were read.
    pub bytes: u64,
}

impl OutboxRow {
    /// Refuses a row whose texts are too long.
    fn fits(bytes: u64, most: u64) -> Result<(), Violation> {
        if bytes <= most {
            return Ok(());
        }
        Err(Violation(format!(
            "the contact is {bytes} bytes long, longer than delivery.max_contact_bytes = {most}"
        )))
    }

    /// Takes a blank text for null, as whoever writes an empty text into a column means it.
    fn forget_blanks(&mut self) {
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
            if text.as_deref().is_some_and(|text| text.trim().is_empty()) {
                *text = None;
            }
        }
    }
}

/// A row that keeps every rule and may be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    pub id: ContactId,
    /// The number as it goes into the request, with the courier's own suffix if it has one.
    pub phone: Phone,
    pub name: Option<String>,
    pub email: Option<String>,
    pub company: Option<String>,
    pub sex: Option<u8>,
    pub sort: i64,
    pub source_id: Option<i64>,
    pub industry_id: Option<i64>,
    pub grade_id: Option<i64>,
    /// Variables of a 1.0 script.
    pub components: Vec<Component>,
    /// Variables of a 2.0 script.
    pub custom_vars: Vec<CustomVar>,
    pub extra: Option<String>,
    pub control_select_robot: Option<String>,
    pub phone_mask: Option<String>,
    /// The options of the request that may carry this contact.
    pub options: RequestOptions,
    /// How long the row has been due, by the database's clock, when it was read.
    pub due_for: Duration,
    /// How many bytes of a request it takes at the most.
    pub bytes: usize,
}

impl Contact {
    /// Checks a row against every rule that we know (`docs/outbox-table.md`, "Rules").
    pub fn check(mut row: OutboxRow, defaults: &RequestDefaults) -> Result<Self, Violation> {
        OutboxRow::fits(row.bytes, defaults.max_contact_bytes)?;
        row.forget_blanks();
        let options = effective_options(&row, defaults);
        let phone = checked_phone(&row, &options)?;
        let components: Vec<Component> = parse_list("components", row.components.as_deref())?;
        let custom_vars: Vec<CustomVar> = parse_list("custom_vars", row.custom_vars.as_deref())?;
        if options.ignore_crm {
            forbid_with_ignore_crm("components", !components.is_empty())?;
            forbid_with_ignore_crm("extra", row.extra.is_some())?;
        }
        let sex = match row.sex {
            None => None,
            Some(sex) => match u8::try_from(sex) {
                Ok(sex) if sex <= 2 => Some(sex),
                _ => return Err(Violation(format!("sex must be 0, 1 or 2, not {sex}"))),
            },
        };
        let mut contact = Self {
            id: ContactId(row.id),
            phone,
            name: row.name,
            email: row.email,
            company: row.company,
            sex,
            sort: row.sort,
            source_id: row.source_id,
            industry_id: row.industry_id,
            grade_id: row.grade_id,
            components,
            custom_vars,
            extra: row.extra,
            control_select_robot: row.control_select_robot,
            phone_mask: row.phone_mask,
            options,
            due_for: row.due_for,
            bytes: 0,
        };
        contact.bytes = contact.json_bytes();
        let bytes = u64::try_from(contact.bytes).unwrap_or(u64::MAX);
        OutboxRow::fits(bytes, defaults.max_contact_bytes)?;
        Ok(contact)
    }

    /// Returns how many bytes the contact's part of a request has at the most.
    fn json_bytes(&self) -> usize {
        // `,"name":`
        let field = |name: &str| name.len() + 4;
        let text =
            |name: &str, text: Option<&str>| text.map_or(0, |text| field(name) + json_bytes(text));
        let number =
            |name: &str, number: Option<i64>| number.map_or(0, |_| field(name) + LONGEST_NUMBER);
        // `{"value":,"id":},`
        let component = |c: &Component| c.id.json_bytes() + c.value.json_bytes() + 17;
        // `{"name":,"text":},`
        let custom_var = |c: &CustomVar| c.name.json_bytes() + c.text.json_bytes() + 18;
        let list = |name: &str, entries: usize| {
            if entries == 0 {
                0
            } else {
                field(name) + 2 + entries
            }
        };
        // `{},`
        3 + text("phone", Some(self.phone.expose()))
            + number("sort", Some(self.sort))
            + text("name", self.name.as_deref())
            + text("email", self.email.as_deref())
            + text("company", self.company.as_deref())
            + number("sex", self.sex.map(i64::from))
            + number("source_id", self.source_id)
            + number("industry_id", self.industry_id)
            + number("grade_id", self.grade_id)
            + list("components", self.components.iter().map(component).sum())
            + list("custom_vars", self.custom_vars.iter().map(custom_var).sum())
            + text("extra", self.extra.as_deref())
            + text("sub_user_id", self.options.sub_user_id.as_deref())
            + text("control_select_robot", self.control_select_robot.as_deref())
    }
}

/// A request without its contacts and its sub account.
const REQUEST_FRAME: &str = r#"{"ignore_crm":false,"skip_error":false,"number_add_suffix":false,"encryption":false,"sub_user_id":,"data":[]}"#;

/// How many digits a number of 64 bits has at the most, its sign included.
const LONGEST_NUMBER: usize = 20;

/// The options of a row, with the defaults where it says nothing.
fn effective_options(row: &OutboxRow, defaults: &RequestDefaults) -> RequestOptions {
    let encryption = row.encryption.unwrap_or(defaults.encryption);
    RequestOptions {
        ignore_crm: row.ignore_crm.unwrap_or(defaults.ignore_crm),
        skip_error: row.skip_error.unwrap_or(defaults.skip_error),
        suffix: defaults.suffix(row.number_add_suffix, encryption),
        encryption,
        sub_user_id: row.sub_user_id.as_deref().map(Arc::from),
    }
}

fn checked_phone(row: &OutboxRow, options: &RequestOptions) -> Result<Phone, Violation> {
    if row.phone.trim().is_empty() {
        return Err(Violation("phone must not be empty".into()));
    }
    if row.phone.chars().any(char::is_control) {
        return Err(Violation("phone must not hold control characters".into()));
    }
    Ok(match options.suffix {
        Suffix::Courier => Phone::new(format!("{}_{}", row.phone, base36(row.id))),
        Suffix::None | Suffix::Platform => Phone::new(row.phone.as_str()),
    })
}

fn parse_list<T: for<'de> Deserialize<'de>>(
    field: &str,
    json: Option<&str>,
) -> Result<Vec<T>, Violation> {
    let Some(json) = json else {
        return Ok(Vec::new());
    };
    let shape = if field == "components" {
        "{id, value}"
    } else {
        "{name, text}"
    };
    // The parser's own message may quote the value, which is a customer's data: it stays out.
    serde_json::from_str(json).map_err(|e| {
        let at = e.column();
        Violation(format!(
            "{field} must be a JSON array of {shape}; it is not at character {at}"
        ))
    })
}

fn forbid_with_ignore_crm(field: &str, present: bool) -> Result<(), Violation> {
    if !present {
        return Ok(());
    }
    Err(Violation(format!(
        "{field} needs ignore_crm=false: the platform stores it with the customer in the CRM pool"
    )))
}

/// The suffix that the courier appends for a row: its id in base 36, lower-case letters and
/// digits, at most 13 characters.
fn base36(id: i64) -> String {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut rest = id.unsigned_abs();
    let mut digits = Vec::new();
    loop {
        digits.push(char::from(
            DIGITS[usize::try_from(rest % 36).unwrap_or_default()],
        ));
        rest /= 36;
        if rest == 0 {
            return digits.into_iter().rev().collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row() -> OutboxRow {
        OutboxRow {
            id: 7,
            phone: "13012121211".into(),
            ..OutboxRow::default()
        }
    }

    fn cause(row: OutboxRow) -> String {
        Contact::check(row, &RequestDefaults::default())
            .expect_err("breaks a rule")
            .0
    }

    #[test]
    fn a_minimal_row_takes_the_configured_options() {
        let contact = Contact::check(row(), &RequestDefaults::default()).unwrap();
        assert!(contact.options.skip_error && !contact.options.ignore_crm);
        assert_eq!(contact.options.suffix, Suffix::None);
        assert_eq!(contact.phone.expose(), "13012121211");
    }

    #[test]
    fn a_row_overrides_every_default() {
        let row = OutboxRow {
            ignore_crm: Some(true),
            skip_error: Some(false),
            number_add_suffix: Some(true),
            encryption: Some(true),
            sub_user_id: Some("sub".into()),
            ..row()
        };
        let options = Contact::check(row, &RequestDefaults::default())
            .unwrap()
            .options;
        assert_eq!(
            options,
            RequestOptions {
                ignore_crm: true,
                skip_error: false,
                suffix: Suffix::Platform,
                encryption: true,
                sub_user_id: Some("sub".into()),
            }
        );
        assert!(!options.resend_is_safe());
    }

    #[test]
    fn a_blank_text_is_null_in_every_column_that_may_be() {
        for blank in ["", " ", "\t\u{3000}"] {
            let blank = || Some(blank.to_owned());
            let written = OutboxRow {
                name: blank(),
                email: blank(),
                company: blank(),
                components: blank(),
                custom_vars: blank(),
                extra: blank(),
                sub_user_id: blank(),
                control_select_robot: blank(),
                phone_mask: blank(),
                // A component or extra data would be refused.
                ignore_crm: Some(true),
                ..row()
            };
            let null = OutboxRow {
                ignore_crm: Some(true),
                ..row()
            };
            let defaults = RequestDefaults::default();
            assert_eq!(
                Contact::check(written, &defaults),
                Contact::check(null, &defaults)
            );
        }
    }

    #[test]
    fn components_and_extra_need_ignore_crm_false_and_the_cause_says_which_and_why() {
        let components = Some(r#"[{"id":"a","value":"b"}]"#.to_owned());
        let crm = Some(true);
        let said = cause(OutboxRow {
            components,
            ignore_crm: crm,
            ..row()
        });
        assert!(
            said.starts_with("components needs ignore_crm=false"),
            "{said}"
        );
        let said = cause(OutboxRow {
            extra: Some("x".into()),
            ignore_crm: crm,
            ..row()
        });
        assert!(said.starts_with("extra needs ignore_crm=false"), "{said}");
    }

    #[test]
    fn a_list_of_the_wrong_shape_is_refused_without_quoting_it() {
        for bad in [
            r#"{"id":"a"}"#,
            r#"[{"id":"secret"}]"#,
            r#"[{"id":"a","value":["secret"]}]"#,
        ] {
            let said = cause(OutboxRow {
                components: Some(bad.into()),
                ..row()
            });
            assert!(
                said.starts_with("components must be a JSON array of {id, value}"),
                "{said}"
            );
            assert!(!said.contains("secret"));
        }
        let said = cause(OutboxRow {
            custom_vars: Some(r#"[{"name":"a"}]"#.into()),
            ..row()
        });
        assert!(said.contains("{name, text}"), "{said}");
    }

    #[test]
    fn an_unknown_sex_and_an_empty_or_controlled_phone_are_refused() {
        assert_eq!(
            cause(OutboxRow {
                sex: Some(3),
                ..row()
            }),
            "sex must be 0, 1 or 2, not 3"
        );
        assert_eq!(
            cause(OutboxRow {
                phone: " ".into(),
                ..row()
            }),
            "phone must not be empty"
        );
        assert!(
            cause(OutboxRow {
                phone: "130\u{0}1".into(),
                ..row()
            })
            .contains("control")
        );
    }

    #[test]
    fn the_courier_suffix_is_the_row_id_in_base_36_and_keeps_a_resend_safe() {
        let defaults = RequestDefaults {
            courier_appends_suffix: true,
            ..Default::default()
        };
        let row = OutboxRow {
            id: 46655,
            number_add_suffix: Some(true),
            ..row()
        };
        let contact = Contact::check(row.clone(), &defaults).unwrap();
        assert_eq!(contact.phone.expose(), "13012121211_zzz");
        assert!(contact.options.resend_is_safe());
        let encrypted = OutboxRow {
            encryption: Some(true),
            ..row
        };
        let contact = Contact::check(encrypted, &defaults).unwrap();
        assert_eq!(
            contact.options.suffix,
            Suffix::Platform,
            "ciphertext cannot be appended to"
        );
    }

    #[test]
    fn ids_that_could_leave_their_path_segment_are_no_lane() {
        for bad in ["", "a/b", "..", "a b", "a%2f", "用户", &"x".repeat(65)] {
            assert!(Lane::new(bad, "t").is_err(), "{bad}");
            assert!(Lane::new("u", bad).is_err(), "{bad}");
        }
        let lane = Lane::new("4d99d91c-f5d9", "b15b_7392").unwrap();
        assert_eq!(lane.to_string(), "4d99d91c-f5d9/b15b_7392");
    }

    proptest! {
        #[test]
        fn a_phone_of_any_kind_never_prints_itself_whole(number in "[0-9+]{5,20}") {
            let phone = Phone::new(number.as_str());
            let printed = format!("{phone} {phone:?}");
            prop_assert!(!printed.contains(&number));
        }

        #[test]
        fn courier_suffixes_are_distinct_short_and_lower_case(a in 0..i64::MAX, b in 0..i64::MAX) {
            prop_assert_eq!(base36(a) == base36(b), a == b);
            prop_assert!(base36(a).len() <= 13);
            prop_assert!(base36(a).bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()));
        }
    }
}
