//! The outbox as its operators see it: which contacts wait, which are held, which failed and why.
//!
//! Neighbours: the commands for operators and the status page ask; `outbox::sql` replies. Durations
//! come by the database's clock. An instant comes as text for people's eyes (UTC), never to be
//! compared with the host's.
//!
//! The questions of every few seconds ([`Operations::overview`], [`Operations::lanes`],
//! [`Operations::held`], [`Operations::failures`] without a filter) read the small indexes of
//! pending and of failed rows and the courier's own tables, never the whole table.

#![expect(
    missing_docs,
    reason = "most fields are named as the columns that they come from"
)]

mod cancelling;
mod columns;
mod conclusion;
mod door;
mod erasing;
mod failures;
mod finding;
mod held;
mod history;
mod outcomes;
mod outlook;
mod overview;
mod pruning;
mod results;
mod server_report;
mod story;
mod trial;

pub use self::cancelling::{Cancelled, NamedContact, Names, PendingFilter, PendingLane};
pub use self::conclusion::Conclusion;
pub use self::door::Operations;
pub use self::erasing::{Erasable, Erased, RedactStep};
pub use self::failures::{
    AskedFor, FailedContact, FailureCount, FailureCursor, FailureFilter, FailureGroup,
    FailureGroups, FailurePage, FailuresBy, MayGo, SentAs,
};
pub use self::finding::PhoneStep;
pub use self::history::{Action, ActionReport, Part};
pub use self::outcomes::OutcomeCount;
pub use self::overview::{
    InstanceReport, LaneCounts, LaneReport, LaneState, NewestEnds, Overview, Owner, PendingCounts,
};

pub use self::held::HeldLane;
pub use self::outlook::{LaneOutlook, SHARERS};
pub use self::pruning::{PruneStep, Pruning};
pub use self::results::{ContactResult, ResultCursor, ResultsFrom, ResultsIndex};
pub use self::server_report::{Security, ServerReport, ServerSetting};
pub use self::story::{BatchReport, ContactReport, LaneStanding, Moment, Requeued, Story};
pub use self::trial::Trial;

pub(super) use self::cancelling::{
    cancelled_in_doubt, going, in_doubt, in_doubt_words, named_contact, pending_lanes,
};
pub(super) use self::conclusion::{gate_in_the_way, gated, lock_in_the_way, one_runs, with_paused};
pub(super) use self::erasing::{
    Answers, LOOKED_AT, Personal, Redacted, earlier_batches, erasable, holds, numbers_step,
    personal, redact_page,
};
pub(super) use self::failures::{Grouping, failed, failure_count, failure_page, kinds_of};
pub(super) use self::held::held_lane;
pub(super) use self::outcomes::outcome;
pub(super) use self::overview::{instance_report, lane_report, overview, sharers};
pub(super) use self::pruning::{BATCHES, CONTACTS, PrunePage, bereft, holding, says_it_is_older};
pub(super) use self::results::{contact_result, results_index};
pub(super) use self::server_report::at_least;
pub(super) use self::story::{Trail, batch_report, contact_report, lane_standing, requeued};
pub(super) use self::trial::{Trying, records};
