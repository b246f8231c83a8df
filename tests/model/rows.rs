//! A set of the model's few rows.

use std::fmt;

/// A set of rows; a row is a position in [`super::case::Case::numbers`].
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Rows(u8);

impl Rows {
    pub(crate) fn with(self, row: usize) -> Self {
        Self(self.0 | 1 << row)
    }

    pub(crate) fn has(self, row: usize) -> bool {
        self.0 & 1 << row != 0
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = usize> {
        (0..8).filter(move |&row| self.has(row))
    }

    pub(crate) fn bits(self) -> u8 {
        self.0
    }
}

impl FromIterator<usize> for Rows {
    fn from_iter<I: IntoIterator<Item = usize>>(rows: I) -> Self {
        rows.into_iter().fold(Self::default(), Self::with)
    }
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
