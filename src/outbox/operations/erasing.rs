//! Taking personal data out of final contacts.
//!
//! The rest tells how the contact ended, and nothing of the person but the masked number. The app's
//! key stays, because the app finds its contact by it, and it forbids a second INSERT. Only a key
//! that holds the number is changed.

use std::collections::{HashMap, HashSet};
use std::mem;

use serde::Serialize;
use uuid::Uuid;

use super::finding::PhoneStep;
use crate::contact::ContactId;
use crate::mask::{is_same_number, mask, mask_number, mask_within};
use crate::outbox::rows::Columns;

/// Whether a contact can be erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Erasable {
    Yes,
    Pending,
    /// It is final, and an open batch of the journal holds it.
    InOpenBatch,
    /// Nothing personal is left in it.
    Already,
}

/// The fate of contacts that were to be erased.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Erased {
    pub erased: u64,
    /// How many of them had a key that held the number and was changed.
    pub keys: u64,
    /// Left as they are, because they are pending.
    pub pending: u64,
    /// Left as they are, because an open batch holds them.
    pub in_open_batch: u64,
    /// Left as they are, because another session keeps their rows locked.
    pub locked: u64,
}

impl std::ops::AddAssign for Erased {
    fn add_assign(&mut self, other: Self) {
        self.erased += other.erased;
        self.keys += other.keys;
        self.pending += other.pending;
        self.in_open_batch += other.in_open_batch;
        self.locked += other.locked;
    }
}

/// One step of the walk that redacts contacts which ended long ago.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RedactStep {
    pub redacted: u64,
    /// The contact behind which the next step begins; `None`: the walk is over.
    pub next: Option<ContactId>,
}

/// A page of the walk.
pub(in crate::outbox) struct RedactPage {
    /// The contacts that ended long enough ago.
    pub(in crate::outbox) old: Vec<i64>,
    /// The contact behind which the walk goes on.
    pub(in crate::outbox) next: Option<ContactId>,
}

/// How many contacts a step of the walk looks at.
pub(in crate::outbox) const LOOKED_AT: usize = 5_000;

/// A page out of at most `limit` rows.
pub(in crate::outbox) fn redact_page<C: Columns>(rows: &[C], limit: usize) -> RedactPage {
    let is = |row: &C, what: &str| row.flag(what).unwrap_or_default();
    let goes_on = rows.len() >= limit && rows.iter().any(|row| is(row, "made_before"));
    let last = rows.last().filter(|_| goes_on);
    let old = rows
        .iter()
        .filter(|row| is(row, "old") && !is(row, "redacted"));
    RedactPage {
        old: old.filter_map(|row| row.integer("id")).collect(),
        next: last.and_then(|row| row.integer("id")).map(ContactId),
    }
}

/// Returns the contacts of a part of the table that have a number, in any way of writing it.
pub(in crate::outbox) fn numbers_step(rows: &[impl Columns], number: &str) -> PhoneStep {
    let mut step = PhoneStep::default();
    for row in rows {
        let Some(id) = row.integer("id").map(ContactId) else {
            continue;
        };
        step.next = Some(id);
        // The expected mask of an encrypted number may be the whole number.
        let whole = row.text("phone_mask").filter(|mask| !mask.contains('*'));
        let mut written = row.text("phone").into_iter().chain(whole);
        if written.any(|phone| is_same_number(&phone, number)) {
            step.found.push(id);
        }
    }
    step
}

pub(in crate::outbox) fn erasable(row: &impl Columns) -> Option<(ContactId, Erasable)> {
    let state = match row.text("state")?.as_str() {
        "free" => Erasable::Yes,
        "pending" => Erasable::Pending,
        "open" => Erasable::InOpenBatch,
        _ => Erasable::Already,
    };
    Some((ContactId(row.integer("id")?), state))
}

/// The personal data of a row that is needed to mask it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::outbox) struct Personal {
    id: i64,
    phone: String,
    /// Set for a number that is encrypted, or may be.
    phone_mask: Option<String>,
    /// Texts of the person that somebody may have quoted.
    quotable: Vec<String>,
    sub_user_id: Option<String>,
    fail_cause: Option<String>,
    idempotency_key: Option<String>,
    /// The last batch that held the row.
    batch: Option<String>,
    /// The batches that held it before it was requeued.
    earlier: Vec<String>,
}

/// A row without personal data: the texts that stay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(in crate::outbox) struct Redacted {
    pub(in crate::outbox) id: i64,
    pub(in crate::outbox) phone: String,
    pub(in crate::outbox) sub_user_id: Option<String>,
    pub(in crate::outbox) fail_cause: Option<String>,
    /// `None`: the key stays.
    pub(in crate::outbox) idempotency_key: Option<String>,
}

/// A shorter text is not masked: it stands in too many words.
const QUOTABLE: usize = 2;

/// A shorter text is masked only as a whole word, if it is written in letters that make words.
const PART_OF_WORDS: usize = 5;

/// The most characters of masked words, unless they were longer before.
const WORDS: usize = 2_000;

/// The longest part of a key that stays: the whole key fits into the narrowest column.
const KEY: usize = 200;

pub(in crate::outbox) fn personal(row: &impl Columns) -> Personal {
    let quotable = ["name", "email", "company", "extra"];
    let quotable = quotable.into_iter().filter_map(|column| row.text(column));
    Personal {
        id: row.integer("id").unwrap_or_default(),
        phone: row.text("phone").unwrap_or_default(),
        phone_mask: row
            .text("phone_mask")
            .filter(|mask| !mask.trim().is_empty()),
        quotable: quotable
            .map(|text| text.trim().to_owned())
            .filter(|text| is_quotable(text))
            .collect(),
        sub_user_id: row.text("sub_user_id"),
        fail_cause: row.text("fail_cause"),
        idempotency_key: row.text("idempotency_key"),
        batch: row.text("batch_id"),
        earlier: Vec::new(),
    }
}

/// Tells each person the batches that held it before it was requeued.
pub(in crate::outbox) fn earlier_batches(rows: &[impl Columns], personal: &mut [Personal]) {
    let mut earlier: HashMap<i64, Vec<String>> = HashMap::new();
    for row in rows {
        if let (Some(id), Some(batch)) = (row.integer("contact_id"), row.text("batch_id")) {
            earlier.entry(id).or_default().push(batch);
        }
    }
    for person in personal {
        person.earlier = earlier.remove(&person.id).unwrap_or_default();
    }
}

/// Whether a text tells anything about a person. A text of stars is a mask itself, and masking it
/// would only make it longer.
fn is_quotable(text: &str) -> bool {
    text.chars().count() >= QUOTABLE && text.chars().any(|c| c != '*')
}

/// Words with a text of the person masked.
fn without_quoted(words: &str, quoted: &str) -> String {
    if quoted.chars().count() >= PART_OF_WORDS {
        return words.replace(quoted, "***");
    }
    let in_a_word = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let (mut masked, mut copied) = (String::with_capacity(words.len()), 0);
    for (at, _) in words.match_indices(quoted) {
        let end = at + quoted.len();
        let goes_on_before = in_a_word(words[..at].chars().next_back());
        let goes_on_behind = in_a_word(words[end..].chars().next());
        let cuts = goes_on_before && in_a_word(quoted.chars().next())
            || goes_on_behind && in_a_word(quoted.chars().next_back());
        if !cuts {
            masked.push_str(&words[copied..at]);
            masked.push_str("***");
            copied = end;
        }
    }
    masked.push_str(&words[copied..]);
    masked
}

impl Personal {
    /// Returns the row without personal data.
    pub(in crate::outbox) fn redacted(&self) -> Redacted {
        let key = self.idempotency_key.as_deref();
        Redacted {
            id: self.id,
            phone: mask(self.phone_mask.as_ref().unwrap_or(&self.phone).trim()),
            sub_user_id: self.sub_user_id.as_deref().map(|id| self.without(id)),
            fail_cause: self.fail_cause.as_deref().map(|cause| self.words(cause)),
            idempotency_key: key.and_then(|key| self.key(key)),
        }
    }

    /// Masks the person in words that may quote it.
    pub(in crate::outbox) fn words(&self, said: &str) -> String {
        let mut words = mask_within(&self.without(said));
        for quoted in &self.quotable {
            words = without_quoted(&words, quoted);
        }
        let longest = WORDS.max(said.chars().count());
        match words.char_indices().nth(longest) {
            Some((end, _)) => words[..end].to_owned(),
            None => words,
        }
    }

    /// The batches that are known to have held the contact; their ancestors did, too.
    pub(in crate::outbox) fn batches(&self) -> impl Iterator<Item = &String> {
        self.earlier.iter().chain(&self.batch)
    }

    /// Returns a text without the number.
    fn without(&self, text: &str) -> String {
        mask_number(text, &self.phone).unwrap_or_else(|| text.to_owned())
    }

    /// Returns the new key for one that holds the number. It stays unique.
    fn key(&self, key: &str) -> Option<String> {
        let masked: String = mask_number(key, &self.phone)?.chars().take(KEY).collect();
        Some(format!("{masked}#{}", Uuid::now_v7()))
    }
}

/// The reason that a lane waits for, and the text that replaces it.
pub(in crate::outbox) struct HoldMessage {
    pub(in crate::outbox) user_id: String,
    pub(in crate::outbox) task_id: String,
    pub(in crate::outbox) said: String,
    pub(in crate::outbox) instead: String,
}

/// Returns the holds of lanes that quote one of the persons in the lane.
pub(in crate::outbox) fn holds(rows: &[impl Columns], personal: &[Personal]) -> Vec<HoldMessage> {
    let persons: HashMap<i64, &Personal> = personal.iter().map(|one| (one.id, one)).collect();
    let mut holds: HashMap<(String, String), HoldMessage> = HashMap::new();
    for row in rows {
        let person = row.integer("id").and_then(|id| persons.get(&id));
        let (Some(person), Some(user_id), Some(task_id), Some(said)) = (
            person,
            row.text("user_id"),
            row.text("task_id"),
            row.text("hold_message"),
        ) else {
            continue;
        };
        let lane = (user_id.clone(), task_id.clone());
        let hold = holds.entry(lane).or_insert_with(|| HoldMessage {
            instead: said.clone(),
            user_id,
            task_id,
            said,
        });
        hold.instead = person.words(&hold.instead);
    }
    let mut holds: Vec<HoldMessage> = holds.into_values().collect();
    holds.retain(|hold| hold.instead != hold.said);
    // Lanes are locked in their order.
    holds.sort_by(|a, b| (&a.user_id, &a.task_id).cmp(&(&b.user_id, &b.task_id)));
    holds
}

/// The journal's words about batches, read from the contacts' batches up to their first ancestors.
#[derive(Debug, Default)]
pub(in crate::outbox) struct Answers {
    seen: HashSet<String>,
    wanted: Vec<String>,
    /// The batches that were read: the parent of each, and its answer.
    batches: HashMap<String, (Option<String>, Option<String>)>,
}

impl Answers {
    pub(in crate::outbox) fn of(batches: impl Iterator<Item = String>) -> Self {
        Self {
            wanted: batches.collect(),
            ..Self::default()
        }
    }

    /// The batches to read next; none: all were read.
    pub(in crate::outbox) fn wanted(&mut self) -> Vec<String> {
        let mut wanted = mem::take(&mut self.wanted);
        wanted.retain(|id| self.seen.insert(id.clone()));
        wanted
    }

    /// Takes in a batch.
    pub(in crate::outbox) fn read(&mut self, row: &impl Columns) {
        let parent = row.text("parent_id");
        self.wanted.extend(parent.clone());
        if let Some(id) = row.text("id") {
            self.batches.insert(id, (parent, row.text("answer")));
        }
    }

    /// Returns the batches to reword, each with its new text. Only the persons who were in a batch
    /// are looked for in it: a text of anybody else stands there by chance.
    pub(in crate::outbox) fn reworded(mut self, personal: &[Personal]) -> Vec<(String, String)> {
        let mut reworded = HashMap::new();
        for person in personal {
            let mut next: Vec<String> = person.batches().cloned().collect();
            let mut walked = HashSet::new();
            while let Some(id) = next.pop() {
                if !walked.insert(id.clone()) {
                    continue;
                }
                let Some((parent, answer)) = self.batches.get_mut(&id) else {
                    continue;
                };
                next.extend(parent.clone());
                let Some(answer) = answer else { continue };
                let words = person.words(answer);
                if words != *answer {
                    answer.clone_from(&words);
                    reworded.insert(id, words);
                }
            }
        }
        reworded.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn person(phone: &str) -> Personal {
        Personal {
            id: 7,
            phone: phone.into(),
            ..Personal::default()
        }
    }

    #[test]
    fn a_key_stays_unless_it_holds_the_number() {
        let person = person("+86 130-1212-1211");
        assert_eq!(person.key("order-20260101130"), None);
        let changed = person.key("shop:13012121211:5").unwrap();
        assert!(changed.starts_with("shop:130***1211:5#"), "{changed}");
        assert_ne!(person.key("shop:13012121211:5").unwrap(), changed);
        let long = format!("{}13012121211", "k".repeat(240));
        assert!(person.key(&long).unwrap().len() < 255);
    }

    #[test]
    fn words_quote_neither_the_number_nor_the_person() {
        let mut person = person("13012121211");
        person.quotable = vec!["张三".into(), "a@b.example".into()];
        let words =
            person.words("号码 １３０ 1212 1211（张三, a@b.example）在黑名单; 13112341234 too");
        assert_eq!(words, "号码 130***1211（***, ***）在黑名单; 131***1234 too");
    }

    #[test]
    fn stars_are_nothing_to_mask_and_no_words_grow_without_end() {
        assert!(!is_quotable("**") && !is_quotable("x") && is_quotable("李四"));
        let mut person = person("13012121211");
        person.quotable = vec!["ab".into(); 3];
        let words = person.words(&"ab ".repeat(3_000));
        assert_eq!(words.chars().count(), 9_000);
    }

    #[test]
    fn a_short_text_is_masked_only_where_it_is_a_word() {
        let mut person = person("13012121211");
        person.quotable = vec!["60".into(), "Li".into(), "张三".into(), "Smith".into()];
        let words = person.words("6007: Li, 60 or List (vip张三A, Smithy)");
        assert_eq!(words, "6007: ***, *** or List (vip***A, ***y)");
    }

    #[test]
    fn of_an_encrypted_number_the_expected_mask_is_left() {
        let mut person = person("c1f3d5e7a9b1c3d5");
        person.phone_mask = Some("13012121211".into());
        assert_eq!(person.redacted().phone, "130***1211");
    }

    /// The shapes in which somebody may write a number.
    fn shapes(number: &str) -> Vec<String> {
        let wide = number.chars().map(|c| {
            let digit = c.to_digit(10).unwrap_or_default();
            char::from_u32(0xff10 + digit).unwrap_or(c)
        });
        let apart = |between: &str| {
            let (head, tail) = number.split_at(3);
            format!("{head}{between}{tail}")
        };
        vec![
            number.to_owned(),
            wide.collect(),
            apart(" "),
            apart("-"),
            apart("."),
            format!("+86{number}"),
            format!("0086 {number}"),
            format!("{number}_k7"),
        ]
    }

    proptest! {
        #[test]
        fn nothing_that_stays_holds_the_number_in_any_shape(
            number in "1[3-9][0-9]{9}",
            (written, quoted) in (0_usize..8, 0_usize..8),
            (before, behind) in ("[a-z:；，# ]{0,5}", "[a-z:；，# ]{0,5}"),
        ) {
            let shapes = shapes(&number);
            let text = format!("{before}{}{behind}", shapes[quoted]);
            let mut person = person(&shapes[written]);
            person.sub_user_id = Some(text.clone());
            person.fail_cause = Some(text.clone());
            person.idempotency_key = Some(text);
            let left = person.redacted();
            let key = left.idempotency_key.unwrap();
            // The part behind `#` keeps the key unique.
            let key = key.rsplit_once('#').unwrap().0.to_owned();
            for stays in [left.phone, left.sub_user_id.unwrap(), left.fail_cause.unwrap(), key] {
                let digits: String = stays
                    .chars()
                    .filter_map(|c| char::from_digit(
                        u32::from(c).checked_sub(0xff10).filter(|d| *d < 10)
                            .or_else(|| c.to_digit(10))?, 10))
                    .collect();
                prop_assert!(!digits.contains(&number), "{stays}");
                prop_assert!(digits.len() <= 12, "{stays}");
            }
        }
    }
}
