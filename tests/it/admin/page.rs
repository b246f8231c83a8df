//! The status page in a real browser.

use std::net::TcpListener;
use std::path::Path;

use contact_courier::simulator::Faults;
use serde_json::Value;

use super::asking::Courier;
use super::browser::Browser;
use crate::support::Db;
use crate::world::{World, goods, lanes, until};

/// The texts of a page in one of its languages.
struct Words {
    language: &'static str,
    lang: &'static str,
    headline: &'static str,
    reason: &'static str,
    kept_back: &'static str,
    headings: [&'static str; 6],
    rejected: &'static str,
    alive: &'static str,
}

const ENGLISH: Words = Words {
    language: "en-GB,en",
    lang: "en",
    headline: "1 lane is paused",
    reason: "Task is running: pause it",
    kept_back: "on hold",
    headings: [
        "Overview",
        "Paused lanes",
        "Flow to the platform",
        "Lanes with most pending",
        "Last failures",
        "Couriers",
    ],
    rejected: "rejected",
    alive: "alive",
};

const CHINESE: Words = Words {
    language: "zh-CN,zh",
    lang: "zh-CN",
    headline: "1 个通道暂停发送",
    reason: "任务正在运行，请先暂停",
    kept_back: "暂停中",
    headings: [
        "概览",
        "已暂停的通道",
        "与平台的通信",
        "待发送最多的通道",
        "最近的失败",
        "运行中的实例",
    ],
    rejected: "被拒绝",
    alive: "在线",
};

/// A text that would be a script if a page took texts for markup.
const HOSTILE: &str = "<img src=x onerror=\"document.title=1\"><script>document.title=2</script>";

#[tokio::test]
async fn the_status_page_tells_what_is_the_matter_in_both_languages_on_any_screen() {
    let db = Db::sqlite().await;
    let faults = Faults {
        running_tasks: vec!["task_0".into()],
        ..Faults::default()
    };
    let mut world = World::new(&db, faults).await;
    world.holds_outlast_the_test();
    world.insert(&lanes(1)[0], &goods(0, 250)).await;
    let mut phones = goods(1, 40);
    phones.extend(["99999901".into(), "99999902".into()]);
    world.insert(&lanes(2)[1], &phones).await;
    let courier = Courier::start(&mut world).await;
    until("there are failures", async || {
        world.with_status("failed").await == 2
    })
    .await;
    db.execute(&format!(
        "UPDATE contact_outbox SET fail_cause = '{HOSTILE}' WHERE phone = '99999902'"
    ))
    .await;
    until("the page is told of all", async || {
        let status = courier.get("/api/status").await.json();
        let held = status["outbox"]["pending"]["held"] == 250;
        held && status["failures"].to_string().contains("onerror")
    })
    .await;

    let browser = Browser::start().await;
    for words in [ENGLISH, CHINESE] {
        for width in [390, 1280] {
            for dark in [false, true] {
                browser.look(words.language, width, dark).await;
                browser.open(&format!("http://{}/", courier.address)).await;
                until("the page is filled", async || {
                    browser.value("document.body.dataset.refreshed").await == "yes"
                })
                .await;
                let name = format!("page-{}-{width}-{dark}.png", words.lang);
                let picture = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
                browser.picture(&picture).await;
                tells(&browser, &words).await;
                can_be_read(&browser).await;
            }
        }
    }
    assert_eq!(browser.complaints().await, [""; 0].map(Value::from));
    let here = format!("http://{}/", courier.address);
    for url in browser.requests().await {
        assert!(url.starts_with(&here) || url.starts_with("data:"), "{url}");
    }
}

/// Checks that everything important is there, in this language.
async fn tells(browser: &Browser, words: &Words) {
    let text = |id: &str| format!("document.getElementById('{id}').innerText");
    assert_eq!(
        browser.text("document.documentElement.lang").await,
        words.lang
    );
    assert_eq!(browser.text("document.title").await, "contact-courier");
    let headings = "[...document.querySelectorAll('h2')].map(h => h.textContent)";
    assert_eq!(
        browser.value(headings).await,
        Value::from(words.headings.to_vec())
    );
    assert_eq!(browser.text(&text("headline-text")).await, words.headline);
    assert_eq!(browser.text(&text("pending")).await, "250");

    let paused = browser.text(&text("paused")).await;
    assert!(paused.contains("user-0/task_0"), "{paused}");
    assert!(paused.contains(words.reason), "{paused}");
    assert!(
        paused.contains("任务"),
        "the platform's own words: {paused}"
    );
    let lanes = browser.text(&text("lanes")).await;
    assert!(
        lanes.contains("user-0/task_0") && lanes.contains("250"),
        "{lanes}"
    );
    assert!(lanes.contains(words.kept_back), "{lanes}");
    let failures = browser.text(&text("failures")).await;
    assert!(failures.contains(words.rejected), "{failures}");
    assert!(failures.contains("onerror"), "as text: {failures}");
    assert!(failures.contains("***"), "{failures}");
    let instances = browser.text(&text("instances")).await;
    assert!(instances.contains(words.alive), "{instances}");
    let whole = browser.text("document.documentElement.outerHTML").await;
    assert!(!whole.contains("99999901"), "a number is not masked");
}

/// Checks that the page fits the screen, that its text stands out from its background, and that a
/// screen reader finds its way.
async fn can_be_read(browser: &Browser) {
    let beyond = "document.documentElement.scrollWidth - innerWidth";
    assert_eq!(browser.value(beyond).await, 0, "scrolls sideways");
    let pale = browser.value(include_str!("contrast.js")).await;
    assert_eq!(pale, Value::Array(Vec::new()), "too little contrast");
    for (what, expression) in [
        (
            "one heading of the page",
            "document.querySelectorAll('h1').length === 1",
        ),
        (
            "a caption for every table",
            "[...document.querySelectorAll('table')].every(t => t.caption?.textContent)",
        ),
        (
            "a name for every chart",
            "[...document.querySelectorAll('.chart svg')].every(s => s.ariaLabel)",
        ),
        (
            "a chart, or words about it, in every tile",
            "[...document.querySelectorAll('.tile')].every(t => t.querySelector('.chart figcaption'))",
        ),
    ] {
        assert_eq!(browser.value(expression).await, true, "{what}");
    }
}

#[tokio::test]
async fn the_page_says_so_when_the_courier_is_gone() {
    let db = Db::sqlite().await;
    let mut world = World::new(&db, Faults::default()).await;
    let courier = Courier::start(&mut world).await;
    let browser = Browser::start().await;
    browser.look("en", 1280, false).await;
    browser.open(&format!("http://{}/", courier.address)).await;
    let headline = "document.getElementById('headline-text').textContent";
    until("nothing is due", async || {
        browser.text(headline).await == "No contact was inserted yet"
    })
    .await;
    courier.program.kill().await;
    // Keeps the address from others while the page asks it.
    let _silent = TcpListener::bind(courier.address).expect("it is free");
    until("that is told", async || {
        browser.text(headline).await == "The courier does not answer"
    })
    .await;
    drop(browser);
}

/// As long as lanes of real users are.
const LONG_LANE: &str = "customer-10086/task-2026-11-27-a";

#[tokio::test]
async fn failures_that_differ_by_a_number_are_one_and_their_lane_stays_on_one_line() {
    let db = Db::sqlite().await;
    let mut world = World::new(&db, Faults::default()).await;
    let (user, task) = LONG_LANE.split_once('/').unwrap();
    let asked = "号码 130***121{} 格式不正确，请检查号码的长度、国家代码以及是否包含字母或其他符号";
    for nth in 1..=3 {
        let cause = asked.replace("{}", &nth.to_string()).repeat(3);
        db.execute(&format!(
            "INSERT INTO contact_outbox
                 (user_id, task_id, phone, status, fail_kind, fail_cause, finished_at)
             VALUES ('{user}', '{task}', '1301212121{nth}', 'failed', 'rejected', '{cause}', {})",
            db.now(-10)
        ))
        .await;
    }
    let courier = Courier::start(&mut world).await;
    let browser = Browser::start().await;
    browser.look("en", 1280, false).await;
    browser.open(&format!("http://{}/", courier.address)).await;
    let rows = "document.querySelectorAll('#failures tbody tr').length";
    until("there are failures", async || {
        browser.value(rows).await != 0
    })
    .await;
    assert_eq!(browser.value(rows).await, 1);
    let row = browser
        .text("document.querySelector('#failures tbody tr').innerText")
        .await;
    assert!(row.contains("2 more of the newest 3"), "{row}");
    assert!(row.contains("号码 *** 格式不正确"), "{row}");
    let lines = "(lane => Math.round(lane.offsetHeight / parseFloat(getComputedStyle(lane).lineHeight)))\
                 (document.querySelector('#failures .lane'))";
    assert_eq!(browser.value(lines).await, 1);
    let root = "document.documentElement";
    let beyond = format!("{root}.scrollWidth - {root}.clientWidth");
    assert_eq!(browser.value(&beyond).await, 0, "scrolls sideways");
    let picture = Path::new(env!("CARGO_TARGET_TMPDIR")).join("long-lane.png");
    browser.picture(&picture).await;
    // The cause would take the place of the lane, if the lane let it.
    let gives_way =
        format!("(document.querySelector('#failures .lane').style.width = 'auto', {lines})");
    assert_ne!(browser.value(&gives_way).await, 1);
}
