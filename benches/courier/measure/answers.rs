//! The CPU time that the costliest answers take: the platform, or something in between, may answer with
//! up to 1 MiB of anything.

use std::collections::VecDeque;
use std::hint::black_box;

use anyhow::{Context, Result};
use contact_courier::batch::{Batch, BatchId, MAX_BATCH, NumbersUnderway, Room, compose};
use contact_courier::contact::{Contact, Lane, OutboxRow, RequestDefaults};
use contact_courier::platform::verdict::{self, Answer, Reply, Rules};
use serde_json::{Value, json};

use crate::table::{Line, Table, Unit};
use crate::usage;

/// The most that is read of an answer.
const LARGEST: usize = 1024 * 1024;

/// The most entries of a list that are read, and the longest name in bytes.
const ENTRIES: usize = 2 * MAX_BATCH;
const LONGEST: usize = 1024;

/// So many seconds of CPU are measured for each answer: the clock goes in hundredths.
const ENOUGH: f64 = 0.5;

/// Reads each of the answers against a full batch. The slowest counts.
pub(crate) fn run(table: &mut Table) -> Result<()> {
    let batches = [batch(false)?, batch(true)?];
    let mut slowest: (f64, &str) = (0.0, "none");
    for (what, body) in answers() {
        for batch in &batches {
            let millis = cost(batch, &body)? * 1000.0;
            if millis > slowest.0 {
                slowest = (millis, what);
            }
        }
    }
    let what = format!("CPU of the costliest answer ({})", slowest.1);
    table.push(Line::new(what, Unit::Millis, &[slowest.0]).at_most(20.0));
    Ok(())
}

/// CPU seconds that one answer takes, from its bytes to the verdict.
fn cost(batch: &Batch, body: &[u8]) -> Result<f64> {
    let own = || usage::cpu(std::process::id());
    let (began, mut times) = (own()?, 0.0);
    loop {
        for _ in 0..10 {
            let reply = Reply::Answer(Answer::new(200, None, black_box(body)));
            black_box(verdict::read(batch, &reply, &Rules::default()));
        }
        times += 10.0;
        let used = own()? - began;
        if used >= ENOUGH {
            return Ok(used / times);
        }
    }
}

/// A full batch; `encrypted`: its rows have masks of their own.
fn batch(encrypted: bool) -> Result<Batch> {
    let row = |nth: usize| OutboxRow {
        id: i64::try_from(nth).unwrap_or(i64::MAX),
        phone: format!("130{nth:02}12{:04}", 9_999 - nth),
        encryption: Some(encrypted),
        phone_mask: encrypted.then(|| format!("130{nth:02}*{:04}", 9_999 - nth)),
        ..OutboxRow::default()
    };
    let check = |row| Contact::check(row, &RequestDefaults::default());
    let contacts: Result<VecDeque<Contact>, _> = (0..MAX_BATCH).map(row).map(check).collect();
    let mut contacts = contacts.ok().context("the rows keep to the rules")?;
    let room = Room::for_contacts(MAX_BATCH);
    let composed = compose(&mut contacts, &NumbersUnderway::default(), room);
    let lane = Lane::new("u", "t").ok().context("a lane")?;
    let composed = composed.context("a batch")?;
    Ok(Batch::new(BatchId::generate(), lane, composed))
}

fn answers() -> Vec<(&'static str, Vec<u8>)> {
    let list = |entries: usize, name: &str, cause: &str| {
        let entry = json!({"fail_data": name, "fail_cause": cause});
        saying("", &vec![entry; entries])
    };
    let repeated = |part: &str, bytes: usize| part.repeat(bytes / part.len());
    // The longest that fits into an answer with as many entries as are read.
    let room = LARGEST / ENTRIES - 64;
    vec![
        (
            "a mask of 1 MiB",
            list(1, &repeated("*1", LARGEST - 200), ""),
        ),
        ("55,000 entries", list(55_000, "", "")),
        (
            "names of many parts",
            list(ENTRIES, &repeated("*1", LONGEST), ""),
        ),
        ("names of few parts", list(ENTRIES, &repeated("*1", 32), "")),
        ("names of stars", list(ENTRIES, &repeated("*", LONGEST), "")),
        ("long names", list(ENTRIES, &repeated("1", LONGEST), "")),
        (
            "causes of digits",
            list(ENTRIES, "130*", &repeated("1", room)),
        ),
        (
            "causes of numbers",
            list(ENTRIES, "130*", &repeated("13012121211 ", room)),
        ),
        (
            "causes of masks",
            list(ENTRIES, "*", &repeated("130***1211,", room)),
        ),
        (
            "a message of numbers",
            saying(&repeated("1301212 ", LARGEST - 200), &[]),
        ),
        ("deep arrays", repeated("[", LARGEST).into_bytes()),
        ("many fields", fields(LARGEST / 16)),
    ]
}

fn saying(message: &str, failures: &[Value]) -> Vec<u8> {
    let data = json!({"fail_datas": failures});
    let body = json!({"code": 200, "status": "success", "message": message, "data": data});
    let mut body = body.to_string().into_bytes();
    body.truncate(LARGEST);
    body
}

/// An object with so many fields that nobody knows.
fn fields(n: usize) -> Vec<u8> {
    let fields: Vec<String> = (0..n).map(|nth| format!("\"{nth:08}\":0")).collect();
    format!("{{{}}}", fields.join(",")).into_bytes()
}
