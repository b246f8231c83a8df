//! Lanes whose rows an app keeps locked.

use super::trouble::{BAD, Street, users};
use crate::support::app::App;
use crate::support::{Db, on_every_server};

on_every_server!(lanes_whose_rows_are_locked_do_not_hold_up_a_good_one);

async fn lanes_whose_rows_are_locked_do_not_hold_up_a_good_one(db: &Db) {
    Street::insert(db, &users("good-locked", BAD)).await;
    let first = db.text("min(id)", "FROM contact_outbox").await;
    let first: usize = first.expect("a row").parse().expect("an id");
    let ids: Vec<String> = (first..first + BAD).map(|id| id.to_string()).collect();
    let app = App::locks(db, &ids).await;
    let street = Street::of(db, &[], Vec::new()).await;
    // Each of them is sent, and can only not be settled.
    street.serves_good_contacts_after(BAD / 2).await;
    let pending = "FROM contact_outbox WHERE status = 'pending' AND user_id LIKE 'good-locked%'";
    assert_eq!(db.count(pending).await, i64::try_from(BAD).unwrap());
    app.ends().await;
}
