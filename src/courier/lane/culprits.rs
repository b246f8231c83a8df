//! The lane's search for the rows to blame in batches that were refused, or not accounted for.
//!
//! [`Isolations`] decides what is asked next. [`Refusals`] notices when all rows are refused with
//! the same words: then something is wrong with all of them.

use std::collections::HashMap;

use crate::batch::BatchId;
use crate::courier::isolation::{Answered, Cut, Isolations, NextPiece};
use crate::courier::refusals::{Refusals, Unanimous};
use crate::courier::underway::Underway;
use crate::platform::verdict::{self, Closing, Outcome};

#[derive(Default)]
pub(super) struct Culprits {
    /// Pieces of batches that were refused, or not accounted for.
    isolations: Isolations<Underway>,
    /// How the rows of each batch under isolation have ended so far, by the id of the first batch.
    refusals: HashMap<BatchId, Refusals>,
    /// The latest refusals in a row with the same words.
    streak: Refusals,
}

/// The search that a batch belongs to.
#[derive(Clone, Copy)]
pub(super) struct Search {
    /// The batch with which the search began.
    pub(super) id: BatchId,
    /// Where the open rows are cut; `None` if no row is open.
    pub(super) cut: Option<Cut>,
}

impl Culprits {
    /// Returns the next piece to send or to cut.
    pub(super) fn next(&mut self) -> Option<NextPiece<Underway>> {
        self.isolations.next()
    }

    /// Whether a search has not found a single good row so far.
    pub(super) fn look_hopeless(&self) -> bool {
        self.isolations.look_hopeless()
    }

    /// Whether the search that the batch belongs to has found a good row.
    pub(super) fn has_accepted(&self, underway: &Underway) -> bool {
        let search = underway.search;
        search.is_some_and(|search| self.isolations.has_accepted(search))
    }

    /// Takes out all pieces that wait. Their searches end.
    pub(super) fn take_waiting(&mut self) -> Vec<Underway> {
        self.isolations.take_waiting()
    }

    /// Returns the pieces that wait to be sent or cut.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &Underway> {
        self.isolations.waiting()
    }

    /// Lets a piece go its own way: its search goes on without it.
    pub(super) fn leave(&mut self, underway: &mut Underway) {
        if let Some(search) = self.give_up(underway) {
            underway.search = None;
            let rows = underway.batch.contacts.len();
            self.isolations
                .answered(search.id, Answered::Refused { rows });
            self.isolations.put(search.id, Vec::new(), None);
        }
    }

    /// Begins or continues a search in a batch whose answers say nothing about its rows.
    pub(super) fn search_in_the_dark(&mut self, underway: &Underway) -> Search {
        let id = underway.search.unwrap_or(underway.batch.id);
        let rows = underway.batch.contacts.len();
        let cut = self.isolations.answered(id, Answered::Nothing { rows });
        Search { id, cut }
    }

    /// Returns the search that the batch belongs to, or begins.
    pub(super) fn search(&mut self, underway: &Underway, closing: &Closing) -> Option<Search> {
        let (rows, open) = (underway.batch.contacts.len(), closing.unsettled.len());
        let begins = open > 0 && closing.outcome != Outcome::TooLarge;
        let id = underway.search.or(begins.then_some(underway.batch.id))?;
        let answered = match closing.outcome {
            Outcome::Refused if open == rows || rows == 1 => Answered::Refused { rows },
            // Asking about the same rows again would never end.
            Outcome::Unaccounted | Outcome::TooLarge if open == rows => Answered::Nothing { rows },
            Outcome::Refused | Outcome::Unaccounted | Outcome::TooLarge => {
                Answered::Partly { open }
            }
            _ => Answered::Accepted { rows },
        };
        let cut = self.isolations.answered(id, answered);
        Some(Search { id, cut })
    }

    /// Notes how rows of a batch ended. `goes_on`: parts of it are asked about next. `alone`: the
    /// batch held a single row and was refused. Returns the common end of all rows of the search's
    /// first batch, if every row was refused with the same words.
    pub(super) fn note(
        &mut self,
        underway: &Underway,
        closing: &Closing,
        alone: bool,
        goes_on: bool,
    ) -> Option<Unanimous> {
        let batch = &underway.batch;
        let first = underway.search.unwrap_or(batch.id);
        let refusals = self.refusals.entry(first).or_default();
        let shown = |words: &str| verdict::masked(batch, words);
        refusals.note(&closing.settled, alone, shown);
        if goes_on || !self.isolations.forget_if_over(first) {
            return None;
        }
        let refusals = self.refusals.remove(&first).unwrap_or_default();
        refusals.unanimous(&mut self.streak)
    }

    /// Notes that a piece was given up; this says nothing about the other pieces. Returns its
    /// search.
    pub(super) fn give_up(&mut self, underway: &Underway) -> Option<Search> {
        if let Some(refusals) = underway.search.and_then(|id| self.refusals.get_mut(&id)) {
            refusals.spoil();
        }
        underway.search.map(|id| Search { id, cut: None })
    }

    /// Takes in the parts of a piece that was cut.
    pub(super) fn put(&mut self, Search { id, cut }: Search, parts: Vec<Underway>) {
        let rows = |part: Underway| {
            let rows = part.batch.contacts.len();
            (part, rows)
        };
        let parts = parts.into_iter().map(rows).collect();
        self.isolations.put(id, parts, cut);
    }

    /// Takes back a piece that could not be sent now.
    pub(super) fn put_back(&mut self, search: BatchId, piece: Underway) {
        let rows = piece.batch.contacts.len();
        self.isolations.put_back(search, piece, rows);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Batch;
    use crate::contact::{Contact, Lane, OutboxRow, RequestDefaults, RequestOptions};
    use tokio::time::Instant;

    fn underway(rows: i64, search: Option<BatchId>) -> Underway {
        let contact = |id| {
            let row = OutboxRow {
                id,
                phone: (13_000_000_000 + id).to_string(),
                ..OutboxRow::default()
            };
            Contact::check(row, &RequestDefaults::default()).unwrap()
        };
        let batch = Batch {
            id: BatchId::generate(),
            parent: None,
            lane: Lane::new("u", "t").unwrap(),
            options: RequestOptions::default(),
            contacts: (1..=rows).map(contact).collect(),
            attempts: 1,
            maybe_delivered: false,
            taken_since: false,
        };
        let now = Instant::now();
        let mut underway = Underway::new(batch, now, now);
        underway.search = search;
        underway
    }

    fn closing(of: &Underway, outcome: Outcome, all_open: bool) -> Closing {
        Closing {
            outcome,
            answer: String::new(),
            settled: Vec::new(),
            unsettled: if all_open {
                of.batch.contact_ids()
            } else {
                Vec::new()
            },
            maybe_delivered: false,
            because: None,
        }
    }

    #[test]
    fn a_piece_of_a_search_that_is_too_large_is_not_asked_about_whole_again() {
        let mut culprits = Culprits::default();
        let whole = underway(100, None);
        let refused = closing(&whole, Outcome::Refused, true);
        let search = culprits.search(&whole, &refused).unwrap();
        let good = underway(40, Some(search.id));
        let imported = closing(&good, Outcome::Imported, false);
        culprits.search(&good, &imported).unwrap();
        for outcome in [Outcome::TooLarge, Outcome::Unaccounted] {
            let piece = underway(31, Some(search.id));
            let found = culprits.search(&piece, &closing(&piece, outcome, true));
            let cut = found.and_then(|search| search.cut).unwrap();
            assert!(cut.first < 31, "{outcome:?}: {cut:?}");
        }
    }
}
