//! `status --alive`: whether the courier of this host lives, for health checks.

use std::io::Write;

use anyhow::bail;

use crate::admin::probe;
use crate::cli::UsageError;
use crate::settings::Settings;

/// Prints the courier's report about itself; fails if the courier is not well, or does not answer.
pub(super) async fn tell(
    settings: &Settings,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let Some(listen) = settings.admin.listen else {
        let why = "admin.listen is empty, so no courier can be asked whether it lives";
        return Err(UsageError(why.into()).into());
    };
    let life = probe::ask(listen, settings.admin.certificate().is_some()).await?;
    if json {
        writeln!(out, "{}", serde_json::to_string(&life)?)?;
    } else {
        writeln!(out, "{}: {}", life.status, life.reason)?;
    }
    out.flush()?;
    if !life.alive {
        bail!("the courier is {}: {}", life.status, life.reason);
    }
    Ok(())
}
