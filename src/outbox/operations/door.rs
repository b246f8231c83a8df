//! The operators' door.

use std::collections::HashSet;
use std::time::Duration;

use async_trait::async_trait;

use super::cancelling::{Cancelled, NamedContact, Names, PendingFilter, PendingLane};
use super::erasing::{Erasable, Erased, RedactStep};
use super::failures::{
    FailedContact, FailureCount, FailureCursor, FailureFilter, FailureGroups, FailurePage,
    FailuresBy, MayGo,
};
use super::finding::PhoneStep;
use super::held::HeldLane;
use super::history::{Action, ActionReport, Part};
use super::outcomes::OutcomeCount;
use super::overview::{InstanceReport, LaneReport, Overview};
use super::pruning::{PruneStep, Pruning};
use super::results::{ContactResult, ResultsFrom, ResultsIndex};
use super::server_report::ServerReport;
use super::story::Story;
use super::trial::Trial;
use crate::contact::{ContactId, Lane};
use crate::outbox::{OrderScope, OutboxError, Pause, Resumed};

/// The database with the outbox table, as its operators need it.
#[async_trait]
pub trait Operations: Send + Sync + 'static {
    /// Returns what waits, how lanes stand and which couriers run.
    async fn overview(&self) -> Result<Overview, OutboxError>;

    /// The lanes with most pending contacts, most first, at most so many.
    async fn lanes(&self, limit: u32) -> Result<Vec<LaneReport>, OutboxError>;

    /// The lanes on hold, the longest held first, at most so many. One whose time is up and that is
    /// being tried again counts until something was delivered.
    async fn held(&self, limit: u32) -> Result<Vec<HeldLane>, OutboxError>;

    /// Failed contacts that pass the filter, the last that failed first: at most `limit` of them,
    /// behind `after`.
    async fn failures(
        &self,
        filter: &FailureFilter,
        after: Option<&FailureCursor>,
        limit: u32,
    ) -> Result<FailurePage, OutboxError>;

    /// The couriers that are registered, the one that started first first.
    async fn instances(&self) -> Result<Vec<InstanceReport>, OutboxError>;

    /// Returns those of the contacts that have failed, by id.
    async fn failures_named(&self, ids: &[ContactId]) -> Result<Vec<FailedContact>, OutboxError>;

    /// Counts the failed contacts that pass the filter.
    async fn count_failures(
        &self,
        filter: &FailureFilter,
    ) -> Result<Vec<FailureCount>, OutboxError>;

    /// Counts the failed contacts that pass the filter by what they have in common, the most first: at
    /// most `limit` counts, and how many more there are.
    async fn count_failures_by(
        &self,
        filter: &FailureFilter,
        by: FailuresBy,
        limit: u32,
    ) -> Result<FailureGroups, OutboxError>;

    /// Returns the contact that has this key.
    async fn find_key(&self, key: &str) -> Result<Option<ContactId>, OutboxError>;

    /// Returns whether the index is there that has results in their order.
    async fn results_index(&self) -> Result<ResultsIndex, OutboxError>;

    /// Makes that index, which may take long, and returns whether it was not there.
    async fn make_results_index(&self) -> Result<bool, OutboxError>;

    /// Returns what became of contacts, in the order in which they ended: at most `limit` of them. Needs
    /// the index.
    async fn results(
        &self,
        from: &ResultsFrom,
        limit: u32,
    ) -> Result<Vec<ContactResult>, OutboxError>;

    /// Makes failed contacts pending again, all in one transaction, and keeps how they had ended. Leaves
    /// contacts as they are that have not failed, or that `may_go` does not let go: their rows are locked by
    /// then, so nothing changes after this. Notes that as a part of an action. Returns how many went.
    async fn requeue(
        &self,
        ids: &[ContactId],
        may_go: MayGo<'_>,
        action: Option<&Action>,
    ) -> Result<u64, OutboxError>;

    /// Returns the highest id of a contact.
    async fn last_contact(&self) -> Result<ContactId, OutboxError>;

    /// Counts the pending contacts that pass the filter, by lane.
    async fn count_pending(&self, filter: &PendingFilter) -> Result<Vec<PendingLane>, OutboxError>;

    /// Returns pending contacts of a lane that pass the filter, by their ids, behind `after`: some ten
    /// thousand at most; none: there are no more.
    async fn pending(
        &self,
        lane: &Lane,
        filter: &PendingFilter,
        after: ContactId,
    ) -> Result<Vec<ContactId>, OutboxError>;

    /// Returns the contacts of a lane that are on their way, or may have arrived.
    async fn on_their_way(&self, lane: &Lane) -> Result<HashSet<ContactId>, OutboxError>;

    /// Returns whether a courier or an operator has had to do with this lane, or with a lane of this
    /// user.
    async fn knows(&self, scope: &OrderScope) -> Result<bool, OutboxError>;

    /// Returns those of the contacts that are there.
    async fn named(&self, names: Names<'_>) -> Result<Vec<NamedContact>, OutboxError>;

    /// Ends those of a lane's contacts that are pending and surely not delivered, and notes the action,
    /// all in one transaction.
    async fn cancel(
        &self,
        lane: &Lane,
        ids: &[ContactId],
        cause: &str,
        action: &Action,
    ) -> Result<Cancelled, OutboxError>;

    /// Returns the pauses that are in force, the oldest first.
    async fn pauses(&self) -> Result<Vec<Pause>, OutboxError>;

    /// Pauses lanes, until somebody resumes or for so long, and notes the action. A pause that is there
    /// becomes this one.
    async fn pause(
        &self,
        scope: &OrderScope,
        reason: &str,
        last: Option<Duration>,
        action: &Action,
    ) -> Result<(), OutboxError>;

    /// Ends all pauses within a scope, and the holds of its lanes; has the couriers try them at once,
    /// whatever they wait for; and notes the action.
    async fn resume(&self, scope: &OrderScope, action: &Action) -> Result<Resumed, OutboxError>;

    /// Returns what operators did, the last first, at most so many.
    async fn history(&self, limit: u32) -> Result<Vec<ActionReport>, OutboxError>;

    /// Notes a part of an action.
    async fn note_action(&self, action: &Action, part: Part) -> Result<(), OutboxError>;

    /// Returns a contact's whole story; `None`: there is no contact of this id.
    async fn story(&self, id: ContactId) -> Result<Option<Story>, OutboxError>;

    /// Deletes final contacts that are old: the next step behind a contact, in a transaction of its
    /// own, which also notes it as a part of an action.
    async fn prune_contacts(
        &self,
        pruning: Pruning,
        after: Option<ContactId>,
        action: Option<&Action>,
    ) -> Result<PruneStep<ContactId>, OutboxError>;

    /// Deletes closed batches that are old and none of whose contacts is there any more: the next
    /// step behind a batch, in a transaction of its own. The last step also deletes old actions.
    async fn prune_batches(
        &self,
        pruning: Pruning,
        after: Option<&str>,
        action: Option<&Action>,
    ) -> Result<PruneStep<String>, OutboxError>;

    /// Looks for a number, in whatever shape it is written, in the next part of the table, which ends
    /// before `before`, or else with the newest contact. All parts together are the whole table: no
    /// index has numbers.
    async fn find_number(
        &self,
        number: &str,
        before: Option<ContactId>,
    ) -> Result<PhoneStep, OutboxError>;

    /// Returns how those of the contacts that are there stand to being erased.
    async fn erasable(&self, ids: &[ContactId]) -> Result<Vec<(ContactId, Erasable)>, OutboxError>;

    /// Takes what is personal out of those of the contacts that are final and in no open batch, out of
    /// what was kept of them and out of the journal's words about them, all in one transaction. Notes
    /// that as a part of an action.
    async fn erase(
        &self,
        ids: &[ContactId],
        action: Option<&Action>,
    ) -> Result<Erased, OutboxError>;

    /// Does the same to contacts that ended longer ago: the next step behind a contact, in small
    /// transactions.
    async fn redact(
        &self,
        older_than: Duration,
        after: Option<ContactId>,
    ) -> Result<RedactStep, OutboxError>;

    /// Tries whether the courier's own transactions work for this user: runs each and undoes it.
    async fn try_writing(&self) -> Trial;

    /// The same for what a courier writes where only its rates are kept.
    async fn try_sharing(&self) -> Trial;

    /// Returns what kind of database this is.
    async fn server(&self) -> Result<ServerReport, OutboxError>;

    /// Counts the contacts in each state. Reads the whole table: not for a loop.
    async fn outcomes(&self) -> Result<Vec<OutcomeCount>, OutboxError>;

    /// How many different numbers, counted per lane, the contacts that succeeded have. Less than
    /// those contacts when a number was in twice and the answer to its second send was lost. Reads
    /// the whole table: not for a loop.
    async fn numbers_delivered(&self) -> Result<u64, OutboxError>;
}
