//! `migrate`: brings the database's schema up to date.

use std::io::Write;

use clap::Args;

use crate::app;
use crate::cli::settings_args::SettingsArgs;
use crate::outbox::Outbox;
use crate::settings::Settings;
use crate::telemetry::logging;

/// Applies the migrations that the database lacks
///
/// `run` does so by itself unless `database.auto_migrate` is false.
#[derive(Args, Debug)]
pub(super) struct MigrateArgs {
    #[command(flatten)]
    pub(super) settings: SettingsArgs,
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
    let outbox = app::connect_outbox(settings).await?;
    migrate(outbox.as_ref(), args.json, out).await
}

async fn migrate(outbox: &dyn Outbox, json: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    outbox.check_fitness().await?;
    let applied = outbox.migrate().await?;
    match (json, applied) {
        (true, _) => writeln!(out, "{}", serde_json::json!({ "applied": applied }))?,
        (false, 0) => writeln!(out, "nothing to do: the schema is up to date")?,
        (false, 1) => writeln!(out, "1 migration applied")?,
        (false, _) => writeln!(out, "{applied} migrations applied")?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::fake::FakeOutbox;

    #[tokio::test]
    async fn it_says_how_many_migrations_were_applied() {
        for (json, missing, said) in [
            (false, 0, "nothing to do: the schema is up to date\n"),
            (false, 1, "1 migration applied\n"),
            (false, 3, "3 migrations applied\n"),
            (true, 3, "{\"applied\":3}\n"),
        ] {
            let outbox = FakeOutbox {
                missing_migrations: missing,
                ..FakeOutbox::default()
            };
            let mut out = Vec::new();
            migrate(&outbox, json, &mut out).await.unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), said);
        }
    }
}
