//! The scout: puts lanes with work to work, a bounded number at a time.
//!
//! A place is for a lane that can send now, or soon. Users take turns, and then the lanes of each
//! user ([`Queue`]). A lane at work gives its place up after a turn when others wait, and rests
//! when it may not send for a while. The scout's neighbours are the search, which finds lanes in
//! the outbox, and the lane at work.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;
use uuid::Uuid;

use super::context::Context;
use super::gate::WELL;
use super::lane::LaneEnd;
use super::notices::Notices;
use super::places::Places;
use super::queue::{Candidate, Queue};
use super::rests::{Rest, Rests};
use super::schedule::Schedule;
use super::search::Search;
use super::step::{Step, page_of};
use super::unpaid::Unpaid;
use super::watch::DatabaseWork;
use crate::contact::Lane;
use crate::outbox::OutboxError;
use crate::platform::verdict::WaitReason;

mod paying;
mod searching;
mod starting;

/// A lane that failed for a reason of its own is left alone for this long.
const COOLING: Duration = Duration::from_mins(1);

/// A lane is left alone for this long if another session keeps its row locked, or rows that it would
/// send: a look whether they are free takes up to a second.
const LOCKED: Duration = Duration::from_secs(5);

/// A lane is left alone for this long if the server that reads is behind the one that writes.
const CATCHING_UP: Duration = Duration::from_secs(2);

/// How often the scout searches in a poll interval while lanes are at work.
const BUSY: u32 = 4;

/// A look ends when this many lanes had no place. While many hang, it ends after as many again of
/// lanes that are known to answer.
const MOST_LOOKED_AT: usize = 32;

pub(super) struct Scout {
    context: Arc<Context>,
    instance: Uuid,
    search: Search,
    /// The step of the search that is under way.
    step: Option<Step>,
    queue: Queue,
    unpaid: Unpaid,
    /// When it searches.
    schedule: Schedule,
    places: Places,
    notices: Notices,
    tasks: JoinSet<LaneEnd>,
    lanes: HashMap<Id, Lane>,
    rests: Rests,
    new_tokens: watch::Receiver<()>,
    /// Notified when the holds because of the token are lifted.
    freed: watch::Receiver<()>,
    /// Notified when operators have ordered something.
    orders: watch::Receiver<()>,
    /// Whether the scout reports trouble with the database, because it goes on in spite of it.
    tells: bool,
}

/// The result of one look around.
#[derive(Debug, Default, PartialEq, Eq)]
struct Look {
    /// Whether the look has searched for lanes, once around all of them.
    searched: bool,
    /// Lanes that were put to work.
    started: usize,
    /// When there is reason for the next search, if that is known.
    next_search_in: Option<Duration>,
}

impl Scout {
    /// A scout that has not looked around yet.
    pub(super) fn new(context: Arc<Context>, instance: Uuid) -> Self {
        Self {
            new_tokens: context.new_tokens.subscribe(),
            freed: context.freed.subscribe(),
            orders: context.orders.subscribe(),
            context,
            instance,
            search: Search::default(),
            step: None,
            queue: Queue::default(),
            unpaid: Unpaid::default(),
            schedule: Schedule::default(),
            notices: Notices::new(Instant::now()),
            places: Places::default(),
            tasks: JoinSet::new(),
            lanes: HashMap::new(),
            rests: Rests::default(),
            tells: false,
        }
    }

    /// Looks around until the courier ends, then waits for the lanes at work.
    pub(super) async fn run(mut self) {
        self.notices.begin(&self.context).await;
        while !self.context.life.is_stopping() {
            let pulse = Arc::clone(&self.context.pulse);
            let look = pulse.scout.turning(self.look_and_report()).await;
            self.rest(look.and_then(|look| look.next_search_in)).await;
        }
        self.drain().await;
    }

    /// Looks around until no lane can be worked any more: all due contacts are settled, or wait for
    /// something that takes long.
    pub(super) async fn run_once(mut self) -> Result<(), OutboxError> {
        // Whether no other courier had a lane before the last look.
        let mut alone = false;
        while !self.context.life.is_stopping() {
            let look = self.look().await?;
            let is_brief = self.rests.is_brief(Instant::now());
            let is_idle = self.tasks.is_empty() && !is_brief;
            if is_idle && look.started == 0 {
                if look.searched && alone {
                    return Ok(());
                }
                // Only a search tells that nothing is left.
                self.schedule.begins_anew();
                if !look.searched {
                    // Without a good lease the look does not search.
                    if !self.context.leases.is_good() {
                        self.rest(None).await;
                    }
                    continue;
                }
                // Another courier delivers its lanes, or they are free when its lease ends. Its
                // lease may have ended since the look, so one more look is needed.
                alone = self.context.outbox.backlog(self.instance).await?.elsewhere == 0;
                if alone {
                    continue;
                }
            } else {
                alone = false;
            }
            self.rest(None).await;
        }
        self.drain().await;
        Ok(())
    }

    /// Rests for a poll interval, or until there is reason to look sooner: a place that others wait
    /// for, a search, a lane that has rested or is paid for, or no lane at work at all. Where there is work, more
    /// comes soon.
    async fn rest(&mut self, next_search_in: Option<Duration>) {
        let poll = self.context.poll_interval;
        let poll = if self.tasks.is_empty() {
            poll
        } else {
            poll / BUSY
        };
        let ready_at = [self.rests.next(), self.unpaid.next()]
            .into_iter()
            .flatten();
        let ready_in = ready_at.min().map(|until| {
            let wait = until.saturating_duration_since(Instant::now());
            wait.max(Duration::from_millis(1))
        });
        // The breaker, and a gate like it, lets one of those that wait through now and then.
        let is_shut = self.queue.len() > 0 && self.context.gates().let_some_through();
        let tries_in = is_shut.then_some(WELL);
        let probes_in = self.probes_in();
        let waits = [next_search_in, ready_in, tries_in, probes_in];
        let wait = waits.into_iter().flatten().min();
        let context = Arc::clone(&self.context);
        let rest = context.life.sleep(wait.map_or(poll, |wait| wait.min(poll)));
        let news = self.notices.next(Arc::clone(&context));
        tokio::pin!(rest, news);
        loop {
            let (resting, waiting) = (self.rests.len(), self.queue.len());
            tokio::select! {
                () = &mut rest => return,
                newest = &mut news => return self.take_news(newest).await,
                page = page_of(&mut self.step) => return self.take_page_or_wait(page),
                Ok(()) = self.new_tokens.changed() => return self.take_new_token(),
                Ok(()) = self.freed.changed() => return self.take_freed(),
                Ok(()) = self.orders.changed() => return self.take_orders(),
                Some(ended) = self.tasks.join_next_with_id() => self.ended(ended),
            }
            let has_more = self.rests.len() > resting || self.queue.len() > waiting;
            if self.context.notes.others_wait() || self.tasks.is_empty() || has_more {
                return;
            }
        }
    }

    /// Returns when one of those that wait may find out whether all still have to.
    fn probes_in(&self) -> Option<Duration> {
        let until = self.context.gates().not_now_until()?;
        let wait = until.saturating_duration_since(Instant::now());
        (self.queue.len() > 0 && !wait.is_zero()).then_some(wait)
    }

    /// Asks for new contacts between two leases, if it is time: leases take a while.
    async fn ask_for_news(&mut self) {
        if let Some(newest) = self.notices.ask(&self.context).await {
            self.take_news(newest).await;
        }
    }

    /// Queues the lanes of new contacts for a place. The next search finds contacts beyond these.
    async fn take_news(&mut self, newest: i64) {
        self.schedule.has_news();
        let lanes = self.notices.lanes(newest, &self.context).await;
        let mut waiting = Vec::new();
        for lane in lanes {
            self.rests.has_contacts(&lane);
            if !self.places.tell(&lane) && self.may_soon_start(&lane) {
                waiting.push(lane);
            }
        }
        let waiting = self.split_off_unpaid(waiting);
        let places = self.context.places();
        self.queue.has_contacts(waiting, places, Instant::now());
        self.cut_queue();
    }

    /// Ends the rests of all lanes: their holds may be over.
    fn take_new_token(&mut self) {
        self.overtake_step();
        self.rests.end(|_| true);
        self.take_refused_out_of_unpaid();
    }

    /// Ends the rests of the lanes that waited because of the token, which is taken again.
    fn take_freed(&mut self) {
        self.overtake_step();
        let (notes, reason) = (&self.context.notes, WaitReason::Unauthorized.as_str());
        self.rests.end(|lane| notes.waits_for(lane) == Some(reason));
    }

    /// Makes a search due for lanes that are not paused any more, and ends the rests of lanes that
    /// operators have ordered to be tried.
    fn take_orders(&mut self) {
        self.schedule.has_news();
        self.overtake_step();
        let resumed = self.context.pauses.take_resumed();
        for scope in &resumed {
            self.rests.end(|lane| scope.covers(lane));
            self.places.try_now(|lane| scope.covers(lane));
        }
        self.take_resumed_out_of_unpaid(&resumed);
    }

    async fn drain(&mut self) {
        self.step = None;
        while let Some(ended) = self.tasks.join_next_with_id().await {
            self.ended(ended);
        }
    }

    fn ended(&mut self, ended: Result<(Id, LaneEnd), JoinError>) {
        let (id, end) = match ended {
            Ok((id, end)) => (id, end),
            Err(panicked) => (panicked.id(), LaneEnd::Failed),
        };
        let Some(lane) = self.lanes.remove(&id) else {
            return;
        };
        let Some(place) = self.places.free(&lane) else {
            return;
        };
        self.context.notes.set_lanes_at_work(self.places.len());
        self.context.gates().back(&lane);
        if let Some(step) = &mut self.step {
            step.has_worked(&lane);
        }
        let (until, is_brief) = match end {
            LaneEnd::Lost => return,
            _ if place.is_tried_now => return self.queue.goes_at_once(lane),
            // The lane may have read its rows before the news came.
            LaneEnd::Done | LaneEnd::Idles { .. } if place.has_more => {
                return self.queue.has_more(lane);
            }
            LaneEnd::Failed => return self.rests.cools(lane, COOLING),
            LaneEnd::Locked => return self.rests.cools(lane, LOCKED),
            LaneEnd::Behind => return self.rests.cools(lane, CATCHING_UP),
            LaneEnd::Rests { until, is_brief } | LaneEnd::Idles { until, is_brief } => {
                (until, is_brief)
            }
            LaneEnd::Done => return,
        };
        // Only `run --once` waits for the lane.
        if is_brief && !self.tells {
            self.rests.begins_briefly(lane.clone(), until);
        }
        let rest = Rest {
            until,
            comes_back: true,
            is_idle: matches!(end, LaneEnd::Idles { .. }),
        };
        self.rests.begins(lane, rest);
    }

    async fn look_and_report(&mut self) -> Option<Look> {
        self.tells = true;
        self.look().await.ok()
    }

    /// Puts as many lanes to work as there are places.
    async fn look(&mut self) -> Result<Look, OutboxError> {
        self.wake();
        self.context.limiter.tidy();
        let mut look = Look::default();
        // Without a good lease nothing could be sent, and lanes would only be leased and lost.
        if !self.context.leases.is_good() {
            self.context.notes.set_others_wait(false);
            return Ok(look);
        }
        // Fresh lanes do not wait for the search, and cannot keep the search from its turn.
        let has_fresh = self.queue.has_fresh();
        let fresh = if has_fresh {
            self.start_those_with_place().await
        } else {
            Ok(0)
        };
        if self.is_due_to_search() {
            self.begin_search();
            // `run --once` has to know what a search has found before it may end.
            if !self.tells {
                self.end_search().await?;
                look.searched = true;
            }
        }
        look.started = fresh?;
        if look.searched || !has_fresh {
            look.started += self.start_those_with_place().await?;
        }
        self.note_whether_others_wait();
        look.next_search_in = self.schedule.next_in(Instant::now());
        Ok(look)
    }

    fn note_whether_others_wait(&self) {
        let mut waiting = self.queue.iter();
        let others_wait = waiting.any(|lane| self.may_start(lane));
        self.context.notes.set_others_wait(others_wait);
    }

    /// Puts lanes to work in their turn. Returns how many.
    async fn start_those_with_place(&mut self) -> Result<usize, OutboxError> {
        // Leasing many lanes takes a while. Lanes at work must not go on meanwhile as if they were
        // alone.
        if self.queue.len() + self.places.len() > self.context.places() {
            self.note_whether_others_wait();
        }
        // A lane without a place must not stand in the way of one that has a place.
        let mut without_place = Vec::new();
        let started = self.start_all(&mut without_place).await;
        self.queue.put_back(without_place);
        self.give_back_unused();
        started
    }

    /// Puts lanes to work, and adds the lanes that have no place to `without`.
    async fn start_all(&mut self, without: &mut Vec<Candidate>) -> Result<usize, OutboxError> {
        let mut started = 0;
        while let Some(candidate) = self.next_candidate(without) {
            if self.has_place(&candidate) {
                let has_started = self.start(&candidate.lane).await?;
                if !has_started {
                    self.queue.forget(&candidate.lane);
                }
                started += usize::from(has_started);
                self.ask_for_news().await;
            } else {
                without.push(candidate);
            }
        }
        Ok(started)
    }

    /// Takes out the lane whose turn it is, of those that may start. Those that may soon go to the lanes
    /// `without` a place.
    fn next_candidate(&mut self, without: &mut Vec<Candidate>) -> Option<Candidate> {
        loop {
            let next = self.next_in_turn(without.len())?;
            if self.may_start(&next.lane) {
                return Some(next);
            }
            if self.may_soon_start(&next.lane) {
                without.push(next);
            } else {
                self.queue.forget(&next.lane);
            }
        }
    }

    /// Takes out the lane whose turn it is. When so many had no place, only some may still have one, and
    /// not every lane is asked: those that are known to answer while many hang, and those that a gate admits
    /// while the breaker keeps others back.
    fn next_in_turn(&mut self, without_place: usize) -> Option<Candidate> {
        let preferred = (without_place == 0).then(|| self.next_probe()).flatten();
        if preferred.is_some() {
            return preferred;
        }
        if without_place < MOST_LOOKED_AT {
            return self.queue.next(self.places.of_users());
        }
        let many_hang = self.context.permits.many_hang();
        let is_special = many_hang || self.context.gates().let_some_through();
        if without_place >= 2 * MOST_LOOKED_AT || !is_special {
            return None;
        }
        let mut queue = std::mem::take(&mut self.queue);
        let is_well = |lane: &Lane| !many_hang || self.context.permits.is_well(lane);
        let next = queue.next_of(|lane| is_well(lane) && self.may_start(lane));
        self.queue = queue;
        next
    }

    /// Takes out the lane that should find out whether all still have to wait: of a user that was answered
    /// last, or else of one that was not turned away since.
    fn next_probe(&mut self) -> Option<Candidate> {
        if !self.context.gates().want_a_probe(Instant::now()) {
            return None;
        }
        let mut queue = std::mem::take(&mut self.queue);
        let is_well = |lane: &Lane| self.context.gates().is_well(lane);
        let is_new = |lane: &Lane| !self.context.gates().was_turned_away(lane);
        let next = queue
            .next_of(|lane| is_well(lane) && self.may_start(lane))
            .or_else(|| queue.next_of(|lane| is_new(lane) && self.may_start(lane)));
        self.queue = queue;
        next
    }

    /// Lets lanes whose rest is over wait for a place, or for their budget; and those for which one pays.
    fn wake(&mut self) {
        let lanes = self.rests.take_over(Instant::now());
        let lanes = self.split_off_unpaid(lanes);
        self.found(lanes);
        self.pay_those_who_wait();
    }

    /// Lets lanes wait for a place. Where there are too many, those stay that may start.
    fn found(&mut self, mut lanes: Vec<Lane>) {
        if self.queue.is_full(lanes.len()) {
            let mut queue = std::mem::take(&mut self.queue);
            queue.keep_found(|lane| self.may_soon_start(lane));
            lanes.retain(|lane| self.may_soon_start(lane));
            self.queue = queue;
        }
        self.queue.found(lanes);
        self.cut_queue();
    }

    /// Bounds the queue. While a gate lets only some through or all have to wait, lanes whose users the platform has
    /// answered come before others in this: they may go first, and would not be found again soon.
    fn cut_queue(&mut self) {
        if self.queue.is_full(0) {
            let gates = self.context.gates();
            let is_shut = gates.let_some_through() || gates.say_not_now();
            self.queue.cut(|lane| is_shut && gates.is_well(lane));
        }
    }

    fn has_place(&self, candidate: &Candidate) -> bool {
        let context = &self.context;
        self.places
            .have_room(candidate, context.places(), &context.permits)
    }

    /// Whether nothing is known that keeps the lane from sending now.
    fn may_start(&self, lane: &Lane) -> bool {
        self.may_soon_start(lane) && self.context.gates().admits(lane, Instant::now())
    }

    /// Whether nothing is known that keeps the lane from sending soon.
    fn may_soon_start(&self, lane: &Lane) -> bool {
        let is_away = self.places.has(lane) || self.rests.has(lane) || self.unpaid.has(lane);
        let is_paused = self.context.pauses.is_paused(lane);
        !(is_away || is_paused)
            && self.context.gates().admits_soon(lane, Instant::now())
            && self.context.limiter.is_near(lane).is_ok()
            && !(self.context.permits.is_slow(lane) && self.slow_have_their_places())
    }

    fn slow_have_their_places(&self) -> bool {
        let max_in_flight = self.context.tuning().max_in_flight;
        self.places
            .are_full_of_slow(&self.context.permits, max_in_flight)
    }

    /// Notes whether the database works, unless an error ends the run and is reported there.
    fn tell<T>(&self, work: DatabaseWork, asked: Instant, answer: &Result<T, OutboxError>) {
        if self.tells {
            self.context.watch.note(work, asked, answer);
        }
    }
}
