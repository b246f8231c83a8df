//! The exporter: a task that sends the gathered ways until the courier and its batches are gone.
//!
//! While the collector is away, the exporter tries the same request again, less and less often.
//! Meanwhile the queue fills, and ways without room are dropped.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{self, Instant};
use tokio_util::sync::CancellationToken;
use url::Url;
use uuid::Uuid;

use super::collector::{Collector, CollectorError, Refused, Taken};
use super::handle::Traces;
use super::otlp::{self, HostTime};
use super::queue::{Counts, Queue};
use super::way::Way;
use crate::http;
use crate::telemetry::event::{CollectorWatch, SpansExported, SpansLost};

/// The most ways in one request.
const MOST: usize = 256;

/// The time for which ways gather before they are sent.
const GATHER: Duration = Duration::from_secs(1);

/// The first and the longest pause before a request is sent again.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// The time limit for the remaining ways at the end.
const FINISH_WITHIN: Duration = Duration::from_secs(2);

/// Where traces are sent, in whose name, and which share of the batches.
#[derive(Clone, Debug)]
pub struct TraceOptions {
    /// The way of requests to the collector.
    pub way: http::Way,
    /// `traces.endpoint`.
    pub endpoint: Url,
    /// `traces.ratio`.
    pub ratio: f64,
    pub instance: Uuid,
}

/// The task that sends to the collector; none by default.
#[derive(Default)]
pub struct Exporter(Option<Running>);

struct Running {
    counts: Arc<Counts>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Exporter {
    /// Starts the task. It sends the ways that come from the returned handle.
    pub fn start(options: &TraceOptions) -> Result<(Traces, Self), CollectorError> {
        let counts = Arc::<Counts>::default();
        let (queue, receiver) = Queue::open(options.ratio, Arc::clone(&counts));
        let stop = CancellationToken::new();
        let work = Work {
            collector: Collector::new(&options.endpoint, options.way.clone())?,
            instance: options.instance,
            counts: Arc::clone(&counts),
            receiver,
            stop: stop.clone(),
            watch: CollectorWatch::default(),
        };
        let task = tokio::spawn(work.run());
        Ok((
            Traces::through(queue),
            Self(Some(Running { counts, stop, task })),
        ))
    }

    /// Sends the remaining ways, within two seconds. The courier is gone by now, or going.
    pub async fn finish(self) {
        let Some(Running {
            counts,
            stop,
            mut task,
        }) = self.0
        else {
            return;
        };
        stop.cancel();
        if time::timeout(FINISH_WITHIN, &mut task).await.is_err() {
            task.abort();
        }
        let spans = counts.waiting();
        counts.lose(spans);
        let spans = counts.take_dropped();
        if spans > 0 {
            SpansLost { spans }.emit();
        }
    }
}

/// The state of the task.
struct Work {
    collector: Collector,
    instance: Uuid,
    counts: Arc<Counts>,
    receiver: mpsc::Receiver<Way>,
    stop: CancellationToken,
    watch: CollectorWatch,
}

impl Work {
    async fn run(mut self) {
        loop {
            let ways = self.gather().await;
            if ways.is_empty() {
                return;
            }
            self.export(&ways).await;
        }
    }

    /// Returns the ways that come within a second after the first. Returns none if no batch is
    /// left.
    async fn gather(&mut self) -> Vec<Way> {
        let mut ways = Vec::new();
        self.receiver.recv_many(&mut ways, MOST).await;
        let enough = time::sleep(GATHER);
        tokio::pin!(enough);
        while !ways.is_empty() && ways.len() < MOST {
            let room = MOST - ways.len();
            tokio::select! {
                () = &mut enough => break,
                more = self.receiver.recv_many(&mut ways, room) => if more == 0 { break },
            }
        }
        ways
    }

    /// Sends ways, again and again while the collector is away.
    async fn export(&mut self, ways: &[Way]) {
        let spans = ways.iter().map(Way::spans).sum();
        let request = otlp::encode(self.instance, ways, host_time());
        let mut pause = PAUSE.0;
        loop {
            // Read before the request: a try that begins after the end was asked for is the last
            // one.
            let last = self.stop.is_cancelled();
            match self.collector.post(request.clone()).await {
                Ok(taken) => return self.taken(spans, taken),
                Err(Refused { is_transient, why }) => {
                    self.watch.fails(&why);
                    if last || !is_transient {
                        return self.counts.lose(spans);
                    }
                }
            }
            tokio::select! {
                () = time::sleep(pause) => {}
                () = self.stop.cancelled() => {}
            }
            pause = (pause * 2).min(PAUSE.1);
        }
    }

    fn taken(&mut self, spans: u64, taken: Taken) {
        let rejected = match taken {
            Taken::Whole => 0,
            Taken::Partly { rejected, why } => {
                self.watch
                    .fails(&format!("it leaves out {rejected} spans: {why}"));
                rejected.min(spans)
            }
        };
        let spans = spans - rejected;
        self.counts.exported(spans);
        SpansExported { spans }.emit();
        if rejected > 0 {
            self.counts.lose(rejected);
        } else {
            let idle = self.receiver.is_empty();
            self.watch.takes(self.counts.take_dropped(), idle);
        }
    }
}

fn host_time() -> HostTime {
    #[expect(
        clippy::disallowed_methods,
        reason = "a collector is told the host's time, and nobody else"
    )]
    let now = std::time::SystemTime::now();
    let since = now
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    HostTime {
        at: Instant::now(),
        unix_nanos: u64::try_from(since.as_nanos()).unwrap_or(u64::MAX),
    }
}
