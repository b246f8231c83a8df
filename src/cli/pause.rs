//! `pause` and `resume`: stop sending for a lane, a user or all, and go on.

use std::io::Write;
use std::time::Duration;

use clap::Args;
use tokio::time::timeout;

use super::settings_args::SettingsArgs;
use super::span::{contacts, count};
use super::{UsageError, operator};
use crate::app;
use crate::operators::{self, PauseOrder, pending_in};
use crate::outbox::OrderScope;
use crate::settings::Settings;

/// Which lanes.
#[derive(Args, Debug)]
struct ScopeArgs {
    /// This lane
    #[arg(value_name = "USER/TASK", conflicts_with_all = ["user", "all"])]
    lane: Option<String>,
    /// All lanes of this `user_id`
    #[arg(long, value_name = "USER_ID", conflicts_with = "all")]
    user: Option<String>,
    /// All lanes
    #[arg(long)]
    all: bool,
}

impl ScopeArgs {
    fn scope(&self) -> Result<OrderScope, UsageError> {
        match (&self.lane, &self.user, self.all) {
            (Some(lane), ..) => operator::lane(lane).map(OrderScope::Lane),
            (_, Some(user), _) => OrderScope::user(user).map_err(|violation| {
                UsageError(format!(
                    "--user {user:?} is no user: {violation}; a lane is given as USER/TASK without \
                     --user"
                ))
            }),
            (.., true) => Ok(OrderScope::All),
            _ => Err(UsageError(
                "say which: USER/TASK, --user USER_ID, or --all".into(),
            )),
        }
    }
}

/// Stops sending for a lane, a user, or all
///
/// In force for every courier within a second, until `resume`, or as long as `--for` says. Requests
/// under way end, and what became of them is written. Contacts wait, and may still be inserted.
#[derive(Args, Debug)]
pub(super) struct PauseArgs {
    #[command(flatten)]
    pub(super) settings: SettingsArgs,
    #[command(flatten)]
    scope: ScopeArgs,
    /// Why; shown wherever the pause is
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Ends by itself after so long, such as 2h
    #[arg(long = "for", value_name = "TIME", value_parser = lasting)]
    lasts: Option<Duration>,
    /// Prints a line of JSON
    #[arg(long)]
    json: bool,
}

fn lasting(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if time.is_zero() {
        return Err("write 1s or more".into());
    }
    Ok(time)
}

/// Ends pauses, and has everything in the way tried at once
///
/// Ends all pauses of the lane, of the user and its lanes, or all that there are. Also ends whatever
/// else these lanes wait for: a hold, a refused token or user, a `Retry-After`, the breaker. A single
/// request finds out whether that has gone.
#[derive(Args, Debug)]
pub(super) struct ResumeArgs {
    #[command(flatten)]
    pub(super) settings: SettingsArgs,
    #[command(flatten)]
    scope: ScopeArgs,
    /// Prints a line of JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn pause(
    args: &PauseArgs,
    settings: &Settings,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let order = PauseOrder {
        scope: args.scope.scope()?,
        lasts: args.lasts,
        reason: args.reason.clone(),
    };
    let operations = operator::connect(settings).await?;
    let action = app::action("pause", &order.in_words());
    order.carry_out(&*operations, &action).await?;
    let scope = &order.scope;
    if !args.json {
        let until = args.lasts.map_or_else(
            || "until it is resumed".into(),
            |time| format!("for {}", humantime::format_duration(time)),
        );
        writeln!(out, "{scope}: paused {until}")?;
        out.flush()?;
    }
    // The pause is in force: whatever becomes of the count, it has been done.
    let pending = timeout(COUNTING, pending_in(&*operations, scope)).await;
    let pending = pending.ok().and_then(Result::ok);
    if args.json {
        writeln!(out, "{}", order.json(pending))?;
        return Ok(());
    }
    match pending {
        Some(pending) => writeln!(out, "{} pending in it", contacts(pending))?,
        None => writeln!(out, "the contacts pending in it could not be counted")?,
    }
    Ok(())
}

/// How long a pause that is in force is kept from its end by counting what it is about.
const COUNTING: Duration = Duration::from_secs(10);

pub(super) async fn resume(
    args: &ResumeArgs,
    settings: &Settings,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let scope = args.scope.scope()?;
    let operations = operator::connect(settings).await?;
    let action = app::action("resume", &scope.to_string());
    let resumed = operators::resume(&*operations, &scope, &action).await?;
    if args.json {
        writeln!(out, "{}", resumed.json(&scope))?;
        return Ok(());
    }
    let pauses = count(resumed.ended.pauses, "pause", "pauses");
    let holds = count(resumed.ended.holds, "hold", "holds");
    writeln!(out, "{scope}: {pauses} and {holds} ended; tried at once")?;
    for pause in resumed.wider {
        writeln!(out, "still paused with {}: {}", pause.scope, pause.reason)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_that_no_row_can_have_is_wrong_usage() {
        let scope = |user: &str| {
            let args = ScopeArgs {
                lane: None,
                user: Some(user.into()),
                all: false,
            };
            args.scope()
        };
        assert_eq!(scope("u-1").unwrap(), OrderScope::User("u-1".into()));
        assert_eq!(
            scope("u-1/t-1").unwrap_err().to_string(),
            "--user \"u-1/t-1\" is no user: user_id must be 1 to 64 letters, digits, '_' or '-'; a \
             lane is given as USER/TASK without --user"
        );
        assert!(scope("").is_err());
    }
}
