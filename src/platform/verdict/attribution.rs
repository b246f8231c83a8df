//! Whose failure is it: which row of the batch an entry of the fail list speaks of.

use std::collections::BTreeMap;

use crate::batch::Batch;
use crate::contact::Contact;
use crate::mask::{self, Fit, Name, Shown};
use crate::platform::wire::Failure;

/// The fail list, read against the batch.
pub(super) struct Attribution<'a> {
    /// Position of a row in the batch → why it failed. A row that is listed twice keeps its first
    /// cause.
    pub(super) rows: BTreeMap<usize, &'a str>,
    /// The causes of entries that fit no row, or several.
    pub(super) unattributed: Vec<&'a str>,
}

/// Finds the row of each entry, without guessing: an exact number first, then the visible ends. In
/// a batch of one there is nothing to tell apart.
pub(super) fn attribute<'a>(batch: &'a Batch, failures: &'a [Failure]) -> Attribution<'a> {
    let mut found = Attribution {
        rows: BTreeMap::new(),
        unattributed: Vec::new(),
    };
    // What a number that is not encrypted looks like is known.
    let foretold = |c: &'a Contact| c.phone_mask.as_deref().filter(|_| batch.options.encryption);
    let shown = |c: &'a Contact| Shown::new(c.phone.expose(), foretold(c));
    let rows: Vec<Shown> = match failures {
        [] => Vec::new(),
        _ => batch.contacts.iter().map(shown).collect(),
    };
    for failure in failures {
        let row = match rows.len() {
            1 => Some(0),
            _ => row_of(batch, &rows, &failure.number),
        };
        match row {
            Some(row) => {
                found.rows.entry(row).or_insert(&failure.cause);
            }
            None => found.unattributed.push(&failure.cause),
        }
    }
    found
}

fn row_of(batch: &Batch, rows: &[Shown], named: &str) -> Option<usize> {
    if could_be_hidden(batch, named) {
        return None;
    }
    let name = Name::new(named);
    let fits: Vec<Fit> = rows.iter().map(|row| name.fit(row)).collect();
    let best = fits
        .iter()
        .copied()
        .max()
        .filter(|best| *best > Fit::None)?;
    let mut rows = fits
        .iter()
        .enumerate()
        .filter(|(_, fit)| **fit == best)
        .map(|(row, _)| row);
    match (rows.next(), rows.next()) {
        (Some(row), None) => Some(row),
        _ => None,
    }
}

/// Whether the name could be that of a row of which we do not know how the platform shows it: an
/// encrypted one without `phone_mask`. A phone number has no letters; a mask with letters is one of
/// the ciphertext.
fn could_be_hidden(batch: &Batch, named: &str) -> bool {
    batch.options.encryption
        && batch.contacts.iter().any(|c| c.phone_mask.is_none())
        && !mask::without_suffix(named.trim()).contains(char::is_alphabetic)
        && !batch
            .contacts
            .iter()
            .any(|c| c.phone.expose() == named.trim())
}
