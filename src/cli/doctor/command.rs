//! The command `doctor`: its arguments and its run.

use std::io::Write;

use anyhow::bail;
use clap::Args;
use serde_json::json;

use super::check::{Check, Level};
use super::{database, limits, platform};
use crate::admin::{CertificateTime, UsersFile, check_certificate};
use crate::cli::settings_args::SettingsArgs;
use crate::cli::span::count;
use crate::settings::Settings;

/// Checks settings, database, platform and outbox, and says what to do about what is wrong
///
/// A line for each: `ok`, `warning` or `FAILED`. Writes to the database, to see whether that works,
/// and undoes it; sends no contact. Exit code 1 if something failed.
#[derive(Args, Debug)]
pub(in crate::cli) struct DoctorArgs {
    #[command(flatten)]
    pub(in crate::cli) settings: SettingsArgs,
    /// Prints a line of JSON
    #[arg(long)]
    json: bool,
}

pub(in crate::cli) async fn run(
    args: &DoctorArgs,
    settings: &Settings,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let mut report = Report::begin(args.json, out);
    // Settings that cannot be read have ended the program before this.
    report.tell(vec![Check::ok(
        "settings",
        "all keys are known and keep their rules",
    )])?;
    report.tell(secrets(settings))?;
    report.tell(users(settings))?;
    report.tell(open_to_all(settings).into_iter().collect())?;
    report.tell(admin(settings).into_iter().collect())?;
    let (checks, of_couriers) = database::checks(settings).await;
    report.tell(checks)?;
    report.tell(database::rates(settings).await)?;
    report.tell(platform::checks(settings).await)?;
    report.tell(limits::checks(settings, &of_couriers))?;
    report.end()
}

/// Checks whether files with secrets are closed to others.
fn secrets(settings: &Settings) -> Vec<Check> {
    let exposed = settings.exposed_files();
    if exposed.is_empty() && settings.has_secret_files() {
        let found = "the files that hold them are closed to other users";
        return vec![Check::ok("secrets", found)];
    }
    let told = exposed.iter().map(|file| {
        let path = file.path.display();
        let found = format!(
            "others may read or write {path} (its mode is {:04o})",
            file.mode
        );
        Check::warning("secrets", found, format!("chmod o= {path}"))
    });
    told.collect()
}

/// Checks the files of the users that may log in to the status page, and of its viewers.
fn users(settings: &Settings) -> Vec<Check> {
    let admin = &settings.admin;
    let users = (
        "admin.users_file",
        &admin.users_file,
        "log in to the status page",
    );
    let viewers = (
        "admin.viewers_file",
        &admin.viewers_file,
        "look at the admin port",
    );
    let told = [users, viewers]
        .into_iter()
        .filter_map(|(key, file, what)| {
            let opened = UsersFile::open(key, file.as_deref()?);
            Some(match opened {
                Ok(users) => {
                    let found = count(users.count() as u64, "user", "users");
                    Check::ok("users", format!("{found} may {what}"))
                }
                Err(error) => Check::failed("users", error.to_string(), "correct the file"),
            })
        });
    told.collect()
}

/// Warns if everybody on the network may look at the admin port.
fn open_to_all(settings: &Settings) -> Option<Check> {
    let admin = &settings.admin;
    let listen = admin.listen?;
    (admin.viewers_file.is_none() && !listen.ip().is_loopback()).then(|| {
        Check::warning(
            "admin",
            format!("whoever reaches admin.listen = {listen} may look, without a password"),
            "set admin.viewers_file, unless a firewall or a proxy says who may come",
        )
    })
}

/// Checks whether the certificate of the admin port can be used, and whether passwords go without
/// TLS.
fn admin(settings: &Settings) -> Option<Check> {
    let admin = &settings.admin;
    let listen = admin.listen?;
    let Some(files) = admin.certificate() else {
        let takes_passwords = admin.users_file.is_some() || admin.viewers_file.is_some();
        return (takes_passwords && !listen.ip().is_loopback()).then(|| {
            Check::warning(
                "admin",
                format!("passwords go to admin.listen = {listen} without TLS"),
                "set admin.cert_file and admin.key_file, unless a proxy with TLS is in front",
            )
        });
    };
    Some(match check_certificate(&files) {
        Ok(CertificateTime {
            untimely: None,
            until,
        }) => Check::ok(
            "admin",
            format!("the admin port speaks TLS, with a certificate until {until}"),
        ),
        Ok(CertificateTime {
            untimely: Some(why),
            ..
        }) => Check::warning(
            "admin",
            format!("the certificate of the admin port is refused: {why}"),
            format!(
                "renew {}, or set this host's clock right",
                files.certificate.display()
            ),
        ),
        Err(error) => Check::failed("admin", error.to_string(), "correct the files"),
    })
}

/// Prints each check as soon as it is made; as JSON, all of them at the end.
struct Report<'a> {
    json: bool,
    out: &'a mut dyn Write,
    told: Vec<Check>,
}

impl<'a> Report<'a> {
    fn begin(json: bool, out: &'a mut dyn Write) -> Self {
        Self {
            json,
            out,
            told: Vec::new(),
        }
    }

    fn tell(&mut self, checks: Vec<Check>) -> anyhow::Result<()> {
        if !self.json {
            for check in &checks {
                writeln!(self.out, "{check}")?;
            }
            self.out.flush()?;
        }
        self.told.extend(checks);
        Ok(())
    }

    fn end(self) -> anyhow::Result<()> {
        let count = |level| {
            self.told
                .iter()
                .filter(|check| check.level == level)
                .count()
        };
        let (failed, warnings) = (count(Level::Failed), count(Level::Warning));
        if self.json {
            let answer = json!({"failed": failed, "warnings": warnings, "checks": self.told});
            writeln!(self.out, "{answer}")?;
        }
        match failed {
            0 => Ok(()),
            1 => bail!("1 check failed"),
            n => bail!("{n} checks failed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Layers;

    #[test]
    fn an_admin_port_that_everybody_may_look_at_is_told() {
        let told = |lines: &str| {
            let file = Some(("/x/courier.toml".into(), format!("[admin]\n{lines}")));
            let layers = Layers {
                file,
                ..Layers::default()
            };
            open_to_all(&Settings::from_layers(&layers).unwrap()).map(|check| check.to_string())
        };
        assert_eq!(
            told("listen = \"0.0.0.0:9464\"").unwrap(),
            "warning  admin       whoever reaches admin.listen = 0.0.0.0:9464 may look, without a \
             password; set admin.viewers_file, unless a firewall or a proxy says who may come"
        );
        for fine in [
            "",
            "listen = \"\"",
            "listen = \"[::1]:9464\"",
            "listen = \"0.0.0.0:9464\"\nviewers_file = \"/viewers\"",
        ] {
            assert_eq!(told(fine), None, "{fine}");
        }
    }

    fn reported(json: bool, checks: Vec<Check>) -> (String, anyhow::Result<()>) {
        let mut out = Vec::new();
        let mut report = Report::begin(json, &mut out);
        report.tell(checks).unwrap();
        let end = report.end();
        (String::from_utf8(out).unwrap(), end)
    }

    #[test]
    fn each_check_is_a_line_and_one_that_failed_is_the_end() {
        let good = Check::ok("clock", "the same");
        let odd = Check::warning("limits", "batch_size = 1", "raise it");
        let (text, end) = reported(false, vec![good.clone(), odd.clone()]);
        assert_eq!(
            text,
            "ok       clock       the same\nwarning  limits      batch_size = 1; raise it\n"
        );
        end.unwrap();
        let bad = Check::failed("token", "401\nno", "renew it");
        let (text, end) = reported(false, vec![bad.clone()]);
        assert_eq!(text, "FAILED   token       401 no; renew it\n");
        assert_eq!(end.unwrap_err().to_string(), "1 check failed");
        let (json, end) = reported(true, vec![good, odd, bad]);
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!((&json["failed"], &json["warnings"]), (&1.into(), &1.into()));
        assert_eq!(json["checks"][2]["level"], "failed");
        assert!(end.is_err());
    }
}
