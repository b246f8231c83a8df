//! The order in which a lane sends its batches.
//!
//! Batches to be sent again go before new ones, with two exceptions. They keep batches that make
//! the platform fail each time out of the way of the others. First, a batch that is known to fail
//! by itself never goes first where there are others. Second, when a single batch has failed,
//! another one shows whether the batch fails or the lane.

use tokio::time::Instant;

use super::at_work::LaneAtWork;
use super::firewall::MOST_QUESTIONS;
use crate::batch::{Batch, BatchId, Room, compose};
use crate::courier::failing::Failing;
use crate::courier::isolation::NextPiece;
use crate::courier::underway::Underway;
use crate::outbox::OutboxError;
use crate::telemetry::traces::Origin;

/// While this many rows of the lane, or so many bytes of them, are in batches that were sent without
/// success, the lane begins no other batch: all of its open batches are read at once when it is leased.
const MOST_ROWS_IN_TROUBLE: usize = 1_000;
const MOST_BYTES_IN_TROUBLE: usize = 3 * 1_048_576;

impl LaneAtWork {
    /// Returns the next batch. A batch that fails by itself never goes first where there are
    /// others: if its failure holds the lane, the others have gone before.
    pub(super) async fn next(&mut self) -> Result<Option<Underway>, OutboxError> {
        if let Some(loner) = self.take_due_loner(false) {
            return Ok(Some(loner));
        }
        if let Some(other) = self.next_in_order().await? {
            return Ok(Some(other));
        }
        // Reading may have ended the lane.
        let may_go = self.end.is_none();
        Ok(may_go.then(|| self.take_due_loner(true)).flatten())
    }

    /// Returns a batch that waits apart and whose time has come. One that was turned away, and nobody knows
    /// why, goes when it can show something: another batch has passed since any was turned away, or
    /// `is_last`, there is nothing else to send. One of which nobody knows whether it is put off alone goes when another
    /// one has passed, and then also first of a turn: a limit lets pass who comes first.
    fn take_due_loner(&mut self, is_last: bool) -> Option<Underway> {
        let others_passed = self.turned_away.passed > self.turned_away.last;
        let shows = self.sends.under_way() == 0 && (others_passed || is_last);
        let is_behind = is_last || self.turn.batches > 0;
        let may_go = |one: &Underway| {
            let is_single = one.batch.contacts.len() == 1;
            let is_its_turn = if one.failing.goes_first(is_single) {
                is_last || !one.failing.asks_for_another()
            } else {
                is_behind
            };
            is_its_turn && (shows || !one.failing.is_unexplained())
        };
        self.loners.take_due(Instant::now(), may_go)
    }

    /// Returns a part of a failed batch, a batch that waits to be sent again, or a new batch.
    async fn next_in_order(&mut self) -> Result<Option<Underway>, OutboxError> {
        while let Some(next) = self.culprits.next() {
            match next {
                NextPiece::Send(piece) => return Ok(Some(piece)),
                NextPiece::Cut(piece, cut) => self.take_apart(piece, cut),
            }
        }
        if let Some(suspect) = self.suspect()
            && let Some(other) = self.other_than(suspect).await?
        {
            return Ok(Some(other));
        }
        if let Some(underway) = self.take_ready() {
            return Ok(Some(underway));
        }
        if !self.ready.is_empty() {
            return Ok(None);
        }
        if !self.may_compose() {
            return Ok(None);
        }
        self.read_ahead().await?;
        Ok(self.compose())
    }

    /// Takes out the next batch that waits to be sent again. A batch that was turned away, and nobody knows
    /// why, goes behind all others, and only when these have been answered. If all are put off, they
    /// take turns, the smallest first: its parts may show about whom it is.
    fn take_ready(&mut self) -> Option<Underway> {
        if self.ready.iter().all(|one| one.failing.asks_for_another()) {
            let rows = |one: &Underway| one.batch.contacts.len();
            let turn = |one: &Underway| (one.failing.times_put_off(), rows(one));
            let ready = self.ready.iter().enumerate();
            let next = ready
                .min_by_key(|(_, one)| turn(one))
                .map(|(place, _)| place);
            return next.and_then(|place| self.ready.remove(place));
        }
        let passed = self.turned_away.passed;
        let is_question = |one: &Underway| one.failing.is_open_question(passed);
        let place = self.ready.iter().position(|one| !is_question(one));
        let place = place.or((self.sends.under_way() == 0).then_some(0));
        place.and_then(|place| self.ready.remove(place))
    }

    /// Returns a batch because of which the lane waits, if only another batch can show why: the only one
    /// that has failed, one of a few that were turned away, or one that is put off.
    fn suspect(&self) -> Option<Failing> {
        let mut put_off = self.ready.iter().map(|one| one.failing);
        if let Some(suspect) = put_off.find(Failing::asks_for_another) {
            return Some(suspect);
        }
        let failing = self.ready.iter().map(|one| one.failing);
        let failing: Vec<Failing> = failing.filter(|failing| failing.sends > 0).collect();
        let passed = self.turned_away.passed;
        let questions = || failing.iter().filter(|one| one.is_open_question(passed));
        if (1..MOST_QUESTIONS).contains(&questions().count()) {
            return questions().next().copied();
        }
        match failing.as_slice() {
            [suspect] if self.trouble.failures > 0 => Some(*suspect),
            _ => None,
        }
    }

    /// Returns a batch that has not failed. If the lane fails, this batch may fail, too, so a batch
    /// that could not be sent again is not tried. But who was turned away or put off can be sent again.
    /// Of those that an earlier courier has left, nobody knows which are put off, so new ones go before them.
    async fn other_than(&mut self, suspect: Failing) -> Result<Option<Underway>, OutboxError> {
        let is_put_off = suspect.asks_for_another();
        let is_turned_away = suspect.away.is_some() || is_put_off;
        if is_put_off && let Some(new) = self.compose_other(is_turned_away).await? {
            return Ok(Some(new));
        }
        let is_safe = |one: &Underway| {
            let is_other = one.failing.sends == 0 && !one.failing.asks_for_another();
            is_other && (is_turned_away || one.batch.options.resend_is_safe())
        };
        if let Some(place) = self.ready.iter().position(is_safe) {
            return Ok(self.ready.remove(place));
        }
        if is_put_off {
            return Ok(None);
        }
        self.compose_other(is_turned_away).await
    }

    async fn compose_other(
        &mut self,
        is_turned_away: bool,
    ) -> Result<Option<Underway>, OutboxError> {
        if !self.may_compose() {
            return Ok(None);
        }
        self.read_ahead().await?;
        let mut waiting = self.reading.waiting.iter();
        let are_safe = is_turned_away || waiting.all(|contact| contact.options.resend_is_safe());
        Ok(if are_safe { self.compose() } else { None })
    }

    fn may_compose(&self) -> bool {
        let hindered = self.reading.is_behind || self.turn_is_over();
        !hindered && !self.culprits.look_hopeless() && self.has_room_for_trouble(None)
    }

    /// Whether not too many rows are in trouble to try others; `beside` this one, too.
    pub(super) fn has_room_for_trouble(&self, beside: Option<&Underway>) -> bool {
        let (rows, bytes) = self.in_trouble(beside);
        rows < MOST_ROWS_IN_TROUBLE && bytes < MOST_BYTES_IN_TROUBLE
    }

    /// Returns how many rows are in batches that were sent without success, or in parts of such
    /// batches, and their bytes.
    fn in_trouble(&self, beside: Option<&Underway>) -> (usize, usize) {
        let waiting = self.ready.iter().chain(self.loners.iter()).chain(beside);
        let waiting = waiting.chain(self.culprits.waiting());
        let rows = waiting.flat_map(|one| &one.batch.contacts);
        rows.fold((0, 0), |(rows, bytes), contact| {
            (rows + 1, bytes + contact.bytes)
        })
    }

    /// Returns a new batch of the rows that were read, if one may be composed now.
    fn compose(&mut self) -> Option<Underway> {
        if self.end.is_some() || self.lingers() {
            return None;
        }
        let room = self.context.tuning().room();
        let composed = compose(&mut self.reading.waiting, &self.occupied.numbers, room)?;
        self.turn.has_composed = true;
        self.occupied.numbers.insert(&composed.contacts);
        let batch = Batch::new(BatchId::generate(), self.lease.lane.clone(), composed);
        let underway = Underway::new(batch, self.reading.read_at, Instant::now());
        Some(underway.traced(&self.context.traces, Origin::Composed))
    }

    /// Whether the lane waits for more rows. It does not before the first batch: a row of that
    /// batch was due, or the scout would not have leased the lane.
    fn lingers(&self) -> bool {
        let room = self.context.tuning().room();
        let waits = self.turn.batches > 0 && self.reading.lingers(room, self.context.linger());
        waits || self.leaves_rest(room)
    }

    /// Whether rows that do not fill a request are left for later while requests are scarce: for
    /// the batch that already waits for its turn, or for the lane's next turn if other lanes wait
    /// for theirs.
    fn leaves_rest(&self, room: Room) -> bool {
        let others_come = self.turn.has_composed && self.context.notes.others_wait();
        (self.sends.is_any_queued() || others_come)
            && self.reading.is_rest(room)
            && self.context.permits.are_short()
    }
}
