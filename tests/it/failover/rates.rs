//! The database that keeps the rates of several couriers goes away, and comes back.

use std::time::Duration;

use contact_courier::simulator::Faults;
use tokio::time::Instant;

use super::cable::{Cable, State};
use crate::neighbours::platform::Platform;
use crate::support::app::App;
use crate::support::{Db, on_every_server};
use crate::world::{Lane, World, goods, lanes, until};

on_every_server!(
    couriers_of_two_databases_take_their_rate_from_a_third_and_go_on_without_it,
    a_courier_that_starts_without_the_rates_waits_for_them,
    a_courier_whose_rates_are_kept_in_its_own_database_stays_at_home_there,
    good_heartbeats_do_not_end_an_outage_of_claims,
    a_start_and_doctor_say_that_the_rates_take_no_claims,
);

const EACH: usize = 60;

/// Requests per second, for all couriers together.
const RATE: usize = 20;

/// The claims for the rate of all.
const CLAIMED: &str = "FROM rate_budget WHERE name LIKE 'all@%'";

/// A world with a database of its own, whose rates are kept at the end of the cable.
async fn world<'a>(own: &'a Db, cable: &Cable, platform: Option<&Platform>) -> World<'a> {
    let mut world = World::new(own, Faults::default()).await;
    if let Some(platform) = platform {
        world.set("platform.base_url", &platform.base_url);
    }
    world.set("rate_limit.scope", "cluster");
    world.set("rate_limit.database_url", &cable.url);
    world.set("rate_limit.requests_per_second", &RATE.to_string());
    world.set("delivery.batch_size", "1");
    // A heartbeat has a third of it, on a busy machine too. The second one counts who shares the rates,
    // and has to come before the cable is pulled.
    world.set("delivery.lease", "9s");
    world
}

/// Returns the most requests in any second, wherever it begins.
fn busiest_second(came: &[Instant]) -> usize {
    let second = Duration::from_secs(1);
    let within = |from: &Instant| {
        let later = came.iter().filter(|at| *at >= from);
        later.filter(|at| **at - *from < second).count()
    };
    came.iter().map(within).max().unwrap_or(0)
}

async fn couriers_of_two_databases_take_their_rate_from_a_third_and_go_on_without_it(rates: &Db) {
    let cable = Cable::to(rates).await;
    let owns = [Db::sqlite().await, Db::sqlite().await];
    let platform = Platform::start().await;
    let first = world(&owns[0], &cable, Some(&platform)).await;
    let second = world(&owns[1], &cable, Some(&platform)).await;
    let couriers = [first.start(&["run"]), second.start(&["run"])];
    until("both are guests there", async || {
        let overview = rates.operations.overview().await.unwrap();
        overview.instances.is_empty() && overview.guests == 2
    })
    .await;
    let lane = |user: &str| Lane(user.into(), "task".into());
    let insert = async |nth: usize| {
        let numbers = [goods(2 * nth, EACH), goods(2 * nth + 1, EACH)];
        first.insert(&lane("good-first"), &numbers[0]).await;
        second.insert(&lane("good-second"), &numbers[1]).await;
    };
    let is_delivered =
        async || first.with_status("pending").await + second.with_status("pending").await == 0;
    insert(0).await;
    until("all is delivered", is_delivered).await;
    assert_eq!(rates.count(CLAIMED).await, 1);
    for own in &owns {
        assert_eq!(
            own.count("FROM rate_budget WHERE name <> 'learned'").await,
            0
        );
    }

    cable.put(State::Pulled);
    insert(1).await;
    for courier in &couriers {
        courier.says("the shared rates are away").await;
    }
    until("all is delivered without the rates", is_delivered).await;
    cable.put(State::Plugged);
    for courier in &couriers {
        courier.says("the shared rates are back").await;
    }
    insert(2).await;
    until("all is delivered again", is_delivered).await;
    for courier in couriers {
        courier.signal("TERM").await;
        let ended = courier.ended().await;
        assert_eq!(ended.code, Some(0), "{}", ended.tail());
        let away = ended.err.matches("the shared rates are away").count();
        assert_eq!(away, 1, "{}", ended.tail());
        assert!(ended.err.contains("\"sharers\":2"), "{}", ended.tail());
        // Its own database was there all the time.
        assert!(!ended.err.contains("database trouble"), "{}", ended.tail());
    }
    let came = platform.instants();
    assert_eq!(came.len(), 3 * 2 * EACH);
    // A request may come later than it went, on a busy machine half a second.
    let most = busiest_second(&came);
    assert!(most <= RATE + RATE / 2, "{most} came within a second");
    assert_eq!(rates.count("FROM courier_instance").await, 0);
}

async fn a_courier_that_starts_without_the_rates_waits_for_them(rates: &Db) {
    let cable = Cable::to(rates).await;
    let own = Db::sqlite().await;
    let world = world(&own, &cable, None).await;
    world.insert(&lanes(1)[0], &goods(0, 1)).await;
    cable.put(State::Pulled);
    let courier = world.start(&["run"]);
    courier.says("waiting for the database").await;
    assert_eq!(world.simulator.totals().requests, 0);
    cable.put(State::Plugged);
    world
        .none("FROM contact_outbox WHERE status = 'pending'")
        .await;
    courier.signal("TERM").await;
    assert_eq!(courier.ended().await.code, Some(0));
}

/// All apps have the same setting, even the one whose own database it names.
async fn a_courier_whose_rates_are_kept_in_its_own_database_stays_at_home_there(own: &Db) {
    let cable = Cable::to(own).await;
    let world = world(own, &cable, None).await;
    let courier = world.start(&["run"]);
    until("it is at home, and a guest", async || {
        let overview = own.operations.overview().await.unwrap();
        overview.instances.len() == 1 && overview.guests == 1
    })
    .await;
    world.insert(&lanes(1)[0], &goods(0, 5)).await;
    world
        .none("FROM contact_outbox WHERE status = 'pending'")
        .await;
    let overview = own.operations.overview().await.unwrap();
    assert_eq!((overview.instances.len(), overview.guests), (1, 1));
    assert_eq!(own.outbox.sharers().await.unwrap(), 1);
    courier.signal("TERM").await;
    assert_eq!(courier.ended().await.code, Some(0));
    assert_eq!(own.count("FROM courier_instance").await, 0);
}

async fn good_heartbeats_do_not_end_an_outage_of_claims(rates: &Db) {
    let cable = Cable::to(rates).await;
    let own = Db::sqlite().await;
    let world = world(&own, &cable, None).await;
    let courier = world.start(&["run"]);
    let pending = "FROM contact_outbox WHERE status = 'pending'";
    world.insert(&lanes(1)[0], &goods(0, 5)).await;
    world.none(pending).await;
    // Others read and lock nothing else, so heartbeats go on.
    let app = App::freezes_the_table(rates, "rate_budget").await;
    world.insert(&lanes(1)[0], &goods(1, 20)).await;
    courier.says("the shared rates are away").await;
    world.none(pending).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    app.ends().await;
    courier.says("the shared rates are back").await;
    world.insert(&lanes(1)[0], &goods(2, 5)).await;
    world.none(pending).await;
    courier.signal("TERM").await;
    let ended = courier.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.tail());
    for said in ["the shared rates are away", "the shared rates are back"] {
        assert_eq!(ended.err.matches(said).count(), 1, "{}", ended.tail());
    }
}

async fn a_start_and_doctor_say_that_the_rates_take_no_claims(rates: &Db) {
    let cable = Cable::to(rates).await;
    let own = Db::sqlite().await;
    let world = world(&own, &cable, None).await;
    world.deliver().await;
    rates.refuse_updates("rate_budget").await;
    let ended = world.run(&["run"]).await;
    assert_eq!(ended.code, Some(1), "{}", ended.tail());
    assert!(ended.err.contains("hands off"), "{}", ended.tail());
    let doctor = world.run(&["doctor"]).await;
    assert_eq!(doctor.code, Some(1), "{}", doctor.tail());
    let line = "FAILED   rates";
    assert!(doctor.out.contains(line), "{}", doctor.out);
    rates.clear("rate_budget").await;
    let doctor = world.run(&["doctor"]).await;
    assert!(!doctor.out.contains(line), "{}", doctor.out);
}
