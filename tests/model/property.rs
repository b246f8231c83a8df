//! The properties that must hold at every moment, and the moments that must be possible.

use contact_courier::contact::Suffix;
use contact_courier::platform::verdict::Outcome;
use contact_courier::settlement::FailKind;
use stateright::{Model, Property};

use super::case::{Case, Flaw, Truth};
use super::courier::{End, Phase};
use super::database::State;
use super::rows::Rows;
use super::world::{Step, World};

impl Model for Case {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(self)]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        steps.extend(world.steps(self));
        if world.faults > 0 {
            steps.extend(world.faults(self));
        }
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        world.after(self, step)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always("succeeded: the platform has it", succeeded),
            Property::always("rejected: the platform has not got it from us", rejected),
            Property::always("duplicate: somebody else put it in", duplicate),
            Property::always("expired: it did not arrive and never will", expired),
            Property::always("unconfirmed: only where nobody can know", unconfirmed),
            Property::always("no number is in the task twice", once),
            Property::always("a final row is not ended otherwise", |_, world: &World| {
                !world.database.contradicted
            }),
            Property::always("a row is in one open batch at most", in_one_batch),
            Property::always("what is on its way is journalled so", journalled),
            Property::always("the truth, where nothing went wrong", truth),
            Property::always("nothing is lost, for there is always a way on", goes_on),
        ];
        properties.extend(Self::possible());
        properties
    }
}

impl Case {
    /// Returns the moments without which the check would prove little.
    fn possible() -> Vec<Property<Self>> {
        vec![
            Property::sometimes("a batch on its way is taken over", taken_over),
            Property::sometimes("an old owner hands in an end", old_owner),
            Property::sometimes("a commit is handed in again", repeated),
            Property::sometimes("a request arrives when all is settled", late),
            Property::sometimes("a row is unconfirmed", |case: &Case, world: &World| {
                ended(case, world, FailKind::Unconfirmed)
            }),
            Property::sometimes("a row expires", |case: &Case, world: &World| {
                ended(case, world, FailKind::Expired)
            }),
            Property::sometimes("every row has been told of", told_of),
            Property::sometimes("a batch goes again that the platform has", again),
        ]
    }
}

/// Whether `holds` is true of every row with this end.
fn every(case: &Case, world: &World, end: End, holds: impl Fn(usize) -> bool) -> bool {
    let mut rows = case.all().iter().filter(|&row| world.end(row) == Some(end));
    rows.all(holds)
}

fn succeeded(case: &Case, world: &World) -> bool {
    let held = |row| world.platform.held(case, row) > 0;
    every(case, world, End::Succeeded, held)
}

fn rejected(case: &Case, world: &World) -> bool {
    let end = End::Failed(FailKind::Rejected);
    every(case, world, end, |row| world.platform.put_in(row) == 0)
}

fn duplicate(case: &Case, world: &World) -> bool {
    every(case, world, End::Failed(FailKind::Duplicate), |row| {
        world.platform.put_in(row) == 0 && world.platform.held(case, row) > 0
    })
}

fn expired(case: &Case, world: &World) -> bool {
    let end = End::Failed(FailKind::Expired);
    every(case, world, end, |row| world.platform.put_in(row) == 0)
}

fn unconfirmed(case: &Case, world: &World) -> bool {
    every(
        case,
        world,
        End::Failed(FailKind::Unconfirmed),
        |row| match world.database.ends[row] {
            Some((_, Outcome::GivenUp)) => true,
            Some((_, Outcome::Unconfirmed)) => case.suffix == Suffix::Platform,
            Some((_, Outcome::Unaccounted)) => case
                .numbers
                .iter()
                .any(|(_, truth)| *truth == Truth::Ignored),
            // A refusal without a list, after an answer that was lost.
            Some((_, Outcome::Refused)) => {
                !case.skip_error || case.is(Flaw::AccountRefused) || case.is(Flaw::FicklePlatform)
            }
            _ => false,
        },
    )
}

fn once(case: &Case, world: &World) -> bool {
    let times = |row| match case.suffix {
        Suffix::Platform => world.platform.put_in(row),
        _ => world.platform.held(case, row),
    };
    case.all().iter().all(|row| times(row) <= 1)
}

/// Whether each row ends, up to the first fault, as the platform says about its number.
fn truth(case: &Case, world: &World) -> bool {
    let open = case
        .numbers
        .iter()
        .any(|(_, truth)| *truth == Truth::Ignored);
    // If counts do not add up and the batch is not sent again, no row's end can be known.
    let unknowable = open && case.suffix == Suffix::Platform;
    world.faults < case.faults
        || unknowable
        || case.all().iter().all(|row| {
            let (number, truth) = case.numbers[row];
            let suffix = case.suffix == Suffix::Platform;
            let twin = case.numbers[..row]
                .iter()
                .any(|(other, _)| *other == number);
            let end = match truth {
                Truth::Bad => End::Failed(FailKind::Rejected),
                Truth::Ignored => End::Failed(FailKind::Unconfirmed),
                Truth::There if !suffix => End::Failed(FailKind::Duplicate),
                Truth::Good if twin && !suffix => End::Failed(FailKind::Duplicate),
                Truth::Good | Truth::There => End::Succeeded,
            };
            world.end(row).is_none_or(|is| is == end)
        })
}

fn in_one_batch(_: &Case, world: &World) -> bool {
    let mut seen = Rows::default();
    let pending = world.database.pending();
    world.database.open().all(|(id, _)| {
        let fresh = seen.and(id.rows).is_empty() && id.rows.and(pending) == id.rows;
        seen = seen.iter().chain(id.rows.iter()).collect();
        fresh
    })
}

fn journalled(_: &Case, world: &World) -> bool {
    let mut sent = world
        .underway()
        .filter(|(_, batch)| batch.phase == Phase::Sent);
    sent.all(|(_, batch)| {
        let entry = world.database.journal.get(&batch.id);
        entry.is_some_and(|entry| entry.maybe_delivered || entry.state != State::Waiting)
    })
}

fn goes_on(case: &Case, world: &World) -> bool {
    world.is_settled()
        || world
            .steps(case)
            .into_iter()
            .any(|step| world.after(case, step).is_some())
}

fn taken_over(_: &Case, world: &World) -> bool {
    let mut sent = world
        .underway()
        .filter(|(_, batch)| batch.phase == Phase::Sent);
    sent.any(|(courier, batch)| {
        let entry = world.database.journal.get(&batch.id);
        entry.is_some_and(|entry| entry.token > courier.token && entry.maybe_delivered)
    })
}

fn old_owner(_: &Case, world: &World) -> bool {
    world.underway().any(|(courier, batch)| {
        courier.token < world.database.token && matches!(batch.phase, Phase::Closing(_))
    })
}

fn repeated(_: &Case, world: &World) -> bool {
    world.underway().any(|(courier, batch)| {
        let entry = world.database.journal.get(&batch.id);
        let closing = matches!(batch.phase, Phase::Closing(_));
        closing && entry.is_some_and(|entry| !entry.is_open() && entry.token == courier.token)
    })
}

fn late(_: &Case, world: &World) -> bool {
    world.database.pending().is_empty() && !world.late.is_empty()
}

/// Whether every row has an end that the platform gave it.
fn told_of(case: &Case, world: &World) -> bool {
    use Outcome::{Imported, Refused, Unaccounted};
    let mut ends = case.all().iter().map(|row| world.database.ends[row]);
    ends.all(|end| {
        end.is_some_and(|(_, outcome)| [Imported, Refused, Unaccounted].contains(&outcome))
    })
}

fn again(_: &Case, world: &World) -> bool {
    world.underway().any(|(_, batch)| {
        let held = |row| world.platform.put_in(row) > 0;
        batch.phase == Phase::Sent && batch.maybe_delivered && batch.rows.iter().any(held)
    })
}

fn ended(case: &Case, world: &World, kind: FailKind) -> bool {
    let end = Some(End::Failed(kind));
    case.all().iter().any(|row| world.end(row) == end)
}
