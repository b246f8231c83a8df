//! The conclusions of the page in states that are easily mistaken for others.

use std::path::Path;

use contact_courier::simulator::Faults;

use super::asking::{Courier, Metrics};
use super::browser::Browser;
use crate::support::Db;
use crate::support::app::App;
use crate::world::{TOKEN, World, goods, lanes, until};

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
    world.holds_outlast_the_test();
    // Its end is waited for.
    world.set("delivery.lease", "3s");
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
    let browser = Browser::start().await;
    for ((language, code), headline) in LANGUAGES.into_iter().zip([
        "The database has taken no writes for ",
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
async fn a_limit_is_shown_as_it_was_set_and_the_allowed_part_of_it() {
    let db = Db::sqlite().await;
    let browser = Browser::start().await;
    for limit in ["12.5", "125", "0.001"] {
        let mut world = World::new(&db, Faults::default()).await;
        world.set("rate_limit.requests_per_second", limit);
        let courier = Courier::start(&mut world).await;
        for ((language, _), [name, of, unit]) in LANGUAGES.into_iter().zip([
            ["Rate allowed", "of", "requests/s"],
            ["允许的速率", "/", "次请求/秒"],
        ]) {
            opens(&browser, &courier, language).await;
            let flow = browser.text(&text("flow")).await;
            // Nothing is sent, so no part of it is in use.
            let told = format!("{name}\n{limit} {of} {limit} {unit}");
            assert!(flow.contains(&told), "{flow}");
            let lowered = "flow({rate: {level: 0.5, limit_per_second: 9}, totals: {requests: 0}})";
            let flow = format!("({lowered}, {})", text("flow"));
            let flow = browser.text(&flow).await;
            assert!(flow.contains(&format!("4.5 {of} 9 {unit}")), "{flow}");
        }
        courier.program.signal("TERM").await;
        assert_eq!(courier.program.ended().await.code, Some(0));
    }
}

#[tokio::test]
async fn of_two_couriers_the_one_with_a_refused_token_is_named() {
    let db = Db::sqlite().await;
    let faults = Faults {
        running_tasks: vec!["task_0".into()],
        ..Faults::default()
    };
    let mut world = World::new(&db, faults).await;
    world.holds_outlast_the_test();
    world.set("platform.token", "not-the-token-of-the-tests");
    world.insert(&lanes(1)[0], &goods(0, 7)).await;
    let refused = Courier::start(&mut world).await;
    until("its token is refused", async || {
        refused.get("/api/status").await.json()["conclusion"]["state"] == "stopped"
    })
    .await;
    world.set("platform.token", TOKEN);
    let courier = Courier::start(&mut world).await;
    until("there are two", async || {
        let told = courier.get("/api/status").await.json();
        let instances = told["outbox"]["instances"].as_array();
        instances.is_some_and(|all| all.len() == 2)
    })
    .await;
    let said = world.run(&["status"]).await.out;
    let named = "alive, sends nothing: unauthorized for ";
    assert_eq!(said.matches(named).count(), 1, "{said}");
    let browser = Browser::start().await;
    for ((language, code), [nothing, why]) in LANGUAGES.into_iter().zip([
        ["alive, sends nothing", "Token not accepted, for "],
        ["在线，但不发送", "令牌无效，已持续 "],
    ]) {
        opens(&browser, &courier, language).await;
        let told = browser.text(&text("instances")).await;
        assert_eq!(told.matches(nothing).count(), 1, "{told}");
        assert!(told.contains(why), "{told}");
        leaves_a_picture(&browser, &format!("one-refused-{code}")).await;
    }
}

#[tokio::test]
async fn a_speed_is_told_as_soon_as_it_is_known() {
    let db = Db::sqlite().await;
    let mut world = World::new(&db, Faults::default()).await;
    // The next heartbeat would come in more than three minutes.
    world.set("delivery.lease", "10m");
    world.set("delivery.batch_size", "1");
    world.set("rate_limit.requests_per_second", "10");
    // Work for longer than this test lasts.
    world.insert(&lanes(1)[0], &goods(0, 1_000)).await;
    let courier = Courier::start(&mut world).await;
    until("a speed is told", async || {
        let told = courier.get("/api/status").await.json();
        let speed = told["contacts_per_second"].as_f64();
        speed.is_some_and(|speed| speed > 0.0)
    })
    .await;
}

#[tokio::test]
async fn this_courier_is_listed_first_and_silent_ones_last() {
    let db = Db::sqlite().await;
    let mut world = World::new(&db, Faults::default()).await;
    world.lease_outlasts_the_test();
    let hour = 3_600_000;
    for (id, heartbeat, lease) in [
        (1, -60, 30_000),
        (2, -60, 30_000),
        (3, 0, hour),
        (4, -60, 30_000),
    ] {
        db.execute(&format!(
            "INSERT INTO courier_instance (id, host, pid, lease_ms, started_at, heartbeat_at)
             VALUES ('01a210c4-8a0f-7331-b939-85145300000{id}', 'other', {id}, {lease}, {}, {})",
            db.now(-120),
            db.now(heartbeat)
        ))
        .await;
    }
    let courier = Courier::start(&mut world).await;
    until("all are told", async || {
        let told = courier.get("/api/status").await.json();
        let instances = told["outbox"]["instances"].as_array();
        instances.is_some_and(|all| all.len() == 5)
    })
    .await;
    let browser = Browser::start().await;
    opens(&browser, &courier, "en").await;
    let states =
        "[...document.querySelectorAll('#instances td:nth-child(3)')].map(td => td.innerText)";
    let expected = ["alive", "alive", "silent", "silent", "silent"];
    assert_eq!(
        browser.value(states).await,
        serde_json::json!(expected.to_vec())
    );
    let first = "document.querySelector('#instances tbody tr').innerText";
    let told = browser.text(first).await;
    assert!(told.contains("this one"), "{told}");
}

#[tokio::test]
async fn a_pause_is_told_in_the_readers_language_and_only_as_trouble_where_something_waits() {
    let db = Db::sqlite().await;
    let mut world = World::new(&db, Faults::default()).await;
    world.lease_outlasts_the_test();
    let pause = ["pause", "--user", "user-0", "--reason", "夜间"];
    let said = world.run(&pause).await.out;
    assert!(
        said.ends_with("no contact of this user is known\n"),
        "{said}"
    );
    // Nothing is due in this lane, whatever else is kept back.
    assert_eq!(world.run(&["pause", "idle/t"]).await.code, Some(0));
    let courier = Courier::start(&mut world).await;
    let browser = Browser::start().await;
    let headlines = async |waits: &str, expected: [&str; 2]| {
        for ((language, code), headline) in LANGUAGES.into_iter().zip(expected) {
            opens(&browser, &courier, language).await;
            assert_eq!(browser.text(&text("headline-text")).await, headline);
            let paused = browser.text(&text("paused")).await;
            assert!(paused.contains("夜间"), "{paused}");
            assert_eq!(paused.matches("idle/t").count(), 1, "{paused}");
            assert_eq!(paused.contains("by "), code == "en", "{paused}");
            leaves_a_picture(&browser, &format!("pause-{waits}-{code}")).await;
        }
    };
    let state = async || {
        let told = courier.get("/api/status").await.json();
        told["conclusion"]["state"].as_str().map(str::to_owned)
    };
    until("the page is told", async || {
        state().await.as_deref() == Some("empty")
    })
    .await;
    let nothing = ["No contact was inserted yet", "尚未写入任何号码"];
    headlines("idle", nothing).await;
    assert!(
        !world
            .run(&["doctor"])
            .await
            .out
            .contains("warning  sending")
    );
    world.insert(&lanes(1)[0], &goods(0, 7)).await;
    until("contacts are kept back", async || {
        state().await.as_deref() == Some("partly")
    })
    .await;
    let pauses = |metrics: &Metrics| metrics.count("courier_pauses") == 2;
    courier.measures("the pauses are counted", pauses).await;
    let one = "1 lane is on hold; nothing is sent for 1 user";
    let kept = [one, "1 个通道暂停发送；另有 1 个用户暂停发送"];
    headlines("kept", kept).await;
}

#[tokio::test]
async fn a_lane_that_waits_for_a_locked_contact_is_told_as_such() {
    let db = Db::postgres().await;
    let mut world = World::new(&db, Faults::default()).await;
    world.lease_outlasts_the_test();
    world.insert(&lanes(1)[0], &goods(0, 7)).await;
    let first = "FROM contact_outbox WHERE id = (SELECT min(id) FROM contact_outbox)";
    let id = db.text("id", first).await.expect("it is there");
    let app = App::locks(&db, std::slice::from_ref(&id)).await;
    let courier = Courier::start(&mut world).await;
    let locked = async || courier.get("/api/status").await.json()["conclusion"]["locked"] == 7;
    until("the page is told", locked).await;
    let browser = Browser::start().await;
    for ((language, code), [headline, more, tag]) in LANGUAGES.into_iter().zip([
        [
            "Nothing goes on: another session keeps locks",
            "7 of them, in 1 lane, wait for locks that another session keeps.",
            "locked",
        ],
        [
            "发送停滞：其他会话持有锁",
            "其中 7 个（1 个通道）在等待其他会话释放锁。",
            "等待锁",
        ],
    ]) {
        opens(&browser, &courier, language).await;
        assert_eq!(browser.text(&text("headline-text")).await, headline);
        let told = browser.text(&text("headline-more")).await;
        assert!(told.ends_with(more), "{told}");
        let lane = browser.text(&text("lanes")).await;
        assert!(lane.contains(tag), "{lane}");
        assert!(lane.contains(&format!("#{id}")), "{lane}");
        leaves_a_picture(&browser, &format!("locked-{code}")).await;
    }
    app.ends().await;
    until("all is delivered", async || {
        courier.get("/api/status").await.json()["conclusion"]["state"] == "delivered"
    })
    .await;
}

#[tokio::test]
async fn both_ends_of_a_curve_stand_on_one_line_below_it() {
    let db = Db::sqlite().await;
    let mut world = World::new(&db, Faults::default()).await;
    let courier = Courier::start(&mut world).await;
    let browser = Browser::start().await;
    for (language, _) in LANGUAGES {
        opens(&browser, &courier, language).await;
        let curves = "document.querySelectorAll('.chart svg').length";
        until("there are curves", async || {
            browser.value(curves).await == 4
        })
        .await;
        // As long as real ones.
        let fill = "[...document.querySelectorAll('.most')].map(most => most.textContent = 'most: 1,234.5 contacts/s').length";
        assert_eq!(browser.value(fill).await, 4);
        let level = "[...document.querySelectorAll('.chart figcaption')].map(caption => caption.lastChild.offsetTop - caption.firstChild.offsetTop)";
        assert_eq!(browser.value(level).await, serde_json::json!([0, 0, 0, 0]));
    }
}
