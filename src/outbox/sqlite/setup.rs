//! Setting up a database in an SQLite file.

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;
use sqlx::{Result, SqliteConnection};

use super::error::translate;
use super::language::Sqlite;
use super::statements::ENCODING;
use super::{indexing, migrating, server_report};
use crate::outbox::sql::setup::Setup;
use crate::outbox::{OutboxError, ServerReport, fitness};

#[async_trait]
impl Setup for Sqlite {
    async fn migrate(&self) -> Result<usize, OutboxError> {
        migrating::migrate(&self.writer).await
    }

    async fn make_results_index(&self) -> Result<bool, OutboxError> {
        indexing::make_results_index(&self.writer).await
    }

    async fn shared_history(session: &mut SqliteConnection) -> Result<Vec<SqliteRow>> {
        migrating::shared_history(session).await
    }

    async fn check_fitness(&self) -> Result<(), OutboxError> {
        let encoding: String = sqlx::query_scalar(ENCODING)
            .fetch_one(&self.readers)
            .await
            .map_err(translate)?;
        fitness::encoding_of_file(&encoding)
    }

    async fn server(&self) -> Result<ServerReport> {
        server_report::read(&self.writer).await
    }
}
