//! The contacts of a run: every kind of request, and rows that are good, bad, there twice,
//! encrypted or against a rule.

use crate::support::Db;
use crate::world::{Lane, good};

/// Contacts in a lane, and lanes.
pub(super) const PER_LANE: usize = 300;
pub(super) const LANES: usize = 30;

/// The expected end of a row whose number meets no fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// The row gets in.
    Good,
    /// The platform refuses the number.
    Malformed,
    /// Two rows have its number, and one of them gets in.
    Twice,
    /// The row breaks a rule and is not sent.
    Invalid,
}

/// The kind of request that carries a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Plain,
    IgnoreCrm,
    StopAtErrors,
    Encrypted,
    WithSuffix,
    ForSubUser,
}

const KINDS: [Kind; 6] = [
    Kind::Plain,
    Kind::IgnoreCrm,
    Kind::StopAtErrors,
    Kind::Encrypted,
    Kind::WithSuffix,
    Kind::ForSubUser,
];

/// A row that is inserted.
#[derive(Clone, Debug)]
pub(super) struct Contact {
    pub(super) lane: Lane,
    pub(super) kind: Kind,
    pub(super) class: Class,
    /// The value of the column `phone`.
    pub(super) phone: String,
    phone_mask: Option<String>,
    /// A key that no other row has.
    pub(super) key: String,
}

/// Returns all rows of a lane, in the order in which they are inserted.
pub(super) fn of_lane(nth: usize, lane: &Lane) -> Vec<Contact> {
    (0..PER_LANE)
        .map(|row| contact(nth, lane, row, row))
        .collect()
}

/// Returns row `row` of a lane, with the number of row `number`.
fn contact(nth: usize, lane: &Lane, row: usize, number: usize) -> Contact {
    // The last of fifty repeats an earlier row in all but its key.
    if row % 50 == 49 && row == number {
        return contact(nth, lane, row, row - 7);
    }
    let odd_one_out = number % 25 == 3;
    let kind = KINDS[(nth + usize::from(odd_one_out)) % KINDS.len()];
    let (class, plain) = match number % 50 {
        // A digit too many. Its mask looks like its neighbour's.
        7 => (Class::Malformed, format!("13{nth:02}0{:07}", number - 1)),
        // Not a mobile number.
        19 => (Class::Malformed, format!("12{nth:02}{number:07}")),
        31 => (Class::Invalid, good(nth, number)),
        42 => (Class::Twice, good(nth, number)),
        _ => (Class::Good, good(nth, number)),
    };
    let masked = format!("{}***{}", &plain[..3], &plain[plain.len() - 4..]);
    let phone = match (kind, number % 50) {
        // The platform takes a ciphertext that it cannot read as it is.
        (Kind::Encrypted, 11) => format!("#{plain}#"),
        (Kind::Encrypted, _) => encrypted(&plain),
        _ => plain,
    };
    Contact {
        lane: lane.clone(),
        kind,
        class: match (class, kind) {
            // Each of the two rows gets its own suffix.
            (Class::Twice, Kind::WithSuffix) => Class::Good,
            _ => class,
        },
        phone,
        // In every other lane a third of the rows has no mask.
        phone_mask: (kind == Kind::Encrypted
            && ((nth / 6).is_multiple_of(2) || !number.is_multiple_of(3)))
        .then_some(masked),
        key: format!("{}-{row}", lane.1),
    }
}

impl Contact {
    /// Returns the row as SQL, in the order of [`COLUMNS`].
    fn values(&self) -> String {
        let text = |value: &str| format!("'{value}'");
        let flag = |set: bool| if set { "true" } else { "NULL" }.to_owned();
        let null = || "NULL".to_owned();
        let Lane(user, task) = &self.lane;
        let is_invalid = self.class == Class::Invalid;
        let rich = self.kind == Kind::ForSubUser;
        [
            text(user),
            text(task),
            text(&self.phone),
            self.phone_mask.as_deref().map_or_else(null, text),
            flag(self.kind == Kind::IgnoreCrm || is_invalid),
            if self.kind == Kind::StopAtErrors {
                "false".into()
            } else {
                null()
            },
            flag(self.kind == Kind::WithSuffix),
            flag(self.kind == Kind::Encrypted),
            if rich { text("sub-1") } else { null() },
            // This breaks the rule that `extra` needs the CRM.
            if is_invalid || rich {
                text("order 35")
            } else {
                null()
            },
            if rich && !is_invalid {
                text(r#"[{"id": "c-1", "value": "小牛"}]"#)
            } else {
                null()
            },
            if rich {
                text(r#"[{"name": "n", "text": "10086"}]"#)
            } else {
                null()
            },
            text("联系人"),
            text(&self.key),
        ]
        .join(", ")
    }
}

const COLUMNS: &str = "user_id, task_id, phone, phone_mask, ignore_crm, skip_error,
    number_add_suffix, encryption, sub_user_id, extra, components, custom_vars, name,
    idempotency_key";

/// Inserts rows as an app does, many to a statement.
pub(super) async fn insert(db: &Db, contacts: &[Contact]) {
    for some in contacts.chunks(500) {
        let values: Vec<String> = some.iter().map(|c| format!("({})", c.values())).collect();
        let values = values.join(", ");
        db.execute(&format!(
            "INSERT INTO contact_outbox ({COLUMNS}) VALUES {values}"
        ))
        .await;
    }
}

/// Encrypts with the simulator's cipher: base64.
fn encrypted(number: &str) -> String {
    const SIGNS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in number.as_bytes().chunks(3) {
        let at = |n: usize| u32::from(three.get(n).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for sign in 0..4u32 {
            let value = usize::try_from(bits >> (18 - 6 * sign) & 63).unwrap();
            text.push(match sign as usize {
                sign if sign > three.len() => '=',
                _ => char::from(SIGNS[value]),
            });
        }
    }
    text
}
