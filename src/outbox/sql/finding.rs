//! Finding a contact by its key.

use super::ask::ask;
use super::dialect::Dialect;
use crate::contact::ContactId;
use crate::outbox::error::SqlError;
use crate::outbox::rows::Columns;

pub(super) async fn key<D: Dialect>(dialect: &D, key: &str) -> Result<Option<ContactId>, SqlError> {
    let mut session = dialect.reading().await?;
    let found = ask::<D>(D::OPERATING.contact_by_key)
        .bind(key)
        .fetch_optional(&mut session)
        .await?;
    let id = found.and_then(|row| Columns::integer(&row, "id"));
    Ok(id.map(ContactId))
}
