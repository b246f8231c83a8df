//! A number that a program took for an amount: `13012121211.0`, `1.3012121211E10`. Whoever casts it to an
//! integer gets the digits that were meant, or some of them.

/// Returns the whole number that an amount stands for, if the number is written as one: with a fraction of
/// zeros, or with an exponent. Signs between the digits before the fraction stay, and so does what begins at
/// the first `_`.
pub(super) fn whole(number: &str) -> Option<String> {
    let (amount, suffix) = number.split_at(number.find('_').unwrap_or(number.len()));
    let is_text = |b: u8| b.is_ascii_alphabetic() && !matches!(b, b'e' | b'E');
    let is_plain = |b: u8| b.is_ascii_digit() || is_text(b);
    // Nearly all numbers are digits alone, and a ciphertext has other letters.
    if amount.bytes().all(is_plain) || amount.bytes().any(is_text) {
        return None;
    }
    let whole = match amount.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => scaled(mantissa, exponent)?,
        None => without_zeros(amount)?.to_owned(),
    };
    Some(whole + suffix)
}

/// Returns an amount without its fraction, if that is nothing but zeros. The same sign twice divides
/// groups of digits.
pub(super) fn without_zeros(amount: &str) -> Option<&str> {
    let (whole, zeros) = amount.trim_end().rsplit_once(POINTS)?;
    let point = amount[whole.len()..].chars().next()?;
    // Three digits behind a comma are a group.
    let is_short = !matches!(point, ',' | '，') || zeros.len() < 3;
    let is_fraction = !zeros.is_empty() && zeros.bytes().all(|b| b == b'0');
    (is_short && is_fraction && !whole.contains(point)).then_some(whole)
}

/// The signs before a fraction. In some countries it is a comma.
const POINTS: [char; 4] = ['.', '．', ',', '，'];

/// No number has more digits.
const MOST_DIGITS: usize = 20;

/// Returns the digits of a mantissa and the zeros that its exponent adds.
fn scaled(mantissa: &str, exponent: &str) -> Option<String> {
    let is_number = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let mantissa = mantissa.trim_matches(|c: char| !c.is_ascii_digit());
    let exponent = exponent.trim_end_matches(|c: char| !c.is_ascii_digit());
    let exponent = exponent.strip_prefix('+').unwrap_or(exponent);
    let exponent: usize = exponent.parse().ok().filter(|e| *e <= MOST_DIGITS)?;
    let (whole, fraction) = mantissa.split_once(POINTS).unwrap_or((mantissa, ""));
    if whole.is_empty() || !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let shown = fraction.len().min(exponent);
    let zeros = "0".repeat(exponent - shown);
    let digits = format!("{whole}{}{zeros}", &fraction[..shown]);
    let is_a_number = (SHORTEST..=MOST_DIGITS).contains(&digits.len());
    is_a_number.then_some(digits)
}

/// A number has at least this many digits.
const SHORTEST: usize = 7;
