//! The conclusions of the page in states that are easily mistaken for others.

use std::path::Path;

use contact_courier::simulator::Faults;

use super::asking::Courier;
use super::browser::Browser;
use crate::support::Db;
use crate::support::app::App;
use crate::world::{World, goods, lanes, until};

/// The languages of the page, each with its code.
const LANGUAGES: [(&str, &str); 2] = [("en-GB,en", "en"), ("zh-CN,zh", "zh-CN")];

async fn opens(browser: &Browser, courier: &Courier, language: &str) {
    browser.look(language, 1280, false).await;
    browser.open(&format!("http://{}/", courier.address)).await;
    until("the page is filled", async || {
        browser.value("document.body.dataset.refreshed").await == "yes"
    })
    .await;
}

/// Leaves a picture of the page for people.
async fn leaves_a_picture(browser: &Browser, name: &str) {
    let picture = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.png"));
    browser.picture(&picture).await;
}

fn text(id: &str) -> String {
    format!("document.getElementById('{id}').innerText")
}

#[tokio::test]
async fn a_database_that_takes_no_writes_is_told_and_not_that_no_courier_runs() {
    let db = Db::sqlite().await;
    let faults = Faults {
        running_tasks: vec!["task_0".into()],
        ..Faults::default()
    };
    let mut world = World::new(&db, faults).await;
    world.set("delivery.lease", "3s");
    world.set("retry.initial_interval", "10m");
    world.set("retry.max_interval", "10m");
    world.insert(&lanes(1)[0], &goods(0, 7)).await;
    let courier = Courier::start(&mut world).await;
    until("the lane is on hold", async || {
        courier.get("/api/status").await.json()["outbox"]["pending"]["held"] == 7
    })
    .await;
    let app = App::locks_the_instances(&db).await;
    until("the courier counts as silent", async || {
        let told = courier.get("/api/status").await.json();
        told["conclusion"]["state"] == "no_courier" && told["ready"]["trouble"] == "no_writes"
    })
    .await;
    let said = world.run(&["status"]).await.out;
    assert!(
        said.starts_with("Nothing is sent: 1 courier is silent for "),
        "{said}"
    );
    let doctor = world.run(&["doctor"]).await.out;
    assert!(!doctor.contains("none runs"), "{doctor}");
    let browser = Browser::start().await;
    for ((language, code), headline) in LANGUAGES.into_iter().zip([
        "The database takes no writes, since ",
        "数据库无法写入，已持续 ",
    ]) {
        opens(&browser, &courier, language).await;
        let told = browser.text(&text("headline-text")).await;
        assert!(told.starts_with(headline), "{told}");
        leaves_a_picture(&browser, &format!("no-writes-{code}")).await;
    }
    drop(app);
    until("the courier is back", async || {
        courier.get("/api/status").await.json()["conclusion"]["state"] == "partly"
    })
    .await;
}

#[tokio::test]
async fn a_limit_is_shown_as_it_was_set() {
    let db = Db::sqlite().await;
    let browser = Browser::start().await;
    for limit in ["12.5", "125", "0.001"] {
        let mut world = World::new(&db, Faults::default()).await;
        world.set("rate_limit.requests_per_second", limit);
        let courier = Courier::start(&mut world).await;
        for ((language, _), unit) in LANGUAGES.into_iter().zip(["requests/s", "次请求/秒"]) {
            opens(&browser, &courier, language).await;
            let flow = browser.text(&text("flow")).await;
            assert!(flow.contains(&format!("{limit} {unit}")), "{flow}");
        }
        courier.program.signal("TERM").await;
        assert_eq!(courier.program.ended().await.code, Some(0));
    }
}
