//! Inserting contacts, as an app would do it.

#![expect(
    missing_docs,
    reason = "the fields are named as the columns of the table"
)]

use std::collections::BTreeSet;

use async_trait::async_trait;
use serde::Serialize;

use super::OutboxError;
use super::error::{CONTACTS, SqlError, none_unwritten};

/// A row to insert; docs/outbox-table.md tells its columns. `None` leaves a column to its default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NewContact {
    pub user_id: String,
    pub task_id: String,
    /// Number or ciphertext.
    pub phone: String,
    pub name: Option<String>,
    pub email: Option<String>,
    pub company: Option<String>,
    /// 0, 1 or 2.
    pub sex: Option<i64>,
    pub sort: Option<i64>,
    pub source_id: Option<i64>,
    pub industry_id: Option<i64>,
    pub grade_id: Option<i64>,
    /// JSON text, an array of `{id, value}`.
    pub components: Option<String>,
    /// JSON text, an array of `{name, text}`.
    pub custom_vars: Option<String>,
    pub extra: Option<String>,
    pub sub_user_id: Option<String>,
    /// AI dialogue marker.
    pub control_select_robot: Option<String>,
    pub ignore_crm: Option<bool>,
    pub skip_error: Option<bool>,
    pub number_add_suffix: Option<bool>,
    pub encryption: Option<bool>,
    pub phone_mask: Option<String>,
    /// The app's own key; a row with a key that is already there is not inserted again.
    pub idempotency_key: Option<String>,
    /// UTC, `YYYY-MM-DD HH:MM:SS.ffffff`: not sent earlier.
    pub not_before: Option<String>,
}

impl NewContact {
    /// Returns the total bytes of the texts that are sent or make up a row.
    pub fn bytes(&self) -> usize {
        let texts = [
            &self.name,
            &self.email,
            &self.company,
            &self.components,
            &self.custom_vars,
            &self.extra,
            &self.sub_user_id,
            &self.control_select_robot,
            &self.phone_mask,
        ];
        self.phone.len() + texts.into_iter().flatten().map(String::len).sum::<usize>()
    }
}

/// How many rows were inserted, and how many were there already by their `idempotency_key`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inserted {
    pub new: u64,
    /// Rows that were left out because their key is taken.
    pub known: u64,
}

/// The keys of contacts, each once.
pub(super) fn keys(contacts: &[NewContact]) -> BTreeSet<&str> {
    contacts
        .iter()
        .filter_map(|contact| contact.idempotency_key.as_deref())
        .collect()
}

/// Fails if the database has left out contacts for another reason than a key that is there: of
/// `contacts`, `new` were inserted, and now `keys` of their keys are there.
pub(super) fn all_known(contacts: &[NewContact], new: u64, keys: i64) -> Result<(), SqlError> {
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let without_key = contacts.iter().filter(|one| one.idempotency_key.is_none());
    let new = i64::try_from(new).unwrap_or(i64::MAX);
    let left_out = (count(without_key.count()) - new).max(0);
    none_unwritten(
        CONTACTS,
        left_out + count(self::keys(contacts).len()) - keys,
    )
}

/// A transaction that inserts. Dropping it undoes everything.
#[async_trait]
pub trait Insertion: Send {
    /// Inserts some more.
    async fn add(&mut self, contacts: &[NewContact]) -> Result<Inserted, OutboxError>;

    /// Commits all of it.
    async fn commit(self: Box<Self>) -> Result<(), OutboxError>;
}
