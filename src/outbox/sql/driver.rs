//! Running a statement by the driver of any database.

use sqlx::{Database, Executor, IntoArguments, Result};

/// A driver whose sessions run statements. All drivers are; only the compiler has to be told.
pub(in crate::outbox) trait Driver: Database {
    fn fetch(
        session: &mut Self::Connection,
        sql: &'static str,
        parameters: Self::Arguments,
    ) -> impl Future<Output = Result<Vec<Self::Row>>> + Send;

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
