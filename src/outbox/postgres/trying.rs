//! Trying what the courier writes, in transactions that are undone.

use sqlx::{PgConnection, PgPool};

use super::error::translate;
use super::{leasing, rates, recording, session};
use crate::contact::ContactId;
use crate::outbox::OutboxError;
use crate::outbox::operations::{Trial, Trying, records};

/// Runs each of the courier's transactions and undoes it.
pub(super) async fn try_writing(pool: &PgPool) -> Trial {
    let trying = match Trying::new() {
        Ok(trying) => trying,
        Err(error) => return Trial::Failed(error),
    };
    Trial::of([
        beat(pool, &trying).await,
        deliver(pool, &trying).await,
        claim(pool, &trying).await,
    ])
}

async fn beat(pool: &PgPool, trying: &Trying) -> Result<(), OutboxError> {
    let mut tx = session::begin(pool).await.map_err(translate)?;
    leasing::write_beat(&mut tx, &trying.instance)
        .await
        .map_err(|error| error.translated(translate))?;
    tx.rollback().await.map_err(translate)
}

/// Leases a lane and takes a batch of it from its beginning to its end.
async fn deliver(pool: &PgPool, trying: &Trying) -> Result<(), OutboxError> {
    let mut tx = session::begin(pool).await.map_err(translate)?;
    write_delivery(&mut tx, trying).await?;
    tx.rollback().await.map_err(translate)?;
    // What is asked when rows are locked.
    let locked = recording::locked(pool, &[ContactId(i64::MAX)]).await;
    locked.map(drop).map_err(translate)
}

async fn write_delivery(tx: &mut PgConnection, trying: &Trying) -> Result<(), OutboxError> {
    let Trying { instance, lane, .. } = trying;
    let leased = leasing::write_lease(tx, lane, instance.id)
        .await
        .map_err(translate)?
        .ok_or_else(|| OutboxError::Failed(format!("the new lane {lane} is not free")))?;
    for writes in records(&leased.lease) {
        recording::write(tx, &writes)
            .await
            .map_err(|error| error.translated(translate))?;
    }
    Ok(())
}

async fn claim(pool: &PgPool, trying: &Trying) -> Result<(), OutboxError> {
    let mut tx = session::begin(pool).await.map_err(translate)?;
    rates::write_claim(&mut tx, &trying.claim())
        .await
        .map_err(translate)?;
    tx.rollback().await.map_err(translate)
}
