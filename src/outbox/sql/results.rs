//! The ends of contacts, in the order in which they ended.

use super::ask::ask;
use super::dialect::Dialect;
use crate::outbox::error::SqlError;
use crate::outbox::operations::{self, ContactResult, ResultsFrom, ResultsIndex};
use crate::outbox::rows::Columns;
use crate::outbox::span::to_seconds;

pub(super) async fn index<D: Dialect>(dialect: &D) -> Result<ResultsIndex, SqlError> {
    let mut session = dialect.reading().await?;
    let found = ask::<D>(D::OPERATING.results_index)
        .fetch_optional(&mut session)
        .await?;
    let word = found.and_then(|row| Columns::text(&row, "state"));
    Ok(operations::results_index(word.as_deref()))
}

pub(super) async fn results<D: Dialect>(
    dialect: &D,
    from: &ResultsFrom,
    limit: u32,
) -> Result<Vec<ContactResult>, SqlError> {
    let (before, back, behind) = match from {
        ResultsFrom::Ago(span) => (None, Some(*span), None),
        ResultsFrom::Before(instant, span) => (Some(instant.as_str()), Some(*span), None),
        ResultsFrom::Behind(cursor) => (None, None, Some(cursor)),
    };
    let mut session = dialect.reading().await?;
    let rows = ask::<D>(D::OPERATING.results)
        .bind(before)
        .bind(back.map(to_seconds))
        .bind(behind.map(|behind| behind.finished_at.as_str()))
        .bind(behind.map(|behind| behind.id.0))
        .bind(i64::from(limit))
        .fetch_all(&mut session)
        .await?;
    Ok(rows.iter().map(operations::contact_result).collect())
}
