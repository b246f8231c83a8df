//! Where the rows come from: a file that can be read twice.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek};
use std::path::Path;

use anyhow::Context;
use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};

use super::record::Rows;
use super::{csv_rows, json_rows};
use crate::cli::UsageError;

/// How the rows are written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Comma separated, with a header of column names
    Csv,
    /// One JSON object per line
    Jsonl,
}

/// An open file and its format.
#[derive(Debug)]
pub(super) struct Source {
    name: String,
    format: Format,
    file: File,
    length: u64,
}

impl Source {
    /// Opens the file. Input that can be read only once (standard input, a pipe) is first copied to
    /// a temporary file without a name.
    pub(super) fn open(path: &Path, format: Option<Format>) -> anyhow::Result<Self> {
        let standard_input = path == Path::new("-");
        let name = if standard_input {
            "standard input".to_owned()
        } else {
            path.display().to_string()
        };
        let format = format.or_else(|| by_extension(path)).ok_or_else(|| {
            UsageError(format!(
                "cannot tell the format of {name}: give --format csv or --format jsonl"
            ))
        })?;
        let cannot_read = || format!("cannot read {name}");
        let file = if standard_input {
            spool(io::stdin().lock())
        } else {
            let file = File::open(path).with_context(cannot_read)?;
            let kind = file.metadata().with_context(cannot_read)?;
            if kind.is_file() {
                Ok(file)
            } else {
                spool(file)
            }
        }
        .with_context(cannot_read)?;
        let length = file.metadata().with_context(cannot_read)?.len();
        Ok(Self {
            name,
            format,
            file,
            length,
        })
    }

    /// The path as it was given, for people.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Returns the rows from the beginning, with a progress bar if standard error is a terminal.
    pub(super) fn rows(&mut self, doing: &'static str) -> anyhow::Result<Rows<'_>> {
        self.file
            .rewind()
            .with_context(|| format!("cannot read {} again", self.name))?;
        let bar = ProgressBar::new(self.length)
            .with_message(doing)
            .with_style(ProgressStyle::with_template(
                "{msg:10} {wide_bar} {percent:>3}% {eta}",
            )?);
        let mut input = BufReader::new(bar.wrap_read(&self.file));
        let beginning = input
            .fill_buf()
            .with_context(|| format!("cannot read {}", self.name))?;
        if beginning.starts_with("\u{feff}".as_bytes()) {
            input.consume('\u{feff}'.len_utf8());
        }
        Ok(match self.format {
            Format::Csv => csv_rows::rows(input),
            Format::Jsonl => json_rows::rows(input),
        })
    }
}

fn by_extension(path: &Path) -> Option<Format> {
    match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "csv" => Some(Format::Csv),
        "jsonl" | "ndjson" => Some(Format::Jsonl),
        _ => None,
    }
}

fn spool(mut from: impl io::Read) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    io::copy(&mut from, &mut file)?;
    Ok(file)
}
