//! Finding a contact by what its app or its owner knows of it.

use super::ask::ask;
use super::dialect::Dialect;
use crate::contact::{ContactId, Lane};
use crate::outbox::error::SqlError;
use crate::outbox::operations::{self, PhoneSearch, PhoneStep};
use crate::outbox::rows::Columns;

/// How many contacts are looked at in a step: some tens of milliseconds.
const STEP: i64 = 20_000;

pub(super) async fn key<D: Dialect>(dialect: &D, key: &str) -> Result<Option<ContactId>, SqlError> {
    let mut session = dialect.reading().await?;
    let found = ask::<D>(D::OPERATING.contact_by_key)
        .bind(key)
        .fetch_optional(&mut session)
        .await?;
    let id = found.and_then(|row| Columns::integer(&row, "id"));
    Ok(id.map(ContactId))
}

pub(super) async fn phone<D: Dialect>(
    dialect: &D,
    search: &PhoneSearch,
    before: Option<ContactId>,
) -> Result<PhoneStep, SqlError> {
    let mut session = dialect.reading().await?;
    let rows = ask::<D>(D::OPERATING.contacts_by_phone)
        .bind(search.phone.as_str())
        .bind(search.lane.as_ref().map(Lane::user_id))
        .bind(search.lane.as_ref().map(Lane::task_id))
        .bind(before.map_or(i64::MAX, |before| before.0))
        .bind(STEP)
        .fetch_all(&mut session)
        .await?;
    Ok(operations::phone_step(&rows))
}
