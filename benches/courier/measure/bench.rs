//! The bench: everything that a measurement needs.

use anyhow::Result;

use crate::database::Database;
use crate::options::Options;
use crate::process::Courier;
use crate::servers::Servers;
use crate::tuning;

pub(crate) struct Bench {
    pub(crate) options: Options,
    pub(crate) servers: Servers,
}

impl Bench {
    /// The settings for measuring speed, then those of a measurement, then those of the command
    /// line.
    pub(crate) fn speed<'a>(&'a self, own: &[&'a str]) -> Vec<&'a str> {
        let changed = self.options.set.iter().map(String::as_str);
        tuning::SPEED
            .iter()
            .chain(own)
            .copied()
            .chain(changed)
            .collect()
    }

    /// The same, beginning with the program's defaults.
    pub(crate) fn defaults<'a>(&'a self, own: &[&'a str]) -> Vec<&'a str> {
        let changed = self.options.set.iter().map(String::as_str);
        own.iter().copied().chain(changed).collect()
    }

    /// A courier between a database and a platform.
    pub(crate) fn courier(
        &self,
        database: &Database,
        platform: &str,
        arguments: &[&str],
        settings: &[&str],
    ) -> Result<Courier> {
        Courier::start(
            &self.options.program,
            &database.url,
            platform,
            arguments,
            settings,
        )
    }
}
