//! The fuzz targets of `fuzz/` on any toolchain: pieces of good inputs, put together and spoilt at
//! random. `COURIER_FUZZ_CASES` sets how many. Each finding, also of `cargo fuzz`, becomes a test
//! of its own.

#![expect(
    clippy::print_stderr,
    reason = "the seed of a run that fails has to be told"
)]

#[path = "../../fuzz/bodies.rs"]
#[expect(
    clippy::expect_used,
    unreachable_pub,
    reason = "the fuzz targets use it, too"
)]
mod bodies;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const ANSWERS: &[&str] = &[
    r#"{"code":200,"status":"OK","message":"","data":{"taskNumberCount":3,"fail_datas":[{"fail_data":"13012121211","fail_cause":"号码 130-1212-1211 在黑名单"}]}}"#,
    r#"{"fail_data":"130***1211","fail_cause":"号码 13012121211 在黑名单"}"#,
    r#"{"code":6007,"message":"请先停止任务"}"#,
    "\"data\":",
    "null",
    "[]",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "1e999",
    "-1",
    "18446744073709551616",
    "\"\\ud800\"",
    "\u{feff}",
    "13012121211",
    "+86 130-1212-1211",
    "１３０１２１２１２１１",
];

const NUMBERS: &[&str] = &[
    "13012121211",
    "13012121211\n",
    "\n",
    "130***1211",
    "+86",
    "0086",
    "0",
    "86",
    " ",
    "-",
    ".",
    "１３０",
    "１２１２１２１１",
    "_a1",
    "号码",
    "在黑名单",
    "10.0.0.1",
    "2026-11-26",
    "*",
    "***",
    "1",
    "12",
    "1234567",
    "1211",
    "/",
    ":",
    ",",
    "_",
    "·",
    "(",
    ")",
];

const ROWS: &[&str] = &[
    "phone,user_id,task_id\n",
    "phone",
    "name",
    "not_before",
    ",",
    "\n",
    "\r\n",
    "\r",
    "\"",
    "\"\"",
    "13012121211",
    "\u{feff}",
    "中",
    "\0",
    "true",
    "2026-11-26T00:00:00Z",
    "[1,2]",
    "=1",
    "phone\n\"",
    "\n\n",
];

#[expect(
    clippy::disallowed_methods,
    reason = "how long it goes on is told by the environment"
)]
fn cases() -> u64 {
    let told = std::env::var("COURIER_FUZZ_CASES").ok();
    told.and_then(|cases| cases.parse().ok()).unwrap_or(3_000)
}

/// Returns some of the pieces in a row, with some bytes changed.
fn input(random: &mut StdRng, pieces: &[&str]) -> Vec<u8> {
    let count = random.random_range(1..12);
    let chosen = (0..count).map(|_| pieces[random.random_range(0..pieces.len())]);
    let mut bytes: Vec<u8> = chosen.collect::<String>().into_bytes();
    for _ in 0..random.random_range(0..4) {
        let at = random.random_range(0..=bytes.len());
        match random.random_range(0..3) {
            0 => bytes.insert(at, random.random()),
            1 if at < bytes.len() => drop(bytes.remove(at)),
            _ => bytes.truncate(at.max(1)),
        }
    }
    bytes
}

fn tried(pieces: &[&str], body: fn(&[u8])) {
    for seed in 0..cases() {
        let bytes = input(&mut StdRng::seed_from_u64(seed), pieces);
        let told = Told(seed, &bytes);
        body(&bytes);
        std::mem::forget(told);
    }
}

/// Prints the input of a run that fails.
struct Told<'a>(u64, &'a [u8]);

impl Drop for Told<'_> {
    fn drop(&mut self) {
        eprintln!("case {}: {:?}", self.0, String::from_utf8_lossy(self.1));
    }
}

#[test]
fn an_answer_is_read_or_refused() {
    // The valid input must decode, so that spoiling it can break something.
    let whole = contact_courier::platform::wire::decode(ANSWERS[0].as_bytes());
    assert!(whole.is_some_and(|document| document.failures.len() == 1));
    tried(ANSWERS, bodies::wire);
}

#[test]
fn a_number_is_masked_in_any_text() {
    tried(NUMBERS, bodies::masks);
}

#[test]
fn rows_of_csv_have_lines_that_are_there() {
    tried(ROWS, bodies::csv);
}
