//! `run`: the daemon.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::admin::Admin;
use crate::app;
use crate::cli::reload::Reloading;
use crate::cli::settings_args::SettingsArgs;
use crate::courier::Until;
use crate::courier::backoff::BackoffPolicy;
use crate::courier::lifecycle::{Hangups, Lifecycle, Signals};
use crate::courier::supervisor;
use crate::outbox::{Backlog, Outbox, OutboxError};
use crate::settings::Settings;
use crate::telemetry::event::{DatabaseAwaited, ProxyLeftOut, Started, Stopping};
use crate::telemetry::logging::{self, Log};

/// Delivers contacts until it is stopped
///
/// SIGTERM or SIGINT stops new sends and lets those in flight finish; a second one ends at once,
/// which the journal makes safe. SIGHUP reads the settings file again.
#[derive(Args, Debug)]
pub(super) struct RunArgs {
    #[command(flatten)]
    pub(super) settings: SettingsArgs,
    /// Delivers what is due and ends: with 0 if nothing that is due is left, else with 1
    ///
    /// Does not linger. A lane that has to wait for longer than a few seconds is left for the next
    /// run.
    #[arg(long)]
    once: bool,
}

impl RunArgs {
    fn until(&self) -> Until {
        if self.once {
            Until::Done
        } else {
            Until::Stopped
        }
    }
}

pub(super) async fn run(args: &RunArgs, mut places: SettingsArgs) -> anyhow::Result<()> {
    if args.once {
        places.set.push("delivery.linger=0s".into());
    }
    let settings = places.read()?;
    settings.require_platform_token()?;
    // The log writer ends last, with everything that was logged.
    let Log {
        level,
        losses,
        writer: _writer,
    } = logging::init(&settings.log)?;
    let mut signals = Signals::listen().context("cannot listen for signals")?;
    let hangups = Hangups::listen().context("cannot listen for signals")?;
    let admin = listen(args, &settings).await?;
    let Some((database, rates)) = open(args, &settings, &mut signals, admin.as_ref()).await? else {
        return Ok(());
    };
    let courier = app::courier(Arc::clone(&database.outbox), rates, &settings)?;
    Started {
        instance: &courier.instance().to_string(),
        base_url: settings.platform.base_url.as_str(),
        database: &named(&settings, &database),
        encryption: &encryption(&database).await,
        settings: &serde_json::to_string(&settings)?,
    }
    .emit();
    ProxyLeftOut::emit_if(settings.leaves_out_a_proxy());
    let life = Lifecycle::new();
    // Ends with this function, however the courier ends.
    let mut beside = JoinSet::new();
    beside.spawn(losses.tell());
    beside.spawn(supervisor::attend(courier.pulse()));
    let grace = settings.delivery.shutdown_grace;
    beside.spawn(heed(signals, life.clone(), grace));
    let reloading = Reloading {
        places,
        settings: settings.clone(),
        tuner: courier.tuner(),
        operations: Arc::clone(&database.operations),
        log: level,
    };
    beside.spawn(reloading.heed(hangups, courier.pulse()));
    if !args.once {
        app::care(&database, &courier, &settings, &life, &mut beside);
    }
    if let Some(admin) = admin {
        let subject = app::subject(database, &courier, &life, &settings);
        beside.spawn(admin.serve(subject));
    }
    let (traces, exporter) = app::traces(&courier, &settings)?;
    let backlog = courier.traced(traces).run(life, args.until()).await;
    exporter.finish().await;
    drop(beside);
    match backlog? {
        Some(backlog) => nothing_is_left(&backlog),
        None if args.once => {
            bail!("stopped before what is due was delivered; the next run goes on from the journal")
        }
        None => Ok(()),
    }
}

/// How long to wait at the start before the database is asked again.
const AGAIN: BackoffPolicy = BackoffPolicy {
    initial_interval: Duration::from_millis(250),
    max_interval: Duration::from_secs(5),
    multiplier: 2.0,
    jitter: 0.5,
};

/// Opens the database, and that of the rates if it is another one. A courier that goes on for ever
/// waits for a database that is not there yet; `None`: it was stopped meanwhile.
async fn open(
    args: &RunArgs,
    settings: &Settings,
    signals: &mut Signals,
    admin: Option<&Admin>,
) -> anyhow::Result<Option<Opened>> {
    let (tell, why) = watch::channel("it was not asked yet".to_owned());
    let opened = async {
        for failures in 1.. {
            let opening = tokio::select! {
                biased;
                opening = open_both(settings) => opening,
                never = tell_of_patience(&tell) => match never {},
            };
            let error = match opening {
                Ok(opened) => return Ok(opened),
                Err(error) => error,
            };
            // Waiting does not help if the wrong authority is trusted: somebody has to change the
            // settings.
            let passes = |error: &OutboxError| {
                error.is_transient() && !matches!(error, OutboxError::Untrusted(_))
            };
            if args.once || !error.downcast_ref().is_some_and(passes) {
                return Err(error);
            }
            let reason = format!("{error:#}");
            if failures == 1 {
                DatabaseAwaited { error: &reason }.emit();
            }
            tell.send_replace(reason);
            tokio::time::sleep(AGAIN.delay(failures)).await;
        }
        bail!("stopped before the database answered")
    };
    let mut waits = why.clone();
    let alive = async {
        if waits.changed().await.is_ok() {
            supervisor::wait().await;
        }
    };
    let told = async {
        match admin {
            Some(admin) => admin.wait(why).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        opened = opened => opened.map(Some),
        () = told => bail!("the admin server has ended"),
        () = alive => bail!("the task that reports to the supervisor has ended"),
        because = signals.next() => {
            Stopping { because, grace: Duration::ZERO }.emit();
            Ok(None)
        }
    }
}

/// Opening takes longer than usual: clients and supervisors should know by then that the courier lives.
const LONG: Duration = Duration::from_secs(5);

/// Tells after a while what the courier waits for.
async fn tell_of_patience(tell: &watch::Sender<String>) -> Infallible {
    tokio::time::sleep(LONG).await;
    tell.send_replace("it is being opened, and a migration may take its time".into());
    std::future::pending().await
}

/// The courier's database, and that of its rates if it is another one.
type Opened = (app::Database, Option<Arc<dyn Outbox>>);

async fn open_both(settings: &Settings) -> anyhow::Result<Opened> {
    let database = app::open_to_work(settings).await?;
    Ok((database, app::open_rates(settings).await?))
}

/// The database's address, and the server in use if there are several.
fn named(settings: &Settings, database: &app::Database) -> String {
    let url = settings.database.url();
    match database.outbox.place() {
        Some(place) if url.names_several() => format!("{url}, at {place}"),
        _ => url.to_string(),
    }
}

/// How the way to the database is secured.
async fn encryption(database: &app::Database) -> String {
    match database.operations.server().await {
        Ok(server) => {
            let security = server.security.map(|security| security.to_string());
            security.unwrap_or_else(|| "none, it is a file".into())
        }
        Err(error) => format!("not known: {error}"),
    }
}

/// Listens for operators' questions. A run that ends by itself serves nobody, and may be one of
/// several on this host.
async fn listen(args: &RunArgs, settings: &Settings) -> anyhow::Result<Option<Admin>> {
    let address = settings.admin.listen.filter(|_| !args.once);
    let Some(address) = address else {
        return Ok(None);
    };
    Ok(Some(Admin::bind(address, &settings.admin).await?))
}

/// Ends the courier softly at the first signal and hard at the second.
async fn heed(mut signals: Signals, life: Lifecycle, grace: Duration) {
    let because = signals.next().await;
    Stopping { because, grace }.emit();
    supervisor::stopping();
    life.stop();
    signals.next().await;
    life.kill();
}

fn nothing_is_left(backlog: &Backlog) -> anyhow::Result<()> {
    let left = backlog.due + backlog.held + backlog.elsewhere + backlog.paused;
    if left == 0 {
        return Ok(());
    }
    let paused = match backlog.paused {
        0 => String::new(),
        n if n == left => "; an operator has paused them (`resume` ends it)".into(),
        n => format!("; {n} of them an operator has paused (`resume` ends it)"),
    };
    let contacts = if left == 1 {
        "contact is"
    } else {
        "contacts are"
    };
    match &backlog.held_because {
        Some(because) => {
            bail!("{left} {contacts} left for a later run{paused}; the platform: {because}")
        }
        None if backlog.paused == left => bail!("{left} {contacts} left for a later run{paused}"),
        None => bail!("{left} {contacts} left for a later run{paused}; the log tells why"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_an_error_of_one_line_with_the_reason() {
        nothing_is_left(&Backlog {
            deferred: 9,
            ..Backlog::default()
        })
        .unwrap();
        let because = Some("401 token".to_owned());
        let left = Backlog {
            due: 1,
            held: 2,
            held_because: because,
            ..Backlog::default()
        };
        let said = nothing_is_left(&left).unwrap_err().to_string();
        assert_eq!(
            said,
            "3 contacts are left for a later run; the platform: 401 token"
        );
        let paused = Backlog {
            paused: 2,
            ..Backlog::default()
        };
        let said = nothing_is_left(&paused).unwrap_err().to_string();
        assert_eq!(
            said,
            "2 contacts are left for a later run; an operator has paused them (`resume` ends it)"
        );
    }
}
