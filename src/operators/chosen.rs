//! The pending contacts that are meant: named contacts, or the contacts that pass a filter.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::words::count;
use crate::contact::{ContactId, Lane};
use crate::outbox::{NamedContact, Names, Operations, OutboxError, PendingFilter};

/// How many names the database is asked about at once.
const CHUNK: usize = 500;

/// How many ids without a pending contact are listed.
const TOLD: usize = 20;

/// The operator's choice.
#[derive(Clone, Debug)]
pub enum Chosen {
    Named {
        ids: Vec<ContactId>,
        keys: Vec<String>,
    },
    Filter(PendingFilter),
}

/// Reads a lane, as `USER_ID/TASK_ID`.
pub fn lane_of(text: &str) -> Option<Lane> {
    let (user, task) = text.split_once('/')?;
    Lane::new(user, task).ok()
}

impl Chosen {
    /// Contacts by name, each id once.
    pub fn named(mut ids: Vec<ContactId>, keys: Vec<String>) -> Self {
        ids.sort_unstable();
        ids.dedup();
        Self::Named { ids, keys }
    }

    /// Describes the choice without a name: keys may be anything.
    pub fn in_words(&self) -> String {
        match self {
            Self::Named { ids, keys } => {
                let named = [
                    (ids.len(), "contact by id", "contacts by id"),
                    (keys.len(), "contact by key", "contacts by key"),
                ];
                let named = named.iter().filter(|(n, ..)| *n > 0);
                let words = named.map(|(n, one, many)| count(*n as u64, one, many));
                words.collect::<Vec<_>>().join(", ")
            }
            Self::Filter(filter) => {
                let of = match (&filter.user_id, &filter.task_id) {
                    (Some(user), Some(task)) => format!("lane {user}/{task}"),
                    (Some(user), None) => format!("user {user}"),
                    _ => "all lanes".into(),
                };
                filter.created_since.map_or_else(
                    || of.clone(),
                    |age| {
                        format!(
                            "{of}, inserted in the last {}",
                            humantime::format_duration(age)
                        )
                    },
                )
            }
        }
    }
}

/// The named contacts that are there, by lane; final contacts stand apart.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) pending: BTreeMap<Lane, Vec<ContactId>>,
    /// How many names there were, and how many of them name a pending contact.
    pub(super) named: u64,
    pub(super) matched: u64,
    /// The first ids without a pending contact, and the status of their contact, if it is there.
    pub(super) missed: Vec<(ContactId, Option<String>)>,
}

impl Found {
    /// Looks the names up.
    pub(super) async fn find(
        ids: &[ContactId],
        keys: &[String],
        operations: &dyn Operations,
    ) -> Result<Self, OutboxError> {
        let mut contacts: Vec<NamedContact> = Vec::new();
        for ids in ids.chunks(CHUNK) {
            contacts.extend(operations.named(Names::Ids(ids)).await?);
        }
        let missed = missed(ids, &contacts);
        for keys in keys.chunks(CHUNK) {
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            contacts.extend(operations.named(Names::Keys(&keys)).await?);
        }
        let mut found = Self {
            named: (ids.len() + keys.len()) as u64,
            missed,
            ..Self::default()
        };
        let mut seen = HashSet::new();
        for contact in contacts.into_iter().filter(NamedContact::is_pending) {
            found.matched += 1;
            if seen.insert(contact.id) {
                let ids = found.pending.entry(contact.lane).or_default();
                ids.push(contact.id);
            }
        }
        Ok(found)
    }
}

/// Returns the first ids that name no pending contact, and why.
fn missed(ids: &[ContactId], there: &[NamedContact]) -> Vec<(ContactId, Option<String>)> {
    let there: HashMap<ContactId, &NamedContact> =
        there.iter().map(|contact| (contact.id, contact)).collect();
    let named = ids.iter().map(|id| (*id, there.get(id)));
    let missed = named.filter(|(_, contact)| !contact.is_some_and(|one| one.is_pending()));
    missed
        .map(|(id, contact)| (id, contact.map(|one| one.status.clone())))
        .take(TOLD)
        .collect()
}
