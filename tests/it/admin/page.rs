//! The status page in a real browser.

use std::net::TcpListener;
use std::path::Path;

use contact_courier::simulator::Faults;
use serde_json::Value;

use super::asking::Courier;
use super::browser::Browser;
use super::pictures::{leaves_pictures, leaves_this};
use crate::support::Db;
use crate::world::{World, goods, lanes, until};

/// The texts of a page in one of its languages.
struct Words {
    language: &'static str,
    lang: &'static str,
    headline: &'static str,
    reason: &'static str,
    kept_back: &'static str,
    /// The tiles that are of all couriers, and those of this one.
    tiles: [&'static str; 4],
    headings: [&'static str; 6],
    rejected: &'static str,
    alive: &'static str,
}

const ENGLISH: Words = Words {
    language: "en-GB,en",
    lang: "en",
    headline: "1 lane is on hold",
    reason: "Task is running: pause it",
    kept_back: "on hold",
    tiles: [
        "Pending",
        "Oldest waiting",
        "Throughput, this courier",
        "Failed, this courier",
    ],
    headings: [
        "Overview",
        "Lanes on hold",
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
    tiles: ["待发送", "最久等待", "速率（本实例）", "失败（本实例）"],
    headings: [
        "概览",
        "暂停的通道",
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
    let tiles = "[...document.querySelectorAll('.tile h3')].map(h => h.textContent)";
    assert_eq!(
        browser.value(tiles).await,
        Value::from(words.tiles.to_vec())
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
pub(super) async fn can_be_read(browser: &Browser) {
    let root = "document.documentElement";
    let beyond = format!("{root}.scrollWidth - {root}.clientWidth");
    assert_eq!(browser.value(&beyond).await, 0, "scrolls sideways");
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
async fn the_page_says_so_and_dims_its_numbers_when_the_courier_is_gone() {
    let languages = [
        (
            "en",
            "No contact was inserted yet",
            "The courier does not answer",
            "as of ",
        ),
        ("zh", "尚未写入任何号码", "程序没有应答", "截至 "),
    ];
    for (language, before, gone, as_of) in languages {
        let db = Db::sqlite().await;
        let mut world = World::new(&db, Faults::default()).await;
        let courier = Courier::start(&mut world).await;
        let browser = Browser::start().await;
        browser.look(language, 1280, false).await;
        browser.open(&format!("http://{}/", courier.address)).await;
        let headline = "document.getElementById('headline-text').textContent";
        until("nothing is due", async || {
            browser.text(headline).await == before
        })
        .await;
        let shown = "[document.getElementById('as-of').textContent, \
                      getComputedStyle(document.querySelector('.tiles')).opacity]";
        assert_eq!(browser.value(shown).await, serde_json::json!(["", "1"]));
        courier.program.kill().await;
        // Keeps the address from others while the page asks it.
        let _silent = TcpListener::bind(courier.address).expect("it is free");
        until("that is told", async || {
            browser.text(headline).await == gone
        })
        .await;
        let stale = browser.value(shown).await;
        let time = stale[0].as_str().and_then(|text| text.strip_prefix(as_of));
        let is_time = time.is_some_and(|time| time.matches(':').count() == 2);
        assert!(is_time && stale[1] == "0.55", "{stale}");
        for (width, dark) in [(1280, false), (390, true)] {
            browser.look(language, width, dark).await;
            let name = format!("gone-{language}-{width}-{dark}.png");
            let picture = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
            browser.picture(&picture).await;
        }
        drop(browser);
    }
}

#[tokio::test]
async fn a_long_list_says_how_much_is_left_out_and_is_folded_on_a_phone() {
    let db = Db::sqlite().await;
    let all = lanes(13);
    let faults = Faults {
        running_tasks: all.iter().map(|lane| lane.1.clone()).collect(),
        ..Faults::default()
    };
    let mut world = World::new(&db, faults).await;
    world.holds_outlast_the_test();
    for (nth, lane) in all.iter().enumerate() {
        world.insert(lane, &goods(nth, 1)).await;
    }
    let courier = Courier::start(&mut world).await;
    until("all lanes are on hold", async || {
        courier.get("/api/status").await.json()["outbox"]["lanes"]["held"] == 13
    })
    .await;
    let url = format!("http://{}/", courier.address);
    let browser = Browser::start().await;
    leaves_pictures(&browser, &url, "long-list").await;
    let rows = "[...document.querySelectorAll('#paused tbody tr')].filter(row => row.checkVisibility()).length";
    let left = "document.querySelector('#paused .quiet').innerText";
    let unfold = "document.querySelector('#paused .unfold')";
    let glued = "document.querySelector('#paused .quiet').getBoundingClientRect().top - \
                 document.querySelector('#paused table').getBoundingClientRect().bottom < 5";
    // How often a lane has failed in a row stands on one line.
    let lines = "(words => Math.round(words.offsetHeight / parseFloat(getComputedStyle(words).lineHeight)))\
                 (document.querySelector('#paused .whole .words'))";
    for (language, rest, more) in [
        ("en-GB,en", "and 3 more", "Show 7 more"),
        ("zh-CN,zh", "另有 3 个", "再显示 7 个"),
    ] {
        for (width, shown) in [(1280, 10), (390, 3)] {
            browser.look(language, width, false).await;
            browser.open(&url).await;
            until("the page is filled", async || {
                browser.value("document.body.dataset.refreshed").await == "yes"
            })
            .await;
            assert_eq!(browser.value(rows).await, shown, "{width}");
            assert_eq!(browser.text(left).await, rest);
            assert_eq!(browser.value(glued).await, false);
            assert_eq!(browser.value(lines).await, 1);
        }
        assert_eq!(browser.text(&format!("{unfold}.innerText")).await, more);
        browser.value(&format!("{unfold}.click()")).await;
        assert_eq!(browser.value(rows).await, 10);
        // The list stays so when the numbers are new.
        assert_eq!(browser.value("refresh().then(() => 0)").await, 0);
        assert_eq!(browser.value(rows).await, 10);
        leaves_this(&browser, &format!("unfolded-{}", &language[..2])).await;
    }
}

/// Puts a contact that has failed into the lane.
async fn fails(db: &Db, phone: &str, cause: &str, when: i64) {
    let (user, task) = LONG_LANE.split_once('/').unwrap();
    db.execute(&format!(
        "INSERT INTO contact_outbox
             (user_id, task_id, phone, status, fail_kind, fail_cause, finished_at)
         VALUES ('{user}', '{task}', '{phone}', 'failed', 'rejected', '{cause}', {})",
        db.now(when)
    ))
    .await;
}

/// As long as lanes of real users are.
const LONG_LANE: &str = "customer-10086/task-2026-11-27-a";

#[tokio::test]
async fn failures_are_counted_by_cause_and_their_lane_stays_on_one_line() {
    let db = Db::sqlite().await;
    let mut world = World::new(&db, Faults::default()).await;
    let asked = "号码 130***121{} 格式不正确，请检查号码的长度、国家代码以及是否包含字母或其他符号";
    for nth in 1..=3 {
        let cause = asked.replace("{}", &nth.to_string()).repeat(3);
        let phone = format!("1301212121{nth}");
        fails(&db, &phone, &cause, -10).await;
    }
    // More of one cause than the list has rows.
    for nth in 10..30 {
        fails(&db, &format!("130121212{nth}"), "空号", -5).await;
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
    assert_eq!(browser.value(rows).await, 2);
    let counts =
        "[...document.querySelectorAll('#failures td:nth-child(5)')].map(n => n.innerText)";
    assert_eq!(browser.value(counts).await, Value::from(vec!["20", "3"]));
    let list = browser
        .text("document.getElementById('failures').innerText")
        .await;
    assert!(list.contains("All 23 failures by lane and cause"), "{list}");
    let row = browser
        .text("document.querySelector('#failures tbody tr + tr').innerText")
        .await;
    assert!(row.contains("#3"), "{row}");
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
    let gives_way = format!(
        "(document.querySelectorAll('#failures .lane').forEach(lane => lane.style.width = 'auto'), {lines})"
    );
    assert_ne!(browser.value(&gives_way).await, 1);
}
