//! The world: everything that there is at one moment, and the steps out of it.

use std::collections::VecDeque;

use contact_courier::batch::{NumbersUnderway, Room, compose};
use contact_courier::contact::Contact;
use contact_courier::outbox::Recorded;
use contact_courier::platform::verdict::Outcome;

use super::case::{Case, Flaw, Id, to_row};
use super::courier::{Courier, End, Ending, Phase, Underway};
use super::database::Database;
use super::fate::Fate;
use super::platform::Platform;
use super::rows::Rows;

/// The world at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub(crate) database: Database,
    /// The couriers, by token: it makes no difference which of the two is which.
    pub(crate) couriers: Vec<Courier>,
    pub(crate) platform: Platform,
    /// Requests on their way for which no courier waits any more.
    pub(crate) late: Vec<Rows>,
    /// The number of faults that may still occur.
    pub(crate) faults: u8,
}

/// The next step. A courier is named by its token, a batch by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// An idle courier leases the lane and adopts the open batches.
    Lease,
    /// A courier reads the pending rows and composes all that it can.
    Read(u8),
    /// The write of a batch is committed, or fenced.
    Commit(u8, Id),
    /// The request goes out.
    Send(u8, Id),
    /// A request meets its fate, and its courier hears of it. After a failure that runs out, `true`
    /// says that the courier gives up.
    Meet(u8, Id, Fate, bool),
    /// A request for which no courier waits arrives all the same.
    Arrive(Rows),
    /// A courier gives the lane back while it waits.
    Release(u8),
    /// A fault occurs.
    Fault(Fault),
}

/// The faults, beside those of requests on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The lane's lease runs out; its owner notices nothing and goes on.
    Expire,
    /// A courier loses its memory. Its lease has run out when somebody leases the lane next.
    Crash(u8),
    /// The lane is leased, but the answer is lost.
    LeaseUnseen,
    /// A commit's answer is lost; the same write is handed in again.
    CommitUnseen(u8, Id),
    /// A courier that stops takes back a journalled batch that was not sent.
    TakeBack(u8, Id),
    /// A courier gives the lane back because others wait for their turn.
    Turn(u8),
}

impl World {
    pub(crate) fn new(case: &Case) -> Self {
        Self {
            database: Database::new(case),
            couriers: vec![Courier::default(); 2],
            platform: Platform::new(case),
            late: Vec::new(),
            faults: case.faults,
        }
    }

    /// Whether every row has its end, every batch is closed, and nothing is on its way.
    pub(crate) fn is_settled(&self) -> bool {
        self.database.pending().is_empty()
            && self.database.open().next().is_none()
            && self.late.is_empty()
            && self.underway().next().is_none()
    }

    /// Returns all batches in the memory of couriers.
    pub(crate) fn underway(&self) -> impl Iterator<Item = (&Courier, &Underway)> {
        self.couriers
            .iter()
            .flat_map(|courier| std::iter::repeat(courier).zip(&courier.underway))
    }

    /// Returns the steps that are possible without a fault.
    pub(crate) fn steps(&self, case: &Case) -> Vec<Step> {
        let mut steps = Vec::new();
        if self.database.may_be_leased() && self.couriers.iter().any(Courier::is_idle) {
            steps.push(Step::Lease);
        }
        for courier in self.couriers.iter().filter(|courier| !courier.is_idle()) {
            let token = courier.token;
            let unread = self.database.pending() != self.database.pending().and(courier.open());
            if !courier.lost && unread {
                steps.push(Step::Read(token));
            }
            if courier.held && self.may_release(courier) {
                steps.push(Step::Release(token));
            }
            steps.extend(courier.underway.iter().map(|batch| match batch.phase {
                Phase::Opening if case.is(Flaw::SendsBeforeJournal) => Step::Send(token, batch.id),
                Phase::Journalled => Step::Send(token, batch.id),
                Phase::Sent => Step::Meet(token, batch.id, Fate::Answered, false),
                _ => Step::Commit(token, batch.id),
            }));
        }
        steps.extend(self.late.iter().map(|&rows| Step::Arrive(rows)));
        steps
    }

    /// Returns the faults that are possible.
    pub(crate) fn faults(&self, case: &Case) -> Vec<Step> {
        let mut faults = Vec::new();
        if self.database.may_be_leased() && self.couriers.iter().any(Courier::is_idle) {
            faults.push(Step::Fault(Fault::LeaseUnseen));
        }
        if self.database.leased {
            faults.push(Step::Fault(Fault::Expire));
        }
        for courier in self.couriers.iter().filter(|courier| !courier.is_idle()) {
            let token = courier.token;
            faults.push(Step::Fault(Fault::Crash(token)));
            if !courier.held && self.may_release(courier) {
                faults.push(Step::Fault(Fault::Turn(token)));
            }
            for batch in &courier.underway {
                faults.extend(faults_of(case, token, batch));
            }
        }
        faults
    }

    /// `LaneAtWork::run`: a lane is given back when nothing that was begun is under way.
    fn may_release(&self, courier: &Courier) -> bool {
        let waiting = |batch: &Underway| batch.phase == Phase::Waiting;
        !courier.lost && courier.underway.iter().all(waiting) && !self.database.pending().is_empty()
    }

    /// Returns the moment after a step; `None` if the step changes nothing.
    pub(crate) fn after(&self, case: &Case, step: Step) -> Option<Self> {
        let mut next = self.clone();
        match step {
            Step::Lease => {
                next.couriers[0].underway = next.database.lease(case);
                next.couriers[0].token = next.database.token;
            }
            Step::Read(token) => next.read(case, token),
            Step::Commit(token, id) => next.commit(case, token, id),
            Step::Send(token, id) => next.courier(token).find(id).phase = Phase::Sent,
            Step::Meet(token, id, fate, gives_up) => {
                next.meet(case, (token, id), fate, gives_up)?;
            }
            Step::Arrive(rows) => {
                let at = next.late.iter().position(|late| *late == rows)?;
                next.late.remove(at);
                next.platform.import(case, rows);
            }
            Step::Release(token) => next.release(token),
            Step::Fault(fault) => next.suffer(case, fault)?,
        }
        next.couriers.sort_by_key(|courier| courier.token);
        (next != *self).then_some(next)
    }

    pub(crate) fn courier(&mut self, token: u8) -> &mut Courier {
        let courier = self.couriers.iter_mut().find(|c| c.token == token);
        courier.unwrap()
    }

    /// Does `LaneAtWork::read_ahead` and `next`, as long as they yield batches.
    fn read(&mut self, case: &Case, token: u8) {
        let pending = self.database.pending();
        let courier = self.courier(token);
        let open = courier.open();
        let contacts = |rows: Rows| rows.iter().map(|row| case.contact(row)).collect::<Vec<_>>();
        let mut numbers = NumbersUnderway::default();
        numbers.insert(&contacts(open));
        let unread = pending.iter().filter(|&row| !open.has(row)).collect();
        let mut waiting: VecDeque<Contact> = contacts(unread).into();
        while let Some(composed) =
            compose(&mut waiting, &numbers, Room::for_contacts(case.batch_size))
        {
            numbers.insert(&composed.contacts);
            let rows = composed.contacts.iter().map(|c| to_row(c.id.0)).collect();
            courier.add(Underway {
                id: Id { token, rows },
                parent: None,
                rows,
                maybe_delivered: false,
                phase: Phase::Opening,
            });
        }
    }

    /// Does `Recorder::record` for one batch, and the next actions of the lane and the dispatcher.
    fn commit(&mut self, case: &Case, token: u8, id: Id) {
        let mut batch = self.courier(token).take(id);
        if self.record(case, token, &batch) == Recorded::Fenced {
            return self.courier(token).lose();
        }
        let courier = self.courier(token);
        match &batch.phase {
            Phase::Closing(ending) => {
                // `LaneAtWork::finish`: a lost lane takes nothing up.
                let children = batch.children(case, token, ending);
                if !courier.lost {
                    for child in children {
                        courier.add(child);
                    }
                }
                return courier.rest();
            }
            Phase::Postponing => {
                batch.phase = Phase::Waiting;
                courier.held = true;
                if courier.lost {
                    return courier.rest();
                }
            }
            _ => batch.phase = Phase::Journalled,
        }
        courier.add(batch);
    }

    fn record(&mut self, case: &Case, token: u8, batch: &Underway) -> Recorded {
        if case.is(Flaw::SendsBeforeJournal) && !self.database.journal.contains_key(&batch.id) {
            let opening = Underway {
                phase: Phase::Opening,
                ..batch.clone()
            };
            self.database.record(case, token, &opening);
        }
        self.database.record(case, token, batch)
    }

    fn meet(&mut self, case: &Case, who: (u8, Id), fate: Fate, gives_up: bool) -> Option<()> {
        let (token, id) = who;
        if fate != Fate::Answered {
            self.faults = self.faults.checked_sub(1)?;
        }
        let rows = self.courier(token).find(id).rows;
        let answer = fate.arrives().then(|| self.platform.import(case, rows));
        let reply = fate.reply().or(answer)?;
        if fate == Fate::Late {
            self.let_loose(rows);
        }
        let batch = self.courier(token).find(id);
        batch.hear(case, &reply, gives_up);
        let gave_up = matches!(
            &batch.phase,
            Phase::Closing(Ending {
                outcome: Outcome::GivenUp,
                ..
            })
        );
        (gave_up == gives_up).then_some(())
    }

    fn let_loose(&mut self, rows: Rows) {
        self.late.push(rows);
        self.late.sort_unstable();
    }

    /// `release_lane`, guarded by the token.
    fn release(&mut self, token: u8) {
        if self.database.token == token {
            self.database.leased = false;
        }
        *self.courier(token) = Courier::default();
    }

    fn suffer(&mut self, case: &Case, fault: Fault) -> Option<()> {
        self.faults = self.faults.checked_sub(1)?;
        match fault {
            Fault::Expire => self.database.leased = false,
            Fault::Crash(token) => {
                let batches = self.courier(token).underway.clone();
                for batch in batches.iter().filter(|batch| batch.phase == Phase::Sent) {
                    self.let_loose(batch.rows);
                }
                self.release(token);
            }
            Fault::LeaseUnseen => {
                self.database.lease(case);
                self.database.leased = false;
            }
            Fault::CommitUnseen(token, id) => {
                let batch = self.courier(token).find(id).clone();
                let recorded = self.record(case, token, &batch);
                return (recorded == Recorded::Done).then_some(());
            }
            Fault::TakeBack(token, id) => {
                let batch = self.courier(token).take(id);
                match self.record(case, token, &batch) {
                    Recorded::Fenced | Recorded::Stale(_) => self.courier(token).lose(),
                    Recorded::Done => {
                        let courier = self.courier(token);
                        courier.held = true;
                        courier.add(Underway {
                            phase: Phase::Waiting,
                            ..batch
                        });
                    }
                }
            }
            Fault::Turn(token) => self.release(token),
        }
        Some(())
    }

    /// Returns the end of a row.
    pub(crate) fn end(&self, row: usize) -> Option<End> {
        self.database.ends[row].map(|(end, _)| end)
    }
}

fn faults_of(case: &Case, token: u8, batch: &Underway) -> Vec<Step> {
    let id = batch.id;
    match batch.phase {
        Phase::Sent => Fate::faults(case)
            .flat_map(|fate| [false, true].map(|gives_up| Step::Meet(token, id, fate, gives_up)))
            .collect(),
        Phase::Journalled => vec![Step::Fault(Fault::TakeBack(token, id))],
        _ => vec![Step::Fault(Fault::CommitUnseen(token, id))],
    }
}
