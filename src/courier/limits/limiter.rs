//! The rate limiter of one courier: every limit, the level, and the budget for retries.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::arrivals::Arrivals;
use super::keyed::Keyed;
use super::lessons::Lessons;
use super::level::{Learned, Level};
use super::limit::{Limit, Queued};
use super::probes::ProbeBudget;
use super::rate::Rate;
use super::retries::RetryBudget;
use super::settings::RateLimits;
use super::share::SharedRates;
use crate::contact::Lane;
use crate::lock::lock;
use crate::outbox::LearnedRate;
use crate::telemetry::event::RateLevel;

#[cfg(test)]
mod tests;

/// A lane whose turn is further away than this gives its place to others.
pub(in crate::courier) const NEAR: Duration = Duration::from_millis(250);

/// The longest wait of a request with a permit for the rate of its lane or user.
const LATE: Duration = Duration::from_secs(1);

/// After this time, a retry without a budget checks whether others' successes have paid for it.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// The part of the rate whose requests may wait between permit and departure.
const INSIDE: Duration = Duration::from_millis(500);

/// At least this many requests may wait there.
const LEAST_INSIDE: usize = 2;

/// A rate that another courier learned below this part of the configured rate is not taken over.
const LEAST_LEARNED: f64 = 1.0 / 16.0;

/// A request that has departed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::courier) struct Departed(Instant);

/// Why a request may not go.
struct Full {
    until: Instant,
    /// Whether nobody else may go before then.
    for_all: bool,
}

/// The budget that pays for a request of a lane that has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::courier) enum Budget {
    /// Others' successes, and a trickle.
    Retries,
    /// A share of the rate, for lanes that wait for a person.
    Probes,
}

pub(in crate::courier) struct RateLimiter {
    all: Limit,
    /// `None`: the rate is shared, and the arrivals of other couriers are not known.
    arrivals: Option<Mutex<Arrivals>>,
    users: Keyed<Arc<str>>,
    lanes: Keyed<Lane>,
    level: Mutex<Lessons>,
    /// The request that departs next waits here, with the others in line behind it. So not all of
    /// them wake up whenever one may go.
    door: tokio::sync::Mutex<()>,
    retries: Mutex<RetryBudget>,
    probes: Mutex<ProbeBudget>,
}

impl RateLimiter {
    /// Begins with full buckets. `shared` is `None` if the rates are for this courier alone.
    pub(in crate::courier) fn new(limits: &RateLimits, shared: Option<SharedRates>) -> Self {
        RateLevel { level: 1.0 }.emit();
        let user = |user: &Arc<str>| format!("user:{user}");
        let lane = |lane: &Lane| format!("lane:{lane}");
        Self {
            all: Limit::new(limits.all(), shared.clone(), "all"),
            arrivals: shared.is_none().then(Mutex::default),
            users: Keyed::new(limits.of_a_user(), shared.clone(), user),
            lanes: Keyed::new(limits.of_a_lane(), shared, lane),
            level: Mutex::default(),
            door: tokio::sync::Mutex::default(),
            retries: Mutex::new(RetryBudget::new(Instant::now())),
            probes: Mutex::new(ProbeBudget::new(Instant::now())),
        }
    }

    /// Changes to other rates, also for waiting requests. Requests that went out stay counted, and
    /// so does what was learned of the platform.
    pub(in crate::courier) fn change(&self, limits: &RateLimits) {
        let (before, learned) = (self.rate(), self.learned());
        self.all.change(Some(limits.all()));
        self.users.change(limits.of_a_user());
        self.lanes.change(limits.of_a_lane());
        if self.rate() == before {
            return;
        }
        if let Some(arrivals) = &self.arrivals {
            lock(arrivals).forget_refusals();
        }
        if let Some(learned) = learned {
            // The level is a part of the configured rate, and the platform's limit is none.
            *lock(&self.level) = Lessons::default();
            self.learn(&learned);
        }
    }

    /// Takes one request out of a budget. Fails with the instant to ask again.
    pub(in crate::courier) fn pay(&self, budget: Budget) -> Result<(), Instant> {
        let now = Instant::now();
        let paid = match budget {
            Budget::Retries => lock(&self.retries)
                .take(now)
                .map_err(|wait| wait.min(LOOK_AGAIN)),
            Budget::Probes => lock(&self.probes).take(self.per_second(), now),
        };
        paid.map_err(|wait| now + wait)
    }

    /// Gives back to a budget what it has paid for a request that does not go.
    pub(in crate::courier) fn give_back(&self, budget: Budget) {
        match budget {
            Budget::Retries => lock(&self.retries).earn(),
            Budget::Probes => lock(&self.probes).give_back(),
        }
    }

    /// Returns how many requests may wait between permit and departure. They go in the order of
    /// their permits, even if others come later.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 to 500,000"
    )]
    pub(in crate::courier) fn room_inside(&self) -> usize {
        let room = (self.per_second() * INSIDE.as_secs_f64()) as usize;
        room.max(LEAST_INSIDE)
    }

    /// Returns the rate in use for all requests.
    fn per_second(&self) -> f64 {
        self.level() * self.configured().unwrap_or(f64::INFINITY)
    }

    /// Fails if the turn of the lane and its user is not near, with the instant to ask again.
    pub(in crate::courier) fn is_near(&self, lane: &Lane) -> Result<(), Instant> {
        near(&self.own(lane), Instant::now())
    }

    /// Takes the turn of the lane and its user, if the turn is near and the budget, if any, pays
    /// for it. Fails with the instant to ask again; then neither a turn nor a budget is used.
    pub(in crate::courier) fn take_turn(
        &self,
        lane: &Lane,
        budget: Option<Budget>,
    ) -> Result<OwnTurn, Instant> {
        let (limits, now) = (self.own(lane), Instant::now());
        near(&limits, now)?;
        // A turn cannot be given back.
        if let Some(budget) = budget {
            self.pay(budget)?;
        }
        let queue = |limit: &Arc<Limit>| limit.queue(now);
        Ok(OwnTurn(limits.iter().map(queue).collect()))
    }

    /// Returns the limits of the lane and its user, if there are any.
    fn own(&self, lane: &Lane) -> Vec<Arc<Limit>> {
        let user = self.users.of(|| lane.user_id().into());
        let lane = self.lanes.of(|| lane.clone());
        lane.into_iter().chain(user).collect()
    }

    /// Fails if late requests of the lane or its user keep another one from departing soon.
    pub(in crate::courier) fn has_window(&self, lane: &Lane) -> Result<(), Instant> {
        let now = Instant::now();
        let own = self.own(lane);
        let opens = own.iter().filter_map(|limit| opens_late(limit, now)).max();
        opens.map_or(Ok(()), Err)
    }

    /// Waits until a request of a lane whose turn it is may be sent, and counts it. Checks lane and
    /// user once more, because time has passed since their turn: otherwise requests that were held
    /// up together would go together. Fails without counting if the request may not go before a
    /// distant instant, and returns that instant.
    pub(in crate::courier) async fn ready(&self, lane: &Lane) -> Result<Departed, Instant> {
        self.all.ready(|| 1.0 / self.level()).await;
        loop {
            let first = self.door.lock().await;
            // A request that waits here keeps a permit from others.
            self.has_window(lane)?;
            let now = Instant::now();
            let full = match self.depart(lane, now) {
                Ok(()) => return Ok(Departed(now)),
                Err(full) => full,
            };
            let first = full.for_all.then_some(first);
            // Not for longer: the rate may change meanwhile.
            sleep_until(full.until.min(now + LATE)).await;
            drop(first);
        }
    }

    /// Counts a request that goes now. Fails without counting if a window is full.
    fn depart(&self, lane: &Lane, now: Instant) -> Result<(), Full> {
        let user = self.users.of(|| lane.user_id().into());
        let lane = self.lanes.of(|| lane.clone());
        // All callers lock in this order, so no deadlock is possible.
        let mut all = lock(&self.all.bucket);
        let mut arrivals = self.arrivals.as_ref().map(lock);
        let own = [user.as_deref(), lane.as_deref()];
        let mut own = own.map(|limit| limit.map(|limit| lock(&limit.bucket)));
        let rate = all.rate();
        let by_arrivals = arrivals.as_ref().and_then(|it| it.room(rate, now).err());
        let of_all = all.room(now).err().max(by_arrivals);
        let of_own = own.iter_mut().flatten();
        let of_own = of_own.filter_map(|bucket| bucket.room(now).err()).max();
        if let Some(until) = of_all.max(of_own) {
            let for_all = of_all == Some(until);
            return Err(Full { until, for_all });
        }
        all.depart(now);
        for bucket in own.iter_mut().flatten() {
            bucket.depart(now);
        }
        if let Some(arrivals) = &mut arrivals {
            arrivals.depart(rate, now);
        }
        Ok(())
    }

    /// Notes that the platform has taken in a request, and how long that took.
    pub(in crate::courier) fn answered(&self, departed: Departed) {
        if let Some(arrivals) = &self.arrivals {
            lock(arrivals).answered(departed.0, Instant::now());
        }
    }

    /// Returns the part of the configured rate in use, 0 to 1.
    pub(in crate::courier) fn level(&self) -> f64 {
        lock(&self.level).level().at(Instant::now())
    }

    /// Returns the learned rate of the platform, in requests per second.
    pub(in crate::courier) fn learned(&self) -> Option<LearnedRate> {
        let learned = lock(&self.level).level().learned()?;
        let rate = self.configured()?;
        Some(LearnedRate {
            hurt: learned.hurt * rate,
            low: learned.low * rate,
            stays_seconds: learned.stays.as_secs_f64(),
            seconds_ago: learned.at.elapsed().as_secs_f64(),
        })
    }

    /// Goes on from the rate that another courier, or an earlier one, has learned.
    pub(in crate::courier) fn learn(&self, learned: &LearnedRate) {
        let Some(rate) = self.configured() else {
            return;
        };
        // A platform that refuses even the slowest requests has taught nothing about its rate.
        if learned.hurt < rate * LEAST_LEARNED {
            return;
        }
        let seconds = |seconds| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
        let now = Instant::now();
        // A host that started recently has no instant so long ago; then the rate is learned anew.
        if let Some(at) = now.checked_sub(seconds(learned.seconds_ago)) {
            let level = Level::from_learned(Learned {
                at,
                low: learned.low / rate,
                hurt: learned.hurt / rate,
                stays: seconds(learned.stays_seconds),
            });
            *lock(&self.level) = Lessons::at(level);
        }
    }

    /// Returns the configured rate in requests per second, if there is one.
    fn configured(&self) -> Option<f64> {
        self.rate().map(|rate| rate.per_second())
    }

    fn rate(&self) -> Option<Rate> {
        lock(&self.all.bucket).rate()
    }

    /// Lowers the level: the platform said "too many" to a request of the lane that was sent at `sent`, and
    /// nothing is sent for as long as `wait`.
    pub(in crate::courier) fn too_many(&self, lane: &Lane, sent: Instant, wait: Duration) {
        let now = Instant::now();
        let hurt = self.level();
        if lock(&self.level).lower(lane, sent, now + wait, now) {
            if let Some(arrivals) = &self.arrivals {
                lock(arrivals).refused(hurt, sent, now);
            }
            RateLevel {
                level: self.level(),
            }
            .emit();
        }
    }

    /// Takes back what refusals have taught, by the lane and when its request was sent: they were about this alone.
    pub(in crate::courier) fn take_back(&self, is_one: impl Fn(&Lane, Instant) -> bool) {
        if lock(&self.level).take_back(is_one) {
            RateLevel {
                level: self.level(),
            }
            .emit();
        }
    }

    /// Notes that the platform has not said "too many" to a request that was sent then.
    pub(in crate::courier) fn accepted(&self, sent: Instant) {
        lock(&self.level).accepted(sent);
    }

    /// Notes that a request has succeeded, which pays for a retry.
    pub(in crate::courier) fn succeeded(&self) {
        lock(&self.retries).earn();
    }

    /// Forgets the limits of idle users and lanes, and reports the level.
    pub(in crate::courier) fn tidy(&self) {
        self.users.forget_idle();
        self.lanes.forget_idle();
        RateLevel {
            level: self.level(),
        }
        .emit();
    }
}

/// A near turn of a lane and its user.
pub(in crate::courier) struct OwnTurn(Vec<Queued>);

impl OwnTurn {
    /// Waits for the turn.
    pub(in crate::courier) async fn ready(self) {
        for queued in &self.0 {
            queued.ready().await;
        }
    }
}

/// Returns when the window of a limit opens, if that is too far away to keep a permit for. Journal
/// and rate delay a request beyond its turn, and the next one may be on time.
fn opens_late(limit: &Limit, now: Instant) -> Option<Instant> {
    let opens = limit.window_opens(now);
    (opens > now + LATE).then_some(opens)
}

fn near(limits: &[Arc<Limit>], now: Instant) -> Result<(), Instant> {
    let turn = |limit: &Arc<Limit>| {
        let turn = limit.next_turn(now);
        opens_late(limit, now).map_or(turn, |opens| turn.max(opens))
    };
    let turns = limits.iter().map(turn);
    match turns.max() {
        Some(turn) if turn > now + NEAR => Err(turn.checked_sub(NEAR).unwrap_or(turn)),
        _ => Ok(()),
    }
}
