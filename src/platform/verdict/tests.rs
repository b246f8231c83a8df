//! The verdict, line by line of `docs/answers.md`; the names in brackets are that page's.

mod always;
mod attribution;
mod claims;
mod closing;
mod import;
mod refusal;
mod waiting;
mod words;

use serde_json::json;

use super::*;
use crate::batch::{Batch, BatchId, Composed};
use crate::contact::{Contact, ContactId, Lane, OutboxRow, RequestDefaults, Suffix};
use crate::settlement::Final;

fn batch_of(numbers: &[&str]) -> Batch {
    let contact = |(number, id): (&&str, i64)| {
        let row = OutboxRow {
            id,
            phone: (*number).into(),
            ..OutboxRow::default()
        };
        Contact::check(row, &RequestDefaults::default()).unwrap()
    };
    let contacts: Vec<Contact> = numbers.iter().zip(1..).map(contact).collect();
    let composed = Composed {
        options: contacts[0].options.clone(),
        contacts,
    };
    Batch::new(BatchId::generate(), Lane::new("u", "t").unwrap(), composed)
}

fn three() -> Batch {
    batch_of(&["13000001111", "13100002222", "13200003333"])
}

fn one() -> Batch {
    batch_of(&["13000001111"])
}

fn sent_before(batch: Batch) -> Batch {
    Batch {
        maybe_delivered: true,
        ..batch
    }
}

fn unsafe_to_resend(mut batch: Batch) -> Batch {
    batch.options.suffix = Suffix::Platform;
    batch
}

fn answer(http: u16, body: &str) -> Reply {
    Reply::Answer(Answer::new(http, None, body.as_bytes()))
}

fn error(code: i64, message: &str) -> Reply {
    answer(
        200,
        &json!({"code": code, "status": "error", "message": message, "data": []}).to_string(),
    )
}

fn imported(count: Option<u64>, failures: &[(&str, &str)]) -> Reply {
    let list: Vec<_> = failures
        .iter()
        .map(|(n, c)| json!({"fail_data": n, "fail_cause": c}))
        .collect();
    let body = json!({
        "code": 200, "status": "success", "message": "号码导入任务成功",
        "data": {"taskNumberCount": count, "fail_datas": list},
    });
    answer(200, &body.to_string())
}

fn verdict(batch: &Batch, reply: &Reply) -> Verdict {
    read(batch, reply, &Rules::default())
}

fn closed(batch: &Batch, reply: &Reply) -> Closing {
    match verdict(batch, reply) {
        Verdict::Close(closing) => closing,
        Verdict::Wait(wait) => panic!("waits: {wait:?}"),
    }
}

fn waiting(batch: &Batch, reply: &Reply) -> Wait {
    match verdict(batch, reply) {
        Verdict::Wait(wait) => wait,
        Verdict::Close(closing) => panic!("closed: {closing:?}"),
    }
}

/// Returns short words for the ends of the rows, in the order of their ids.
fn ends(closing: &Closing) -> Vec<(i64, &str)> {
    let mut ends: Vec<(i64, &str)> = closing
        .settled
        .iter()
        .map(|row| match &row.end {
            Final::Succeeded => (row.contact.0, "succeeded"),
            Final::Failed { kind, .. } => (row.contact.0, kind.as_str()),
        })
        .collect();
    ends.sort_unstable();
    ends
}

fn cause(closing: &Closing, id: i64) -> &str {
    let row = closing
        .settled
        .iter()
        .find(|row| row.contact.0 == id)
        .unwrap();
    match &row.end {
        Final::Succeeded => panic!("{id} succeeded"),
        Final::Failed { cause, .. } => cause,
    }
}
