//! A courier's part of a rate that several couriers on one database share.
//!
//! For each rate, the database keeps the instant up to which it is given away. A courier claims a
//! slice behind that instant: as many requests as it has sent in the last second. So it asks about
//! once a second, and a courier with little to send takes little. A slice that is not used up is
//! lost, so together the couriers may send too little for a moment, never too much. [`Part`]
//! decides, and is pure; [`Share`] asks the database and does the waiting.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

use super::guest::{Away, Guest};
use super::rate::Rate;
use crate::courier::watch::{DatabaseWatch, DatabaseWork};
use crate::outbox::{Outbox, RateClaim};

const SECOND: Duration = Duration::from_secs(1);

/// A rate can be given away at most this time plus this many periods ahead: each courier holds a
/// second's requests, and at a slow rate at least one.
const FURTHEST: (Duration, u32) = (Duration::from_secs(10), 100);

/// When the database's clock has gone back, a rate begins anew after this time plus this many
/// periods: the couriers have used up their slices by then.
const RESTART: (Duration, u32) = (Duration::from_secs(3), 10);

/// After the database has been back for this long, everybody knows it, and slices taken alone are
/// used up: a call may hang for five seconds, the next one comes a second later, and a slice lasts
/// one.
const NOTICED: Duration = Duration::from_secs(8);

/// Keeps a second from also holding the slot at its end.
const HAIR: Duration = Duration::from_micros(1);

/// The time between tries while the database is away.
const RETRY: Duration = Duration::from_millis(500);

/// The factor by which the lead shrinks with each claim that was answered faster.
const FORGET: f64 = 0.9;

/// A claim that was longer ago says nothing about how long the next one takes.
const OLD: Duration = Duration::from_secs(5);

/// The place of the rates that all couriers on one database share.
#[derive(Clone)]
pub(in crate::courier) struct SharedRates {
    pub(in crate::courier) outbox: Arc<dyn Outbox>,
    /// Logs trouble with that database, once per outage.
    pub(in crate::courier) watch: Arc<DatabaseWatch>,
    /// The courier's registration there, if it is not the courier's own database.
    pub(in crate::courier) guest: Option<Arc<Guest>>,
}

/// The part of one courier in one rate.
pub(super) struct Share {
    shared: SharedRates,
    name: String,
    part: Mutex<Part>,
}

impl Share {
    /// Begins with nothing reserved. `name` tells rates apart in the database.
    pub(super) fn new(shared: SharedRates, name: String) -> Self {
        Self {
            shared,
            name,
            part: Mutex::default(),
        }
    }

    /// Waits until one more request may go. A slot whose timer wakes up too late is lost: the time
    /// behind it may be another courier's.
    pub(super) async fn ready(&self, rate: Rate, slowdown: f64) {
        loop {
            let slot = self.reserve(rate, slowdown).await;
            sleep_until(slot.from).await;
            if Instant::now() <= slot.until {
                return;
            }
        }
    }

    /// Takes the next slot, and returns its instant. Waits for the database if a slice has to be
    /// claimed first; other requests wait behind it, in their order.
    async fn reserve(&self, rate: Rate, slowdown: f64) -> Slot {
        let mut part = self.part.lock().await;
        part.goes_by(rate);
        loop {
            match part.next(slowdown, Instant::now()) {
                NextSlot::Go(slot) => return slot,
                NextSlot::Wait(until) => sleep_until(until).await,
                NextSlot::Claim(slice, lead) => {
                    let asked = Instant::now();
                    match self.claim(rate, &slice, lead).await {
                        Ok(begins) => part.claimed(slice.from(begins), asked, Instant::now()),
                        Err(away) => part.goes_alone(&slice, away, Instant::now()),
                    }
                }
            }
        }
    }

    /// Claims the slice, and returns when it begins. Fails if another database keeps the rates and
    /// does not respond.
    async fn claim(&self, rate: Rate, slice: &Slice, lead: Duration) -> Result<Instant, Away> {
        // Each value of a rate has a name of its own. Slots claimed at the old value may be far
        // ahead, and do not delay the new one.
        let name = format!("{}@{}", self.name, rate.per_second());
        let claim = RateClaim {
            name: &name,
            span: slice.span(),
            burst: rate.burst_span(),
            lead,
            furthest: slice.after(FURTHEST),
            restart: slice.after(RESTART),
        };
        loop {
            let guest = self.shared.guest.as_ref();
            if let Some(away) = guest.and_then(|guest| guest.away()) {
                return Err(away);
            }
            // The database reads its clock later. The outbox corrects for that, except for the way
            // there.
            let asked = Instant::now();
            let begins_in = self.shared.outbox.claim_rate(&claim).await;
            match (begins_in, guest) {
                (Err(error), Some(guest)) => guest.misses(&error, Some(&name)),
                (begins_in, _) => {
                    let watch = &self.shared.watch;
                    watch.note(DatabaseWork::Rate, asked, &begins_in);
                    if let Ok(begins_in) = begins_in {
                        return Ok(shifted(asked, begins_in));
                    }
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }
}

fn shifted(from: Instant, micros: i64) -> Instant {
    let by = Duration::from_micros(micros.unsigned_abs());
    if micros < 0 {
        from.checked_sub(by).unwrap_or(from)
    } else {
        from + by
    }
}

/// The part, as far as the courier knows it.
#[derive(Debug, Default)]
struct Part {
    rate: Option<Rate>,
    slice: Slice,
    demand: Demand,
    /// The slot that was handed out last.
    last: Option<Instant>,
    /// How long claims have lately taken. A slot sooner than this after a claim would be lost.
    lead: Duration,
    claimed_at: Option<Instant>,
    /// The least lead of the next claim: the rate has changed, or others may not know yet that the
    /// database is back.
    least_lead: Duration,
    /// The end of the last slice that was taken without the database.
    alone_until: Option<Instant>,
}

/// A time for one request. The time after `until` may be another courier's.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Slot {
    from: Instant,
    until: Instant,
}

impl Slot {
    /// Returns a slot that ends as soon as it begins.
    fn at(instant: Instant) -> Self {
        Self {
            from: instant,
            until: instant,
        }
    }
}

/// The source of the next slot.
#[derive(Debug, PartialEq)]
enum NextSlot {
    /// This slot is taken.
    Go(Slot),
    /// No slot is free before this instant.
    Wait(Instant),
    /// A slice like this has to be claimed, with this lead.
    Claim(Slice, Duration),
}

impl Part {
    /// Uses this rate from now on, and gives up the slots of another one.
    fn goes_by(&mut self, rate: Rate) {
        if self.rate != Some(rate) {
            if self.rate.is_some() {
                // No second may hold both requests by the old rate and requests by the new one.
                self.least_lead = self.least_lead.max(SECOND);
            }
            (self.rate, self.slice, self.last) = (Some(rate), Slice::default(), None);
        }
    }

    fn next(&mut self, slowdown: f64, now: Instant) -> NextSlot {
        let Some(rate) = self.rate else {
            return NextSlot::Go(Slot::at(now));
        };
        if let Some(slot) = self.slice.take(now, rate.tolerance() + rate.burst_span()) {
            self.demand.note(now);
            self.last = Some(slot.from);
            return NextSlot::Go(slot);
        }
        // No further ahead: unused slots of a courier that ends delay everybody.
        if let Some(last) = self.last.filter(|last| *last > now + SECOND) {
            return NextSlot::Wait(last - SECOND);
        }
        let period = rate.period().mul_f64(slowdown.max(1.0));
        let slice = Slice {
            next: None,
            period,
            left: self.demand.of_a_second(now, period),
        };
        if self
            .claimed_at
            .is_none_or(|at| now.saturating_duration_since(at) > OLD)
        {
            self.lead = Duration::ZERO;
        }
        NextSlot::Claim(slice, self.lead.max(self.least_lead))
    }

    /// Takes a slice that was claimed between these instants.
    fn claimed(&mut self, slice: Slice, asked: Instant, now: Instant) {
        let took = now.saturating_duration_since(asked);
        (self.slice, self.least_lead) = (slice, Duration::ZERO);
        self.claimed_at = Some(now);
        self.lead = took.max(self.lead.mul_f64(FORGET)).min(SECOND);
    }
}

impl Part {
    /// Takes a slice of this courier's own part of the rate, instead of one that cannot be claimed.
    fn goes_alone(&mut self, slice: &Slice, away: Away, now: Instant) {
        let part = slice.period * away.sharers;
        let room = SECOND.as_nanos() / part.as_nanos().max(1);
        let room = u32::try_from(room).unwrap_or(u32::MAX).max(1);
        // All couriers may send at the same instants, so a second holds a whole number of each
        // courier's.
        let period = part.max(SECOND / room + HAIR);
        let left = room.min(slice.left.max(1));
        // Earlier claims are used up by then.
        let begins = (away.since + slice.after(RESTART)).max(now);
        let begins = self.alone_until.map_or(begins, |until| until.max(begins));
        self.slice = Slice {
            next: Some(begins),
            period,
            left,
        };
        self.alone_until = Some(begins + self.slice.span());
        self.least_lead = NOTICED.max(period);
    }
}

/// A piece of the rate that belongs to this courier: `left` requests, one period apart.
#[derive(Clone, Debug, Default, PartialEq)]
struct Slice {
    next: Option<Instant>,
    period: Duration,
    left: u32,
}

impl Slice {
    fn span(&self) -> Duration {
        self.period * self.left
    }

    /// Returns this time plus this many periods.
    fn after(&self, (time, periods): (Duration, u32)) -> Duration {
        time + self.period * periods
    }

    fn from(self, begins: Instant) -> Self {
        Self {
            next: Some(begins),
            ..self
        }
    }

    /// Takes the next slot that is not too old to be used.
    fn take(&mut self, now: Instant, tolerance: Duration) -> Option<Slot> {
        while self.left > 0 {
            let slot = self.next?;
            (self.next, self.left) = (Some(slot + self.period), self.left - 1);
            let until = slot + tolerance;
            if until >= now {
                let from = slot.max(now);
                return Some(Slot { from, until });
            }
        }
        None
    }
}

/// The slots that were taken during the last second.
#[derive(Debug, Default)]
struct Demand(VecDeque<Instant>);

impl Demand {
    fn note(&mut self, now: Instant) {
        self.0.push_back(now);
    }

    /// Returns how many requests the next slice is for: as many as in the last second, at least
    /// one, and at most the rate's room in a second.
    fn of_a_second(&mut self, now: Instant, period: Duration) -> u32 {
        while self
            .0
            .front()
            .is_some_and(|at| now.duration_since(*at) > SECOND)
        {
            self.0.pop_front();
        }
        let room = SECOND.as_nanos() / period.as_nanos().max(1);
        let wanted = u128::try_from(self.0.len())
            .unwrap_or(room)
            .min(room)
            .max(1);
        u32::try_from(wanted).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    const MS: Duration = Duration::from_millis(1);
    const TOLERANCE: Duration = Duration::from_millis(10);

    fn begins(slot: Option<Slot>) -> Option<Instant> {
        slot.map(|slot| slot.from)
    }

    #[tokio::test(start_paused = true)]
    async fn a_slice_hands_out_its_slots_a_period_apart_and_is_then_used_up() {
        let now = Instant::now();
        let mut slice = Slice {
            next: Some(now + MS),
            period: MS * 20,
            left: 2,
        };
        assert_eq!(begins(slice.take(now, TOLERANCE)), Some(now + MS));
        assert_eq!(begins(slice.take(now, TOLERANCE)), Some(now + MS * 21));
        assert_eq!(slice.take(now, TOLERANCE), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slot_that_was_not_used_in_time_is_lost() {
        let start = Instant::now();
        let mut slice = Slice {
            next: Some(start),
            period: MS * 20,
            left: 3,
        };
        let now = start + MS * 25;
        assert_eq!(begins(slice.take(now, TOLERANCE)), Some(now));
        assert_eq!(begins(slice.take(now, TOLERANCE)), Some(start + MS * 40));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slot_that_is_taken_late_does_not_last_any_longer() {
        let start = Instant::now();
        let mut slice = Slice {
            next: Some(start),
            period: MS * 20,
            left: 1,
        };
        let slot = slice.take(start + MS * 9, TOLERANCE).unwrap();
        assert_eq!(slot.from, start + MS * 9);
        assert_eq!(slot.until, start + TOLERANCE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slice_is_for_what_the_last_second_has_taken() {
        let now = Instant::now();
        let mut demand = Demand::default();
        assert_eq!(demand.of_a_second(now, MS * 20), 1);
        for _ in 0..17 {
            demand.note(now);
        }
        assert_eq!(demand.of_a_second(now + MS * 900, MS * 20), 17);
        assert_eq!(demand.of_a_second(now + MS * 900, MS * 100), 10);
        assert_eq!(demand.of_a_second(now + MS * 1_001, MS * 20), 1);
    }

    /// Simulates couriers that send as much as they may, with a database that takes time to answer
    /// a claim. Half-way, `change` is applied to each courier. Returns when requests went.
    fn send(
        couriers: usize,
        rate: Rate,
        answers_in: Duration,
        change: impl Fn(&mut Part),
    ) -> Vec<Instant> {
        send_while(couriers, rate, answers_in, change, |_| None)
    }

    /// Does the same with a database that may be away.
    fn send_while(
        couriers: usize,
        rate: Rate,
        answers_in: Duration,
        change: impl Fn(&mut Part),
        away: impl Fn(Instant) -> Option<Away>,
    ) -> Vec<Instant> {
        let start = Instant::now();
        let mut couriers: Vec<_> = (0..couriers).map(|_| (start, Part::default())).collect();
        let mut given: HashMap<String, Instant> = HashMap::new();
        let (mut went, mut changed) = (Vec::new(), false);
        for (_, part) in &mut couriers {
            part.goes_by(rate);
        }
        loop {
            // The courier that is furthest behind in time comes next.
            let (now, part) = couriers.iter_mut().min_by_key(|(now, _)| *now).unwrap();
            if *now > start + SECOND * 20 {
                return went;
            }
            match part.next(1.0, *now) {
                NextSlot::Go(slot) => {
                    *now = slot.from.max(*now);
                    went.push(*now);
                }
                NextSlot::Wait(until) => *now = until.max(*now),
                NextSlot::Claim(slice, _) if away(*now).is_some() => {
                    part.goes_alone(&slice, away(*now).unwrap(), *now);
                }
                NextSlot::Claim(slice, lead) => {
                    let name = format!("{:?}", part.rate);
                    let earliest = *now + lead;
                    let begins = given
                        .get(&name)
                        .map_or(earliest, |given| earliest.max(*given));
                    given.insert(name, begins + slice.span());
                    let asked = *now;
                    *now += answers_in;
                    part.claimed(slice.from(begins), asked, *now);
                }
            }
            if !changed && went.last().is_some_and(|went| *went > start + SECOND * 10) {
                changed = true;
                for (_, part) in &mut couriers {
                    change(part);
                }
            }
        }
    }

    fn busiest_second(went: &[Instant]) -> usize {
        let within = |from: &Instant| {
            let within = |at: &&Instant| *at >= from && **at - *from <= SECOND;
            went.iter().filter(within).count()
        };
        went.iter().map(within).max().unwrap_or(0)
    }

    #[tokio::test(start_paused = true)]
    async fn a_database_that_answers_slowly_costs_some_of_the_rate_and_never_all_of_it() {
        for (per_second, answers_in) in [(10.0, 110), (50.0, 21), (100.0, 12), (500.0, 30)] {
            let rate = Rate::new(per_second, 1);
            let went = send(1, rate, MS * answers_in, |_| {}).len();
            let all = per_second * 20.0;
            let used = f64::from(u32::try_from(went).unwrap()) / all;
            assert!(used > 0.85, "{used} of {per_second}/s");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn at_a_slow_rate_a_slow_claim_does_not_cost_a_whole_period() {
        for (per_second, answers_in) in [(0.001, 200), (0.1, 50)] {
            let rate = Rate::new(per_second, 1);
            let went = send(1, rate, MS * answers_in, |_| {});
            assert!(!went.is_empty(), "{per_second}/s");
        }
        assert_eq!(Rate::new(0.1, 1).tolerance(), MS * 100);
        assert_eq!(Rate::new(50.0, 1).tolerance(), MS * 10);
    }

    #[tokio::test(start_paused = true)]
    async fn couriers_that_change_their_rate_together_do_not_break_it() {
        let (before, after) = (Rate::new(50.0, 1), Rate::new(40.0, 1));
        let went = send(3, before, MS * 3, |part| part.goes_by(after));
        let (first, second) = went.split_at(went.len() / 2);
        assert!(busiest_second(first) <= 50);
        let settled: Vec<Instant> = second
            .iter()
            .copied()
            .filter(|at| *at - went[0] > SECOND * 11)
            .collect();
        assert!(
            busiest_second(&settled) <= 40,
            "{}",
            busiest_second(&settled)
        );
        // At the change between them, no second holds more than the higher rate of both.
        assert!(busiest_second(&went) <= 50, "{}", busiest_second(&went));
        assert!(went.len() > 800, "{}", went.len());
    }

    #[tokio::test(start_paused = true)]
    async fn without_the_database_each_goes_by_its_part_and_together_they_keep_the_rate() {
        let start = Instant::now();
        let (from, until) = (start + SECOND, start + SECOND * 8);
        let away = |now: Instant| {
            (from..until).contains(&now).then_some(Away {
                since: from,
                sharers: 3,
            })
        };
        let went = send_while(3, Rate::new(50.0, 1), MS * 3, |_| {}, away);
        assert!(busiest_second(&went) <= 50, "{}", busiest_second(&went));
        let alone = (from + SECOND * 4)..until;
        let alone = went.iter().filter(|at| alone.contains(at)).count();
        assert!(alone > 130, "{alone} of 150");
        let after = went
            .iter()
            .filter(|at| **at > until + NOTICED + SECOND)
            .count();
        assert!(after > 120, "{after} of 150");
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_claim_does_not_delay_a_single_contact_of_later() {
        let (now, rate) = (Instant::now(), Rate::new(10.0, 1));
        let mut part = Part::default();
        part.goes_by(rate);
        let lead = |part: &mut Part, now: Instant| match part.next(1.0, now) {
            NextSlot::Claim(_, lead) => lead,
            other => panic!("no claim: {other:?}"),
        };
        assert_eq!(lead(&mut part, now), Duration::ZERO);
        let answered = now + SECOND;
        part.claimed(Slice::default(), now, answered);
        assert_eq!(lead(&mut part, answered + SECOND), SECOND);
        assert_eq!(lead(&mut part, answered + OLD + MS), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_reserves_much_further_ahead_than_a_second() {
        let now = Instant::now();
        let rate = Rate::new(0.1, 1);
        let mut part = Part::default();
        part.goes_by(rate);
        let claim = |part: &mut Part, now: Instant, begins: Instant| {
            let NextSlot::Claim(slice, _) = part.next(1.0, now) else {
                panic!("no claim");
            };
            part.claimed(slice.from(begins), now, now + MS);
        };
        let goes = |part: &mut Part, at: Instant| {
            let NextSlot::Go(slot) = part.next(1.0, now) else {
                panic!("no slot");
            };
            assert_eq!(slot.from, at);
        };
        claim(&mut part, now, now);
        goes(&mut part, now);
        claim(&mut part, now, now + SECOND * 10);
        goes(&mut part, now + SECOND * 10);
        assert_eq!(part.next(1.0, now), NextSlot::Wait(now + SECOND * 9));
    }
}
