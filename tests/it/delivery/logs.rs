//! However much is logged, the log holds no number and no token.

use std::collections::HashSet;

use super::crash::stormy;
use super::load::{numbers, table_and_platform_agree};
use super::world::{TOKEN, World, lanes};
use crate::support::{Db, on_every_database};

on_every_database!(the_log_of_a_stormy_run_holds_no_number_and_no_token_even_at_trace);

async fn the_log_of_a_stormy_run_holds_no_number_and_no_token_even_at_trace(db: &Db) {
    let mut world = World::new(db, stormy()).await;
    // Includes the libraries that are otherwise limited to warnings.
    world.set(
        "log.level",
        "trace,sqlx=trace,hyper=trace,hyper_util=trace,reqwest=trace",
    );
    world.set("log.format", "json");
    world.set("delivery.batch_size", "10");
    let mut secret: HashSet<String> = HashSet::new();
    for (nth, lane) in lanes(4).iter().enumerate() {
        let phones = numbers(nth, 200);
        world.insert(lane, &phones).await;
        secret.extend(phones);
    }
    let ended = world.run(&["run", "--once"]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.tail());
    table_and_platform_agree(&world, &world.rows().await);
    assert_ne!(world.simulator.totals().answers.faults(), 0);

    assert!(ended.err.contains("\"TRACE\""), "the level is in force");
    for line in ended.err.lines() {
        assert!(!line.contains(TOKEN), "{line}");
        for digits in line.split(|c: char| !c.is_ascii_digit()) {
            // A number may stand alone, or within a longer run of digits.
            for length in [11, 12] {
                for from in 0..(digits.len() + 1).saturating_sub(length) {
                    assert!(!secret.contains(&digits[from..from + length]), "{line}");
                }
            }
        }
    }
    for line in ended.err.lines() {
        serde_json::from_str::<serde_json::Value>(line).expect("a line of JSON");
    }
}
