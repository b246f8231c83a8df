//! The pending contacts that are meant: named contacts, or the contacts that pass a filter.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::Hash;

use super::words::count;
use crate::contact::{ContactId, Lane};
use crate::outbox::{NamedContact, Names, Operations, OutboxError, PendingFilter};

/// How many names the database is asked about at once.
const CHUNK: usize = 500;

/// How many ids, and how many keys, without such a contact are listed.
pub(super) const TOLD: usize = 20;

/// The operator's choice.
#[derive(Clone, Debug)]
pub enum Chosen {
    Named {
        ids: Vec<ContactId>,
        keys: Vec<GivenKey>,
    },
    Filter(PendingFilter),
}

/// A key, and which one of those that were given it is, counted from 1. A key that may be a phone number
/// is told by its place, too, because several may look alike when they are masked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenKey {
    pub place: usize,
    pub key: String,
}

/// Reads a lane, as `USER_ID/TASK_ID`.
pub fn lane_of(text: &str) -> Option<Lane> {
    let (user, task) = text.split_once('/')?;
    Lane::new(user, task).ok()
}

impl Chosen {
    /// Contacts by name, each id and each key once.
    pub fn named(mut ids: Vec<ContactId>, keys: Vec<String>) -> Self {
        ids.sort_unstable();
        ids.dedup();
        let mut seen = HashSet::new();
        let keys = (1..).zip(keys);
        let keys = keys.map(|(place, key)| GivenKey { place, key });
        let keys = keys.filter(|given| seen.insert(given.key.clone()));
        let keys = keys.collect();
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
    pub(super) missed: Vec<Missed<ContactId>>,
    /// The first such keys, likewise.
    pub(super) missed_keys: Vec<Missed<GivenKey>>,
}

/// A name without a contact that is meant, and the status of its contact, if it is there.
pub type Missed<Name> = (Name, Option<String>);

impl Found {
    /// Looks the names up.
    pub(super) async fn find(
        ids: &[ContactId],
        given: &[GivenKey],
        operations: &dyn Operations,
    ) -> Result<Self, OutboxError> {
        let mut contacts: Vec<NamedContact> = Vec::new();
        for ids in ids.chunks(CHUNK) {
            contacts.extend(operations.named(Names::Ids(ids)).await?);
        }
        let is_pending = NamedContact::is_pending;
        let missed_ids = missed(ids, &contacts, |contact| Some(contact.id), is_pending);
        let keys: Vec<&str> = given.iter().map(|given| given.key.as_str()).collect();
        let mut by_key: Vec<NamedContact> = Vec::new();
        for keys in keys.chunks(CHUNK) {
            by_key.extend(operations.named(Names::Keys(keys)).await?);
        }
        let missed_keys = missed_keys(given, &by_key, is_pending);
        contacts.extend(by_key);
        let mut found = Self {
            named: (ids.len() + given.len()) as u64,
            missed: missed_ids,
            missed_keys,
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

/// Returns the first keys that name no contact that is meant, and why.
fn missed_keys(
    given: &[GivenKey],
    there: &[NamedContact],
    is_meant: impl Fn(&NamedContact) -> bool,
) -> Vec<Missed<GivenKey>> {
    let keys: Vec<String> = given.iter().map(|given| given.key.clone()).collect();
    let missed = missed(&keys, there, |contact| contact.key.clone(), is_meant);
    let place_of = |key: &String| given.iter().find(|given| given.key == *key);
    let missed = missed.into_iter();
    missed
        .filter_map(|(key, status)| Some((place_of(&key)?.clone(), status)))
        .collect()
}

/// Returns the first names that name no contact that is meant, and why.
pub(super) fn missed<Name: Clone + Eq + Hash>(
    names: &[Name],
    there: &[NamedContact],
    name_of: impl Fn(&NamedContact) -> Option<Name>,
    is_meant: impl Fn(&NamedContact) -> bool,
) -> Vec<Missed<Name>> {
    let there: HashMap<Name, &NamedContact> = there
        .iter()
        .filter_map(|contact| Some((name_of(contact)?, contact)))
        .collect();
    let asked = names.iter().map(|name| (name, there.get(name)));
    let missed = asked.filter(|(_, contact)| !contact.is_some_and(|one| is_meant(one)));
    missed
        .map(|(name, contact)| (name.clone(), contact.map(|one| one.status.clone())))
        .take(TOLD)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_counts_once() {
        let ids = [7, 5, 7].map(ContactId).to_vec();
        let keys = ["b", "a", "b"].map(str::to_owned).to_vec();
        let Chosen::Named { ids, keys } = Chosen::named(ids, keys) else {
            panic!("named");
        };
        assert_eq!(ids, [5, 7].map(ContactId));
        let keys: Vec<(usize, &str)> = keys.iter().map(|key| (key.place, &*key.key)).collect();
        assert_eq!(keys, [(1, "b"), (2, "a")]);
    }

    #[test]
    fn the_first_keys_without_a_pending_contact_are_listed_with_why() {
        let contact = |key: &str, status: &str| NamedContact {
            id: ContactId(1),
            lane: Lane::new("u", "t").unwrap(),
            status: status.into(),
            key: Some(key.into()),
        };
        let there = [contact("a", "pending"), contact("b", "succeeded")];
        let of = |keys: Vec<String>| {
            let Chosen::Named { keys, .. } = Chosen::named(Vec::new(), keys) else {
                panic!("named");
            };
            missed_keys(&keys, &there, NamedContact::is_pending)
        };
        let given = |place, key: &str| GivenKey {
            place,
            key: key.to_owned(),
        };
        assert_eq!(
            of(["a", "b", "b", "c"].map(str::to_owned).to_vec()),
            [
                (given(2, "b"), Some("succeeded".to_owned())),
                (given(4, "c"), None)
            ]
        );
        let many = (0..30).map(|n: u32| n.to_string()).collect();
        assert_eq!(of(many).len(), TOLD);
    }
}
