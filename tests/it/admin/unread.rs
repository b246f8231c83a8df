//! A log that nobody reads: a pipe whose reader stands still, a terminal after Ctrl-S.

use super::asking::{Courier, free_address, reachable};
use crate::support::Db;
use crate::world::{World, goods, lanes, until};
use contact_courier::simulator::Faults;

#[tokio::test]
async fn a_log_that_nobody_reads_holds_nothing_up_and_its_losses_are_counted() {
    let db = Db::sqlite().await;
    let mut world = World::new(&db, Faults::default()).await;
    world.insert(&lanes(1)[0], &goods(0, 1_500)).await;
    world.set("log.level", "trace,sqlx=trace,hyper=trace");
    world.set("delivery.batch_size", "1");
    // The log cannot tell the port in this test.
    let address = free_address();
    world.set("admin.listen", &address.to_string());
    // A pipe that is open at both ends and that nobody reads takes 64 KiB.
    let unread = ["sh", "-c", "mkfifo log && exec \"$0\" \"$@\" 2<>log"];
    let program = world.start_by(&unread, &["run"]);
    until("it listens", async || reachable(address).await).await;
    let courier = Courier { program, address };
    world
        .none("FROM contact_outbox WHERE status = 'pending'")
        .await;
    courier
        .measures("lines are lost", |metrics| {
            metrics.count("courier_log_lines_lost_total") > 0
        })
        .await;
    assert_eq!(courier.get("/healthz").await.code, 200);
    courier.program.signal("TERM").await;
    assert_eq!(courier.program.ended().await.code, Some(0));
    assert_eq!(world.with_status("succeeded").await, 1_500);
}
