//! Attribution: which row of the batch an entry of the fail list means.

use std::collections::{BTreeMap, BTreeSet};

use crate::batch::Batch;
use crate::contact::Contact;
use crate::mask::{self, Fit, Name, Shown};
use crate::platform::wire::Failure;

/// The fail list, read against the batch.
pub(super) struct Attribution<'a> {
    /// Position of a row in the batch → why it failed, as often as it is listed.
    pub(super) rows: BTreeMap<usize, Vec<&'a str>>,
    /// Entries that fit no row, or several.
    pub(super) unattributed: Vec<Unattributed<'a>>,
}

/// An entry whose row cannot be told.
pub(super) struct Unattributed<'a> {
    pub(super) cause: &'a str,
    /// The positions of the rows that the entry fits. Empty: the entry may mean any row.
    fits: Vec<usize>,
}

impl Attribution<'_> {
    /// Whether each entry without a row fits only rows that no other entry fits or has. If two
    /// entries fit a row, it may be listed twice.
    pub(super) fn is_narrow(&self) -> bool {
        let mut seen: BTreeSet<usize> = self.rows.keys().copied().collect();
        self.unattributed.iter().all(|entry| {
            let mut fits = entry.fits.iter();
            !entry.fits.is_empty() && fits.all(|row| seen.insert(*row))
        })
    }

    /// Whether an entry without a row could mean the row at this position.
    pub(super) fn could_be(&self, row: usize) -> bool {
        let could = |entry: &Unattributed<'_>| entry.fits.is_empty() || entry.fits.contains(&row);
        self.unattributed.iter().any(could)
    }
}

/// Finds the row of each entry, without guessing: an exact number first, then the visible ends. In
/// a batch of one there is nothing to tell apart, unless the entry names another number.
pub(super) fn attribute<'a>(batch: &'a Batch, failures: &'a [Failure]) -> Attribution<'a> {
    let mut found = Attribution {
        rows: BTreeMap::new(),
        unattributed: Vec::new(),
    };
    let shown = |c: &'a Contact| Shown::new(c.phone.expose(), foretold(batch, c));
    let rows: Vec<Shown> = match failures {
        [] => Vec::new(),
        _ => batch.contacts.iter().map(shown).collect(),
    };
    for failure in failures {
        let row = match rows.as_slice() {
            [only] if is_foreign(batch, only, &failure.number) => Err(Vec::new()),
            [_] => Ok(0),
            _ => row_of(batch, &rows, &failure.number),
        };
        let cause = failure.cause.as_str();
        match row {
            Ok(row) => found.rows.entry(row).or_default().push(cause),
            Err(fits) => found.unattributed.push(Unattributed { cause, fits }),
        }
    }
    found
}

/// Whether the name is a whole number, or a mask of one, and not that of this row.
fn is_foreign(batch: &Batch, row: &Shown, named: &str) -> bool {
    let name = mask::canonical(named);
    let digits = name.chars().filter(char::is_ascii_digit).count();
    let is_whole = digits == name.len();
    let hides = |c: char| matches!(c, 'x' | 'X') || !c.is_alphanumeric();
    let shows_enough = if is_whole {
        digits >= SHORTEST_FOREIGN
    } else {
        digits >= LEAST_SHOWN && name.chars().all(|c| c.is_ascii_digit() || hides(c))
    };
    !batch.options.encryption && shows_enough && Name::new(named).fit(row) == Fit::None
}

/// A shorter run of digits may be the number of a line or what is left of a mask.
const SHORTEST_FOREIGN: usize = 11;

/// The platform's masks show as many digits of a number.
const LEAST_SHOWN: usize = 7;

/// Whether an entry of the list names the only row of a batch. Words that name nobody may be about
/// the task or the account, and a name that does not fit is another number's.
pub(super) fn names_the_only_row(batch: &Batch, failures: &[Failure]) -> bool {
    let [contact] = batch.contacts.as_slice() else {
        return false;
    };
    let shown = Shown::new(contact.phone.expose(), foretold(batch, contact));
    failures.iter().any(|failure| {
        let shows_something = failure.number.contains(char::is_alphanumeric);
        let fits = Name::new(&failure.number).fit(&shown) > Fit::None;
        shows_something && (fits || could_be_hidden(batch, &failure.number))
    })
}

/// Returns the mask that an app expects for an encrypted number. For other numbers the mask is
/// known.
fn foretold<'a>(batch: &Batch, contact: &'a Contact) -> Option<&'a str> {
    contact
        .phone_mask
        .as_deref()
        .filter(|_| batch.options.encryption)
}

/// Finds the position of the row of this name. Fails with the rows that the name fits, if there are
/// several, or with none if it may be any row.
fn row_of(batch: &Batch, rows: &[Shown], named: &str) -> Result<usize, Vec<usize>> {
    if could_be_hidden(batch, named) {
        return Err(Vec::new());
    }
    let name = Name::new(named);
    let fits = rows.iter().map(|row| name.fit(row)).enumerate();
    let fits: Vec<(usize, Fit)> = fits.filter(|(_, fit)| *fit > Fit::None).collect();
    let best = fits.iter().map(|(_, fit)| *fit).max();
    let is_possible = |(_, fit): &(usize, Fit)| *fit == Fit::Possible;
    if best != Some(Fit::Exact) && fits.iter().any(is_possible) {
        return Err(Vec::new());
    }
    let mut those = fits.iter().filter(|(_, fit)| Some(*fit) == best);
    match (those.next(), those.next()) {
        (Some((row, _)), None) => Ok(*row),
        _ => Err(fits.into_iter().map(|(row, _)| row).collect()),
    }
}

/// Whether the name could be that of an encrypted row without `phone_mask`, whose mask we do not
/// know. A phone number has no letters but those that hide a part; a mask with others is one of the
/// ciphertext.
fn could_be_hidden(batch: &Batch, named: &str) -> bool {
    batch.options.encryption
        && batch.contacts.iter().any(|c| c.phone_mask.is_none())
        && !mask::without_suffix(named.trim())
            .contains(|c: char| c.is_alphabetic() && !matches!(c, 'x' | 'X'))
        && !batch
            .contacts
            .iter()
            .any(|c| c.phone.expose() == named.trim())
}
