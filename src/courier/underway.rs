//! A batch under way: the batch, its state in the journal, and since when it has been failing.

use std::time::Duration;

use tokio::time::Instant;

use super::failing::Failing;
use super::notes::{Noted, Notes};
use super::put_off::Went;
use crate::batch::{Batch, BatchId};
use crate::contact::{Contact, ContactId, Lane, RequestDefaults, RequestOptions, Suffix};
use crate::outbox::{JournalEntry, OpenBatch};
use crate::platform::verdict::Wait;
use crate::settlement::{Final, RowOutcome};
use crate::telemetry::traces::{BatchTrace, Origin, Traces};

/// A batch that has no final answer yet.
#[derive(Debug)]
pub(super) struct Underway {
    pub(super) batch: Batch,
    /// Its state in the journal.
    pub(super) journal: Journal,
    pub(super) failing: Failing,
    /// When work on it began here.
    pub(super) begun: Instant,
    /// When its rows were read; `due_for` of each counts up to then.
    pub(super) read_at: Instant,
    /// Whether it was sent before and answered with "later", or not answered.
    pub(super) is_retry: bool,
    /// When it was sent last, or the batch that it is a part of; until then, when work on it began.
    pub(super) sent_at: Instant,
    /// Whether it waits apart from the lane's other batches: it fails by itself, or needs a budget.
    pub(super) is_loner: bool,
    /// The search for culprits of which it is a piece: the id of the batch that was refused.
    pub(super) search: Option<BatchId>,
    /// Whether a batch that its rows were in was refused.
    pub(super) was_refused: bool,
    pub(super) trace: BatchTrace,
}

/// The state of a batch in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Journal {
    /// The journal does not know it yet.
    New,
    /// The journal has it.
    Waiting,
}

impl Underway {
    /// A batch that was never sent, whose rows were read at `read_at`.
    pub(super) fn new(batch: Batch, read_at: Instant, now: Instant) -> Self {
        Self {
            batch,
            journal: Journal::New,
            failing: Failing::default(),
            begun: now,
            read_at,
            is_retry: false,
            sent_at: now,
            is_loner: false,
            search: None,
            was_refused: false,
            trace: BatchTrace::default(),
        }
    }

    /// A smaller batch of one that was closed; the same write has put it into the journal.
    pub(super) fn child(
        batch: Batch,
        search: Option<BatchId>,
        read_at: Instant,
        now: Instant,
    ) -> Self {
        Self {
            batch,
            journal: Journal::Waiting,
            failing: Failing::default(),
            begun: now,
            read_at,
            is_retry: false,
            sent_at: now,
            is_loner: false,
            search,
            was_refused: false,
            trace: BatchTrace::default(),
        }
    }

    /// Takes up a batch that an earlier owner of the lane left open. Also returns its rows that now
    /// break a rule: an app has changed them, so they are not what was sent, or contacts may be no
    /// longer than `longest` now.
    pub(super) fn adopted(
        lane: &Lane,
        open: OpenBatch,
        longest: u64,
        now: Instant,
    ) -> (Self, Vec<RowOutcome>) {
        let as_sent = as_sent(&open.options, longest);
        let mut contacts = Vec::with_capacity(open.rows.len());
        let mut changed = Vec::new();
        for mut row in open.rows {
            let contact = ContactId(row.id);
            let may_be_in = open.maybe_delivered || row.in_doubt;
            row.sub_user_id = open.options.sub_user_id.as_deref().map(str::to_owned);
            (row.ignore_crm, row.skip_error) = (None, None);
            (row.number_add_suffix, row.encryption) = (None, None);
            match Contact::check(row, &as_sent) {
                Ok(contact) => contacts.push(contact),
                Err(violation) => changed.push(RowOutcome {
                    contact,
                    end: Final::breaks_a_rule(may_be_in, violation.0),
                }),
            }
        }
        let batch = Batch {
            id: open.id,
            parent: open.parent,
            lane: lane.clone(),
            options: open.options,
            contacts,
            attempts: open.attempts,
            maybe_delivered: open.maybe_delivered,
            taken_since: false,
        };
        let failing_since = Some(open.failing_for)
            .filter(|failing| *failing > Duration::ZERO)
            .map(|failing| now.checked_sub(failing).unwrap_or(now));
        (
            Self {
                batch,
                journal: Journal::Waiting,
                failing: Failing {
                    since: failing_since,
                    ..Failing::default()
                },
                begun: now,
                read_at: now,
                // All other reasons to wait are the lane's.
                is_retry: failing_since.is_some(),
                sent_at: now,
                is_loner: false,
                search: None,
                was_refused: false,
                trace: BatchTrace::default(),
            },
            changed,
        )
    }

    /// Traces the batch, if this courier traces it.
    pub(super) fn traced(mut self, traces: &Traces, origin: Origin) -> Self {
        self.trace = traces.batch(&self.batch, origin, self.read_at);
        self
    }

    /// Returns the batch's entry in the journal.
    pub(super) fn entry(&self) -> JournalEntry {
        let batch = &self.batch;
        JournalEntry {
            batch: batch.id,
            parent: batch.parent,
            contacts: batch.contact_ids(),
            options: batch.options.clone(),
            attempts: batch.attempts,
            maybe_delivered: batch.maybe_delivered,
        }
    }

    /// Takes in that the batch has to wait. `turned_away`: when a batch of its lane was turned away last;
    /// `passed`: when the last one was sent that passed.
    pub(super) fn waits(
        &mut self,
        wait: &Wait,
        turned_away: Option<Instant>,
        passed: Option<Instant>,
        now: Instant,
    ) {
        self.batch.maybe_delivered |= wait.maybe_delivered;
        // What may have arrived was an attempt, whatever the answer says.
        if !wait.reason.counts_as_attempt() && !wait.maybe_delivered {
            self.batch.attempts -= 1;
        }
        self.failing.note(wait, turned_away, now);
        self.failing
            .note_request(wait, Went::new(self.sent_at, passed));
    }

    /// Lets the courier remember how the batch fails, while its lane has no place. `resend_at`: when it is
    /// sent again, if it waits apart from the lane.
    pub(super) fn note(&self, resend_at: Option<Instant>, notes: &Notes) {
        let now = Noted {
            lane: self.batch.lane.clone(),
            failing: self.failing,
            resend_at,
            at: Instant::now(),
        };
        notes.set_failing(self.id(), now);
    }

    pub(super) fn id(&self) -> BatchId {
        self.batch.id
    }
}

/// Returns the defaults under which a row gets the options with which its batch was sent. So the
/// batch is sent again unchanged, even if the settings have changed in between.
fn as_sent(options: &RequestOptions, longest: u64) -> RequestDefaults {
    RequestDefaults {
        ignore_crm: options.ignore_crm,
        skip_error: options.skip_error,
        number_add_suffix: options.suffix != Suffix::None,
        encryption: options.encryption,
        courier_appends_suffix: options.suffix == Suffix::Courier,
        max_contact_bytes: longest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contact::OutboxRow;

    #[test]
    fn an_adopted_batch_is_sent_as_it_was_whatever_the_settings_say_now() {
        let options = RequestOptions {
            ignore_crm: true,
            skip_error: false,
            suffix: Suffix::Courier,
            encryption: false,
            sub_user_id: Some("sub".into()),
        };
        let row = OutboxRow {
            id: 35,
            phone: "13012121211".into(),
            number_add_suffix: Some(false),
            skip_error: Some(true),
            ..OutboxRow::default()
        };
        let open = OpenBatch {
            id: BatchId::generate(),
            parent: None,
            options: options.clone(),
            rows: vec![row],
            attempts: 2,
            maybe_delivered: true,
            failing_for: Duration::from_secs(9),
        };
        let now = Instant::now() + Duration::from_mins(1);
        let (underway, changed) =
            Underway::adopted(&Lane::new("u", "t").unwrap(), open, 1_000, now);
        assert_eq!(changed, []);
        assert!(underway.is_retry, "the budget for retries pays for it");
        assert_eq!(underway.batch.contacts[0].options, options);
        assert_eq!(underway.batch.contacts[0].phone.expose(), "13012121211_z");
        assert_eq!(
            underway.failing.since,
            Some(now.checked_sub(Duration::from_secs(9)).unwrap())
        );
    }
}
