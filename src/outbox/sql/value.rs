//! The parameters of a statement: values, and lists of records.

use serde::Serialize;
use uuid::Uuid;

use crate::outbox::NewContact;
use crate::outbox::operations::Redacted;
use crate::outbox::plan::{Closed, Failed, LaneChanged, LaneKey, Opened, Postponed, Resent, json};

/// One parameter of a statement. `None` is null.
#[derive(Debug)]
pub(in crate::outbox) enum Value<'a> {
    Integer(Option<i64>),
    Number(Option<f64>),
    Text(Option<&'a str>),
    /// The id of a courier or of a batch.
    Id(Uuid),
    /// All records of a list, in a form that the dialect chooses.
    List(List<'a>),
    /// A list, or a part of one, that is JSON text already.
    Json(String),
}

/// Records of one kind.
#[derive(Clone, Copy, Debug)]
pub(in crate::outbox) enum List<'a> {
    /// Ids of contacts.
    Contacts(&'a [i64]),
    /// Ids of batches.
    Batches(&'a [Uuid]),
    Texts(&'a [&'a str]),
    Lanes(&'a [LaneKey<'a>]),
    Opened(&'a [Opened<'a>]),
    Postponed(&'a [Postponed<'a>]),
    Resent(&'a [Resent]),
    Closed(&'a [Closed<'a>]),
    Failed(&'a [Failed<'a>]),
    LanesChanged(&'a [LaneChanged<'a>]),
    NewContacts(&'a [NewContact]),
    Redacted(&'a [Redacted]),
}

impl List<'_> {
    /// Whether there are no records.
    pub(super) fn is_empty(&self) -> bool {
        self.all().count() == 0
    }

    /// All records as one JSON array.
    pub(in crate::outbox) fn json(&self) -> String {
        self.all().array()
    }

    /// Each record as JSON text.
    pub(in crate::outbox) fn records(&self) -> Vec<String> {
        self.all().texts()
    }

    fn all(&self) -> &dyn Records {
        match self {
            Self::Contacts(ids) => ids,
            Self::Batches(ids) => ids,
            Self::Texts(texts) => texts,
            Self::Lanes(lanes) => lanes,
            Self::Opened(batches) => batches,
            Self::Postponed(batches) => batches,
            Self::Resent(batches) => batches,
            Self::Closed(batches) => batches,
            Self::Failed(rows) => rows,
            Self::LanesChanged(lanes) => lanes,
            Self::NewContacts(contacts) => contacts,
            Self::Redacted(rows) => rows,
        }
    }
}

/// The forms in which records of any kind can be given.
trait Records {
    fn count(&self) -> usize;
    fn array(&self) -> String;
    fn texts(&self) -> Vec<String>;
}

impl<R: Serialize> Records for &[R] {
    fn count(&self) -> usize {
        self.len()
    }

    fn array(&self) -> String {
        json(self)
    }

    fn texts(&self) -> Vec<String> {
        self.iter().map(json).collect()
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Integer(Some(number))
    }
}

impl From<Option<i64>> for Value<'_> {
    fn from(number: Option<i64>) -> Self {
        Self::Integer(number)
    }
}

impl From<f64> for Value<'_> {
    fn from(number: f64) -> Self {
        Self::Number(Some(number))
    }
}

impl From<Option<f64>> for Value<'_> {
    fn from(number: Option<f64>) -> Self {
        Self::Number(number)
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Some(text))
    }
}

impl<'a> From<Option<&'a str>> for Value<'a> {
    fn from(text: Option<&'a str>) -> Self {
        Self::Text(text)
    }
}

impl From<Uuid> for Value<'_> {
    fn from(id: Uuid) -> Self {
        Self::Id(id)
    }
}

impl<'a> From<List<'a>> for Value<'a> {
    fn from(list: List<'a>) -> Self {
        Self::List(list)
    }
}
