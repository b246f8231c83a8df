//! `pause` and `resume`: stop sending for a lane, a user or all, and go on.

use std::io::Write;
use std::time::Duration;

use clap::Args;
use tokio::time::timeout;

use super::asking::{Told, confirmed};
use super::settings_args::SettingsArgs;
use super::span::{contacts, count, seconds};
use super::{UsageError, operator};
use crate::app;
use crate::operators::{self, LONGEST_PAUSE, PauseOrder, Paused, Resumption, lane_of, pending_in};
use crate::outbox::{Operations, OrderScope, Pause};
use crate::settings::Settings;
use crate::visible::one_line;

/// Which lanes.
#[derive(Args, Debug)]
struct ScopeArgs {
    /// This lane
    #[arg(value_name = "USER/TASK", conflicts_with_all = ["lane_named", "user", "all"])]
    lane: Option<String>,
    /// The same, as other commands have it
    #[arg(long = "lane", value_name = "USER/TASK", conflicts_with_all = ["user", "all"])]
    lane_named: Option<String>,
    /// All lanes of this `user_id`
    #[arg(long, value_name = "USER_ID", conflicts_with = "all")]
    user: Option<String>,
    /// All lanes
    #[arg(long)]
    all: bool,
}

impl ScopeArgs {
    fn scope(&self) -> Result<OrderScope, UsageError> {
        let lane = self.lane.as_ref().or(self.lane_named.as_ref());
        match (lane, &self.user, self.all) {
            (Some(lane), ..) => lane_of(lane).map(OrderScope::Lane).ok_or_else(|| {
                UsageError(format!(
                    "{lane:?} is no lane: write USER_ID/TASK_ID; a user is given as --user USER_ID"
                ))
            }),
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
    /// Why, in at most 500 characters; shown wherever the pause is
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Ends by itself after so long, such as 2h
    #[arg(long = "for", value_name = "TIME", value_parser = lasting, allow_hyphen_values = true)]
    lasts: Option<Duration>,
    /// Prints a line of JSON
    #[arg(long)]
    json: bool,
}

fn lasting(text: &str) -> Result<Duration, String> {
    let time = super::span::time(text)?;
    if time < Duration::from_secs(1) {
        return Err("write 1s or more".into());
    }
    if time > LONGEST_PAUSE {
        return Err("write 10y or less".into());
    }
    Ok(time)
}

/// Ends pauses, and has everything in the way tried at once
///
/// Ends all pauses of the lane, of the user and its lanes, or all that there are, and names each. With
/// --user or --all it asks on a terminal, if others have paused a part of it. Also ends
/// whatever else these lanes wait for: a hold, a refused token or user, a `Retry-After`, the
/// breaker. A single request finds out whether that has gone.
#[derive(Args, Debug)]
pub(super) struct ResumeArgs {
    #[command(flatten)]
    pub(super) settings: SettingsArgs,
    #[command(flatten)]
    scope: ScopeArgs,
    /// Does not ask
    #[arg(long, short)]
    yes: bool,
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
        reason: operator::reason(args.reason.as_deref())?,
    };
    let operations = operator::connect(settings).await?;
    let action = app::action("pause", &order.in_words());
    let scope = &order.scope;
    let before = Paused::find(&*operations, scope).await?;
    let before = before.replaced(scope);
    order.carry_out(&*operations, &action).await?;
    if !args.json {
        if let Some(pause) = before {
            writeln!(out, "{}", replaced(pause))?;
        }
        let until = args.lasts.map_or_else(
            || "until it is resumed".into(),
            |time| format!("for {}", humantime::format_duration(time)),
        );
        writeln!(out, "{scope}: paused {until}")?;
        out.flush()?;
    }
    // The pause is in force: it is done, even if the count fails.
    let pending = timeout(COUNTING, pending_in(&*operations, scope)).await;
    let pending = pending.ok().and_then(Result::ok);
    if args.json {
        writeln!(out, "{}", order.json(pending, before))?;
        return Ok(());
    }
    if pending == Some(0) && !is_known(scope, &*operations).await {
        writeln!(out, "no contact of this {} is known", whose(scope))?;
        return Ok(());
    }
    match pending {
        Some(pending) => writeln!(out, "{} pending in it", contacts(pending))?,
        None => writeln!(out, "the contacts pending in it could not be counted")?,
    }
    Ok(())
}

/// Describes a pause that was replaced: somebody may rely on its reason or its end.
fn replaced(pause: &Pause) -> String {
    format!("This replaces {}", described(pause))
}

/// Names a pause with its reason, since when it holds, and how long it would have lasted.
fn described(pause: &Pause) -> String {
    let end = pause.ends_in_seconds.map_or_else(
        || "until somebody resumes".to_owned(),
        |left| format!("for {} more", seconds(left)),
    );
    let since = seconds(pause.paused_seconds);
    format!(
        "the pause of {} ({}; for {since} so far, {end})",
        pause.scope,
        one_line(&pause.reason)
    )
}

/// Names what an order is about.
fn whose(scope: &OrderScope) -> &'static str {
    match scope {
        OrderScope::User(_) => "user",
        OrderScope::All | OrderScope::Lane(_) => "lane",
    }
}

/// Whether a lane or a user has, or had, a contact. If the database does not answer, it counts as
/// known.
async fn is_known(scope: &OrderScope, operations: &dyn Operations) -> bool {
    let known = timeout(COUNTING, operations.knows(scope)).await;
    known.ok().and_then(Result::ok).unwrap_or(true)
}

/// The time limit of the count, which delays the command after the pause is in force.
const COUNTING: Duration = Duration::from_secs(10);

pub(super) async fn resume(
    args: &ResumeArgs,
    settings: &Settings,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let scope = args.scope.scope()?;
    let operations = operator::connect(settings).await?;
    let there = Paused::find(&*operations, &scope).await?;
    let shown: String = there.of_parts(&scope).map(would_end).collect();
    if !shown.is_empty() && args.told().hides_the_question() {
        let words = "nobody would see here that pauses of others end: give --yes";
        return Err(UsageError(words.into()).into());
    }
    if !shown.is_empty() && args.may_ask() {
        let question = format!("Resume {scope} all the same?");
        if !confirmed(&format!("{shown}{question}"))? {
            return Ok(());
        }
    }
    let action = app::action("resume", &scope.to_string());
    let resumed = operators::resume(&*operations, &scope, &action).await?;
    if args.json {
        writeln!(out, "{}", resumed.json(&scope))?;
        return Ok(());
    }
    let ended = resumed.ended.pauses + resumed.ended.holds;
    let known = ended > 0 || {
        // A lane that no courier has come to is known by its contacts alone.
        let pending = timeout(COUNTING, pending_in(&*operations, &scope)).await;
        !matches!(pending, Ok(Ok(0))) || is_known(&scope, &*operations).await
    };
    write!(out, "{}", what_ended(&scope, &resumed, known))?;
    Ok(())
}

impl ResumeArgs {
    fn told(&self) -> Told {
        Told {
            yes: self.yes,
            dry_run: false,
            json: self.json,
        }
    }

    /// Whether a person is asked before the pauses of others end.
    fn may_ask(&self) -> bool {
        !self.yes && self.told().may_ask()
    }
}

fn would_end(pause: &Pause) -> String {
    format!("this would end {}\n", described(pause))
}

fn has_ended(pause: &Pause) -> String {
    format!("ended: {}\n", described(pause))
}

/// Says what a resume has done, in lines. Lanes under a wider pause are not tried, nor is what nobody
/// knows.
fn what_ended(scope: &OrderScope, resumed: &Resumption, known: bool) -> String {
    let (pauses, holds) = (resumed.ended.pauses, resumed.ended.holds);
    let ended = if pauses + holds == 0 {
        "no pause or hold of its own".to_owned()
    } else {
        let pauses = count(pauses, "pause", "pauses");
        format!("{pauses} and {} ended", count(holds, "hold", "holds"))
    };
    let tried = if !known {
        format!(", and no contact of this {} is known", whose(scope))
    } else if resumed.wider.is_empty() {
        "; tried at once".to_owned()
    } else {
        String::new()
    };
    let pauses: String = resumed.pauses.iter().map(has_ended).collect();
    let wider = resumed.wider.iter();
    let wider = wider.map(|pause| {
        let reason = one_line(&pause.reason);
        format!("still paused with {}: {reason}\n", pause.scope)
    });
    format!("{scope}: {ended}{tried}\n{pauses}") + &wider.collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::Resumed;

    #[test]
    fn a_user_that_no_row_can_have_is_wrong_usage() {
        let scope = |user: &str| {
            let args = ScopeArgs {
                lane: None,
                lane_named: None,
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

    #[test]
    fn a_user_that_is_given_as_a_lane_is_told_how_to_be_given() {
        let args = ScopeArgs {
            lane: Some("u-2".into()),
            lane_named: None,
            user: None,
            all: false,
        };
        assert_eq!(
            args.scope().unwrap_err().to_string(),
            "\"u-2\" is no lane: write USER_ID/TASK_ID; a user is given as --user USER_ID"
        );
    }

    #[test]
    fn a_pause_lasts_a_second_to_ten_years() {
        assert!(lasting("1s").is_ok() && lasting("10y").is_ok());
        for short in ["0s", "500ms", "999ms"] {
            assert_eq!(lasting(short).unwrap_err(), "write 1s or more");
        }
        assert_eq!(lasting("9999999999y").ok(), None);
        assert_eq!(lasting("11y").unwrap_err(), "write 10y or less");
    }

    #[test]
    fn what_stays_paused_is_not_said_to_be_tried() {
        let pause = |ends| Pause {
            scope: OrderScope::All,
            reason: "by anna on db1: the night".into(),
            paused_seconds: 60.0,
            ends_in_seconds: ends,
        };
        let scope = OrderScope::User("u".into());
        let told = |pauses, holds, wider| {
            let ended = Resumed { pauses, holds };
            let pauses = Vec::new();
            what_ended(
                &scope,
                &Resumption {
                    ended,
                    pauses,
                    wider,
                },
                true,
            )
        };
        assert_eq!(
            told(1, 0, Vec::new()),
            "user u: 1 pause and 0 holds ended; tried at once\n"
        );
        assert_eq!(
            told(0, 0, Vec::new()),
            "user u: no pause or hold of its own; tried at once\n"
        );
        let nobody = Resumption {
            ended: Resumed::default(),
            pauses: Vec::new(),
            wider: Vec::new(),
        };
        assert_eq!(
            what_ended(&scope, &nobody, false),
            "user u: no pause or hold of its own, and no contact of this user is known\n"
        );
        assert_eq!(
            told(0, 2, vec![pause(None)]),
            "user u: 0 pauses and 2 holds ended\nstill paused with all lanes: by anna on db1: the \
             night\n"
        );
        assert_eq!(
            replaced(&pause(Some(7_200.0))),
            "This replaces the pause of all lanes (by anna on db1: the night; for 1m 0s so far, for \
             2h 0m more)"
        );
    }
}
