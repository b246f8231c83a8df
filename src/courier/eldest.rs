//! Finds the one courier on a database that does the work which only one of them should do.

use uuid::Uuid;

use crate::outbox::{Chore, Operations, OutboxError};

/// Returns whether no living courier started before this one that does this work, too.
pub(super) async fn is_the_eldest(
    operations: &dyn Operations,
    instance: Uuid,
    chore: Chore,
) -> Result<bool, OutboxError> {
    let (instances, own) = (operations.instances().await?, instance.to_string());
    let mut living = instances.into_iter().filter(|courier| courier.alive);
    let eldest = living.find(|courier| {
        let standing = courier.standing.as_ref();
        courier.id == own || standing.is_some_and(|standing| standing.chores.contains(&chore))
    });
    Ok(eldest.is_some_and(|eldest| eldest.id == own))
}
