//! The grammar of answers: true and false bodies, and what each of them says.

use serde_json::{Map, Value, json};

use super::numbers::{kept, masked, parts};
use super::seed::Dice;

/// The task's treatment of a number of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// The number is in.
    Taken,
    /// The text is not a number.
    Refused,
    /// The number was already there.
    There,
    /// The number was not looked at, because another number stopped the request.
    Stopped,
}

/// A number of a request, and what became of it.
#[derive(Clone, Debug)]
pub(super) struct Handled {
    pub(super) sent: String,
    /// As the task keeps it, without the courier's suffix and with it.
    pub(super) kept: String,
    pub(super) copy: String,
    pub(super) fate: Fate,
}

impl Handled {
    pub(super) fn new(sent: &str, normalises: bool, fate: Fate) -> Self {
        let (number, suffix) = parts(sent);
        let kept = kept(number, normalises);
        Self {
            sent: sent.to_owned(),
            copy: format!("{kept}{suffix}"),
            kept,
            fate,
        }
    }
}

/// An answer with a body.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    pub(super) tells: Tells,
}

/// How much an answer tells of the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tells {
    /// The fate of each number.
    All,
    /// The same, but that a number is there, in words that the program's settings do not name.
    Vaguely,
    Nothing,
}

const REFUSED: [&str; 3] = ["号码格式错误", "invalid number", "不是手机号"];
const THERE: [&str; 3] = ["号码重复。", "手机号已存在", "号码已存在于任务中"];
/// Words for the same that the program's settings do not name.
const PERHAPS_THERE: [&str; 4] = [
    "重复",
    "该号码已在任务中",
    "已添加",
    "number already exists",
];

/// The plainest answer.
pub(super) fn plain(numbers: &[Handled]) -> Answer {
    let failures: Vec<Value> = numbers
        .iter()
        .filter_map(|n| {
            let cause = cause(n.fate, Tells::All, 0)?;
            Some(json!({ "fail_data": masked(&n.sent, 3, 4, "***"), "fail_cause": cause }))
        })
        .collect();
    let taken = numbers.len() - failures.len();
    let body = json!({
        "code": 200, "status": "success", "message": "号码导入任务成功",
        "data": { "taskNumberCount": taken, "fail_datas": failures },
    });
    Answer {
        status: 200,
        body: body.to_string().into_bytes(),
        tells: Tells::All,
    }
}

fn cause(fate: Fate, tells: Tells, nth: usize) -> Option<&'static str> {
    let causes: &[&str] = match fate {
        Fate::Taken | Fate::Stopped => return None,
        Fate::Refused => &REFUSED,
        Fate::There if tells == Tells::Vaguely => &PERHAPS_THERE,
        Fate::There => &THERE,
    };
    Some(causes[nth % causes.len()])
}

/// Returns the truth in any form. `quiet`: failures have no names.
pub(super) fn honest(numbers: &[Handled], quiet: bool, dice: &mut Dice) -> Answer {
    let stopped = numbers.iter().any(|n| n.fate == Fate::Stopped);
    let taken = numbers.iter().filter(|n| n.fate == Fate::Taken).count();
    let is_silent = quiet || (stopped && dice.once_in(3));
    let tells = match dice.below(3) {
        _ if is_silent => Tells::Nothing,
        0 => Tells::Vaguely,
        _ => Tells::All,
    };
    let failures = match tells {
        Tells::Nothing => Vec::new(),
        _ => failures(numbers, tells, dice),
    };
    let mut data = Map::new();
    // A reader without counts and names takes all numbers for in.
    let may_be_uncounted = !is_silent || stopped || taken == numbers.len();
    match dice.below(if may_be_uncounted { 4 } else { 3 }) {
        0 => data.insert("taskNumberCount".into(), json!(taken)),
        1 => data.insert("taskNumberCount".into(), json!(taken.to_string())),
        2 => data.insert("taskNumberCount".into(), Value::from(as_float(taken))),
        _ => None,
    };
    if let Some(failures) = list(failures, dice) {
        data.insert("fail_datas".into(), failures);
    }
    let (status, code) = if stopped {
        (dice.one_of(&[200, 400, 422]), dice.one_of(&[400, 422]))
    } else {
        (dice.one_of(&[200, 200, 201]), 200)
    };
    let mut top = Map::new();
    let as_text = dice.once_in(3);
    let code = if as_text {
        json!(code.to_string())
    } else {
        json!(code)
    };
    top.insert("code".into(), code);
    if !dice.once_in(3) {
        let word = if stopped { "error" } else { "success" };
        top.insert("status".into(), json!(word));
    }
    let message = dice.one_of(&["", "ok", "导入号码有误"]);
    top.insert("message".into(), json!(message));
    top.insert("data".into(), Value::Object(data));
    if dice.once_in(4) {
        top.insert("trace".into(), anything(dice, 2));
    }
    Answer {
        status,
        body: written(&Value::Object(top), dice),
        tells,
    }
}

/// Returns an entry for each number that is not in, in any order, and some twice.
fn failures(numbers: &[Handled], tells: Tells, dice: &mut Dice) -> Vec<Value> {
    let shown = shape_of_mask(dice);
    let mut failures = Vec::new();
    for number in numbers {
        let nth = usize::try_from(dice.below(12)).unwrap();
        let Some(cause) = cause(number.fate, tells, nth) else {
            continue;
        };
        let name = shown(number);
        // The words may quote the number.
        let cause = match dice.below(4) {
            0 => format!("{cause}:{name}"),
            _ => cause.to_owned(),
        };
        let failure = json!({ "fail_data": name, "fail_cause": cause });
        if dice.once_in(10) {
            failures.push(failure.clone());
        }
        failures.push(failure);
    }
    if dice.once_in(3) {
        failures.reverse();
    }
    failures
}

/// Returns a list in one of the ways in which a server may write it.
fn list(entries: Vec<Value>, dice: &mut Dice) -> Option<Value> {
    match (entries.is_empty(), dice.below(3)) {
        (true, 0) => None,
        (true, 1) => Some(Value::Null),
        (false, 0) => {
            let keyed = entries.into_iter().enumerate();
            let keyed = keyed.map(|(nth, entry)| (nth.to_string(), entry));
            Some(Value::Object(keyed.collect()))
        }
        _ => Some(Value::Array(entries)),
    }
}

fn as_float(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap())
}

/// Returns one shape for all names of an answer.
fn shape_of_mask(dice: &mut Dice) -> impl Fn(&Handled) -> String + use<> {
    let shape = dice.below(6);
    let [first, last] = [0; 2].map(|_| usize::try_from(dice.below(6)).unwrap());
    let hidden = dice.one_of(&["***", "****", "*", "xxxx"]);
    let as_kept = dice.once_in(2);
    move |number| {
        let name = if as_kept { &number.copy } else { &number.sent };
        match shape {
            0 => name.clone(),
            1 => masked(name, first, last, hidden),
            2 => "***".into(),
            3 => String::new(),
            _ => masked(name, 3, 4, "***"),
        }
    }
}

/// Returns the JSON in one of the ways in which a server may write it.
fn written(json: &Value, dice: &mut Dice) -> Vec<u8> {
    let text = match dice.below(4) {
        0 => serde_json::to_string_pretty(json).unwrap(),
        1 => format!("\u{feff}{json}"),
        2 => format!("\r\n {json}\n"),
        _ => json.to_string(),
    };
    text.into_bytes()
}

/// Returns an answer of the documented form, true or false.
pub(super) fn lie(numbers: &[Handled], dice: &mut Dice) -> Answer {
    let count = |dice: &mut Dice| dice.below(numbers.len() as u64 + 3);
    let some = numbers.iter().filter_map(|number| {
        let shown = masked(&number.sent, 3, 4, "***");
        let name = match dice.below(6) {
            0 => number.sent.clone(),
            1 => "13999999999".into(),
            2 => "1***".into(),
            3 => String::new(),
            _ => shown,
        };
        let words = dice.one_of(&[REFUSED[0], THERE[0], "", "系统繁忙", "余额不足", "***"]);
        (!dice.once_in(3)).then(|| json!({ "fail_data": name, "fail_cause": words }))
    });
    let failures: Vec<Value> = some.collect();
    let failures = if dice.once_in(2) {
        Vec::new()
    } else {
        failures
    };
    let code = dice.one_of(&[0, 1, 200, 200, 200, 400, 422, 500, 10_021, 99_999, -1]);
    let body = json!({
        "code": code,
        "status": dice.one_of(&["success", "success", "error", "fail", "SUCCESS", ""]),
        "message": dice.one_of(&["", "号码重复", "任务已结束", "操作过于频繁,请勿重复提交"]),
        "data": { "taskNumberCount": count(dice), "fail_datas": failures },
    });
    Answer {
        status: dice.one_of(&[200, 200, 200, 201, 400, 409, 413, 418, 422, 500]),
        body: written(&body, dice),
        tells: Tells::Nothing,
    }
}

/// Returns any JSON under any status, except the statuses after which the program waits for a
/// person.
pub(super) fn babble(dice: &mut Dice) -> Answer {
    let mut value = anything(dice, 3);
    if let (Value::Object(top), true) = (&mut value, dice.once_in(2)) {
        top.insert("code".into(), json!(dice.one_of(&[200, 422, 0, 7])));
        top.insert("data".into(), anything(dice, 2));
    }
    Answer {
        status: dice.one_of(&[
            200, 200, 200, 202, 206, 300, 302, 308, 400, 402, 405, 410, 413, 422, 431, 500, 502,
            599,
        ]),
        body: written(&value, dice),
        tells: Tells::Nothing,
    }
}

/// Returns any JSON of some depth, with keys that have a meaning.
fn anything(dice: &mut Dice, depth: u64) -> Value {
    match dice.below(if depth == 0 { 6 } else { 9 }) {
        0 => Value::Null,
        1 => json!(dice.once_in(2)),
        2 => json!(dice.below(1_000)),
        3 => json!(-1.5e300),
        4 => json!(u64::MAX),
        5 => json!(dice.one_of(&["", "200", "success", "130***1211", "😀", "\u{0}"])),
        6 => (0..dice.below(4))
            .map(|_| anything(dice, depth - 1))
            .collect(),
        _ => {
            let keys = [
                "code",
                "status",
                "data",
                "fail_datas",
                "taskNumberCount",
                "fail_data",
                "fail_cause",
                "0",
            ];
            let entry = |dice: &mut Dice| (dice.one_of(&keys).into(), anything(dice, depth - 1));
            Value::Object((0..dice.below(5)).map(|_| entry(dice)).collect())
        }
    }
}
