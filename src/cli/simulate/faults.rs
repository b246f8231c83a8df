//! The faults as a file and as flags.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cli::UsageError;
use crate::simulator::Faults;

/// Where the faults come from: the defaults, then the file, then the flags.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Faults")]
pub(super) struct FaultArgs {
    /// A file with faults (TOML); config/rehearsal.toml has every key. Flags go before it
    #[arg(long, value_name = "FILE")]
    pub faults: Option<PathBuf>,

    /// How long every answer takes, such as 50ms; imports are done before the wait
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub latency: Option<Duration>,

    /// Up to so much longer, evenly spread
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub latency_jitter: Option<Duration>,

    /// HTTP 500, nothing imported
    #[arg(long, value_name = "PROBABILITY", value_parser = probability)]
    pub error_before: Option<f64>,

    /// HTTP 500, though the import is done
    #[arg(long, value_name = "PROBABILITY", value_parser = probability)]
    pub error_after: Option<f64>,

    /// The connection is reset without an answer, nothing imported
    #[arg(long, value_name = "PROBABILITY", value_parser = probability)]
    pub reset_before: Option<f64>,

    /// The connection is reset without an answer, though the import is done
    #[arg(long, value_name = "PROBABILITY", value_parser = probability)]
    pub reset_after: Option<f64>,

    /// No answer ever comes, nothing imported
    #[arg(long, value_name = "PROBABILITY", value_parser = probability)]
    pub silence_before: Option<f64>,

    /// No answer ever comes, though the import is done
    #[arg(long, value_name = "PROBABILITY", value_parser = probability)]
    pub silence_after: Option<f64>,

    /// HTTP 429, nothing imported
    #[arg(long, value_name = "PROBABILITY", value_parser = probability)]
    pub too_many_requests: Option<f64>,

    /// Code 6007 (the task is running), nothing imported
    #[arg(long, value_name = "PROBABILITY", value_parser = probability)]
    pub task_running: Option<f64>,

    /// HTTP 200 with half of the JSON, though the import is done
    #[arg(long, value_name = "PROBABILITY", value_parser = probability)]
    pub garbled: Option<f64>,

    /// HTTP 200, reset in the middle of the JSON, though the import is done
    #[arg(long, value_name = "PROBABILITY", value_parser = probability)]
    pub cut_off: Option<f64>,

    /// HTTP 200 with the HTML page of a proxy, though the import is done
    #[arg(long, value_name = "PROBABILITY", value_parser = probability)]
    pub not_json: Option<f64>,

    /// HTTP 200 with JSON of two mebibytes; the import is done
    #[arg(long, value_name = "PROBABILITY", value_parser = probability)]
    pub oversized: Option<f64>,

    /// Code 200 beside the status "error", though the import is done
    #[arg(long, value_name = "PROBABILITY", value_parser = probability)]
    pub contradictory: Option<f64>,

    /// HTTP 302 to another place, nothing imported
    #[arg(long, value_name = "PROBABILITY", value_parser = probability)]
    pub redirected: Option<f64>,

    /// How long a task goes on running after a request met --task-running
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub task_running_for: Option<Duration>,

    /// A number is passed over: neither held nor counted nor listed
    #[arg(long, value_name = "PROBABILITY", value_parser = probability)]
    pub dropped_rows: Option<f64>,

    /// All requests are answered 401
    #[arg(long)]
    pub token_off: bool,
}

impl FaultArgs {
    /// Reads the file, applies the flags and checks the outcome.
    pub(super) fn load(&self) -> anyhow::Result<Faults> {
        let mut faults = match &self.faults {
            Some(path) => read(path)?,
            None => Faults::default(),
        };
        self.put_over(&mut faults);
        faults.check().map_err(|e| UsageError(e.to_string()))?;
        Ok(faults)
    }

    fn put_over(&self, faults: &mut Faults) {
        for (place, flag) in [
            (&mut faults.latency, self.latency),
            (&mut faults.latency_jitter, self.latency_jitter),
            (&mut faults.task_running_for, self.task_running_for),
        ] {
            *place = flag.unwrap_or(*place);
        }
        for (place, flag) in [
            (&mut faults.error_before, self.error_before),
            (&mut faults.error_after, self.error_after),
            (&mut faults.reset_before, self.reset_before),
            (&mut faults.reset_after, self.reset_after),
            (&mut faults.silence_before, self.silence_before),
            (&mut faults.silence_after, self.silence_after),
            (&mut faults.too_many_requests, self.too_many_requests),
            (&mut faults.task_running, self.task_running),
            (&mut faults.garbled, self.garbled),
            (&mut faults.cut_off, self.cut_off),
            (&mut faults.not_json, self.not_json),
            (&mut faults.oversized, self.oversized),
            (&mut faults.contradictory, self.contradictory),
            (&mut faults.redirected, self.redirected),
            (&mut faults.rows.dropped, self.dropped_rows),
        ] {
            *place = flag.unwrap_or(*place);
        }
        faults.token_off |= self.token_off;
    }
}

fn read(path: &Path) -> Result<Faults, UsageError> {
    let wrong = |why: &dyn std::fmt::Display| UsageError(format!("{}: {why}", path.display()));
    let text = fs::read_to_string(path).map_err(|e| wrong(&e))?;
    toml::from_str(&text).map_err(|e| wrong(&e.to_string().trim()))
}

fn probability(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if (0.0..=1.0).contains(&value) => Ok(value),
        _ => Err("a probability is a number between 0 and 1, such as 0.05".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        faults: FaultArgs,
    }

    fn load(flags: &[&str]) -> anyhow::Result<Faults> {
        let line = ["simulate"].iter().chain(flags);
        Cli::try_parse_from(line)?.faults.load()
    }

    /// A file of faults, which is deleted with the folder.
    fn file(text: &str) -> (tempfile::TempDir, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("faults.toml");
        fs::write(&path, text).unwrap();
        (folder, path.display().to_string())
    }

    #[test]
    fn each_probability_has_a_flag_and_the_default_is_none() {
        assert_eq!(load(&[]).unwrap(), Faults::default());
        let probabilities = toml::Table::try_from(Faults::default()).unwrap();
        for (key, default) in probabilities {
            if default.is_float() {
                let set = load(&[&format!("--{}", key.replace('_', "-")), "0.5"]).unwrap();
                let set = toml::Table::try_from(set).unwrap();
                assert_eq!(set[&key].as_float(), Some(0.5), "{key}");
            }
        }
    }

    #[test]
    fn a_flag_goes_before_the_file_and_the_file_before_the_default() {
        let (_folder, path) = file("latency = \"1s\"\ngarbled = 1\n[rows]\ndropped = 0.5\n");
        let flags = ["--faults", &path, "--garbled", "0", "--token-off"];
        let mut expected = Faults {
            latency: Duration::from_secs(1),
            token_off: true,
            ..Faults::default()
        };
        expected.rows.dropped = 0.5;
        assert_eq!(load(&flags).unwrap(), expected);
    }

    #[test]
    fn what_is_wrong_with_a_file_is_told_with_its_name() {
        for (text, why) in [
            ("gargled = 1", "gargled"),
            ("[mask]\nfirst = -1", "first"),
            ("latency = 5", "latency"),
        ] {
            let (_folder, path) = file(text);
            let error = load(&["--faults", &path]).unwrap_err();
            let said = error.to_string();
            assert!(
                error.is::<UsageError>() && said.starts_with(&path),
                "{said}"
            );
            assert!(said.contains(why), "{said}");
        }
        assert!(
            load(&["--faults", "/nowhere"])
                .unwrap_err()
                .is::<UsageError>()
        );
    }
}
