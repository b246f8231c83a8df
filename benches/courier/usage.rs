//! The CPU time and memory of processes, read from `/proc`.

use anyhow::{Context, Result};

/// `sysconf(_SC_CLK_TCK)` on every Linux that this runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// Fields of `/proc/PID/stat` behind the name, counted from 0.
const PARENT: usize = 1;
const OWN: [usize; 2] = [11, 12];
const CHILDREN: [usize; 2] = [13, 14];

/// CPU seconds of a process with all of its threads.
pub(crate) fn cpu(pid: u32) -> Result<f64> {
    Ok(seconds(&stat(&pid.to_string())?, OWN))
}

/// CPU seconds of all children of this process that have ended.
pub(crate) fn ended_children_cpu() -> Result<f64> {
    Ok(seconds(&stat("self")?, CHILDREN))
}

/// CPU seconds of a process and its children, ended children included.
pub(crate) fn family_cpu(pid: u32) -> Result<f64> {
    let own = stat(&pid.to_string())?;
    let mut total = seconds(&own, OWN) + seconds(&own, CHILDREN);
    for entry in std::fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(other) = name.to_str().filter(|name| name.parse::<u32>().is_ok()) else {
            continue;
        };
        // A child that has just ended is counted by its parent a moment later.
        let Ok(fields) = stat(other) else { continue };
        if fields
            .get(PARENT)
            .is_some_and(|parent| *parent == u64::from(pid))
        {
            total += seconds(&fields, OWN);
        }
    }
    Ok(total)
}

/// The parent of a process.
pub(crate) fn parent(pid: u32) -> Result<u32> {
    let parent = stat(&pid.to_string())?.get(PARENT).copied();
    Ok(u32::try_from(parent.context("no parent")?)?)
}

/// The most memory that a process has had resident, in MiB; `None`: it has ended.
pub(crate) fn peak_memory(pid: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib / 1024.0)
}

fn seconds(fields: &[u64], which: [usize; 2]) -> f64 {
    let ticks: u64 = which.iter().filter_map(|at| fields.get(*at)).sum();
    as_f64(ticks) / TICKS_PER_SECOND
}

/// Returns the numbers behind the name, which stands in parentheses and may hold anything. The
/// state, a letter, counts as 0.
fn stat(pid: &str) -> Result<Vec<u64>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, fields) = text.rsplit_once(')').context("no name in the status")?;
    Ok(fields
        .split_whitespace()
        .map(|field| field.parse().unwrap_or_default())
        .collect())
}

/// Returns a count as a double. No count here comes near the limit of exact doubles.
#[expect(clippy::cast_precision_loss, reason = "counts below 2^53")]
pub(crate) fn as_f64(count: u64) -> f64 {
    count as f64
}
