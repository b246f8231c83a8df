//! A group of MySQL servers whose primary loses the others.

use contact_courier::outbox::MySqlOutbox;

use crate::support::group::Group;
use crate::world::until;

#[tokio::test]
async fn mysql_a_primary_that_has_lost_its_group_is_left_until_it_is_back() {
    let Some(group) = Group::new().await else {
        return;
    };
    let whole = MySqlOutbox::connect(&group.primary, 2).await;
    whole.expect("it takes writes").close().await;

    group.signal_others("STOP").await;
    let why = "does not reach 2 of 3 members";
    until(why, async || {
        let refused = MySqlOutbox::connect(&group.primary, 2).await.err();
        refused.is_some_and(|error| error.to_string().contains(why))
    })
    .await;

    group.signal_others("CONT").await;
    until("it takes writes again", async || {
        MySqlOutbox::connect(&group.primary, 2).await.is_ok()
    })
    .await;
}
