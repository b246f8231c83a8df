//! `history`: the actions of operators.

use std::io::Write;

use clap::Args;
use indicatif::HumanCount;

use super::operator;
use super::settings_args::SettingsArgs;
use super::span::ago;
use super::table::{lines, numbers, table};
use crate::outbox::ActionReport;
use crate::settings::Settings;

/// Shows who did what: what was requeued, pruned, erased, cancelled, paused, resumed, migrated,
/// reloaded
///
/// The last action first. Kept as long as contacts are: `prune` deletes old ones.
#[derive(Args, Debug)]
pub(super) struct HistoryArgs {
    #[command(flatten)]
    pub(super) settings: SettingsArgs,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Prints JSON lines, one for each action
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    args: &HistoryArgs,
    settings: &Settings,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let operations = operator::connect(settings).await?;
    let actions = operations.history(args.limit).await?;
    if args.json {
        for action in &actions {
            writeln!(out, "{}", serde_json::to_string(action)?)?;
        }
    } else if actions.is_empty() {
        writeln!(out, "nobody has done anything so far")?;
    } else {
        write!(out, "{}", shown(&actions))?;
    }
    Ok(())
}

fn shown(actions: &[ActionReport]) -> String {
    let mut table = table(&["when", "who", "action", "rows", "state", "of what"]);
    for action in actions {
        let when = action.began_at.as_ref();
        let state = if action.ended_at.is_some() {
            "done"
        } else if action.is_broken_off() {
            "broken off"
        } else {
            "under way"
        };
        let rows = action.affected.map(|rows| HumanCount(rows).to_string());
        table.add_row([
            when.map_or_else(|| "-".into(), |at| ago(at.seconds_ago)),
            format!("{} on {}", action.os_user, action.host),
            action.action.clone(),
            rows.unwrap_or_else(|| "-".into()),
            state.to_owned(),
            action.selection.clone(),
        ]);
    }
    numbers(&mut table, &[3]);
    lines(&table)
}
