//! Asking a statement of a dialect: it is given values and runs in a session.

use std::marker::PhantomData;

use sqlx::{Error, Result};

use super::driver::Driver;
use super::language::{Language, Parameters, Row, Session};
use super::statements::Statement;
use super::value::Value;
use crate::outbox::rows;

/// A statement and the values that it has been given so far.
pub(in crate::outbox) struct Ask<'a, D> {
    statement: Statement,
    values: Vec<Value<'a>>,
    dialect: PhantomData<fn() -> D>,
}

/// Begins to ask.
pub(in crate::outbox) fn ask<'a, D: Language>(statement: impl Into<Statement>) -> Ask<'a, D> {
    Ask {
        statement: statement.into(),
        values: Vec::new(),
        dialect: PhantomData,
    }
}

impl<'a, D: Language> Ask<'a, D> {
    /// Gives the statement its next value. An empty list means that there is nothing to ask.
    pub(in crate::outbox) fn bind(mut self, value: impl Into<Value<'a>>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Returns all rows.
    pub(in crate::outbox) async fn fetch_all(
        self,
        session: &mut Session<D>,
    ) -> Result<Vec<Row<D>>> {
        let sql = self.statement.sql;
        let mut rows = Vec::new();
        for parameters in self.parameters()? {
            rows.append(&mut D::Db::fetch(session, sql, parameters).await?);
        }
        Ok(rows)
    }

    /// Hands rows over as they come, until the receiver calls one the last. Rows that the server
    /// has sent beyond it are dropped.
    pub(in crate::outbox) async fn fetch_while(
        self,
        session: &mut Session<D>,
        mut goes_on: impl FnMut(Row<D>) -> bool + Send,
    ) -> Result<()> {
        let sql = self.statement.sql;
        for parameters in self.parameters()? {
            D::Db::fetch_while(session, sql, parameters, &mut goes_on).await?;
        }
        Ok(())
    }

    /// Returns the first row, if there is one.
    pub(in crate::outbox) async fn fetch_optional(
        self,
        session: &mut Session<D>,
    ) -> Result<Option<Row<D>>> {
        Ok(self.fetch_all(session).await?.into_iter().next())
    }

    /// Returns the first row.
    pub(in crate::outbox) async fn fetch_one(self, session: &mut Session<D>) -> Result<Row<D>> {
        self.fetch_optional(session)
            .await?
            .ok_or(Error::RowNotFound)
    }

    /// Returns the number that the statement returns.
    pub(in crate::outbox) async fn number(self, session: &mut Session<D>) -> Result<i64> {
        rows::number(&self.fetch_one(session).await?)
    }

    /// Writes, and returns how many rows.
    pub(in crate::outbox) async fn execute(self, session: &mut Session<D>) -> Result<u64> {
        let Statement { sql, counts, .. } = self.statement;
        let mut written = 0;
        for parameters in self.parameters()? {
            written += if counts {
                let counted = D::Db::fetch(session, sql, parameters).await?;
                counted.iter().map(rows::count).sum::<Result<u64>>()?
            } else {
                D::rows_affected(&D::Db::execute(session, sql, parameters).await?)
            };
        }
        Ok(written)
    }

    /// Returns the parameters for each run of the statement.
    fn parameters(mut self) -> Result<Vec<Parameters<D>>> {
        let is_list = |value: &Value<'_>| matches!(value, Value::List(_));
        let Some(at) = self.values.iter().position(is_list) else {
            return Ok(vec![self.bound()?]);
        };
        let Value::List(list) = self.values[at] else {
            return Ok(Vec::new());
        };
        if list.is_empty() {
            return Ok(Vec::new());
        }
        let part = |part| {
            self.values[at] = part;
            self.bound()
        };
        D::parts(list).into_iter().map(part).collect()
    }

    fn bound(&self) -> Result<Parameters<D>> {
        let mut parameters = Parameters::<D>::default();
        let mut bind = |value| D::bind(&mut parameters, value).map_err(Error::Encode);
        match self.statement.places {
            [] => self.values.iter().try_for_each(bind)?,
            places => places
                .iter()
                .try_for_each(|nth| bind(&self.values[nth - 1]))?,
        }
        Ok(parameters)
    }
}
