//! The options of the command line.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Parser;

use crate::measurement::Measurement;

/// Measures the release binary and prints one table
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
#[derive(Debug, Parser)]
#[command(name = "cargo bench --bench courier --")]
pub(crate) struct Options {
    /// Only measurements whose name contains one of these; `--dry` lists them
    filters: Vec<String>,
    /// A smoke run: a fraction of the contacts and of the time, each measured once
    #[arg(long)]
    pub(crate) quick: bool,
    /// List what would be measured, and with which settings
    #[arg(long)]
    pub(crate) dry: bool,
    /// How often each speed is measured; the median counts [default: 3, with --quick 1]
    #[arg(long, value_name = "N")]
    runs: Option<u32>,
    /// Contacts to drain [default: 400000, with --quick 100000]
    #[arg(long, value_name = "N")]
    contacts: Option<u64>,
    /// Lanes that they are in
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) lanes: u64,
    /// A setting of the courier, over those that the speed is measured with
    #[arg(long, value_name = "SECTION.KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// The program to measure, if it is not the one that was built for this
    #[arg(long, value_name = "FILE", default_value = env!("CARGO_BIN_EXE_contact-courier"))]
    pub(crate) program: PathBuf,
    /// Connections that the SQL-only floor works with
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub(crate) floor_workers: u32,
    /// Write the results to a file, too
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Put the table into benches/README.md
    #[arg(long)]
    pub(crate) save: bool,
    /// Keep the log of the last courier in this file
    #[arg(long, value_name = "FILE")]
    pub(crate) log: Option<PathBuf>,
    /// Given by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    /// Returns the measurements that were asked for, in the order of the table.
    pub(crate) fn wanted(&self) -> Result<Vec<Measurement>> {
        let is_wanted = |m: &Measurement| {
            self.filters.is_empty() || self.filters.iter().any(|f| m.name().contains(f.as_str()))
        };
        let wanted: Vec<Measurement> = Measurement::ALL.into_iter().filter(is_wanted).collect();
        if wanted.is_empty() {
            bail!(
                "nothing is called {}; --dry lists what there is",
                self.filters.join(" or ")
            );
        }
        Ok(wanted)
    }

    /// How often each speed is measured.
    pub(crate) fn runs(&self) -> u32 {
        self.runs.unwrap_or(if self.quick { 1 } else { 3 }).max(1)
    }

    /// How many contacts are drained.
    pub(crate) fn contacts(&self) -> u64 {
        self.contacts.unwrap_or(self.scaled(400_000))
    }

    /// A time to measure for, or a part of it for a smoke run.
    pub(crate) fn time(&self, time: Duration) -> Duration {
        if self.quick { time / 3 } else { time }
    }

    /// A number of rows, or a quarter of it for a smoke run.
    pub(crate) fn scaled(&self, rows: u64) -> u64 {
        if self.quick { rows / 4 } else { rows }
    }
}
