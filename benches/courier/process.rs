//! The program under test, as processes of their own.

use std::path::Path;
use std::process::{ExitStatus, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use tempfile::NamedTempFile;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::task::JoinHandle;

use crate::{tuning, usage};

const TOKEN: &str = "demo-token";

/// The exit code of the careful script where a library is missing.
pub(crate) const NOT_INSTALLED: i32 = 3;

/// How often the peak memory is read. It only grows, so only growth in the last moment can be
/// missed.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// `contact-courier simulate`, without faults.
pub(crate) struct Simulator {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    pub(crate) base_url: String,
}

#[derive(Deserialize)]
struct Started {
    base_url: String,
}

/// The simulator's report at its end.
#[derive(Deserialize)]
pub(crate) struct Ended {
    pub(crate) requests: u64,
    pub(crate) numbers_held: u64,
    /// CPU seconds of its own.
    #[serde(skip)]
    pub(crate) cpu: f64,
}

impl Simulator {
    /// Starts one on a free port.
    pub(crate) async fn start(program: &Path) -> Result<Self> {
        let mut child = Command::new(program)
            .args([
                "simulate",
                "--listen",
                "127.0.0.1:0",
                "--json",
                "--token",
                TOKEN,
            ])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot run {}", program.display()))?;
        let out = child.stdout.take().context("no standard output")?;
        let mut lines = BufReader::new(out).lines();
        let first = lines.next_line().await?.context("the simulator ended")?;
        let Started { base_url } = serde_json::from_str(&first)?;
        Ok(Self {
            child,
            lines,
            base_url,
        })
    }

    /// Ends the simulator and returns what it has seen and used.
    pub(crate) async fn stop(mut self) -> Result<Ended> {
        let pid = self.child.id().context("the simulator has ended")?;
        let cpu = usage::cpu(pid)?;
        signal(pid, "TERM").await?;
        let last = self.lines.next_line().await?.context("no counts")?;
        self.child.wait().await?;
        let ended: Ended = serde_json::from_str(&last)?;
        Ok(Ended { cpu, ..ended })
    }
}

/// `contact-courier run`.
pub(crate) struct Courier {
    child: Child,
    pub(crate) pid: u32,
    peak: Arc<AtomicU64>,
    looking: JoinHandle<()>,
    log: NamedTempFile,
}

impl Courier {
    /// Starts a courier; later settings win.
    pub(crate) fn start(
        program: &Path,
        database: &str,
        platform: &str,
        arguments: &[&str],
        settings: &[&str],
    ) -> Result<Self> {
        let log = NamedTempFile::new()?;
        let mut command = Command::new(program);
        // An empty file, so that this machine's settings in /etc do not count.
        command
            .arg("run")
            .args(["--config", "/dev/null"])
            .args(arguments);
        let own = [
            format!("database.url={database}"),
            format!("platform.base_url={platform}"),
            format!("platform.token={TOKEN}"),
        ];
        let own = own.iter().map(String::as_str);
        for setting in own.chain(tuning::COMMON).chain(settings.iter().copied()) {
            command.args(["--set", setting]);
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.reopen()?)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot run {}", program.display()))?;
        let pid = child.id().context("it has ended already")?;
        let peak = Arc::new(AtomicU64::new(0));
        let looking = tokio::spawn(look(pid, Arc::clone(&peak)));
        Ok(Self {
            child,
            pid,
            peak,
            looking,
            log,
        })
    }

    /// Waits until it ends by itself.
    pub(crate) async fn ended(&mut self) -> Result<ExitStatus> {
        let status = self.child.wait().await?;
        self.looking.abort();
        Ok(status)
    }

    /// Waits for the end, which must be a success.
    pub(crate) async fn done(&mut self) -> Result<()> {
        let status = self.ended().await?;
        ensure!(
            status.success(),
            "the courier ended with {status}: {}",
            self.last_words()
        );
        Ok(())
    }

    /// Whether it still runs.
    pub(crate) fn runs(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// Stops it softly.
    pub(crate) async fn stop(mut self) -> Result<()> {
        signal(self.pid, "TERM").await?;
        self.done().await
    }

    /// The most memory that the courier has had, in MiB.
    pub(crate) fn peak_memory(&self) -> f64 {
        f64::from_bits(self.peak.load(Ordering::Relaxed))
    }

    /// The last line of its log.
    pub(crate) fn last_words(&self) -> String {
        let log = std::fs::read_to_string(self.log.path()).unwrap_or_default();
        log.lines().last().unwrap_or_default().to_owned()
    }

    /// Keeps its log.
    pub(crate) fn keep_log(&self, file: &Path) -> Result<()> {
        std::fs::copy(self.log.path(), file)?;
        Ok(())
    }
}

async fn look(pid: u32, peak: Arc<AtomicU64>) {
    let mut every = tokio::time::interval(LOOK_EVERY);
    loop {
        every.tick().await;
        if let Some(mebibytes) = usage::peak_memory(pid) {
            peak.store(mebibytes.to_bits(), Ordering::Relaxed);
        }
    }
}

/// Runs the careful script until it ends. If the first Python lacks a library, the second one is
/// tried: Debian's packages are for its own Python.
pub(crate) async fn script(database: &str, platform: &str) -> Result<Output> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/careful.py");
    let run = async |python: &str| {
        let mut command = Command::new(python);
        command.arg(&file).args([database, platform]);
        let done = command.env("PLATFORM_TOKEN", TOKEN).output().await;
        done.with_context(|| format!("cannot run {python}"))
    };
    match run("python3").await {
        Ok(done) if done.status.code() != Some(NOT_INSTALLED) => Ok(done),
        _ => run("/usr/bin/python3").await,
    }
}

async fn signal(pid: u32, name: &str) -> Result<()> {
    let sent = Command::new("kill")
        .args(["-s", name, &pid.to_string()])
        .status()
        .await?;
    ensure!(sent.success(), "cannot signal {pid}");
    Ok(())
}
