//! Inserting contacts as an app would, but many at once.

use async_trait::async_trait;

use super::ask::ask;
use super::dialect::Dialect;
use super::driver::Driver;
use super::language::Session;
use super::patience::LONGEST;
use super::value::List;
use crate::outbox::error::SqlError;
use crate::outbox::intake::{all_known, keys};
use crate::outbox::{Inserted, Insertion, NewContact, OutboxError, network, rows};

/// How many rows go into one statement.
const CHUNK: usize = 5_000;

/// A transaction on a connection of its own. Dropping it drops the connection, and the database
/// undoes the transaction.
struct SqlInsertion<D: Dialect> {
    dialect: D,
    session: Session<D>,
}

pub(super) async fn begin<D: Dialect>(dialect: &D) -> Result<Box<dyn Insertion>, OutboxError> {
    let session = dialect.begin_insert().await?;
    let dialect = dialect.clone();
    Ok(Box::new(SqlInsertion { dialect, session }))
}

#[async_trait]
impl<D: Dialect> Insertion for SqlInsertion<D> {
    async fn add(&mut self, contacts: &[NewContact]) -> Result<Inserted, OutboxError> {
        let mut inserted = Inserted::default();
        for chunk in contacts.chunks(CHUNK) {
            let new = limited::<D, _>(self.dialect.insert(&mut self.session, chunk)).await?;
            inserted.new += new;
            inserted.known += (chunk.len() as u64).saturating_sub(new);
        }
        Ok(inserted)
    }

    async fn commit(mut self: Box<Self>) -> Result<(), OutboxError> {
        let session = &mut self.session;
        limited::<D, _>(async { Ok(D::stands(session).await?) }).await?;
        let commit = async { Ok(D::Db::run(session, "COMMIT").await?) };
        limited::<D, _>(commit).await.map_err(in_doubt)?;
        network::part(self.session).await;
        Ok(())
    }
}

/// Limits the time of a call. The server's own limits end first, if it is there.
async fn limited<D: Dialect, T>(
    call: impl Future<Output = Result<T, SqlError>>,
) -> Result<T, OutboxError> {
    let translated = async { call.await.map_err(|error| error.translated(D::translate)) };
    network::limited(LONGEST, translated).await
}

/// Says that a commit without an answer may have been carried out.
fn in_doubt(error: OutboxError) -> OutboxError {
    match error {
        OutboxError::Lost(why) | OutboxError::Unavailable(why) => OutboxError::Lost(format!(
            "{why}; it is not known whether the contacts were enqueued: look before you repeat it, \
             unless each has an idempotency_key"
        )),
        error => error,
    }
}

/// Inserts by a statement that leaves out contacts whose key is there. `keys_there` counts those
/// keys, because something else may have kept a contact from being inserted.
pub(in crate::outbox) async fn all_but_known<D: Dialect>(
    [insert_contacts, keys_there]: [&'static str; 2],
    session: &mut Session<D>,
    contacts: &[NewContact],
) -> Result<u64, SqlError> {
    let new = ask::<D>(insert_contacts)
        .bind(List::NewContacts(contacts))
        .execute(session)
        .await?;
    if new < contacts.len() as u64 {
        let keys: Vec<&str> = keys(contacts).into_iter().collect();
        let there = ask::<D>(keys_there).bind(List::Texts(&keys));
        let there = there.fetch_all(session).await?;
        let there = there.first().map_or(Ok(0), rows::number)?;
        all_known(contacts, new, there)?;
    }
    Ok(new)
}
