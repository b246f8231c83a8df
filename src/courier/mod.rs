//! The running daemon: it takes contacts from the outbox to the platform and the truth about each
//! back. The only part of the program that knows both, through their traits.
//!
//! One contact's way: `scout` leases its lane, `lane` reads and composes it into a batch,
//! `dispatcher` journals and sends the batch, the verdict says what the answer means, `recorder`
//! writes it into the row. Beside them: `heartbeat` keeps the leases, [`limits`] the rates,
//! [`backoff`] and `gates` the pauses, [`lifecycle`] the end,
//! [`supervisor`] what systemd hears of it, [`tuning`] what can change meanwhile.

pub mod backoff;
mod breaker;
mod context;
mod dispatcher;
mod gates;
mod heartbeat;
mod isolation;
mod lane;
pub mod lifecycle;
pub mod limits;
mod locked;
mod permits;
pub mod pulse;
mod recorder;
mod refusals;
pub mod retention;
mod scout;
mod store;
pub mod supervisor;
mod token;
pub mod tuning;
mod underway;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinHandle;
use uuid::Uuid;

use self::context::Context;
pub use self::context::CourierOptions;
use self::dispatcher::Dispatcher;
use self::heartbeat::LeaseClock;
use self::lifecycle::Lifecycle;
use self::limits::{Limits, Shared};
use self::permits::Permits;
use self::pulse::Pulse;
use self::recorder::Recorder;
use self::scout::Scout;
use self::tuning::Tuner;
use crate::outbox::{Backlog, Instance, Outbox, OutboxError};
use crate::platform::client::Platform;
use crate::telemetry::event::{DatabaseWatch, Stopped};
use crate::telemetry::traces::Traces;

/// What is left to say to the database at the end takes no longer: a heartbeat that stops says the
/// same a little later.
const LEAVE_WITHIN: Duration = Duration::from_secs(10);

/// A courier that is ready to run.
pub struct Courier {
    outbox: Arc<dyn Outbox>,
    platform: Arc<dyn Platform>,
    options: CourierOptions,
    instance: Instance,
    pulse: Arc<Pulse>,
    tuner: Tuner,
}

/// How long to work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Until asked to stop.
    Stopped,
    /// Until nothing that is due can be delivered any more.
    Done,
}

impl Courier {
    /// Puts a courier together; nothing is started.
    pub fn new(
        outbox: Arc<dyn Outbox>,
        platform: Arc<dyn Platform>,
        options: CourierOptions,
    ) -> Self {
        let instance = Instance {
            id: Uuid::now_v7(),
            host: options.host.clone(),
            pid: std::process::id(),
            lease: options.lease,
        };
        let beats = heartbeat::interval(options.lease);
        let pulse = Pulse::new(options.poll_interval, beats, outbox.writers());
        Self {
            outbox,
            platform,
            pulse: Arc::new(pulse),
            tuner: Tuner::new(options.tuning.clone()),
            options,
            instance,
        }
    }

    /// The same, and the ways of its batches are told.
    pub fn traced(mut self, traces: Traces) -> Self {
        self.options.traces = traces;
        self
    }

    /// This instance's id, as other couriers and people see it.
    pub fn instance(&self) -> Uuid {
        self.instance.id
    }

    /// Whether its loops are turning, from when it works.
    pub fn pulse(&self) -> Arc<Pulse> {
        Arc::clone(&self.pulse)
    }

    /// What can change while it works.
    pub fn tuner(&self) -> Tuner {
        self.tuner.clone()
    }

    /// Works. Tells what is left in the outbox, if it is still known at the end.
    pub async fn run(self, life: Lifecycle, until: Until) -> Result<Option<Backlog>, OutboxError> {
        let watch = Arc::new(DatabaseWatch::default());
        let outbox = Arc::clone(&self.outbox);
        let id = self.instance.id;
        let grace = self.options.shutdown_grace;
        let (leases, heart) = heartbeat::start(
            Arc::clone(&outbox),
            self.instance.clone(),
            Arc::clone(&watch),
            Arc::clone(&self.pulse),
            life.clone(),
        )
        .await?;
        token::at_start(&*outbox).await?;
        let (recorder, mut writers) = Recorder::start(&outbox, &watch, &self.pulse, &life);
        self.pulse.begin();
        let context = Arc::new(self.context(recorder, leases, watch, life.clone()));
        let scout = Scout::new(Arc::clone(&context), id);
        let work = async {
            let scouting = async {
                match until {
                    Until::Stopped => scout.run().await,
                    Until::Done => scout.run_once().await?,
                }
                Ok(())
            };
            tokio::select! {
                scouted = scouting => scouted?,
                () = token::follow(&context) => {}
                () = tuning::follow(&context.dispatcher.tuner, &context.dispatcher) => {}
            }
            drop(context);
            // The scout and its lanes were the last to hold the recorder's handle.
            while writers.join_next().await.is_some() {}
            Ok(())
        };
        let worked = tokio::select! {
            worked = work => Some(worked),
            () = grace_is_over(&life, grace) => None,
        };
        let clean = worked.is_some();
        worked.transpose()?;
        let leaving = leave(&*outbox, id, &heart, until, clean);
        let backlog = tokio::time::timeout(LEAVE_WITHIN, leaving).await;
        Stopped { clean }.emit();
        backlog.unwrap_or(Ok(None))
    }

    fn context(
        self,
        recorder: Recorder,
        leases: LeaseClock,
        watch: Arc<DatabaseWatch>,
        life: Lifecycle,
    ) -> Context {
        let tuning = self.tuner.current();
        let shared = self.options.shared_limits.then(|| Shared {
            outbox: Arc::clone(&self.outbox),
            watch: Arc::clone(&watch),
        });
        let dispatcher = Dispatcher {
            platform: self.platform,
            permits: Permits::new(tuning.max_in_flight),
            limits: Limits::new(&tuning.limits, shared),
            tuner: self.tuner,
            gates: Mutex::default(),
            recorder,
            leases,
            life,
        };
        Context::new(self.outbox, dispatcher, &self.options, watch, self.pulse)
    }
}

/// Resolves when what is in flight has had its time to finish, or must not have any.
async fn grace_is_over(life: &Lifecycle, grace: Duration) {
    life.stopping().await;
    tokio::select! {
        () = tokio::time::sleep(grace) => life.kill(),
        () = life.killed() => {}
    }
}

/// Frees the lanes and takes the instance off the list. After an unclean end that is left out: the
/// heartbeat runs out by itself, and until then nobody else sends what may still be on its way.
async fn leave(
    outbox: &dyn Outbox,
    instance: Uuid,
    heart: &JoinHandle<()>,
    until: Until,
    clean: bool,
) -> Result<Option<Backlog>, OutboxError> {
    heart.abort();
    if !clean {
        return Ok(None);
    }
    let backlog = match until {
        Until::Done => Some(outbox.backlog(instance).await?),
        Until::Stopped => None,
    };
    // Without a database the heartbeat runs out by itself.
    outbox.retire(instance).await.ok();
    Ok(backlog)
}
