//! The identity of a contact, and its number.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::mask;

/// The primary key of a row of `contact_outbox`; it orders the contacts of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ContactId(pub i64);

impl fmt::Display for ContactId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A phone number, or its ciphertext. It prints itself masked, so that no log line and no error
/// can carry it whole.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Phone(Arc<str>);

impl Phone {
    /// Makes a phone number from the text, unchanged.
    pub fn new(number: impl Into<Arc<str>>) -> Self {
        Self(number.into())
    }

    /// Returns the number itself: for the request and for comparing, never for people's eyes.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// A number is looked up without a copy of it.
impl Borrow<str> for Phone {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&mask::mask(&self.0))
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Phone({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_phone_of_any_kind_never_prints_itself_whole(number in "[0-9+]{5,20}") {
            let phone = Phone::new(number.as_str());
            let printed = format!("{phone} {phone:?}");
            prop_assert!(!printed.contains(&number));
        }
    }
}
