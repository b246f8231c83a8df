//! The truth: compares each row of the table with what the platform has.

use std::collections::{BTreeMap, HashMap};

use contact_courier::simulator::{NumberState, RefusalState, State, TaskState};

use super::contacts::{Class, Contact, Kind};
use super::seed::say;
use crate::world::{Lane, World};

/// The end of the platform's words for a number on its blacklist, which quote the number.
const BLACKLISTED: &str = "在黑名单中。";

/// A row at its end.
#[derive(Debug)]
struct Row<'c> {
    id: i64,
    contact: &'c Contact,
    status: String,
    kind: Option<String>,
    cause: Option<String>,
    attempts: i64,
    batch: Option<String>,
    is_finished: bool,
    /// The side that appended the suffix, by the journal.
    suffix: String,
}

/// Panics with all rows that do not tell the truth.
pub(super) async fn holds(world: &World<'_>, contacts: &[Contact], seed: u64) {
    world.has_nothing_open().await;
    let rows = rows(world, contacts).await;
    assert_eq!(rows.len(), contacts.len());
    let state = world.simulator.state();
    let mut lies = Vec::new();
    let mut ends: BTreeMap<&str, usize> = BTreeMap::new();
    let mut by_number: BTreeMap<(&Lane, String), Vec<&Row<'_>>> = BTreeMap::new();
    for row in &rows {
        *ends
            .entry(row.kind.as_deref().unwrap_or(&row.status))
            .or_default() += 1;
        let sent = row.sent_as();
        if let Err(lie) = row.is_true(Platform::of(&state, &row.contact.lane, &sent)) {
            lies.push(format!("{lie}: {row:?}"));
        }
        by_number
            .entry((&row.contact.lane, sent))
            .or_default()
            .push(row);
    }
    for ((lane, number), rows) in &by_number {
        let platform = Platform::of(&state, lane, number);
        if let Err(lie) = number_is_true(rows, platform) {
            lies.push(format!("{lie}: {lane:?} {number} {platform:?} {rows:?}"));
        }
    }
    for task in &state.tasks {
        let lane = Lane(task.user_id.clone(), task.task_id.clone());
        for number in &task.numbers {
            if !by_number.contains_key(&(&lane, number.number.clone())) {
                lies.push(format!("nobody asked for it: {lane:?} {number:?}"));
            }
        }
    }
    say(&format!("{ends:?}"));
    assert!(
        lies.is_empty(),
        "COURIER_TEST_SEED={seed}: {} lies, such as\n{}",
        lies.len(),
        lies[..lies.len().min(10)].join("\n")
    );
}

async fn rows<'c>(world: &World<'_>, contacts: &'c [Contact]) -> Vec<Row<'c>> {
    let by_key: HashMap<&str, &Contact> = contacts.iter().map(|c| (c.key.as_str(), c)).collect();
    let columns = [
        "c.id",
        "c.idempotency_key",
        "c.status",
        "c.fail_kind",
        "c.fail_cause",
        "c.attempts",
        "c.batch_id",
        "c.finished_at",
        "b.options",
    ];
    let rest = "FROM contact_outbox c LEFT JOIN delivery_batch b ON b.id = c.batch_id";
    let table = world.table(&columns, rest).await;
    let row = |columns: Vec<Option<String>>| {
        let [
            id,
            key,
            status,
            kind,
            cause,
            attempts,
            batch,
            finished,
            options,
        ] = <[_; 9]>::try_from(columns).expect("nine columns");
        let options: serde_json::Value =
            serde_json::from_str(options.as_deref().unwrap_or("{}")).unwrap();
        Row {
            id: id.unwrap().parse().unwrap(),
            contact: by_key[key.unwrap().as_str()],
            status: status.unwrap(),
            kind,
            cause,
            attempts: attempts.unwrap().parse().unwrap(),
            batch,
            is_finished: finished.is_some(),
            suffix: options["suffix"].as_str().unwrap_or("none").to_owned(),
        }
    };
    table.into_iter().map(row).collect()
}

/// The platform's knowledge of a number.
#[derive(Clone, Copy, Debug)]
struct Platform<'s> {
    number: Option<&'s NumberState>,
    refusal: Option<&'s RefusalState>,
}

impl<'s> Platform<'s> {
    fn of(state: &'s State, lane: &Lane, number: &str) -> Self {
        let task: Option<&TaskState> = state.task(&lane.0, &lane.1);
        Self {
            number: task.and_then(|task| task.number(number)),
            refusal: task.and_then(|task| task.refusal(number)),
        }
    }

    fn held(self) -> u32 {
        self.number.map_or(0, |number| number.times_held)
    }

    /// Returns its words for the number, except those for a duplicate.
    fn words(self) -> Option<&'s str> {
        self.refusal?.cause.as_deref()
    }

    /// Whether the number was ever dropped, or held uncounted, without a word.
    fn kept_quiet(self) -> bool {
        self.number
            .is_some_and(|number| number.times_dropped + number.times_uncounted > 0)
    }
}

impl Row<'_> {
    /// The number as it went out.
    fn sent_as(&self) -> String {
        let phone = &self.contact.phone;
        if self.suffix == "courier" {
            format!("{phone}_{}", base36(self.id))
        } else {
            phone.clone()
        }
    }

    /// Whether the row tells the truth, as far as one row can.
    fn is_true(&self, platform: Platform<'_>) -> Result<(), &'static str> {
        check(self.is_finished, "not final")?;
        let wants_suffix = self.contact.kind == Kind::WithSuffix;
        check(
            wants_suffix == (self.suffix != "none") || self.batch.is_none(),
            "sent with another suffix than it asked for",
        )?;
        let end = (self.status.as_str(), self.kind.as_deref());
        if self.contact.class == Class::Invalid {
            check(end == ("failed", Some("invalid")), "it breaks a rule")?;
            check(platform.number.is_none(), "invalid, but it was sent")?;
            check(self.attempts == 0, "invalid, but there was an attempt")?;
            return check(
                self.says("extra needs ignore_crm=false"),
                "no rule is named",
            );
        }
        check(self.attempts > 0 && self.batch.is_some(), "never sent")?;
        match end {
            ("succeeded", None) => {
                check(self.cause.is_none(), "succeeded for a cause")?;
                check(platform.held() > 0, "succeeded, but not held")
            }
            ("failed", Some("rejected")) => self.is_rejected_rightly(platform),
            ("failed", Some("duplicate")) => {
                check(self.contact.class == Class::Twice, "it is there only once")?;
                let said = platform.refusal.and_then(|said| said.duplicate.as_deref());
                check(self.quotes(said), "not the platform's words")
            }
            ("failed", Some("unconfirmed")) => check(
                self.suffix == "platform"
                    || platform.kept_quiet()
                    || self.was_refused_wordless()
                    || self.was_refused_in_doubt(),
                "unconfirmed, though the platform told",
            ),
            _ => Err("no such end"),
        }
    }

    fn is_rejected_rightly(&self, platform: Platform<'_>) -> Result<(), &'static str> {
        let is_bad = self.contact.class == Class::Malformed;
        let Some(words) = platform.words() else {
            // If the platform does not say what its refusal is about, only this can be known.
            let twice = self.contact.class == Class::Twice;
            return check(twice && self.was_refused_wordless(), "never refused");
        };
        check(
            is_bad != words.ends_with(BLACKLISTED),
            "another row's words",
        )?;
        check(
            self.quotes(Some(words)) || self.was_refused_wordless(),
            "not the platform's words for it",
        )
    }

    /// Whether the cause is what the platform said, in a list or about the row alone.
    fn quotes(&self, said: Option<&str>) -> bool {
        let cause = self.cause.as_deref();
        let alone = cause.and_then(|cause| cause.strip_prefix("422 "));
        // A refusal of the whole request does not quote the number.
        let unquoted = said.is_some_and(|said| said.ends_with(BLACKLISTED))
            && alone.is_some_and(|cause| cause.ends_with(BLACKLISTED));
        said.is_some() && (cause == said || alone == said || unquoted)
    }

    fn says(&self, words: &str) -> bool {
        self.cause
            .as_deref()
            .is_some_and(|cause| cause.contains(words))
    }

    /// Whether the row was refused alone and without a list, when an earlier send may have arrived
    /// and nothing shows that the words are about the row.
    fn was_refused_in_doubt(&self) -> bool {
        self.says(
            "an earlier request may have put it there, and the last answer does not tell: 422 ",
        )
    }

    /// Whether the row was refused alone, by an answer that is not the documented JSON.
    fn was_refused_wordless(&self) -> bool {
        self.says("HTTP 400 without the documented JSON")
            || self.says("HTTP 422 without the documented JSON")
    }
}

/// Whether the rows of one number together tell the truth.
fn number_is_true(rows: &[&Row<'_>], platform: Platform<'_>) -> Result<(), &'static str> {
    let ending = |end: &str| {
        let ends = rows.iter().filter(|row| {
            row.kind.as_deref() == Some(end) || row.kind.is_none() && row.status == end
        });
        u32::try_from(ends.count()).unwrap()
    };
    let (sure, unsure) = (ending("succeeded"), ending("unconfirmed"));
    let held = platform.held();
    if rows.iter().any(|row| row.suffix == "platform") {
        check(held >= sure, "succeeded more often than it is held")?;
        return check(held <= sure + unsure, "held more often than anybody knows");
    }
    check(held <= 1, "held twice")?;
    check(held == 0 || sure + unsure > 0, "held, and nobody knows")?;
    let known = sure + unsure > 0;
    check(ending("duplicate") == 0 || known, "a duplicate of nothing")
}

fn check(holds: bool, lie: &'static str) -> Result<(), &'static str> {
    if holds { Ok(()) } else { Err(lie) }
}

fn base36(mut id: i64) -> String {
    let mut digits = String::new();
    while id > 0 {
        let digit = u32::try_from(id % 36).unwrap();
        digits.insert(0, char::from_digit(digit, 36).unwrap());
        id /= 36;
    }
    digits
}
