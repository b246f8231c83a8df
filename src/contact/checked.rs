//! A row that keeps every rule.

use std::sync::Arc;
use std::time::Duration;

use super::identity::{ContactId, Phone};
use super::json_bytes::json_bytes;
use super::options::{RequestDefaults, RequestOptions, Suffix};
use super::row::{OutboxRow, is_blank};
use super::variables::{Component, CustomVar, parse_list};
use super::violation::Violation;

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
    /// How long the row had been due when it was read, by the database's clock.
    pub due_for: Duration,
    /// Whether a send before it was requeued may have put it into the task.
    pub in_doubt: bool,
    /// The most bytes that the contact takes in a request.
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
            in_doubt: row.in_doubt,
            bytes: 0,
        };
        contact.bytes = contact.json_bytes();
        let bytes = u64::try_from(contact.bytes).unwrap_or(u64::MAX);
        OutboxRow::fits(bytes, defaults.max_contact_bytes)?;
        Ok(contact)
    }

    /// Returns the most bytes of the contact's part of a request.
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

/// The most characters of a number of 64 bits, its sign included.
const LONGEST_NUMBER: usize = 20;

/// Returns the options of a row, with the defaults for null.
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
    if is_blank(&row.phone) {
        return Err(Violation("phone must not be empty".into()));
    }
    let is_usual = row.phone.bytes().all(|b| b.is_ascii_graphic());
    if !is_usual && row.phone.chars().any(char::is_control) {
        return Err(Violation("phone must not hold control characters".into()));
    }
    // The sign of text that nobody could read.
    if !is_usual && row.phone.contains('\u{fffd}') {
        return Err(Violation("phone must be text in UTF-8".into()));
    }
    Ok(match options.suffix {
        Suffix::Courier => Phone::new(format!("{}_{}", row.phone, base36(row.id))),
        Suffix::None | Suffix::Platform => Phone::new(row.phone.as_str()),
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

/// Returns the suffix that the courier appends for a row: the row's id in base 36, lower-case
/// letters and digits, at most 13 characters.
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
                // Without this, a component or extra data would be refused.
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
        // A text that was not UTF-8 is read so.
        let phone = "1301212121\u{fffd}".into();
        assert!(cause(OutboxRow { phone, ..row() }).contains("UTF-8"));
    }

    #[test]
    fn a_variable_with_half_a_character_is_refused_before_a_request_is_refused_for_it() {
        let with = |text: &str| OutboxRow {
            custom_vars: Some(format!(r#"[{{"name":"a","text":"{text}"}}]"#)),
            ..row()
        };
        for half in [r"\ud83d", r"x\ude00", r"\ud83d\ud83d"] {
            assert!(
                cause(with(half)).starts_with("custom_vars must be"),
                "{half}"
            );
        }
        for whole in [r"\ud83d\ude00", r"\\ud83d", r"\u4f60"] {
            assert!(
                Contact::check(with(whole), &RequestDefaults::default()).is_ok(),
                "{whole}"
            );
        }
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

    proptest! {
        #[test]
        fn courier_suffixes_are_distinct_short_and_lower_case(a in 0..i64::MAX, b in 0..i64::MAX) {
            prop_assert_eq!(base36(a) == base36(b), a == b);
            prop_assert!(base36(a).len() <= 13);
            prop_assert!(base36(a).bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()));
        }
    }
}
