//! The settings that the address gives to a session by itself (`options[search_path]=shop`), and whether they
//! hold: a pooler may drop them in silence, and the courier would work on another outbox.

use sqlx::{PgConnection, Result};

use super::sessions;
use super::statements::WOULD_BE;
use crate::outbox::rows::Columns;

/// A setting that does not hold.
#[derive(Debug)]
pub(super) struct Dropped {
    pub(super) name: String,
    pub(super) wanted: String,
    pub(super) found: String,
}

/// Settings that the driver or the courier gives to each session by another way, which is stronger.
const OVERRULED: [&str; 6] = [
    "timezone",
    "datestyle",
    "client_encoding",
    "application_name",
    "idle_session_timeout",
    "transaction_timeout",
];

/// Returns the first of the address's settings that does not hold in a session with these options.
pub(super) async fn dropped(
    session: &mut PgConnection,
    options: Option<&str>,
) -> Result<Option<Dropped>> {
    for (name, wanted) in stated(options.unwrap_or_default()) {
        if sessions::sets(&name) || OVERRULED.contains(&name.as_str()) {
            continue;
        }
        let (found, holds) = look(session, &name, &wanted).await?;
        if !holds {
            return Ok(Some(Dropped {
                name,
                wanted,
                found,
            }));
        }
    }
    Ok(None)
}

/// Returns a setting as it is, and whether it is as it should be. The server writes a value in its own way
/// (`60000` is `1min`), so it is asked how it would write this one. It does not say so of a setting that only
/// a new connection can have: then nobody can tell.
async fn look(session: &mut PgConnection, name: &str, wanted: &str) -> Result<(String, bool)> {
    let told = sqlx::query(WOULD_BE)
        .bind(name)
        .bind(wanted)
        .fetch_one(&mut *session)
        .await;
    let told = match told {
        Ok(told) => told,
        Err(sqlx::Error::Database(_)) => return Ok((String::new(), true)),
        Err(error) => return Err(error),
    };
    let found = told.text("found").unwrap_or_default();
    let would_be = told.text("would_be").unwrap_or_default();
    let holds = are_alike(&found, &would_be);
    Ok((found, holds))
}

/// Whether two values are one. A list is the same with blanks behind its commas and without, and with its
/// names in quotes and without.
fn are_alike(one: &str, other: &str) -> bool {
    let items = |list: &str| -> Vec<String> {
        let items = list.split(',').map(|item| item.trim().trim_matches('"'));
        items.map(str::to_owned).collect()
    };
    items(one) == items(other)
}

/// Returns the settings of such options, in the server's own form: `-c name=value`, `--name=value`.
fn stated(options: &str) -> Vec<(String, String)> {
    let mut settings: Vec<(String, String)> = Vec::new();
    let mut words = words(options).into_iter();
    while let Some(word) = words.next() {
        let setting = match (word.strip_prefix("--"), word.strip_prefix("-c")) {
            (Some(setting), _) => setting.to_owned(),
            (_, Some("")) => words.next().unwrap_or_default(),
            (_, Some(setting)) => setting.to_owned(),
            _ => continue,
        };
        if let Some((name, value)) = setting.split_once('=') {
            let name = name.replace('-', "_").to_lowercase();
            // The last one holds.
            settings.retain(|(earlier, _)| *earlier != name);
            settings.push((name, value.to_owned()));
        }
    }
    settings
}

/// Splits options at blanks that no backslash stands before.
fn words(options: &str) -> Vec<String> {
    let (mut words, mut word) = (Vec::new(), String::new());
    let mut letters = options.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => word.extend(letters.next()),
            blank if blank.is_whitespace() => words.push(std::mem::take(&mut word)),
            letter => word.push(letter),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_in_every_form_that_the_server_takes() {
        for (options, settings) in [
            ("", &[][..]),
            ("-c search_path=shop", &[("search_path", "shop")]),
            ("-csearch_path=shop", &[("search_path", "shop")]),
            ("--search-path=shop", &[("search_path", "shop")]),
            (
                r"-c  search_path=a,\ b -c work_mem=4MB",
                &[("search_path", "a, b"), ("work_mem", "4MB")],
            ),
            (r"-c a.b=c\\d=e", &[("a.b", r"c\d=e")]),
            ("-c jit=off -c JIT=on", &[("jit", "on")]),
            ("-d 5 -c", &[]),
        ] {
            let read = stated(options);
            let read: Vec<(&str, &str)> = read
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect();
            assert_eq!(read, settings, "{options}");
        }
    }
}
