//! Running a statement by the driver of any database.

use futures_util::TryStreamExt;
use sqlx::{Database, Executor, IntoArguments, Result};

/// A driver whose sessions run statements. All drivers do; only the compiler has to be told.
pub(in crate::outbox) trait Driver: Database {
    fn fetch(
        session: &mut Self::Connection,
        sql: &'static str,
        parameters: Self::Arguments,
    ) -> impl Future<Output = Result<Vec<Self::Row>>> + Send;

    /// Hands the rows over as they come, until the receiver calls one the last.
    fn fetch_while(
        session: &mut Self::Connection,
        sql: &'static str,
        parameters: Self::Arguments,
        goes_on: impl FnMut(Self::Row) -> bool + Send,
    ) -> impl Future<Output = Result<()>> + Send;

    fn execute(
        session: &mut Self::Connection,
        sql: &'static str,
        parameters: Self::Arguments,
    ) -> impl Future<Output = Result<Self::QueryResult>> + Send;

    /// Runs a statement that cannot be prepared.
    fn run(
        session: &mut Self::Connection,
        sql: &'static str,
    ) -> impl Future<Output = Result<Self::QueryResult>> + Send;
}

impl<Db> Driver for Db
where
    Db: Database<Arguments: IntoArguments<Db>>,
    for<'c> &'c mut Db::Connection: Executor<'c, Database = Db>,
{
    fn fetch(
        session: &mut Self::Connection,
        sql: &'static str,
        parameters: Self::Arguments,
    ) -> impl Future<Output = Result<Vec<Self::Row>>> + Send {
        session.fetch_all(sqlx::query_with(sql, parameters))
    }

    async fn fetch_while(
        session: &mut Self::Connection,
        sql: &'static str,
        parameters: Self::Arguments,
        mut goes_on: impl FnMut(Self::Row) -> bool + Send,
    ) -> Result<()> {
        let mut rows = session.fetch(sqlx::query_with(sql, parameters));
        while let Some(row) = rows.try_next().await? {
            if !goes_on(row) {
                break;
            }
        }
        Ok(())
    }

    fn execute(
        session: &mut Self::Connection,
        sql: &'static str,
        parameters: Self::Arguments,
    ) -> impl Future<Output = Result<Self::QueryResult>> + Send {
        session.execute(sqlx::query_with(sql, parameters))
    }

    fn run(
        session: &mut Self::Connection,
        sql: &'static str,
    ) -> impl Future<Output = Result<Self::QueryResult>> + Send {
        session.execute(sqlx::raw_sql(sql))
    }
}
