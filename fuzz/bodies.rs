//! What the fuzz targets try, for any bytes. The stable test `tests/it/fuzz.rs` runs the same.

use contact_courier::cli::csv_lines;
use contact_courier::mask::{
    Fit, Name, Shown, hide_within, mask, mask_number, mask_own, mask_within,
};
use contact_courier::platform::wire::decode;

/// An answer of the platform is read or refused. What is read is in the bytes.
pub fn wire(data: &[u8]) {
    let Some(document) = decode(data) else {
        return;
    };
    // An entry takes two bytes at least.
    assert!(document.failures.len() <= data.len() / 2);
    let again = decode(data).expect("what was read once is read again");
    assert_eq!(again.failures.len(), document.failures.len());
    for failure in &document.failures {
        // Whatever the platform says of a row, its number is not shown.
        let shown = mask_own(&failure.cause, &failure.number);
        assert!(!is_told(&shown, &failure.number), "{shown:?}");
    }
}

/// The first line is a number, the rest a text that may hold it.
pub fn masks(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (number, text) = text.split_once('\n').unwrap_or((&text, &text));
    let masked = mask_within(text);
    assert_eq!(mask_within(&masked), masked, "{text:?} is masked twice");
    let own = mask_own(text, number);
    assert!(!is_told(&own, number), "{number:?} is told by {own:?}");
    for shown in [&masked, &own, &hide_within(text)] {
        assert!(!has_long_run(shown), "{text:?} shows a number: {shown:?}");
    }
    let digits = number.chars().filter(char::is_ascii_digit).count();
    if digits == number.len() && (7..=15).contains(&digits) {
        let fit = Name::new(&mask(number)).fit(&Shown::new(number, None));
        assert!(fit != Fit::None, "{number} does not fit its own mask");
    }
}

/// Whether a text holds a number that is long enough to be a person's.
fn is_told(text: &str, number: &str) -> bool {
    let digits = number.chars().filter(char::is_ascii_digit).count();
    digits >= 7 && digits == number.chars().count() && mask_number(text, number).is_some()
}

/// Whether seven digits or more stand beside each other, as they do in a number and in no address of the
/// network. It knows nothing of masks.
fn has_long_run(text: &str) -> bool {
    let is_digit = |c: char| c.is_ascii_digit() || ('\u{ff10}'..='\u{ff19}').contains(&c);
    let mut runs = text.split(|c| !is_digit(c));
    runs.any(|run| run.chars().count() >= 7)
}

/// Each row of a CSV file begins on a line that the file has, after the one before it.
pub fn csv(data: &[u8]) {
    let breaks = data
        .iter()
        .filter(|byte| matches!(byte, b'\n' | b'\r'))
        .count();
    let mut last = 0;
    for line in csv_lines(data) {
        assert!(line >= last, "line {line} after line {last}");
        assert!(line <= breaks as u64 + 1, "line {line} of {}", breaks + 1);
        last = line;
    }
}
