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

    /// Lowers the level: the platform said "too many" to a request of the lane that was sent at `sent`.
    pub(in crate::courier) fn too_many(&self, lane: &Lane, sent: Instant) {
        let now = Instant::now();
        let hurt = self.level();
        if lock(&self.level).lower(lane, sent, now) {
            if let Some(arrivals) = &self.arrivals {
                lock(arrivals).refused(hurt, sent, now);
            }
            RateLevel {
                level: self.level(),
            }
            .emit();
        }
    }

    /// Takes back what these lanes have taught: the platform says "too many" to them alone.
    pub(in crate::courier) fn take_back(&self, are_theirs: impl Fn(&Lane) -> bool) {
        if lock(&self.level).take_back(are_theirs) {
            RateLevel {
                level: self.level(),
            }
            .emit();
        }
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

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use tokio::time::sleep;

    fn limits(requests_per_second: f64) -> RateLimits {
        RateLimits {
            requests_per_second,
            per_user: None,
            per_lane: None,
            burst: NonZeroU32::MIN,
        }
    }

    fn lane() -> Lane {
        Lane::new("u", "t").unwrap()
    }

    /// Waits for a lane's turn, and gives its place to others meanwhile.
    async fn own_turn(rates: &RateLimiter, lane: &Lane) {
        loop {
            match rates.take_turn(lane, None) {
                Ok(turn) => return turn.ready().await,
                Err(later) => sleep_until(later).await,
            }
        }
    }

    /// Sends a request as soon as it may go.
    async fn goes(rates: &RateLimiter, lane: &Lane) -> Departed {
        loop {
            match rates.ready(lane).await {
                Ok(departed) => return departed,
                Err(later) => sleep_until(later).await,
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_refusal_a_request_waits_for_the_latest_arrival_of_the_one_before() {
        const MS: Duration = Duration::from_millis(1);
        for (is_refused, waits) in [(false, MS * 1_010), (true, MS * 1_100)] {
            let rates = RateLimiter::new(&limits(1.0), None);
            let quick = goes(&rates, &lane()).await;
            sleep(MS * 10).await;
            rates.answered(quick);
            if is_refused {
                rates.too_many(&lane(), Instant::now());
            }
            let slow = goes(&rates, &lane()).await;
            sleep(MS * 110).await;
            rates.answered(slow);
            goes(&rates, &lane()).await;
            let waited = slow.0.elapsed();
            assert!(waited >= waits && waited < waits + MS * 5, "{waited:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_lane_that_waits_for_its_own_window_holds_up_nobody_at_the_door() {
        let limits = RateLimits {
            per_lane: Some(2.0),
            ..limits(1_000.0)
        };
        let (limits, began) = (RateLimiter::new(&limits, None), Instant::now());
        let other = Lane::new("v", "t").unwrap();
        let waits = async {
            for _ in 0..3 {
                goes(&limits, &lane()).await;
            }
            began.elapsed()
        };
        let goes_on = async {
            sleep(NEAR).await;
            goes(&limits, &other).await;
            began.elapsed()
        };
        let (waited, went) = tokio::join!(waits, goes_on);
        assert!(waited >= NEAR * 4, "{waited:?}");
        assert!(went < NEAR * 2, "{went:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn requests_that_were_held_up_together_do_not_wait_for_each_other_inside() {
        let limits = RateLimits {
            per_user: Some(0.1),
            ..limits(1_000.0)
        };
        let (limits, lane, second) = (RateLimiter::new(&limits, None), lane(), NEAR * 4);
        // Both get their turns, and are then held up.
        for _ in 0..2 {
            own_turn(&limits, &lane).await;
        }
        sleep(second * 60).await;
        assert_eq!(limits.has_window(&lane), Ok(()));
        assert!(limits.ready(&lane).await.is_ok());
        let went = Instant::now();
        let later = limits.has_window(&lane).unwrap_err();
        assert!(later >= went + second * 10, "{:?}", later - went);
        assert_eq!(limits.ready(&lane).await, Err(later));
        assert!(went.elapsed() < NEAR, "it has not waited");
        assert!(limits.is_near(&lane).is_err());
        let other = Lane::new("v", "t").unwrap();
        assert_eq!(limits.has_window(&other), Ok(()));
        sleep_until(later).await;
        assert!(limits.ready(&lane).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn requests_of_a_user_that_were_held_up_together_do_not_go_together() {
        for (per_user, expected) in [
            (2.0, [0, 0, 1, 1, 2, 2]),
            (0.5, [0, 2, 4, 6, 8, 10]),
            (0.01, [0, 100, 200, 300, 400, 500]),
        ] {
            let limits = RateLimits {
                per_user: Some(per_user),
                ..limits(1_000.0)
            };
            let (limits, lane) = (RateLimiter::new(&limits, None), lane());
            // Their turns come, but the journal or a permit holds them up.
            for _ in 0..6 {
                own_turn(&limits, &lane).await;
            }
            let began = Instant::now();
            let mut went = Vec::new();
            for _ in 0..6 {
                goes(&limits, &lane).await;
                limits.tidy();
                went.push(began.elapsed().as_secs());
            }
            assert_eq!(went, expected, "{per_user}/s");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_lane_whose_turn_is_far_is_told_when_to_ask_again() {
        let limits = RateLimits {
            per_user: Some(1.0),
            ..limits(1_000.0)
        };
        let (limits, lane, now) = (RateLimiter::new(&limits, None), lane(), Instant::now());
        assert!(limits.take_turn(&lane, None).is_ok());
        let later = limits.take_turn(&lane, None).err().unwrap();
        assert_eq!(limits.is_near(&lane), Err(later));
        assert!(later > now + Duration::from_millis(700) && later < now + Duration::from_secs(1));
        let other = Lane::new("v", "t").unwrap();
        assert!(limits.take_turn(&other, None).is_ok());
        sleep_until(later).await;
        assert!(limits.take_turn(&lane, None).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_lane_that_waits_for_a_person_pays_with_a_share_of_the_rate() {
        let limits = RateLimiter::new(&limits(10.0), None);
        while limits.pay(Budget::Probes).is_ok() {}
        let later = limits.pay(Budget::Probes).unwrap_err();
        assert!(later > Instant::now() + Duration::from_millis(900));
        assert_eq!(limits.pay(Budget::Retries), Ok(()));
        assert_eq!(limits.room_inside(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_given_back_pays_for_another_request() {
        let limits = RateLimiter::new(&limits(10.0), None);
        for budget in [Budget::Retries, Budget::Probes] {
            while limits.pay(budget).is_ok() {}
            for _ in 0..3 {
                limits.give_back(budget);
            }
            let paid = (0..9).filter(|_| limits.pay(budget).is_ok()).count();
            assert_eq!(paid, 3, "{budget:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_cannot_pay_takes_no_turn_from_others_of_its_user() {
        let limits = RateLimits {
            per_user: Some(1.0),
            ..limits(10.0)
        };
        let limits = RateLimiter::new(&limits, None);
        while limits.pay(Budget::Probes).is_ok() {}
        for _ in 0..5 {
            assert!(limits.take_turn(&lane(), Some(Budget::Probes)).is_err());
        }
        assert!(limits.take_turn(&lane(), None).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_at_a_slow_rate_goes_on_at_the_new_one() {
        let slow = RateLimiter::new(&limits(0.001), None);
        goes(&slow, &lane()).await;
        let began = Instant::now();
        let waits = async {
            goes(&slow, &lane()).await;
            began.elapsed()
        };
        let changes = async {
            sleep(Duration::from_secs(5)).await;
            slow.change(&limits(0.001));
            sleep(Duration::from_secs(5)).await;
            slow.change(&limits(2.0));
        };
        let (waited, ()) = tokio::join!(waits, changes);
        assert_eq!(waited.as_secs(), 10, "not by the change that was none");
        goes(&slow, &lane()).await;
        assert!(began.elapsed() >= waited + Duration::from_millis(500));
    }

    #[tokio::test(start_paused = true)]
    async fn a_user_may_get_a_rate_another_one_and_none_again() {
        let lane = lane();
        let per_user = |per_user| RateLimits {
            per_user,
            ..limits(1_000.0)
        };
        let rates = RateLimiter::new(&per_user(None), None);
        let mut waits = Vec::new();
        for rate in [None, Some(0.1), Some(0.5), None] {
            rates.change(&per_user(rate));
            for _ in 0..2 {
                own_turn(&rates, &lane).await;
                goes(&rates, &lane).await;
            }
            let began = Instant::now();
            own_turn(&rates, &lane).await;
            waits.push(began.elapsed().as_secs());
        }
        assert_eq!(waits, [0, 10, 2, 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_learned_is_taken_over_unless_it_teaches_nothing() {
        let limits = limits(50.0);
        let rates = RateLimiter::new(&limits, None);
        assert_eq!(rates.learned(), None);
        rates.too_many(&lane(), Instant::now());
        let learned = rates.learned().unwrap();
        let next = RateLimiter::new(&limits, None);
        next.learn(&learned);
        assert!((next.level() - rates.level()).abs() < 1e-9);
        let other = RateLimiter::new(&limits, None);
        other.learn(&LearnedRate {
            hurt: learned.hurt / 100.0,
            ..learned
        });
        assert_eq!(other.learned(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_learned_is_a_rate_that_a_change_of_the_configured_one_leaves_alone() {
        let rates = RateLimiter::new(&limits(50.0), None);
        for _ in 0..3 {
            sleep(Duration::from_secs(1)).await;
            rates.too_many(&lane(), Instant::now());
        }
        let in_use = |configured: f64| rates.level() * configured;
        let (sent, learned) = (in_use(50.0), rates.learned().unwrap());
        assert!((15.0..20.0).contains(&sent), "{sent}");
        for configured in [20.0, 200.0, 1.0, 50.0] {
            rates.change(&limits(configured));
            let expected = sent.min(configured);
            assert!((in_use(configured) - expected).abs() < 1e-6, "{configured}");
            let still = rates.learned().unwrap();
            assert!((still.hurt - learned.hurt).abs() < 1e-6, "{still:?}");
        }
        // Beside this rate, it teaches nothing.
        rates.change(&limits(10_000.0));
        assert_eq!(rates.learned(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_of_other_rates_leaves_the_level_alone() {
        let rates = RateLimiter::new(&limits(50.0), None);
        for _ in 0..2 {
            sleep(Duration::from_secs(1)).await;
            rates.too_many(&lane(), Instant::now());
        }
        let before = rates.level();
        rates.change(&RateLimits {
            per_user: Some(2.0),
            ..limits(50.0)
        });
        assert!((rates.level() - before).abs() < 1e-9);
        rates.too_many(&lane(), Instant::now());
        assert!(rates.level() < before * 0.6, "still in quick succession");
    }
}
