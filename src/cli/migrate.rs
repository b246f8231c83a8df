//! `migrate`: brings the database's schema up to date.

use std::io::Write;

use clap::Args;
use serde_json::{Value, json};

use crate::app;
use crate::cli::settings_args::SettingsArgs;
use crate::cli::span::count;
use crate::outbox::Outbox;
use crate::settings::Settings;
use crate::telemetry::logging;

/// Applies the migrations that the database lacks
///
/// `run` does so by itself unless `database.auto_migrate` is false. Only this command makes the
/// index of results, and only if it is asked to.
#[derive(Args, Debug)]
pub(super) struct MigrateArgs {
    #[command(flatten)]
    pub(super) settings: SettingsArgs,
    /// Also makes the index that `results` needs, and apps that read results in their order: each
    /// contact that ends then costs a little more
    #[arg(long)]
    results_index: bool,
    /// Prints JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    args: &MigrateArgs,
    settings: &Settings,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let _log = logging::init(&settings.log)?;
    let database = app::connect_database(settings).await?;
    app::refuse_old(&*database.operations).await?;
    let applied = migrate(&*database.outbox).await?;
    if !args.json {
        writeln!(out, "{}", told(applied))?;
    }
    let made = if args.results_index {
        Some(database.operations.make_results_index().await?)
    } else {
        None
    };
    if applied > 0 || made == Some(true) {
        let index = if made == Some(true) {
            ", index of results"
        } else {
            ""
        };
        let applied = count(applied as u64, "migration", "migrations");
        let action = app::action("migrate", &format!("{applied}{index}"));
        app::note(&*database.operations, &action, None).await;
    }
    match made {
        _ if args.json => writeln!(out, "{}", as_json(applied, made))?,
        Some(true) => writeln!(out, "the index of results was made")?,
        Some(false) => writeln!(out, "the index of results is there already")?,
        None => {}
    }
    Ok(())
}

async fn migrate(outbox: &dyn Outbox) -> anyhow::Result<usize> {
    outbox.check_fitness().await?;
    Ok(outbox.migrate().await?)
}

fn told(applied: usize) -> String {
    match applied {
        0 => "nothing to do: the schema is up to date".into(),
        1 => "1 migration applied".into(),
        _ => format!("{applied} migrations applied"),
    }
}

fn as_json(applied: usize, made: Option<bool>) -> Value {
    match made {
        Some(made) => json!({ "applied": applied, "results_index_made": made }),
        None => json!({ "applied": applied }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::fake::FakeOutbox;

    #[tokio::test]
    async fn it_says_how_many_migrations_were_applied() {
        for (missing, said) in [
            (0, "nothing to do: the schema is up to date"),
            (1, "1 migration applied"),
            (3, "3 migrations applied"),
        ] {
            let outbox = FakeOutbox {
                missing_migrations: missing,
                ..FakeOutbox::default()
            };
            assert_eq!(told(migrate(&outbox).await.unwrap()), said);
        }
        assert_eq!(as_json(3, None).to_string(), "{\"applied\":3}");
        assert_eq!(
            as_json(0, Some(true)).to_string(),
            "{\"applied\":0,\"results_index_made\":true}"
        );
    }
}
