//! The set-up of a database: its tables, and whether the outbox can rest on it.

use async_trait::async_trait;
use sqlx::Result;

use super::language::{Language, Row, Session};
use crate::outbox::{OutboxError, ServerReport};

/// How a kind of database is set up.
#[async_trait]
pub(in crate::outbox) trait Setup: Language {
    /// Makes the history's table, takes over what is ours in the shared one and applies what is missing.
    async fn migrate(&self) -> Result<usize, OutboxError>;
    /// Makes the index of results and returns whether it was not there.
    async fn make_results_index(&self) -> Result<bool, OutboxError>;
    /// Reads the history that is shared with apps.
    async fn shared_history(session: &mut Session<Self>) -> Result<Vec<Row<Self>>>;
    async fn check_fitness(&self) -> Result<(), OutboxError>;
    async fn server(&self) -> Result<ServerReport>;
}
