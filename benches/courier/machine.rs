//! The machine and the day of the measurements.

use std::fmt;
use std::process::Command;

use anyhow::Result;
use serde::Serialize;

use crate::servers::Servers;

/// The machine, the day and the command.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    date: String,
    commit: String,
    cores: usize,
    cpu: String,
    memory_gib: f64,
    databases: String,
    command: String,
}

impl Machine {
    /// Describes this machine, now.
    pub(crate) async fn here(servers: &Servers) -> Result<Self> {
        let of = |file: &str, key: &str| {
            let text = std::fs::read_to_string(file).unwrap_or_default();
            text.lines()
                .find_map(|line| line.strip_prefix(key)?.trim().strip_prefix(':'))
                .map_or_else(String::new, |value| value.trim().to_owned())
        };
        let memory = of("/proc/meminfo", "MemTotal");
        let kib: f64 = memory.trim_end_matches(" kB").parse().unwrap_or_default();
        let arguments: Vec<String> = std::env::args()
            .skip(1)
            .filter(|a| a != "--bench")
            .collect();
        Ok(Self {
            date: today(),
            commit: commit(),
            cores: std::thread::available_parallelism()?.get(),
            cpu: of("/proc/cpuinfo", "model name"),
            memory_gib: kib / 1024.0 / 1024.0,
            databases: servers.durability().await?,
            command: [
                "cargo bench --bench courier --".to_owned(),
                arguments.join(" "),
            ]
            .join(" "),
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} at {}: {} cores of {}, {:.0} GiB",
            self.date, self.commit, self.cores, self.cpu, self.memory_gib
        )?;
        writeln!(f, "{}", self.databases)?;
        write!(f, "`{}`", self.command.trim())
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the day for people; nothing is reckoned with it"
)]
fn today() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%d").to_string()
}

fn commit() -> String {
    let asked = Command::new("git")
        .args(["describe", "--always", "--dirty"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output();
    let said = asked.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    said.ok()
        .filter(|commit| !commit.is_empty())
        .unwrap_or_else(|| "an unknown commit".into())
}
