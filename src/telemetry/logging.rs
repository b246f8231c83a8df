//! Log lines: where they go, how they look, and which are written.
//!
//! They go to standard error, so that standard output holds only a command's result. Each event is
//! one line; in JSON its fields stand beside the message, and times are UTC. Delivery does not wait
//! for slow readers: a thread writes the lines, and lines that find too many before them are
//! dropped and counted.

use std::io::IsTerminal;
use std::time::Duration;

use tracing::Subscriber;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::{Layer as _, SubscriberExt};
use tracing_subscriber::reload;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{EnvFilter, Registry};

use super::event::LogLinesLost;
use crate::settings::{LogFormat, LogSettings};

/// Libraries whose lines matter mostly to their own authors, and the least severe lines that are written all
/// the same. All trouble with the database is told by our own events: a line when it begins, and one when
/// it ends.
const NOISY: [(&str, &str); 7] = [
    ("sqlx", SILENT),
    ("hyper", "warn"),
    ("hyper_util", "warn"),
    ("reqwest", "warn"),
    ("rustls", "warn"),
    ("h2", "warn"),
    ("tower", "warn"),
];

/// The level of a library that writes nothing.
const SILENT: &str = "off";

/// Changes which lines are written while the process runs.
pub struct LogLevel(reload::Handle<EnvFilter, Registry>);

impl LogLevel {
    /// Puts another `log.level` in force.
    pub fn change(&self, level: &str) {
        // This fails only when the log is gone, so the failure could not be logged.
        self.0.reload(filter(level)).ok();
    }
}

/// The most lines that wait to be written; a line has some 500 bytes.
const WAITING_LINES: usize = 8_192;

/// The time between two checks for dropped lines.
const LOOK: Duration = Duration::from_secs(5);

/// The log of the whole process.
pub struct Log {
    /// Changes which lines are written.
    pub level: LogLevel,
    /// Reports dropped lines.
    pub losses: Losses,
    /// Writes the waiting lines when it is dropped, as far as somebody reads them.
    pub writer: WorkerGuard,
}

/// Counts dropped lines.
pub struct Losses(ErrorCounter);

impl Losses {
    /// Reports how many lines were dropped, whenever there are some. Does not end.
    pub async fn tell(self) {
        let mut told = 0;
        loop {
            tokio::time::sleep(LOOK).await;
            let lost = self.0.dropped_lines();
            let lines = u64::try_from(lost.saturating_sub(told)).unwrap_or(u64::MAX);
            if lines > 0 {
                LogLinesLost { lines }.emit();
                told = lost;
            }
        }
    }
}

/// Sets up the log of the whole process. Fails if it is already set up.
pub fn init(settings: &LogSettings) -> Result<Log, TryInitError> {
    let terminal = std::io::stderr().is_terminal();
    let format = settings.format.unwrap_or(if terminal {
        LogFormat::Pretty
    } else {
        LogFormat::Json
    });
    let filter = filter(&settings.level);
    let (lines, writer) = NonBlockingBuilder::default()
        .buffered_lines_limit(WAITING_LINES)
        .thread_name("log")
        .finish(std::io::stderr());
    let losses = Losses(lines.error_counter());
    let (subscriber, level) = subscriber(format, filter, terminal, lines);
    subscriber.try_init()?;
    Ok(Log {
        level,
        losses,
        writer,
    })
}

/// Parses the level, which the settings have checked: no part of it gets lost here.
fn filter(level: &str) -> EnvFilter {
    EnvFilter::builder().parse_lossy(directives(level))
}

/// Returns the subscriber that writes log lines to `writer`, coloured on a `terminal`.
fn subscriber<W>(
    format: LogFormat,
    filter: EnvFilter,
    terminal: bool,
    writer: W,
) -> (Box<dyn Subscriber + Send + Sync>, LogLevel)
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let (filter, handle) = reload::Layer::new(filter);
    let lines = fmt::layer().with_writer(writer);
    // On a terminal, NO_COLOR decides.
    let lines = if terminal {
        lines
    } else {
        lines.with_ansi(false)
    };
    let lines = match format {
        LogFormat::Json => {
            let lines = lines.json().flatten_event(true);
            lines.with_span_list(false).boxed()
        }
        LogFormat::Pretty => lines.boxed(),
    };
    let subscriber = tracing_subscriber::registry().with(filter).with(lines);
    (Box::new(subscriber), LogLevel(handle))
}

/// Returns `level` with the noisy libraries limited, unless it names them itself.
fn directives(level: &str) -> String {
    let parts = || level.split(',').map(str::trim);
    let talkative = |part: &str| {
        ["info", "debug", "trace"]
            .iter()
            .any(|word| part.eq_ignore_ascii_case(word))
    };
    // They are limited only where they would be louder: `error` must stay `error` for them, too.
    let is_talkative = parts().any(talkative);
    let named = |library: &str| {
        parts().any(|part| {
            part.strip_prefix(library)
                .is_some_and(|rest| rest.starts_with(['=', ':', '[']))
        })
    };
    let is_limited =
        |(library, most): &&(&str, &str)| (is_talkative || *most == SILENT) && !named(library);
    let limited = NOISY.iter().filter(is_limited);
    limited.fold(String::new(), |held, (library, most)| {
        held + library + "=" + most + ","
    }) + level
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use tracing::Dispatch;
    use tracing::subscriber::NoSubscriber;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    pub(crate) fn logged(format: LogFormat, level: &str, log: impl FnOnce()) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let filter = EnvFilter::builder().parse(directives(level)).unwrap();
        let (subscriber, _) = subscriber(format, filter, false, move || writer.clone());
        // Beside a single subscriber, another test that says the same first, to nobody, would silence it
        // for all.
        let another = Dispatch::new(NoSubscriber::default());
        tracing::subscriber::with_default(subscriber, log);
        drop(another);
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_json_event_is_one_line_with_its_fields_beside_the_message_and_a_utc_time() {
        let text = logged(LogFormat::Json, "info", || {
            tracing::info!(batch_contacts = 3, "the batch\nis delivered");
        });
        assert_eq!(text.matches('\n').count(), 1, "{text}");
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["batch_contacts"], 3);
        assert_eq!(line["message"], "the batch\nis delivered");
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'));
    }

    #[test]
    fn a_level_that_changes_holds_for_the_lines_that_follow() {
        let lines = Lines::default();
        let writer = lines.clone();
        let (subscriber, level) = subscriber(LogFormat::Pretty, filter("warn"), false, move || {
            writer.clone()
        });
        tracing::subscriber::with_default(subscriber, || {
            for (step, to) in ["debug", "off", "info,contact_courier=warn"]
                .iter()
                .enumerate()
            {
                tracing::info!("step {step}");
                level.change(to);
            }
            tracing::warn!("step 3");
        });
        let bytes = lines.0.lock().unwrap().clone();
        let text = String::from_utf8(bytes).unwrap();
        let seen = |step| text.contains(&format!("step {step}"));
        assert_eq!([0, 1, 2, 3].map(seen), [false, true, false, true], "{text}");
    }

    #[test]
    fn a_noisy_library_is_held_down_unless_the_level_names_it() {
        let chatter = || tracing::info!(target: "sqlx::query", "select 1");
        assert_eq!(logged(LogFormat::Pretty, "info", chatter), "");
        let named = logged(LogFormat::Pretty, "warn,sqlx=info", chatter);
        assert!(named.contains("select 1"));
        let named = logged(LogFormat::Pretty, "info,sqlx=info", chatter);
        assert!(named.contains("select 1"));
    }

    #[test]
    fn holding_down_never_lets_more_through_than_the_level_does() {
        let text = logged(LogFormat::Pretty, "error", || {
            tracing::warn!(target: "sqlx::query", "slow");
        });
        assert_eq!(text, "");
        for level in ["info", "warn", "error"] {
            let text = logged(LogFormat::Pretty, level, || {
                tracing::error!(target: "sqlx_core::pool::inner", "error returned from after_connect");
            });
            assert_eq!(text, "", "{level}");
        }
    }
}
