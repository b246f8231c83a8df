//! The contacts to cancel: named contacts, or the contacts that pass a filter.

use std::fs;
use std::io::{Read, stdin};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use clap::builder::NonEmptyStringValueParser;

use crate::cli::UsageError;
use crate::cli::operator;
use crate::contact::ContactId;
use crate::operators::Chosen;
use crate::outbox::PendingFilter;

/// The part of the command line that says which.
#[derive(Args, Debug, Default)]
pub(super) struct ChosenArgs {
    /// The rows' ids in `contact_outbox`
    #[arg(value_name = "ID", value_parser = operator::id_beside_keys)]
    ids: Vec<i64>,
    /// Those whose ids stand in this file, one a line; `-`: on standard input
    #[arg(long, value_name = "FILE")]
    ids_file: Option<PathBuf>,
    /// The one with this `idempotency_key`; may be given several times
    #[arg(long, value_name = "KEY", value_parser = NonEmptyStringValueParser::new())]
    key: Vec<String>,
    /// Those of this lane
    #[arg(long, value_name = "USER/TASK", conflicts_with = "user")]
    lane: Option<String>,
    /// Those of this `user_id`
    #[arg(long, value_name = "USER_ID", value_parser = NonEmptyStringValueParser::new())]
    user: Option<String>,
    /// Those that were inserted at most so long ago, such as 2h
    #[arg(long, value_name = "AGE", value_parser = crate::cli::span::time)]
    created_since: Option<Duration>,
}

impl ChosenArgs {
    /// Fails unless contacts are chosen in one of the two ways.
    pub(super) fn check(&self) -> Result<(), UsageError> {
        let by_name = !self.ids.is_empty() || self.ids_file.is_some() || !self.key.is_empty();
        let by_filter = self.filter()? != PendingFilter::default();
        let said = match (by_name, by_filter) {
            (false, false) => {
                "say which: ids, --key, --ids-file, or a filter such as --lane USER/TASK"
            }
            (true, true) => "give names (ids, --key, --ids-file) or a filter, not both",
            _ => return Ok(()),
        };
        Err(UsageError(said.into()))
    }

    /// Reads the file of ids, if there is one.
    pub(super) fn chosen(&self) -> anyhow::Result<Chosen> {
        let filter = self.filter()?;
        if filter != PendingFilter::default() {
            return Ok(Chosen::Filter(filter));
        }
        let mut ids: Vec<ContactId> = self.ids.iter().copied().map(ContactId).collect();
        if let Some(file) = &self.ids_file {
            ids.extend(read_ids(file)?);
        }
        Ok(Chosen::named(ids, self.key.clone()))
    }

    fn filter(&self) -> Result<PendingFilter, UsageError> {
        let lane = self.lane.as_deref().map(operator::lane).transpose()?;
        let (user_id, task_id) = match &lane {
            Some(lane) => (Some(lane.user_id().into()), Some(lane.task_id().into())),
            None => (self.user.as_deref().map(operator::user).transpose()?, None),
        };
        Ok(PendingFilter {
            user_id,
            task_id,
            created_since: self.created_since,
        })
    }
}

fn read_ids(file: &Path) -> anyhow::Result<Vec<ContactId>> {
    let text = if file == Path::new("-") {
        let mut text = String::new();
        stdin().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(file)
    };
    let text = text.with_context(|| format!("cannot read {}", file.display()))?;
    Ok(ids_in(&text, &file.display().to_string())?)
}

/// Returns the ids in a text, one a line. Empty lines are skipped.
fn ids_in(text: &str, name: &str) -> Result<Vec<ContactId>, UsageError> {
    let lines = text.trim_start_matches('\u{feff}').lines().enumerate();
    let lines = lines.map(|(nth, line)| (nth + 1, line.trim()));
    lines
        .filter(|(_, line)| !line.is_empty())
        .map(|(nth, line)| {
            let id = line.parse().ok().filter(|id| *id > 0);
            id.map(ContactId).ok_or_else(|| {
                UsageError(format!(
                    "{name}, line {nth}: {:?} is no id of a contact: write one a line",
                    crate::mask::mask_within(line)
                ))
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_an_id_a_line() {
        let ids = ids_in("\u{feff}5\r\n\n 7 \n", "x").unwrap();
        assert_eq!(ids, [5, 7].map(ContactId));
        for wrong in ["0", "-3", "five", "3,4"] {
            let said = ids_in(&format!("5\n{wrong}\n"), "ids.txt").unwrap_err();
            let wanted =
                format!("ids.txt, line 2: {wrong:?} is no id of a contact: write one a line");
            assert_eq!(said.to_string(), wanted);
        }
    }

    #[test]
    fn contacts_are_chosen_by_name_or_by_a_filter() {
        let named = ChosenArgs {
            ids: vec![7],
            key: vec!["order-1".into(), "order-2".into()],
            ..ChosenArgs::default()
        };
        named.check().unwrap();
        let words = named.chosen().unwrap().in_words();
        assert_eq!(words, "1 contact by id, 2 contacts by key");
        let lane = ChosenArgs {
            lane: Some("u/t".into()),
            created_since: Some(Duration::from_hours(2)),
            ..ChosenArgs::default()
        };
        lane.check().unwrap();
        let words = lane.chosen().unwrap().in_words();
        assert_eq!(words, "lane u/t, inserted in the last 2h");
        assert!(ChosenArgs::default().check().is_err());
        let both = ChosenArgs {
            ids: vec![7],
            user: Some("u".into()),
            ..ChosenArgs::default()
        };
        assert!(both.check().is_err());
        let user = |user: &str| ChosenArgs {
            user: Some(user.into()),
            ..ChosenArgs::default()
        };
        user("u-4").check().unwrap();
        assert_eq!(
            user("u-4/t-1").check().unwrap_err().to_string(),
            "--user \"u-4/t-1\" is no user: user_id must be 1 to 64 letters, digits, '_' or '-'; a \
             lane is given as --lane USER/TASK"
        );
    }
}
