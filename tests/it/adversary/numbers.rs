//! Numbers, as the platform understands them.

/// The number, and the suffix that the courier has appended to it, if there is one.
pub(super) fn parts(sent: &str) -> (&str, &str) {
    let end = sent.find('_').unwrap_or(sent.len());
    sent.split_at(end)
}

/// The number as the task keeps it.
pub(super) fn kept(number: &str, normalises: bool) -> String {
    if !normalises {
        return number.to_owned();
    }
    let plain: String = number
        .chars()
        .filter_map(|c| match c {
            '0'..='9' => Some(c),
            '０'..='９' => char::from_digit(u32::from(c) - u32::from('０'), 10),
            ' ' | '-' | '+' => None,
            other => Some(other),
        })
        .collect();
    let local = ["0086", "86"].iter().find_map(|code| {
        let rest = plain.strip_prefix(code)?;
        (rest.len() == 11).then(|| rest.to_owned())
    });
    local.unwrap_or(plain)
}

/// Whether it is a mobile number.
pub(super) fn is_good(kept: &str) -> bool {
    kept.len() == 11 && kept.starts_with('1') && kept.bytes().all(|byte| byte.is_ascii_digit())
}

/// Returns the number with all but its first and last characters hidden. In a short one they overlap, as
/// where a program cuts out both ends.
pub(super) fn masked(number: &str, first: usize, last: usize, hidden: &str) -> String {
    let letters: Vec<char> = number.chars().collect();
    let first = first.min(letters.len());
    let last = last.min(letters.len());
    let head: String = letters[..first].iter().collect();
    let tail: String = letters[letters.len() - last..].iter().collect();
    format!("{head}{hidden}{tail}")
}
