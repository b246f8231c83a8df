//! Isolation: finds the rows to blame, with few requests, in a batch that the platform refused as a
//! whole or left partly unaccounted for.
//!
//! Pure: it decides which rows go into the next request. The lane at work sends them, and the
//! journal knows every piece as a batch of its own. It guarantees that `k` rows to blame among 100
//! cost at most `2·k·log2(100/k) + k` further requests, whatever `k` is, and that no row is blamed
//! by inference: inference only decides what is sent next, and every culprit is refused alone.
//!
//! One piece is under way at a time, so that each answer shapes the next question. Three rules make
//! the bound (the test below counts):
//!
//! - The answers so far decide the size of a group: one and a half times the accepted rows per
//!   culprit. The first question is a single row, so that a batch of nothing but culprits costs one
//!   request each, and good rows make the groups grow fast.
//! - A refused group is cut at the golden section. If its smaller part is accepted, the larger part
//!   holds the culprit and need not be asked about as a whole.
//! - If a part of a refused group is refused too, nothing is known about the other part again.
//!
//! Whatever the answers are, in whatever order, a batch of `n` rows costs at most `2·n - 2` further
//! requests: each request settles a row, or its rows go on in two smaller pieces.

use std::collections::BTreeMap;

use crate::batch::BatchId;

/// The next piece, and what to do with it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NextPiece<T> {
    Send(T),
    /// Cut it behind this many rows without sending it.
    Cut(T, Cut),
}

/// Where a piece is cut, and whether a culprit is known to be in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    /// The number of rows in the first part, which is sent next.
    pub(super) first: usize,
    /// Whether one of the parts must hold a culprit.
    holds_culprit: bool,
}

/// How the platform answered a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answered {
    /// Every row is accounted for.
    Accepted { rows: usize },
    /// The piece was refused as a whole.
    Refused {
        /// A single refused row is a culprit.
        rows: usize,
    },
    /// Some rows are accounted for; nothing is known about the others, which are open.
    Partly {
        /// The number of open rows, fewer than were sent.
        open: usize,
    },
    /// Every row is open and nothing is known about any of them.
    Nothing {
        /// The number of rows, more than one.
        rows: usize,
    },
}

/// What is known about rows that may be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Nothing,
    /// One of them must be a culprit.
    HoldCulprit,
    /// They were asked about together, and the answer said nothing about any of them.
    SayNothing,
}

/// The search for the culprits of one batch.
#[derive(Debug)]
struct Isolation<T> {
    /// Pieces that are not accounted for yet; the next one is last.
    pieces: Vec<Piece<T>>,
    accepted: usize,
    culprits: usize,
    /// Whether a piece is under way.
    busy: bool,
}

#[derive(Debug)]
struct Piece<T> {
    item: T,
    rows: usize,
    holds_culprit: bool,
}

impl<T> Default for Isolation<T> {
    fn default() -> Self {
        Self {
            pieces: Vec::new(),
            accepted: 0,
            culprits: 0,
            busy: false,
        }
    }
}

impl<T> Isolation<T> {
    fn next(&mut self) -> Option<NextPiece<T>> {
        if self.busy {
            return None;
        }
        let Piece {
            item,
            rows,
            holds_culprit,
        } = self.pieces.pop()?;
        self.busy = true;
        let known = if holds_culprit {
            Known::HoldCulprit
        } else {
            Known::Nothing
        };
        let cut = self.cut(rows, known);
        Some(if cut.first < rows {
            NextPiece::Cut(item, cut)
        } else {
            NextPiece::Send(item)
        })
    }

    /// Returns where to cut the rows: in the middle if asking about all of them says nothing new.
    fn cut(&self, rows: usize, known: Known) -> Cut {
        let plausible = (15 * self.accepted / (10 * self.culprits + 4)).max(1);
        let most = if known == Known::Nothing || rows <= 1 {
            rows
        } else {
            ((rows * 382 + 500) / 1000).max(1)
        };
        Cut {
            first: plausible.min(most),
            holds_culprit: known == Known::HoldCulprit,
        }
    }

    /// Takes in an answer. Returns where to cut the piece, if it has to be cut.
    fn answered(&mut self, answered: Answered) -> Option<Cut> {
        if let Answered::Accepted { rows } = answered {
            self.accepted += rows;
            return None;
        }
        if let Some(other) = self.pieces.last_mut() {
            other.holds_culprit = false;
        }
        match answered {
            Answered::Refused { rows } if rows > 1 => Some(self.cut(rows, Known::HoldCulprit)),
            Answered::Partly { open } if open > 0 => Some(self.cut(open, Known::Nothing)),
            Answered::Nothing { rows } if rows > 1 => Some(self.cut(rows, Known::SayNothing)),
            _ => {
                self.culprits += 1;
                None
            }
        }
    }

    /// Takes in the parts of a piece that was cut, in their order.
    fn put(&mut self, parts: Vec<(T, usize)>, cut: Cut) {
        self.busy = false;
        let pieces = parts.into_iter().enumerate().rev();
        self.pieces
            .extend(pieces.map(|(place, (item, rows))| Piece {
                item,
                rows,
                holds_culprit: cut.holds_culprit && place > 0,
            }));
    }
}

/// All searches of a lane, each under the id of the batch with which it began.
#[derive(Debug)]
pub(super) struct Isolations<T>(BTreeMap<BatchId, Isolation<T>>);

impl<T> Default for Isolations<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T> Isolations<T> {
    /// Returns the pieces that are not under way.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &T> {
        let searches = self.0.values();
        searches.flat_map(|search| search.pieces.iter().map(|piece| &piece.item))
    }

    /// Returns the next piece of the oldest search that has none under way.
    pub(super) fn next(&mut self) -> Option<NextPiece<T>> {
        self.0.values_mut().find_map(Isolation::next)
    }

    /// Takes in the answer to a piece, or to a batch with which a search has to begin. Returns
    /// where to cut it, if it has to be cut; its parts are then [`put`](Self::put).
    pub(super) fn answered(&mut self, search: BatchId, answered: Answered) -> Option<Cut> {
        let isolation = self.0.entry(search).or_default();
        // Until the parts are put.
        isolation.busy = true;
        isolation.answered(answered)
    }

    /// Takes in the journalled parts of a piece, with their numbers of rows. There are no parts if
    /// no row of the piece is open.
    pub(super) fn put(&mut self, search: BatchId, parts: Vec<(T, usize)>, cut: Option<Cut>) {
        let Some(isolation) = self.0.get_mut(&search) else {
            return;
        };
        let whole = Cut {
            first: 0,
            holds_culprit: false,
        };
        isolation.put(parts, cut.unwrap_or(whole));
        self.forget_if_over(search);
    }

    /// Whether a search has not found a single good row so far. All rows of the lane may be bad,
    /// and no more of them should be sent before this is known.
    pub(super) fn look_hopeless(&self) -> bool {
        self.0.values().any(|isolation| isolation.accepted == 0)
    }

    /// Whether this search has found a good row.
    pub(super) fn has_accepted(&self, search: BatchId) -> bool {
        let isolation = self.0.get(&search);
        isolation.is_some_and(|isolation| isolation.accepted > 0)
    }

    /// Takes out all pieces that wait. Searches with nothing under way end.
    pub(super) fn take_waiting(&mut self) -> Vec<T> {
        let searches = self.0.values_mut();
        let pieces = searches.flat_map(|search| search.pieces.drain(..));
        let items = pieces.map(|piece| piece.item).collect();
        self.0.retain(|_, search| search.busy);
        items
    }

    /// Takes back a piece that could not be sent now; it is the next one again.
    pub(super) fn put_back(&mut self, search: BatchId, piece: T, rows: usize) {
        self.put(search, vec![(piece, rows)], None);
    }

    /// Forgets the search if it has no piece left to send. Returns whether it is forgotten.
    pub(super) fn forget_if_over(&mut self, search: BatchId) -> bool {
        let over = self
            .0
            .get(&search)
            .is_none_or(|isolation| isolation.pieces.is_empty());
        if over {
            self.0.remove(&search);
        }
        over
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::*;
    use proptest::prelude::*;

    /// Returns how many further requests it takes to find the culprits of a refused batch.
    fn requests(rows: usize, is_culprit: &dyn Fn(usize) -> bool) -> usize {
        let search = BatchId::generate();
        let mut isolations = Isolations::<Range<usize>>::default();
        let mut found = Vec::new();
        let mut cleared = 0;
        let mut requests = 0;
        let cut = isolations.answered(search, Answered::Refused { rows });
        isolations.put(search, parts(&(0..rows), cut), cut);
        while let Some(next) = isolations.next() {
            let piece = match next {
                NextPiece::Cut(piece, cut) => {
                    isolations.put(search, parts(&piece, Some(cut)), Some(cut));
                    continue;
                }
                NextPiece::Send(piece) => piece,
            };
            requests += 1;
            let rows = piece.len();
            let answered = if piece.clone().any(is_culprit) {
                if rows == 1 {
                    found.push(piece.start);
                }
                Answered::Refused { rows }
            } else {
                cleared += rows;
                Answered::Accepted { rows }
            };
            let cut = isolations.answered(search, answered);
            isolations.put(search, parts(&piece, cut), cut);
        }
        assert!(isolations.forget_if_over(search));
        let culprits: Vec<usize> = (0..rows).filter(|row| is_culprit(*row)).collect();
        found.sort_unstable();
        assert_eq!(found, culprits, "each culprit is refused alone");
        assert_eq!(cleared + found.len(), rows, "every row is asked about");
        requests
    }

    fn parts(piece: &Range<usize>, cut: Option<Cut>) -> Vec<(Range<usize>, usize)> {
        let Some(Cut { first, .. }) = cut else {
            return Vec::new();
        };
        let middle = piece.start + first;
        let both = [piece.start..middle, middle..piece.end];
        both.into_iter()
            .filter(|part| !part.is_empty())
            .map(|part| (part.clone(), part.len()))
            .collect()
    }

    #[expect(clippy::cast_precision_loss, reason = "at most a hundred")]
    fn bound(culprits: usize, rows: usize) -> f64 {
        let (k, n) = (culprits as f64, rows as f64);
        2.0 * k * (n / k).log2() + k
    }

    #[expect(clippy::cast_precision_loss, reason = "at most a few hundred")]
    fn assert_within_bound(culprits: &[usize]) {
        let requests = requests(100, &|row| culprits.contains(&row));
        let most = bound(culprits.len(), 100);
        assert!(
            requests as f64 <= most,
            "{requests} requests for {} culprits, at most {most} are allowed: {culprits:?}",
            culprits.len()
        );
    }

    #[test]
    fn one_or_two_culprits_anywhere_cost_no_more_than_the_bound() {
        for one in 0..100 {
            assert_within_bound(&[one]);
            for two in 0..one {
                assert_within_bound(&[one, two]);
            }
        }
    }

    #[test]
    fn a_batch_of_nothing_but_culprits_costs_one_request_each() {
        assert_eq!(requests(100, &|_| true), 100);
    }

    #[test]
    fn any_number_of_culprits_in_a_row_or_evenly_spread_costs_no_more_than_the_bound() {
        for k in 1..=100usize {
            assert_within_bound(&(0..k).collect::<Vec<_>>());
            assert_within_bound(&(100 - k..100).collect::<Vec<_>>());
            assert_within_bound(&(0..k).map(|n| n * 100 / k).collect::<Vec<_>>());
            assert_within_bound(&(0..k).map(|n| (n + 1) * 100 / k - 1).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_batch_that_was_refused_for_no_lasting_reason_is_soon_through() {
        assert!(requests(100, &|_| false) <= 14);
    }

    #[test]
    fn while_a_piece_is_under_way_its_search_waits_and_others_go_on() {
        let (a, b) = (BatchId::generate(), BatchId::generate());
        let mut isolations = Isolations::<&str>::default();
        for (search, piece) in [(a, "of a"), (b, "of b")] {
            let cut = isolations.answered(search, Answered::Refused { rows: 2 });
            isolations.put(search, vec![(piece, 1)], cut);
        }
        assert_eq!(isolations.next(), Some(NextPiece::Send("of a")));
        assert_eq!(isolations.next(), Some(NextPiece::Send("of b")));
        assert_eq!(isolations.next(), None);
        isolations.put_back(a, "of a", 1);
        assert_eq!(isolations.next(), Some(NextPiece::Send("of a")));
    }

    /// Returns how many requests a batch takes in all, with a platform that answers at will.
    fn requests_at_will(rows: usize, mut answers: impl Iterator<Item = (u8, usize)>) -> usize {
        let search = BatchId::generate();
        let mut isolations = Isolations::<Range<usize>>::default();
        let (all, mut settled) = (rows, 0);
        let mut piece = 0..rows;
        for requests in 1.. {
            let rows = piece.len();
            let (kind, at_will) = answers.next().expect("goes on for ever");
            let answered = match kind % 4 {
                _ if rows == 1 => Answered::Refused { rows },
                0 => Answered::Accepted { rows },
                1 => Answered::Refused { rows },
                2 => Answered::Nothing { rows },
                _ => Answered::Partly {
                    open: at_will % rows,
                },
            };
            let cut = isolations.answered(search, answered);
            let open = match (cut, answered) {
                (None, _) => 0,
                (_, Answered::Partly { open }) => open,
                _ => rows,
            };
            settled += rows - open;
            let open = piece.start..piece.start + open;
            isolations.put(search, parts(&open, cut), cut);
            piece = loop {
                match isolations.next() {
                    Some(NextPiece::Send(piece)) => break piece,
                    Some(NextPiece::Cut(piece, cut)) => {
                        isolations.put(search, parts(&piece, Some(cut)), Some(cut));
                    }
                    None => {
                        assert_eq!(settled, all, "every row is settled");
                        return requests;
                    }
                }
            };
        }
        unreachable!("numbers do not end")
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn whatever_is_answered_the_requests_are_bounded(
            rows in 1usize..=100, answers in prop::collection::vec((any::<u8>(), 0usize..100), 1..40),
        ) {
            let requests = requests_at_will(rows, answers.into_iter().cycle());
            prop_assert!(requests < 2 * rows, "{requests} requests for {rows} rows");
        }

        #[test]
        fn any_culprits_are_found_within_the_bound(
            culprits in (1usize..=100).prop_flat_map(|k| {
                proptest::sample::subsequence((0..100).collect::<Vec<_>>(), k)
            }),
        ) {
            assert_within_bound(&culprits);
        }

        #[test]
        fn batches_of_any_size_come_to_an_end(
            rows in 2usize..=100, culprits in prop::collection::hash_set(0usize..100, 0..20),
        ) {
            requests(rows, &|row| culprits.contains(&row));
        }
    }
}
