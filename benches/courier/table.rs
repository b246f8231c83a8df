//! The table: each result, its target, and whether it was met.

use std::fmt;
use std::path::Path;

use anyhow::{Context, Result};
use comfy_table::presets::UTF8_FULL_CONDENSED;
use serde::Serialize;

use crate::machine::Machine;

/// The unit of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Contacts per second.
    Contacts,
    /// CPU seconds per 100,000 contacts.
    CpuPer100k,
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Millis,
    /// Mebibytes.
    MiB,
    /// Bytes.
    Bytes,
    /// Percent.
    Percent,
    /// Percent by which something is more (or, negative, less).
    Change,
    /// A part of something.
    Ratio,
    /// Requests.
    Requests,
}

impl Unit {
    fn show(self, value: f64) -> String {
        match self {
            Self::Contacts => format!("{}/s", thousands(value)),
            Self::CpuPer100k | Self::Seconds => format!("{value:.2} s"),
            Self::Millis => format!("{value:.0} ms"),
            Self::MiB => format!("{value:.1} MiB"),
            Self::Bytes => format!("{} bytes", thousands(value)),
            Self::Percent => format!("{value:.2} %"),
            Self::Change => format!("{value:+.1} %"),
            Self::Ratio => format!("{value:.2}"),
            Self::Requests => format!("{value:.0}"),
        }
    }
}

/// The target of a line.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Target {
    AtLeast(f64),
    AtMost(f64),
    /// Less than this.
    Below(f64),
}

/// One line of the table.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    what: String,
    unit: Unit,
    target: Option<Target>,
    /// One per run; the median counts. Empty: it could not be measured.
    values: Vec<f64>,
    note: String,
}

impl Line {
    /// Makes a line out of the values of several runs; the median counts.
    pub(crate) fn new(what: impl Into<String>, unit: Unit, values: &[f64]) -> Self {
        Self {
            what: what.into(),
            unit,
            target: None,
            values: values.to_vec(),
            note: String::new(),
        }
    }

    /// Makes a line for something that today's program cannot do.
    pub(crate) fn not_available(what: impl Into<String>, unit: Unit, why: &str) -> Self {
        Self::new(what, unit, &[]).note(format!("not available: {why}"))
    }

    /// Sets a target: at least this.
    pub(crate) fn at_least(mut self, target: f64) -> Self {
        self.target = Some(Target::AtLeast(target));
        self
    }

    /// Sets a target: at most this.
    pub(crate) fn at_most(mut self, target: f64) -> Self {
        self.target = Some(Target::AtMost(target));
        self
    }

    /// Sets a target: less than this.
    pub(crate) fn below(mut self, target: f64) -> Self {
        self.target = Some(Target::Below(target));
        self
    }

    /// Adds a remark.
    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    fn value(&self) -> Option<f64> {
        (!self.values.is_empty()).then(|| median(&self.values))
    }

    fn met(&self) -> Option<bool> {
        let value = self.value()?;
        Some(match self.target? {
            Target::AtLeast(target) => value >= target,
            Target::AtMost(target) => value <= target,
            Target::Below(target) => value < target,
        })
    }

    fn target(&self) -> String {
        match self.target {
            None => String::new(),
            Some(Target::AtLeast(target)) => format!("≥ {}", self.unit.show(target)),
            Some(Target::AtMost(target)) => format!("≤ {}", self.unit.show(target)),
            Some(Target::Below(target)) => format!("< {}", self.unit.show(target)),
        }
    }

    fn measured(&self) -> String {
        let mut parts: Vec<String> = self
            .value()
            .map(|v| self.unit.show(v))
            .into_iter()
            .collect();
        if self.values.len() > 1 {
            let mut all = self.values.clone();
            all.sort_by(f64::total_cmp);
            let shown: Vec<String> = all.iter().map(|v| self.unit.show(*v)).collect();
            parts.push(format!("({})", shown.join(", ")));
        }
        if !self.note.is_empty() {
            parts.push(self.note.clone());
        }
        parts.join(" ")
    }

    fn verdict(&self) -> &'static str {
        match (self.met(), self.target) {
            (Some(true), _) => "yes",
            (Some(false), _) => "NO",
            (None, Some(_)) => "?",
            (None, None) => "",
        }
    }

    fn cells(&self) -> [String; 4] {
        [
            self.what.clone(),
            self.target(),
            self.measured(),
            self.verdict().into(),
        ]
    }
}

/// Returns the middle value, or the mean of the two middle values.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    percentile(&sorted, 0.5)
}

/// Returns the value below which a part of the sorted values lies; between two of them, in
/// proportion.
pub(crate) fn percentile(sorted: &[f64], part: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return f64::NAN;
    };
    let at = part * crate::usage::as_f64(last as u64);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and the number of values"
    )]
    let below = at.floor() as usize;
    let above = (below + 1).min(last);
    sorted[below] + (sorted[above] - sorted[below]) * at.fract()
}

/// All lines.
#[derive(Debug, Default)]
pub(crate) struct Table(Vec<Line>);

const HEADINGS: [&str; 4] = ["what", "target", "measured", "met?"];

impl Table {
    /// Appends a line.
    pub(crate) fn push(&mut self, line: Line) {
        eprintln!("  {}: {} {}", line.what, line.measured(), line.verdict());
        self.0.push(line);
    }

    /// Returns the table for programs.
    pub(crate) fn json(&self, machine: &Machine, tuning: &str) -> Result<String> {
        #[derive(Serialize)]
        struct Shown<'a> {
            what: &'a str,
            target: String,
            unit: String,
            median: Option<f64>,
            values: &'a [f64],
            note: &'a str,
            met: Option<bool>,
        }
        let lines: Vec<Shown<'_>> = self
            .0
            .iter()
            .map(|line| Shown {
                what: &line.what,
                target: line.target(),
                unit: format!("{:?}", line.unit),
                median: line.value(),
                values: &line.values,
                note: &line.note,
                met: line.met(),
            })
            .collect();
        let all = serde_json::json!({ "machine": machine, "tuning": tuning, "lines": lines });
        Ok(serde_json::to_string_pretty(&all)? + "\n")
    }

    fn markdown(&self) -> String {
        let row = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let mut text = row(&HEADINGS.map(String::from)) + "| --- | --- | --- | --- |\n";
        for line in &self.0 {
            text.push_str(&row(&line.cells()));
        }
        text
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = comfy_table::Table::new();
        shown.load_style(UTF8_FULL_CONDENSED).set_header(HEADINGS);
        for line in &self.0 {
            shown.add_row(line.cells());
        }
        write!(f, "{shown}")
    }
}

const BEGIN: &str = "<!-- the last table: cargo bench --bench courier -- --save -->\n";
const END: &str = "<!-- end of the last table -->";

/// Puts the table into `benches/README.md`, in place of the last one.
pub(crate) fn save(table: &Table, machine: &Machine, tuning: &str) -> Result<()> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/README.md");
    let text = std::fs::read_to_string(&file)?;
    let (before, rest) = text.split_once(BEGIN).context("no place for the table")?;
    let (_, after) = rest.split_once(END).context("no end of the table")?;
    let about = format!("{machine}\n{tuning}").replace('\n', "  \n");
    let table = table.markdown();
    std::fs::write(
        &file,
        format!("{before}{BEGIN}\n{about}\n\n{table}\n{END}{after}"),
    )?;
    Ok(())
}

fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut shown = String::new();
    for (nth, digit) in digits.chars().enumerate() {
        if nth > 0 && (digits.len() - nth) % 3 == 0 {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}
