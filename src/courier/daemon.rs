//! The courier: puts its parts together, runs them, and ends them.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::beats;
use super::bulletin::Bulletin;
use super::context::Context;
use super::entry::{Entered, Entry};
use super::heartbeat::LeaseClock;
use super::lifecycle::Lifecycle;
use super::limits::{Guest, RateLimiter, SharedRates};
use super::memory::Memory;
use super::notes::Notes;
use super::options::CourierOptions;
use super::pauses::Pauses;
use super::permits::Permits;
use super::pulse::Pulse;
use super::recorder::Recorder;
use super::scout::Scout;
use super::tuning::Tuner;
use super::watch::DatabaseWatch;
use super::{actions, orders, retuning, token};
use crate::outbox::{Backlog, Instance, Outbox, OutboxError, Standing};
use crate::platform::client::Platform;
use crate::telemetry::event::Stopped;
use crate::telemetry::traces::Traces;

/// The time limit of the last database calls. If they fail, the heartbeat runs out, and others take
/// the lanes a little later.
const LEAVE_WITHIN: Duration = Duration::from_secs(10);

/// A courier that is ready to run.
pub struct Courier {
    outbox: Arc<dyn Outbox>,
    /// The database that keeps the rates, if it is another one.
    rates: Option<Arc<dyn Outbox>>,
    platform: Arc<dyn Platform>,
    options: CourierOptions,
    instance: Instance,
    pulse: Arc<Pulse>,
    tuner: Tuner,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Until asked to stop.
    Stopped,
    /// Until nothing that is due can be delivered any more.
    Done,
}

impl Courier {
    /// Puts a courier together without starting anything.
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
            standing: Standing {
                has_own_rates: !options.shared_limits,
                chores: options.chores.clone(),
                ..Standing::default()
            },
        };
        let beats = beats::interval(options.lease);
        let pulse = Pulse::new(options.poll_interval, beats, outbox.writers());
        Self {
            outbox,
            rates: None,
            platform,
            pulse: Arc::new(pulse),
            tuner: Tuner::new(options.tuning.clone()),
            options,
            instance,
        }
    }

    /// Shares the rates, kept in this database, with the couriers of other databases.
    pub fn with_rates(mut self, rates: Arc<dyn Outbox>) -> Self {
        self.rates = Some(rates);
        self
    }

    /// Traces the batches of this courier.
    pub fn traced(mut self, traces: Traces) -> Self {
        self.options.traces = traces;
        self
    }

    /// Returns this instance's id, as other couriers and people see it.
    pub fn instance(&self) -> Uuid {
        self.instance.id
    }

    /// Returns the pulse, which tells whether the loops are turning once the courier works.
    pub fn pulse(&self) -> Arc<Pulse> {
        Arc::clone(&self.pulse)
    }

    /// Returns the handle to the settings that can change while the courier works.
    pub fn tuner(&self) -> Tuner {
        self.tuner.clone()
    }

    /// Works until the end. Returns what is left in the outbox, if that is still known.
    pub async fn run(self, life: Lifecycle, until: Until) -> Result<Option<Backlog>, OutboxError> {
        let watch = Arc::new(DatabaseWatch::default());
        let outbox = Arc::clone(&self.outbox);
        let id = self.instance.id;
        let grace = self.options.shutdown_grace;
        let rates = self.rates(&watch);
        let limiter = Arc::new(self.limiter(&rates));
        let bulletin = Arc::new(Bulletin::new(
            Arc::clone(&limiter),
            self.tuner.clone(),
            !self.options.shared_limits,
            self.options.chores.clone(),
        ));
        let entry = self.entry((&watch, rates), &life, &bulletin, until);
        let Some(entered) = entered(&entry).await? else {
            return Ok(None);
        };
        if let Some(learned) = &entered.learned {
            limiter.learn(learned);
        }
        let Entered {
            leases,
            heart,
            guest,
            pauses,
            ..
        } = entered;
        let (recorder, mut writers) =
            Recorder::start(&outbox, (&watch, bulletin.locks()), &self.pulse, &life);
        self.pulse.begin();
        let parts = (limiter, Arc::clone(&bulletin), pauses);
        let context = Arc::new(self.context(parts, recorder, leases, watch, life.clone()));
        let scout = Scout::new(Arc::clone(&context), id);
        let work = async {
            tokio::select! {
                scouted = scouting(scout, until) => scouted?,
                () = token::follow(&context) => {}
                () = retuning::follow(&context) => {}
                () = heed_operators(&context) => {}
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
        let leaving = async {
            let learned = bulletin.learned().filter(|_| clean);
            let left = leave(&*outbox, id, &heart, until, clean);
            tokio::join!(left, entry.leave_rates(learned, guest)).0
        };
        let backlog = tokio::time::timeout(LEAVE_WITHIN, leaving).await;
        Stopped { clean }.emit();
        backlog.unwrap_or(Ok(None))
    }

    fn entry(
        &self,
        (watch, rates): (&Arc<DatabaseWatch>, SharedRates),
        life: &Lifecycle,
        bulletin: &Arc<Bulletin>,
        until: Until,
    ) -> Entry {
        Entry {
            outbox: Arc::clone(&self.outbox),
            instance: self.instance.clone(),
            watch: Arc::clone(watch),
            pulse: Arc::clone(&self.pulse),
            life: life.clone(),
            bulletin: Arc::clone(bulletin),
            rates,
            is_patient: until == Until::Stopped,
        }
    }

    /// Returns where the rates are kept, shared or not.
    fn rates(&self, watch: &Arc<DatabaseWatch>) -> SharedRates {
        let elsewhere = self.rates.as_ref().map(Arc::clone);
        let guest = elsewhere
            .clone()
            .map(|rates| Guest::new(rates, &self.instance));
        SharedRates {
            outbox: elsewhere.unwrap_or_else(|| Arc::clone(&self.outbox)),
            watch: Arc::clone(watch),
            guest: guest.map(Arc::new),
        }
    }

    fn limiter(&self, rates: &SharedRates) -> RateLimiter {
        let shared = self.options.shared_limits.then(|| rates.clone());
        RateLimiter::new(&self.tuner.current().limits, shared)
    }

    fn context(
        self,
        (limiter, bulletin, pauses): (Arc<RateLimiter>, Arc<Bulletin>, Pauses),
        recorder: Recorder,
        leases: LeaseClock,
        watch: Arc<DatabaseWatch>,
        life: Lifecycle,
    ) -> Context {
        let tuning = self.tuner.current();
        Context {
            limiter,
            permits: Permits::new(tuning.max_in_flight),
            outbox: self.outbox,
            platform: self.platform,
            recorder,
            leases,
            bulletin,
            tuner: self.tuner,
            notice_interval: self.options.notice_interval,
            poll_interval: self.options.poll_interval,
            memory: Memory::default(),
            request: self.options.request,
            traces: self.options.traces,
            life,
            watch,
            pulse: self.pulse,
            notes: Notes::default(),
            token_taken_again: Notify::new(),
            freed: watch::Sender::new(()),
            new_tokens: watch::Sender::new(()),
            pauses,
            orders: watch::Sender::new(()),
        }
    }
}

/// Resolves when the courier may work, or with `None` when it has to stop before.
async fn entered(entry: &Entry) -> Result<Option<Entered>, OutboxError> {
    tokio::select! {
        entered = entry.enter() => entered.map(Some),
        () = entry.life.stopping() => {
            let leaving = async {
                let left = entry.outbox.retire(entry.instance.id);
                tokio::join!(left, entry.leave_rates(None, None)).0
            };
            // Without a database the heartbeat runs out by itself.
            let left = tokio::time::timeout(LEAVE_WITHIN, leaving).await;
            Stopped { clean: left.is_ok_and(|left| left.is_ok()) }.emit();
            Ok(None)
        }
    }
}

/// Runs the scout until the end, as a task of its own: that is polled where the database's answers
/// come in.
async fn scouting(scout: Scout, until: Until) -> Result<(), OutboxError> {
    let scouting = tokio::spawn(async move {
        match until {
            Until::Stopped => scout.run().await,
            Until::Done => scout.run_once().await?,
        }
        Ok(())
    });
    match AbortOnDropHandle::new(scouting).await {
        Ok(scouted) => scouted,
        Err(panicked) => resume_unwind(panicked.into_panic()),
    }
}

/// Follows operators' orders and logs their actions. Does not end.
async fn heed_operators(context: &Context) {
    tokio::join!(orders::follow(context), actions::follow(context));
}

/// Resolves when requests in flight have had their time to finish, or must end at once.
async fn grace_is_over(life: &Lifecycle, grace: Duration) {
    life.stopping().await;
    tokio::select! {
        () = tokio::time::sleep(grace) => life.kill(),
        () = life.killed() => {}
    }
}

/// Frees the lanes and takes the instance off the list. After an unclean end it does neither: the
/// heartbeat runs out by itself, and until then nobody else sends a batch that may still be on its
/// way.
async fn leave(
    outbox: &dyn Outbox,
    instance: Uuid,
    heart: &AbortOnDropHandle<()>,
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
