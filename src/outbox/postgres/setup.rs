//! Setting up a database on PostgreSQL.

use async_trait::async_trait;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Result};

use super::error::translate;
use super::language::Postgres;
use super::sessions::{ISOLATION, STEADY_PLANS};
use super::statements::FITNESS;
use super::{indexing, migrating, of_address, server_report};
use crate::outbox::rows::Columns;
use crate::outbox::sql::setup::Setup;
use crate::outbox::{OutboxError, ServerReport, fitness};

#[async_trait]
impl Setup for Postgres {
    async fn migrate(&self) -> Result<usize, OutboxError> {
        if self.is_pooled {
            return Err(fitness::no_lock());
        }
        let options = self.servers.options();
        self.servers.beside(migrating::migrate(&options)).await
    }

    async fn make_results_index(&self) -> Result<bool, OutboxError> {
        let options = self.servers.options();
        let making = indexing::make_results_index(&options);
        self.servers.beside(making).await
    }

    async fn shared_history(session: &mut PgConnection) -> Result<Vec<PgRow>> {
        migrating::shared_history(session).await
    }

    async fn check_fitness(&self) -> Result<(), OutboxError> {
        let told = self.fitness().await.map_err(translate)?;
        let role = told.text("role").unwrap_or_default();
        fitness::encoding(&told.text("encoding").unwrap_or_default())?;
        fitness::row_security(told.text("secured"), &role)?;
        fitness::settings(&dropped(&told), &role)?;
        if let Some(dropped) = self.dropped_of_address().await.map_err(translate)? {
            let (name, wanted) = (&dropped.name, &dropped.wanted);
            return Err(fitness::setting_of_address(
                name,
                wanted,
                &dropped.found,
                &role,
            ));
        }
        Ok(())
    }

    async fn server(&self) -> Result<ServerReport> {
        server_report::read(&self.servers, self.is_pooled).await
    }
}

impl Postgres {
    /// What the session, the role and the database say of themselves.
    async fn fitness(&self) -> Result<PgRow> {
        let mut session = self.servers.acquire().await?;
        sqlx::query(FITNESS).fetch_one(&mut *session).await
    }

    async fn dropped_of_address(&self) -> Result<Option<of_address::Dropped>> {
        let options = self.servers.options();
        let mut session = self.servers.acquire().await?;
        of_address::dropped(&mut session, options.get_options()).await
    }
}

/// Returns the settings that should hold in a session and do not.
fn dropped(told: &PgRow) -> Vec<(&'static str, &'static str)> {
    let holds = |(name, wanted): &(&str, &str)| {
        let found = told.text(*name).unwrap_or_default();
        // A time limit may have another value, but must not be off.
        found == *wanted || name.ends_with("_timeout") && found != "0"
    };
    STEADY_PLANS
        .into_iter()
        .chain([ISOLATION])
        .chain([("lock_timeout", "8s"), ("statement_timeout", "120s")])
        .filter(|setting| !holds(setting))
        .collect()
}
