//! Setting up a database on MySQL or MariaDB.

use async_trait::async_trait;
use sqlx::mysql::MySqlRow;
use sqlx::{MySqlConnection, Result};

use super::error::translate;
use super::language::MySql;
use super::{indexing, migrating, server_report, statements};
use crate::outbox::conflict::retried;
use crate::outbox::rows::Columns;
use crate::outbox::sql::setup::Setup;
use crate::outbox::{OutboxError, ServerReport, fitness};

#[async_trait]
impl Setup for MySql {
    async fn migrate(&self) -> Result<usize, OutboxError> {
        let options = self.servers.options();
        let migrating = retried(|| migrating::migrate(&options, &self.cluster));
        self.servers.beside(migrating).await
    }

    async fn make_results_index(&self) -> Result<bool, OutboxError> {
        let options = self.servers.options();
        let making = retried(|| indexing::make_results_index(&options, &self.cluster));
        self.servers.beside(making).await
    }

    async fn shared_history(session: &mut MySqlConnection) -> Result<Vec<MySqlRow>> {
        migrating::shared_history(session).await
    }

    async fn check_fitness(&self) -> Result<(), OutboxError> {
        let mut session = self.servers.acquire().await.map_err(translate)?;
        let told = sqlx::query(statements::COLLATIONS)
            .fetch_one(&mut *session)
            .await
            .map_err(translate)?;
        fitness::collations(told.text("others"))
    }

    async fn server(&self) -> Result<ServerReport> {
        server_report::read(&self.servers).await
    }
}
