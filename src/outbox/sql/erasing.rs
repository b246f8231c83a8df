//! Taking personal data out of final contacts, in small transactions.

use std::time::Duration;

use super::ask::ask;
use super::cancelling::unlocked;
use super::dialect::Dialect;
use super::failing::plain;
use super::history;
use super::language::Session;
use super::value::List;
use crate::contact::ContactId;
use crate::outbox::error::{CONTACTS, SqlError, none_unwritten};
use crate::outbox::operations::{
    self, Action, Answers, Erasable, Erased, LOOKED_AT, Personal, PhoneStep, RedactStep, Redacted,
};
use crate::outbox::span::to_seconds;

/// How many numbers a step looks at: this takes some tens of milliseconds.
const NUMBERS: i64 = 20_000;

/// The longest written form of a number, with the characters that people put between its digits.
const LONGEST: usize = 64;

/// How many contacts one transaction erases.
const CHUNK: usize = 200;

pub(super) async fn find<D: Dialect>(
    dialect: &D,
    number: &str,
    before: Option<ContactId>,
) -> Result<PhoneStep, SqlError> {
    let longest = LONGEST.max(number.chars().count().saturating_mul(2));
    let mut session = dialect.reading().await?;
    let rows = ask::<D>(D::ERASING.numbers)
        .bind(i64::try_from(longest).unwrap_or(i64::MAX))
        .bind(before.map_or(i64::MAX, |before| before.0))
        .bind(NUMBERS)
        .fetch_all(&mut session)
        .await?;
    Ok(operations::numbers_step(&rows, number))
}

pub(super) async fn standing<D: Dialect>(
    dialect: &D,
    ids: &[ContactId],
) -> Result<Vec<(ContactId, Erasable)>, SqlError> {
    let mut session = dialect.reading().await?;
    Ok(read_standing::<D>(&mut session, &plain(ids)).await?)
}

async fn read_standing<D: Dialect>(
    session: &mut Session<D>,
    ids: &[i64],
) -> sqlx::Result<Vec<(ContactId, Erasable)>> {
    let rows = ask::<D>(D::ERASING.standing)
        .bind(List::Contacts(ids))
        .fetch_all(session)
        .await?;
    Ok(rows.iter().filter_map(operations::erasable).collect())
}

pub(super) async fn redact<D: Dialect>(
    dialect: &D,
    older_than: Duration,
    after: Option<ContactId>,
) -> Result<RedactStep, SqlError> {
    let mut session = dialect.reading().await?;
    let rows = ask::<D>(D::OPERATING.prunable_contacts)
        .bind(to_seconds(older_than))
        .bind(after.map_or(0, |after| after.0))
        .bind(i64::try_from(LOOKED_AT).unwrap_or(i64::MAX))
        .fetch_all(&mut session)
        .await?;
    drop(session);
    let page = operations::redact_page(&rows, LOOKED_AT);
    let mut redacted = 0;
    for old in page.old.chunks(CHUNK) {
        let ids: Vec<ContactId> = old.iter().copied().map(ContactId).collect();
        redacted += erase(dialect, &ids, None).await?.erased;
    }
    Ok(RedactStep {
        redacted,
        next: page.next,
    })
}

pub(super) async fn erase<D: Dialect>(
    dialect: &D,
    ids: &[ContactId],
    action: Option<&Action>,
) -> Result<Erased, SqlError> {
    // Waiting for a row that another session keeps locked would delay the others.
    let (ids, locked) = unlocked(dialect, ids).await?;
    let mut tx = dialect.begin().await?;
    let (free, mut erased) = sorted::<D>(&mut tx, &ids).await?;
    erased.locked = locked;
    let rows = ask::<D>(D::ERASING.personal)
        .bind(List::Contacts(&free))
        .fetch_all(&mut tx)
        .await?;
    let mut personal: Vec<Personal> = rows.iter().map(operations::personal).collect();
    let redacted: Vec<Redacted> = personal.iter().map(Personal::redacted).collect();
    reword::<D>(&mut tx, &free, &mut personal).await?;
    reword_holds::<D>(&mut tx, &free, &personal).await?;
    ask::<D>(D::ERASING.forget_causes)
        .bind(List::Contacts(&free))
        .execute(&mut tx)
        .await?;
    erased.erased = ask::<D>(D::ERASING.redact)
        .bind(List::Redacted(&redacted))
        .execute(&mut tx)
        .await?;
    let all = none_unwritten(CONTACTS, (redacted.len() as u64).abs_diff(erased.erased));
    D::explained(&mut tx, all).await?;
    let keys = redacted.iter().filter(|row| row.idempotency_key.is_some());
    erased.keys = keys.count() as u64;
    history::note_part::<D>(&mut tx, action, erased.erased).await?;
    dialect.commit(tx).await?;
    Ok(erased)
}

/// Returns the contacts that may be erased, and how many of the others there are of each kind.
async fn sorted<D: Dialect>(
    tx: &mut Session<D>,
    ids: &[i64],
) -> Result<(Vec<i64>, Erased), SqlError> {
    let (mut free, mut erased) = (Vec::new(), Erased::default());
    for (id, state) in read_standing::<D>(tx, ids).await? {
        match state {
            Erasable::Yes => free.push(id.0),
            Erasable::Pending => erased.pending += 1,
            Erasable::InOpenBatch => erased.in_open_batch += 1,
            Erasable::Already => {}
        }
    }
    Ok((free, erased))
}

/// Takes personal data out of the journal's words about the contacts' batches.
async fn reword<D: Dialect>(
    tx: &mut Session<D>,
    ids: &[i64],
    personal: &mut [Personal],
) -> Result<(), SqlError> {
    let earlier = ask::<D>(D::ERASING.earlier_batches)
        .bind(List::Contacts(ids))
        .fetch_all(tx)
        .await?;
    operations::earlier_batches(&earlier, personal);
    let batches = personal.iter().flat_map(|person| person.batches().cloned());
    let mut answers = Answers::of(batches);
    loop {
        let wanted = answers.wanted();
        if wanted.is_empty() {
            break;
        }
        let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
        let rows = ask::<D>(D::ERASING.answers)
            .bind(List::Texts(&wanted))
            .fetch_all(tx)
            .await?;
        for row in &rows {
            answers.read(row);
        }
    }
    for (batch, answer) in &answers.reworded(personal) {
        ask::<D>(D::ERASING.reword)
            .bind(answer.as_str())
            .bind(List::Texts(&[batch.as_str()]))
            .execute(tx)
            .await?;
    }
    Ok(())
}

/// Takes personal data out of the hold words of the contacts' lanes: if all of a batch was refused,
/// a lane waits with the words about a row.
async fn reword_holds<D: Dialect>(
    tx: &mut Session<D>,
    ids: &[i64],
    personal: &[Personal],
) -> Result<(), SqlError> {
    let held = ask::<D>(D::ERASING.held_lanes)
        .bind(List::Contacts(ids))
        .fetch_all(tx)
        .await?;
    for hold in operations::holds(&held, personal) {
        ask::<D>(D::ERASING.reword_hold)
            .bind(hold.instead.as_str())
            .bind(hold.user_id.as_str())
            .bind(hold.task_id.as_str())
            .bind(hold.said.as_str())
            .execute(tx)
            .await?;
    }
    Ok(())
}
