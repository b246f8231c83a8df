//! Trying the courier's writes, in transactions that are undone.

use super::dialect::Dialect;
use super::{history, leasing, recording};
use crate::contact::MAX_CONTACT_BYTES;
use crate::outbox::OutboxError;
use crate::outbox::error::SqlError;
use crate::outbox::operations::{Action, Part, Trial, Trying, records};

/// Runs each of the courier's transactions and undoes it. If the first one fails, the others are spared,
/// because each would wait as long for whoever keeps the database locked. Only a right that is missing
/// says nothing about them.
pub(super) async fn try_writing<D: Dialect>(dialect: &D) -> Trial {
    let trying = match Trying::new() {
        Ok(trying) => trying,
        Err(error) => return Trial::Failed(error),
    };
    let beaten = translated::<D>(beat(dialect, &trying).await);
    if let Err(error) = &beaten
        && !matches!(error, OutboxError::Denied(_))
    {
        return Trial::of([beaten]);
    }
    Trial::of([
        beaten,
        translated::<D>(deliver(dialect, &trying).await),
        translated::<D>(claim(dialect, &trying).await),
        translated::<D>(note(dialect, &trying).await),
    ])
}

/// The same for the transactions of a guest.
pub(super) async fn try_sharing<D: Dialect>(dialect: &D) -> Trial {
    match Trying::new() {
        Ok(trying) => Trial::of([
            translated::<D>(beat(dialect, &trying).await),
            translated::<D>(claim(dialect, &trying).await),
        ]),
        Err(error) => Trial::Failed(error),
    }
}

fn translated<D: Dialect>(tried: Result<(), SqlError>) -> Result<(), OutboxError> {
    tried.map_err(|error| error.translated(D::translate))
}

async fn beat<D: Dialect>(dialect: &D, trying: &Trying) -> Result<(), SqlError> {
    let mut tx = dialect.begin().await?;
    leasing::write_beat::<D>(&mut tx, &trying.instance).await?;
    dialect.rollback(tx).await?;
    Ok(dialect.try_disk().await?)
}

/// Leases a lane and takes a batch of it from its beginning to its end, and then looks for locked
/// rows.
async fn deliver<D: Dialect>(dialect: &D, trying: &Trying) -> Result<(), SqlError> {
    let Trying { instance, lane, .. } = trying;
    let mut tx = dialect.begin().await?;
    let leased = leasing::write_lease::<D>(&mut tx, lane, instance.id, MAX_CONTACT_BYTES)
        .await?
        .ok_or_else(|| OutboxError::Failed(format!("the new lane {lane} is not free")))?;
    for writes in records(&leased.lease) {
        recording::write(dialect, &mut tx, &writes).await?;
    }
    dialect.rollback(tx).await?;
    dialect.locked(&[i64::MAX]).await?;
    Ok(())
}

async fn note<D: Dialect>(dialect: &D, trying: &Trying) -> Result<(), SqlError> {
    let action = Action {
        id: trying.instance.id,
        name: "doctor",
        host: String::new(),
        os_user: String::new(),
        selection: String::new(),
    };
    let mut tx = dialect.begin().await?;
    for is_last in [false, true] {
        let part = Part {
            affected: Some(1),
            is_last,
        };
        history::note::<D>(&mut tx, &action, part).await?;
    }
    Ok(dialect.rollback(tx).await?)
}

async fn claim<D: Dialect>(dialect: &D, trying: &Trying) -> Result<(), SqlError> {
    let mut tx = dialect.begin().await?;
    // The first claim makes the row, and each later one changes it.
    for _ in 0..2 {
        dialect.claim_rate(&mut tx, &trying.claim()).await?;
    }
    Ok(dialect.rollback(tx).await?)
}
