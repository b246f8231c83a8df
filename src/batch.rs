//! A batch: up to 100 contacts of one lane that one request carries, and how batches are composed.
//!
//! Its neighbours are the lane, which hands in rows in lane order, and the dispatcher, which sends
//! the batch. Composing is pure. It guarantees, for every batch: one lane, equal request options,
//! no number twice, no two numbers with the same visible ends (so that a masked number in the
//! answer means at most one row), and first in first out among the contacts that may go.

use std::borrow::Cow;
use std::collections::{HashSet, VecDeque};
use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::contact::{Contact, ContactId, Lane, Phone, RequestOptions};
use crate::mask::{VisibleEnds, canonical, each_spelling};

/// The limits of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// The most contacts, taken as 1 to [`MAX_BATCH`].
    pub contacts: usize,
    /// The most bytes of the request's body. A single contact goes whatever its length is.
    pub bytes: usize,
}

impl Room {
    /// Returns room for this many contacts, whatever their length is.
    pub fn for_contacts(contacts: usize) -> Self {
        Self {
            contacts,
            bytes: usize::MAX,
        }
    }
}

/// The platform's limit for one request ("每次最多导入100条数据" on its page 批量添加号码).
pub const MAX_BATCH: usize = 100;

/// Identifies a batch over all of its sends. The id goes along as `X-Request-Id` and
/// `Idempotency-Key`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BatchId(pub Uuid);

impl BatchId {
    /// Returns a new id. Ids sort by the time of their making (UUID version 7).
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }
}

impl fmt::Display for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Contacts that are sent as one request, and sent again as the same batch.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Stays the same over retries and restarts.
    pub id: BatchId,
    /// The batch from which this one was split off, if any.
    pub parent: Option<BatchId>,
    /// The lane of its contacts.
    pub lane: Lane,
    /// Equal for all of its contacts.
    pub options: RequestOptions,
    /// Never empty, at most [`MAX_BATCH`].
    pub contacts: Vec<Contact>,
    /// The number of requests that have carried these rows, as part of this batch or its ancestors.
    pub attempts: u32,
    /// Whether an earlier send may have reached the platform: then "already there" means success.
    pub maybe_delivered: bool,
    /// Whether its rows were refused before, and the task has taken a row since then and since that send:
    /// then a refusal is not about the task. Each send finds that out anew.
    pub taken_since: bool,
}

impl Batch {
    /// Returns a batch that was never sent.
    pub fn new(id: BatchId, lane: Lane, composed: Composed) -> Self {
        Self {
            id,
            parent: None,
            lane,
            options: composed.options,
            contacts: composed.contacts,
            attempts: 0,
            maybe_delivered: false,
            taken_since: false,
        }
    }

    /// Whether a row of it may be in the task by an earlier send: of this batch, or before the row was
    /// requeued.
    pub fn may_be_in(&self, contact: &Contact) -> bool {
        self.maybe_delivered || contact.in_doubt
    }

    /// Returns the ids of its rows, in sending order.
    pub fn contact_ids(&self) -> Vec<ContactId> {
        self.contacts.iter().map(|contact| contact.id).collect()
    }

    /// Splits the contacts named in `unsettled` behind the first `first` of them into two smaller
    /// batches (one, if nothing is left for the other), with new ids from `next_id`. The children
    /// know what the parent knew; `maybe_delivered` adds what the parent's answer has shown.
    pub fn split(
        &self,
        unsettled: &[ContactId],
        first: usize,
        maybe_delivered: bool,
        mut next_id: impl FnMut() -> BatchId,
    ) -> Vec<Self> {
        let wanted: HashSet<ContactId> = unsettled.iter().copied().collect();
        let mut first_part: Vec<Contact> = self
            .contacts
            .iter()
            .filter(|c| wanted.contains(&c.id))
            .cloned()
            .collect();
        let second_part = first_part.split_off(first.min(first_part.len()));
        [first_part, second_part]
            .into_iter()
            .filter(|part| !part.is_empty())
            .map(|contacts| Self {
                id: next_id(),
                parent: Some(self.id),
                contacts,
                maybe_delivered: self.maybe_delivered || maybe_delivered,
                taken_since: false,
                lane: self.lane.clone(),
                options: self.options.clone(),
                attempts: self.attempts,
            })
            .collect()
    }
}

/// The contacts that composing took out of the lane for one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Composed {
    /// Equal for all contacts.
    pub options: RequestOptions,
    pub contacts: Vec<Contact>,
}

/// The numbers in the open batches of a lane. The same number, however it is written, waits until
/// they are closed, so that the answer to one send cannot be mistaken for the other's.
#[derive(Debug, Default)]
pub struct NumbersUnderway(HashSet<Phone>);

impl NumbersUnderway {
    /// Adds the numbers of a batch that is now open.
    pub fn insert(&mut self, contacts: &[Contact]) {
        self.0
            .extend(contacts.iter().map(|c| same_for_all(&c.phone)));
    }

    /// Removes the numbers of a batch that is closed.
    pub fn remove(&mut self, contacts: &[Contact]) {
        for contact in contacts {
            self.0.remove(&*canonical(contact.phone.expose()));
        }
    }

    /// Whether the contact's number is under way.
    pub fn contains(&self, contact: &Contact) -> bool {
        self.0.contains(&*canonical(contact.phone.expose()))
    }
}

/// Returns the number in a form that is the same for all of its spellings.
fn same_for_all(phone: &Phone) -> Phone {
    match canonical(phone.expose()) {
        Cow::Borrowed(same) if same.len() == phone.expose().len() => phone.clone(),
        other => Phone::new(&*other),
    }
}

/// Takes the next batch out of `waiting`, which is in lane order, and leaves the others there in
/// their order. `None` when no contact may go now.
///
/// The first contact that may go sets the options. Later ones join if they have the same options,
/// their number is not under way, and nothing about it could be confused with a number already in
/// the batch. A contact that no longer fits ends the batch, so that it comes first in the next.
pub fn compose(
    waiting: &mut VecDeque<Contact>,
    underway: &NumbersUnderway,
    room: Room,
) -> Option<Composed> {
    let size = room.contacts.clamp(1, MAX_BATCH);
    let mut bytes = room.bytes;
    let mut composed: Option<Composed> = None;
    let mut seen = Seen::with_room_for(size);
    let mut left = VecDeque::new();
    while let Some(contact) = waiting.pop_front() {
        let fits = composed
            .as_ref()
            .is_none_or(|c| c.options == contact.options)
            && !underway.contains(&contact);
        if fits && composed.is_some() && contact.bytes > bytes {
            left.push_back(contact);
            break;
        }
        if !fits || !seen.admit(&contact) {
            left.push_back(contact);
            continue;
        }
        let batch = composed.get_or_insert_with(|| {
            bytes = bytes.saturating_sub(contact.options.request_bytes());
            Composed {
                options: contact.options.clone(),
                contacts: Vec::with_capacity(size.min(waiting.len() + 1)),
            }
        });
        bytes = bytes.saturating_sub(contact.bytes);
        batch.contacts.push(contact);
        if batch.contacts.len() == size {
            break;
        }
    }
    // The contacts that were skipped go back in front.
    while let Some(contact) = left.pop_back() {
        waiting.push_front(contact);
    }
    composed
}

/// The visible ends in a batch that is being composed. Equal numbers have equal ends.
struct Seen {
    ends: HashSet<VisibleEnds>,
    /// The ends of the contact that is being looked at.
    of_one: Vec<VisibleEnds>,
}

impl Seen {
    /// Returns an empty set with room for a batch without growing.
    fn with_room_for(contacts: usize) -> Self {
        Self {
            ends: HashSet::with_capacity(contacts),
            of_one: Vec::with_capacity(4),
        }
    }

    /// Takes the contact in, unless an answer could mean either it or another one.
    fn admit(&mut self, contact: &Contact) -> bool {
        let Self { ends, of_one } = self;
        of_one.clear();
        // The mask that an app expects counts only for an encrypted number.
        let foretold = contact.phone_mask.as_deref();
        let foretold = foretold.filter(|_| contact.options.encryption);
        for known in [Some(contact.phone.expose()), foretold] {
            let Some(known) = known else { continue };
            each_spelling(known, |spelling| of_one.push(VisibleEnds::of(spelling)));
        }
        if let [only] = of_one.as_slice() {
            return ends.insert(*only);
        }
        if of_one.iter().any(|end| ends.contains(end)) {
            return false;
        }
        ends.extend(of_one.iter());
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contact::{OutboxRow, RequestDefaults};
    use proptest::prelude::*;

    const HUNDRED: Room = Room {
        contacts: 100,
        bytes: usize::MAX,
    };

    fn contact(id: i64, phone: &str, ignore_crm: bool) -> Contact {
        let row = OutboxRow {
            id,
            phone: phone.into(),
            ignore_crm: Some(ignore_crm),
            ..OutboxRow::default()
        };
        Contact::check(row, &RequestDefaults::default()).unwrap()
    }

    fn ids(contacts: &[Contact]) -> Vec<i64> {
        contacts.iter().map(|c| c.id.0).collect()
    }

    fn compose_all(contacts: Vec<Contact>, size: usize) -> Vec<Composed> {
        let mut waiting = VecDeque::from(contacts);
        let underway = NumbersUnderway::default();
        std::iter::from_fn(|| compose(&mut waiting, &underway, Room::for_contacts(size))).collect()
    }

    #[test]
    fn a_number_that_is_twice_in_the_lane_goes_into_the_next_batch() {
        let lane = vec![
            contact(1, "13000001111", false),
            contact(2, "13000001111", false),
            contact(3, "13000002222", false),
        ];
        let batches = compose_all(lane, 100);
        assert_eq!(ids(&batches[0].contacts), [1, 3]);
        assert_eq!(ids(&batches[1].contacts), [2]);
    }

    #[test]
    fn numbers_that_would_have_the_same_mask_never_share_a_batch() {
        let lane = vec![
            contact(1, "13000001111", false),
            contact(2, "13099991111", false),
        ];
        assert_eq!(compose_all(lane, 100).len(), 2);
    }

    #[test]
    fn a_mask_that_an_app_expects_for_a_number_that_is_not_encrypted_splits_no_batch() {
        let lane = |encryption| {
            let masked = |id, phone| {
                let mut contact = contact(id, phone, false);
                contact.phone_mask = Some("130***".into());
                contact.options.encryption = encryption;
                contact
            };
            vec![masked(1, "13000001111"), masked(2, "13000002222")]
        };
        assert_eq!(compose_all(lane(false), 100).len(), 1);
        assert_eq!(compose_all(lane(true), 100).len(), 2);
    }

    #[test]
    fn a_suffix_does_not_hide_that_two_numbers_look_alike() {
        let lane = vec![
            contact(1, "13000001111_a", false),
            contact(2, "13099991111_b", false),
        ];
        assert_eq!(compose_all(lane, 100).len(), 2);
    }

    #[test]
    fn numbers_that_differ_in_how_they_are_written_never_share_a_batch() {
        for (one, other) in [
            ("13012121211 ", "13099990211"),
            ("13012121211", " 13099991211"),
            ("+8613012121211", "13099991211"),
            ("8613012121211", "13012121211"),
            ("130 1212 1211", "13012121211"),
            ("１３０１２１２１２１１", "13012121211"),
            ("13012121211.0", "13055551211"),
            ("1.3012121211E10", "13055551211"),
            ("+8613012121211.0", "13055551211"),
            ("13,012,121,211", "13055551211"),
            ("'13012121211", "13055551211"),
        ] {
            let lane = || vec![contact(1, one, false), contact(2, other, false)];
            let own_end = one.ends_with(' ');
            assert_eq!(
                compose_all(lane(), 100).len(),
                if own_end { 1 } else { 2 },
                "{one}"
            );
            let mut underway = NumbersUnderway::default();
            underway.insert(&lane()[..1]);
            let mut waiting = VecDeque::from([contact(3, "13012121211", false)]);
            assert_eq!(compose(&mut waiting, &underway, HUNDRED), None, "{one}");
            underway.remove(&lane()[..1]);
            assert!(compose(&mut waiting, &underway, HUNDRED).is_some(), "{one}");
        }
    }

    #[test]
    fn contacts_with_other_options_wait_for_their_own_batch_in_order() {
        let lane = (0..6).map(|n| contact(n, &format!("130{n}000{n}{n}{n}{n}"), n % 2 == 0));
        let batches = compose_all(lane.collect(), 100);
        assert_eq!(ids(&batches[0].contacts), [0, 2, 4]);
        assert_eq!(ids(&batches[1].contacts), [1, 3, 5]);
    }

    #[test]
    fn a_number_under_way_waits_until_its_batch_is_closed() {
        let open = [contact(1, "13000001111", false)];
        let mut underway = NumbersUnderway::default();
        underway.insert(&open);
        let mut waiting = VecDeque::from([contact(2, "13000001111", false)]);
        assert_eq!(compose(&mut waiting, &underway, HUNDRED), None);
        assert_eq!(waiting.len(), 1);
        underway.remove(&open);
        assert_eq!(
            ids(&compose(&mut waiting, &underway, HUNDRED).unwrap().contacts),
            [2]
        );
    }

    #[test]
    fn a_split_parts_what_is_unsettled_and_remembers_where_it_came_from() {
        let contacts: Vec<Contact> = (0..5)
            .map(|n| contact(n, &format!("130{n}000{n}{n}{n}{n}"), false))
            .collect();
        let lane = Lane::new("u", "t").unwrap();
        let composed = Composed {
            options: RequestOptions::default(),
            contacts,
        };
        let batch = Batch {
            attempts: 3,
            ..Batch::new(BatchId::generate(), lane, composed)
        };
        let unsettled = [ContactId(0), ContactId(2), ContactId(4)];
        let children = batch.split(&unsettled, 2, true, BatchId::generate);
        assert_eq!(ids(&children[0].contacts), [0, 2]);
        assert_eq!(ids(&children[1].contacts), [4]);
        assert!(
            children
                .iter()
                .all(|c| c.parent == Some(batch.id) && c.maybe_delivered)
        );
        assert!(children.iter().all(|c| c.attempts == 3 && c.id != batch.id));
    }

    #[test]
    fn a_batch_ends_where_the_next_contact_would_make_the_request_too_long() {
        let long = |id: i64, phone: &str, letters: usize| {
            let row = OutboxRow {
                id,
                phone: phone.into(),
                extra: Some("x".repeat(letters)),
                ..OutboxRow::default()
            };
            Contact::check(row, &RequestDefaults::default()).unwrap()
        };
        let mut waiting = VecDeque::from([
            long(1, "13000001111", 100),
            long(2, "13000002222", 60_000),
            long(3, "13000003333", 100),
            long(4, "13000004444", 100),
        ]);
        let room = Room {
            contacts: 100,
            bytes: 1_000,
        };
        let underway = NumbersUnderway::default();
        let batches = std::iter::from_fn(|| compose(&mut waiting, &underway, room));
        let batches: Vec<Vec<i64>> = batches.map(|batch| ids(&batch.contacts)).collect();
        assert_eq!(batches, [vec![1], vec![2], vec![3, 4]]);
    }

    proptest! {
        #[test]
        fn every_contact_goes_once_and_every_batch_keeps_the_promises(
            numbers in prop::collection::vec(("1[0-9]{1,2}[0-9]{0,2}[0-9]{4}(_[a-z0-9]{1,3})?", any::<bool>()), 0..250),
            size in 1usize..=120,
        ) {
            let contacts: Vec<Contact> = numbers
                .iter()
                .zip(0i64..)
                .map(|((number, crm), id)| contact(id, number, *crm))
                .collect();
            let batches = compose_all(contacts.clone(), size);
            let mut all: Vec<i64> = batches.iter().flat_map(|b| ids(&b.contacts)).collect();
            all.sort_unstable();
            prop_assert_eq!(all, ids(&contacts));
            for batch in &batches {
                prop_assert!(batch.contacts.len() <= size.min(MAX_BATCH));
                prop_assert!(batch.contacts.is_sorted_by_key(|c| c.id));
                prop_assert!(batch.contacts.iter().all(|c| c.options == batch.options));
                let ends: HashSet<VisibleEnds> = batch.contacts.iter()
                    .map(|c| VisibleEnds::of(crate::mask::without_suffix(c.phone.expose()))).collect();
                prop_assert_eq!(ends.len(), batch.contacts.len());
            }
        }

        #[test]
        fn the_oldest_contact_that_may_go_is_always_in_the_next_batch(
            numbers in prop::collection::vec("1[0-9]{9}", 1..50),
        ) {
            let contacts: Vec<Contact> =
                numbers.iter().zip(0i64..).map(|(n, id)| contact(id, n, false)).collect();
            for pair in compose_all(contacts, 7).windows(2) {
                prop_assert!(pair[0].contacts[0].id < pair[1].contacts[0].id);
            }
        }
    }
}
