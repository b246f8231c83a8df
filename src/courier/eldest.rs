//! Finds the one courier on a database that does the work which only one of them should do.

use uuid::Uuid;

use crate::outbox::{Operations, OutboxError};

/// Returns whether no living courier started before this one.
pub(super) async fn is_the_eldest(
    operations: &dyn Operations,
    instance: Uuid,
) -> Result<bool, OutboxError> {
    let instances = operations.instances().await?;
    let eldest = instances.into_iter().find(|instance| instance.alive);
    Ok(eldest.is_some_and(|eldest| eldest.id == instance.to_string()))
}
