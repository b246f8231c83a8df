//! Contacts that may have arrived, sent once more under other settings.

use contact_courier::contact::Suffix;
use contact_courier::outbox::{Change, FailKind, Final};
use contact_courier::simulator::Faults;

use super::world::World;
use crate::support::{Db, close, entry, on_every_database};

on_every_database!(
    a_requeue_judges_by_how_a_contact_was_sent_and_by_how_it_would_be_now,
    a_contact_that_was_cancelled_in_doubt_stays_so_unless_its_kind_is_named,
    a_contact_in_doubt_that_breaks_a_rule_now_is_unconfirmed_again,
);

/// Sends a contact in this way, and nobody knows whether it arrived.
async fn unconfirmed(db: &Db, lane: &str, suffix: Suffix, asks: &str) {
    let me = db.courier().await;
    let row = db
        .contact_with(lane, "13012121211", "number_add_suffix", asks)
        .await;
    let lease = db.lease(lane, me).await.lease;
    let mut batch = entry(&[row]);
    batch.options.suffix = suffix;
    let mut end = close(batch.batch, &[row]);
    end.rows[0].end = Final::Failed {
        kind: FailKind::Unconfirmed,
        cause: "no answer".into(),
    };
    for change in [Change::Open(batch), Change::Close(end)] {
        db.record(&lease, &[change]).await;
    }
}

async fn a_requeue_judges_by_how_a_contact_was_sent_and_by_how_it_would_be_now(db: &Db) {
    let mut world = World::new(db, Faults::default()).await;
    for (nth, (sent, asks, by, default, is_safe)) in [
        (Suffix::Platform, "true", "courier", "false", false),
        (Suffix::Courier, "true", "platform", "false", false),
        (Suffix::Courier, "true", "courier", "false", true),
        (Suffix::Platform, "true", "platform", "false", false),
        (Suffix::Platform, "NULL", "platform", "false", false),
        (Suffix::None, "NULL", "platform", "false", true),
        (Suffix::None, "NULL", "courier", "true", false),
        (Suffix::None, "false", "platform", "true", true),
    ]
    .into_iter()
    .enumerate()
    {
        unconfirmed(db, &format!("u/t{nth}"), sent, asks).await;
        world.set("delivery.suffix", by);
        world.set("request.number_add_suffix", default);
        let task = format!("t{nth}");
        let requeue = ["requeue", "--task", &task, "--yes", "--json"];
        let said = world.run(&requeue).await;
        let (left_out, requeued) = if is_safe { (0, 1) } else { (1, 0) };
        for words in [
            format!("\"unsafe\":{left_out}"),
            format!("\"requeued\":{requeued}"),
        ] {
            assert!(
                said.out.contains(&words),
                "{nth}: {} {}",
                said.out,
                said.err
            );
        }
    }
    // The journal no longer tells.
    unconfirmed(db, "u/gone", Suffix::None, "false").await;
    db.execute("DELETE FROM delivery_batch WHERE task_id = 'gone'")
        .await;
    let requeue = ["requeue", "--task", "gone", "--yes", "--json"];
    let said = world.run(&requeue).await;
    assert!(said.out.contains("\"unsafe\":1"), "{}", said.out);
}

async fn a_contact_that_was_cancelled_in_doubt_stays_so_unless_its_kind_is_named(db: &Db) {
    let mut world = World::new(db, Faults::default()).await;
    for (task, default, left_out) in [("same", "false", 0), ("other", "true", 1)] {
        let lane = format!("u/{task}");
        unconfirmed(db, &lane, Suffix::None, "NULL").await;
        let requeue = ["requeue", "--task", task, "--yes", "--json"];
        world.set("request.number_add_suffix", "false");
        world.run(&requeue).await;
        let cancel = ["cancel", "--lane", &lane, "--reason", "r", "--yes"];
        world.run(&cancel).await;
        world.set("request.number_add_suffix", default);
        // What operators have ended is left out, unless its kind is named.
        let said = world.run(&requeue).await;
        for words in [
            "\"requeued\":0",
            "\"to_requeue\":0",
            "\"cancelled_left_out\":1",
        ] {
            assert!(said.out.contains(words), "{}", said.out);
        }
        let requeue = [&requeue[..], &["--kind", "unconfirmed"]].concat();
        let said = world.run(&requeue).await;
        let words = format!("\"unsafe\":{left_out}");
        assert!(
            said.out.contains(&words),
            "{task}: {} {}",
            said.out,
            said.err
        );
    }
}

async fn a_contact_in_doubt_that_breaks_a_rule_now_is_unconfirmed_again(db: &Db) {
    let world = World::new(db, Faults::default()).await;
    unconfirmed(db, "u/t", Suffix::None, "NULL").await;
    world.run(&["requeue", "--task", "t", "--yes"]).await;
    // The app has changed it meanwhile, and another one is new and as bad.
    db.execute("UPDATE contact_outbox SET custom_vars = '[{}]'")
        .await;
    db.contact_with("u/t", "13012121212", "custom_vars", "'[{}]'")
        .await;
    // The courier whose lease the first one has is gone.
    db.execute("DELETE FROM courier_instance").await;
    assert_eq!(world.run(&["run", "--once"]).await.code, Some(0));
    for (phone, kind, cause) in [
        (
            "13012121211",
            "unconfirmed",
            "may or may not be in the task by an earlier send; not sent again: custom_vars must%",
        ),
        ("13012121212", "invalid", "custom_vars must%"),
    ] {
        let row = format!(
            "FROM contact_outbox WHERE phone = '{phone}' AND fail_kind = '{kind}'
             AND fail_cause LIKE '{cause}'"
        );
        assert_eq!(db.count(&row).await, 1, "{phone}");
    }
    assert_eq!(world.simulator.totals().requests, 0);
}
