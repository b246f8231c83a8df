//! The platform: the numbers that its task holds, and its answers.

use contact_courier::contact::Suffix;
use contact_courier::platform::verdict::{Answer, Reply};
use serde_json::json;

use super::case::{Case, Truth};
use super::rows::Rows;

/// How many times each row's own request has put its number into the task.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Platform(Vec<u8>);

const BAD: &str = "格式不正确。";
const DUPLICATE: &str = "号码重复";

impl Platform {
    pub(crate) fn new(case: &Case) -> Self {
        Self(vec![0; case.numbers.len()])
    }

    /// Returns how many times this row has put its number into the task.
    pub(crate) fn put_in(&self, row: usize) -> u8 {
        self.0[row]
    }

    /// Returns how many times the task holds the number of a row, whichever row put it there.
    pub(crate) fn held(&self, case: &Case, row: usize) -> u8 {
        let (number, truth) = case.numbers[row];
        let twins = (0..self.0.len()).filter(|&other| case.numbers[other].0 == number);
        u8::from(truth == Truth::There) + twins.map(|row| self.0[row]).sum::<u8>()
    }

    /// Carries a request out and answers it as the platform's page says.
    pub(crate) fn import(&mut self, case: &Case, rows: Rows) -> Reply {
        let trouble: Vec<(usize, &str)> = rows
            .iter()
            .filter_map(|row| Some((row, self.objects_to(case, row)?)))
            .collect();
        if let (false, Some((_, cause))) = (case.skip_error, trouble.first()) {
            return error(422, cause);
        }
        let mut count = 0;
        for row in rows.iter() {
            let objected = trouble.iter().any(|(other, _)| *other == row);
            if !objected && case.numbers[row].1 != Truth::Ignored {
                self.0[row] += 1;
                count += 1;
            }
        }
        let list: Vec<_> = trouble
            .iter()
            .map(|&(row, cause)| {
                let masked = case.contact(row).phone.to_string();
                json!({"fail_data": masked, "fail_cause": cause})
            })
            .collect();
        answer(&json!({
            "code": 200, "status": "success", "message": "号码导入任务成功",
            "data": {"taskNumberCount": count, "fail_datas": list},
        }))
    }

    fn objects_to(&self, case: &Case, row: usize) -> Option<&'static str> {
        match case.numbers[row].1 {
            Truth::Bad => Some(BAD),
            _ if case.suffix != Suffix::Platform && self.held(case, row) > 0 => Some(DUPLICATE),
            _ => None,
        }
    }
}

/// Returns an answer of the platform under HTTP 200.
pub(crate) fn error(code: i64, message: &str) -> Reply {
    answer(&json!({"code": code, "status": "error", "message": message, "data": []}))
}

fn answer(body: &serde_json::Value) -> Reply {
    http(200, &body.to_string())
}

/// Returns any answer.
pub(crate) fn http(http: u16, body: &str) -> Reply {
    Reply::Answer(Answer::new(http, None, body.as_bytes()))
}
