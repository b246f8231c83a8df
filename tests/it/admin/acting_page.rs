//! Logging in and acting on the status page in a real browser.

use std::path::Path;

use contact_courier::simulator::Faults;
use serde_json::Value;

use super::acting::{ANNA, insert, write_users};
use super::asking::Courier;
use super::browser::Browser;
use crate::support::Db;
use crate::world::{World, goods, lanes, until};

/// The texts to read and the buttons to press in one of the languages.
struct Words {
    language: &'static str,
    lang: &'static str,
    log_in: &'static str,
    log_out: &'static str,
    wrong: &'static str,
    look: &'static str,
    close: &'static str,
    pause: [&'static str; 4],
    cancel: [&'static str; 4],
    requeue: [&'static str; 4],
    resume: [&'static str; 4],
    unknown: &'static str,
    so_far: &'static str,
    ended: &'static str,
}

const ENGLISH: Words = Words {
    language: "en-GB,en",
    lang: "en",
    log_in: "Log in",
    log_out: "Log out",
    wrong: "This is not a user with its password.",
    look: "Look first",
    close: "Close",
    pause: [
        "Pause",
        "Pause lane user-0/task_0?",
        "Yes, pause",
        "paused until it is resumed; 250 contacts pending in it",
    ],
    cancel: [
        "Cancel contacts",
        "Cancel 250 contacts?",
        "Yes, cancel them",
        "250 contacts cancelled.",
    ],
    requeue: [
        "Requeue",
        "Requeue 250 contacts?",
        "Yes, requeue",
        "250 contacts requeued.",
    ],
    resume: [
        "Resume",
        "Resume lane user-0/task_0?",
        "Yes, resume",
        "1 pause and",
    ],
    unknown: "No contact of lane user-0/typo is known. Is it spelled right?",
    so_far: "Cancel contacts (lane user-0/task_0), begun by anna: 0 of 3 contacts so far",
    ended: "3 contacts cancelled.",
};

const CHINESE: Words = Words {
    language: "zh-CN,zh",
    lang: "zh-CN",
    log_in: "登录",
    log_out: "退出登录",
    wrong: "用户名或密码不正确。",
    look: "先查看",
    close: "关闭",
    pause: [
        "暂停",
        "暂停通道 user-0/task_0？",
        "确认暂停",
        "已暂停，直到恢复；250 个号码待发送",
    ],
    cancel: [
        "取消号码",
        "取消 250 个号码？",
        "确认取消",
        "已取消 250 个号码。",
    ],
    requeue: [
        "重新发送",
        "重新发送 250 个号码？",
        "确认重新发送",
        "已重新放回 250 个号码。",
    ],
    resume: [
        "恢复",
        "恢复通道 user-0/task_0？",
        "确认恢复",
        "结束了 1 个暂停",
    ],
    unknown: "没有通道 user-0/typo 的任何号码，请检查拼写。",
    so_far: "anna 发起的取消号码（通道 user-0/task_0）：已处理 0，共 3 个号码",
    ended: "已取消 3 个号码。",
};

#[tokio::test]
async fn users_log_in_and_act_in_both_languages_on_any_screen() {
    for (words, width, dark) in [
        (ENGLISH, 1280, false),
        (CHINESE, 390, true),
        (CHINESE, 1280, true),
        (ENGLISH, 390, false),
    ] {
        let db = Db::sqlite().await;
        let faults = Faults {
            running_tasks: vec!["task_0".into()],
            ..Faults::default()
        };
        let mut world = World::new(&db, faults).await;
        world.holds_outlast_the_test();
        write_users(&mut world, ANNA);
        world.insert(&lanes(1)[0], &goods(0, 250)).await;
        let courier = Courier::start(&mut world).await;
        until("the lane is on hold", async || {
            let status = courier.get("/api/status").await.json();
            status["outbox"]["pending"]["held"] == 250
        })
        .await;
        let browser = Browser::start().await;
        browser.look(words.language, width, dark).await;
        browser.open(&format!("http://{}/", courier.address)).await;
        let mut page = Page {
            browser,
            words,
            width,
            dark,
            shots: 0,
        };
        page.logs_in(&courier).await;
        page.acts(&db).await;
        page.logs_out().await;
        let history = world.run(&["history", "--json"]).await.out;
        assert_eq!(
            history.matches("anna (status page)").count(),
            4,
            "{history}"
        );
    }
}

#[tokio::test]
async fn a_group_of_failures_is_requeued_without_other_causes_of_its_kind() {
    let db = Db::sqlite().await;
    let mut world = World::new(&db, Faults::default()).await;
    write_users(&mut world, ANNA);
    // What is requeued waits for another hour.
    insert(&db, &lanes(1)[0], &goods(0, 4)).await;
    for (id, cause) in [(1, "空号"), (2, "黑名单"), (3, "空号")] {
        db.execute(&format!(
            "UPDATE contact_outbox SET status = 'failed', fail_kind = 'rejected',
                 fail_cause = '{cause}', finished_at = {} WHERE id = {id}",
            db.now(-10)
        ))
        .await;
    }
    let courier = Courier::start(&mut world).await;
    let browser = Browser::start().await;
    browser.look(ENGLISH.language, 1280, false).await;
    browser.open(&format!("http://{}/", courier.address)).await;
    let mut page = Page {
        browser,
        words: ENGLISH,
        width: 1280,
        dark: false,
        shots: 200,
    };
    page.logs_in(&courier).await;
    page.reads("#failures", "All 3 failures by lane and cause")
        .await;
    let press = "[...document.querySelectorAll('#failures tr')].some(row => row.innerText.includes('空号') && (row.querySelector('button').click(), true))";
    assert_eq!(page.browser.value(press).await, true);
    let words = [
        "Requeue",
        "Requeue 2 contacts?",
        "Yes, requeue",
        "2 contacts requeued.",
    ];
    let pending = "FROM contact_outbox WHERE status = 'pending'";
    page.goes_through(words, &db, pending, [1, 3]).await;
    assert_eq!(db.of(2, "status").await.as_deref(), Some("failed"));
    page.says_what_an_id_did_not_name().await;
    page.doubts_an_unknown_lane().await;
    page.words = CHINESE;
    page.browser.look(CHINESE.language, 1280, false).await;
    page.browser
        .open(&format!("http://{}/", courier.address))
        .await;
    page.reads("#who", "anna").await;
    page.doubts_an_unknown_lane().await;
    page.refuses_in_chinese().await;
}

/// Makes the page's requests last longer, or fail.
const SLOW: &str = "(window.real ??= fetch, window.fetch = (...asked) => new Promise(
    go => setTimeout(go, 2000)).then(() => real(...asked)).finally(() => window.came = true), true)";

#[tokio::test]
async fn the_page_does_not_come_back_to_what_was_closed_and_keeps_its_session() {
    let db = Db::sqlite().await;
    let mut world = World::new(&db, Faults::default()).await;
    write_users(&mut world, ANNA);
    // The contact waits for another hour.
    insert(&db, &lanes(1)[0], &goods(0, 1)).await;
    let courier = Courier::start(&mut world).await;
    let browser = Browser::start().await;
    browser.look(ENGLISH.language, 1280, false).await;
    browser.open(&format!("http://{}/", courier.address)).await;
    let mut page = Page {
        browser,
        words: ENGLISH,
        width: 1280,
        dark: false,
        shots: 300,
    };
    page.logs_in(&courier).await;
    page.press("#actions", page.words.pause[0]).await;
    page.write("what", "user-0/task_0").await;
    assert_eq!(page.browser.value(SLOW).await, true);
    page.press("#dialog", page.words.look).await;
    page.press("#dialog", page.words.close).await;
    until("the look has ended", async || {
        page.browser.value("window.came === true").await == true
    })
    .await;
    let open = format!("new Promise(go => setTimeout(go, 300)).then(() => {DIALOG}.open)");
    assert_eq!(page.browser.value(&open).await, false);
    // A courier that is away for a moment does not log anybody out.
    let away = "(window.fetch = () => Promise.reject(new Error('away')), isOffered = false, \
                offer({log_in: true}).then(() => localStorage.length))";
    assert_eq!(page.browser.value(away).await, 1);
    assert_eq!(page.browser.value("isOffered").await, false);
    let back = "(window.fetch = real, offer({log_in: true}).then(() => true))";
    assert_eq!(page.browser.value(back).await, true);
    page.reads("#who", "anna").await;
    page.shares_its_session_with_other_tabs(&courier).await;
    let unknown = "[ACT.en, ACT.zh].map(texts => texts.contacts(null))";
    assert_eq!(
        page.browser.value(unknown).await,
        Value::from(vec!["an unknown number of contacts", "数量未知的号码"])
    );
}

/// Runs on the one database whose writes can be held up while it is read.
mod on_postgres {
    crate::support::on_databases!(postgres Postgres:
        an_action_that_takes_long_can_be_left_and_come_back_to
    );

    use contact_courier::outbox::PostgresOutbox;
    use sqlx::ConnectOptions;

    use super::*;

    async fn an_action_that_takes_long_can_be_left_and_come_back_to(db: &Db) {
        let mut world = World::new(db, Faults::default()).await;
        write_users(&mut world, ANNA);
        let courier = Courier::start(&mut world).await;
        let here = format!("http://{}/", courier.address);
        let options = PostgresOutbox::connect_options(&db.url).unwrap();
        for (nth, (words, width, dark)) in [(ENGLISH, 1280, true), (CHINESE, 390, false)]
            .into_iter()
            .enumerate()
        {
            insert(db, &lanes(1)[0], &goods(nth, 3)).await;
            let browser = Browser::start().await;
            browser.look(words.language, width, dark).await;
            browser.open(&here).await;
            let mut page = Page {
                browser,
                words,
                width,
                dark,
                shots: 100,
            };
            page.logs_in(&courier).await;
            let mut other = options.connect().await.unwrap();
            let lock = "BEGIN; LOCK TABLE contact_outbox IN SHARE MODE";
            sqlx::raw_sql(lock).execute(&mut other).await.unwrap();
            page.press("#lanes", page.words.cancel[0]).await;
            page.press("#dialog", page.words.look).await;
            page.press("#dialog", page.words.cancel[2]).await;
            page.reads("#dialog", page.words.so_far).await;
            page.is_readable().await;
            page.browser.open(&here).await;
            page.reads("#actions", page.words.so_far).await;
            page.is_readable().await;
            sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
            page.reads("#actions", page.words.ended).await;
            page.is_readable().await;
            assert_eq!(page.browser.complaints().await, [""; 0].map(Value::from));
        }
    }
}

struct Page {
    browser: Browser,
    words: Words,
    width: u32,
    dark: bool,
    shots: u32,
}

const DIALOG: &str = "document.getElementById('dialog')";

impl Page {
    /// A wrong password is reported; the right one brings the actions, and stays valid when the
    /// page is reloaded.
    async fn logs_in(&mut self, courier: &Courier) {
        self.press("#who", self.words.log_in).await;
        self.write("user", "anna").await;
        self.write("password", "wrong").await;
        self.press("#dialog", self.words.log_in).await;
        self.reads("#dialog", self.words.wrong).await;
        let complaints = self.browser.complaints().await;
        assert!(complaints.len() == 1 && complaints[0].to_string().contains("401"));
        self.is_readable().await;
        self.write("password", "geheim").await;
        self.press("#dialog", self.words.log_in).await;
        self.reads("#who", self.words.log_out).await;
        assert_eq!(self.browser.value(&format!("{DIALOG}.open")).await, false);
        let here = format!("http://{}/", courier.address);
        self.browser.open(&here).await;
        self.reads("#who", "anna").await;
        self.reads("#lanes", self.words.pause[0]).await;
        self.is_readable().await;
        // The cookie is hidden from scripts.
        assert_eq!(self.browser.value("document.cookie").await, "");
    }

    /// Does the four actions. Each says what it would do before it does it.
    async fn acts(&mut self, db: &Db) {
        let pauses = "FROM delivery_pause";
        self.press("#lanes", self.words.pause[0]).await;
        self.goes_through(self.words.pause, db, pauses, [0, 1])
            .await;
        let cancelled = "FROM contact_outbox WHERE fail_kind = 'cancelled'";
        self.press("#lanes", self.words.cancel[0]).await;
        self.goes_through(self.words.cancel, db, cancelled, [0, 250])
            .await;
        self.press("#actions", self.words.requeue[0]).await;
        self.write("what", "user-0/task_0").await;
        let check = format!("{DIALOG}.querySelector('[value=cancelled]').click()");
        self.browser.value(&check).await;
        self.goes_through(self.words.requeue, db, cancelled, [250, 0])
            .await;
        self.press("#actions", self.words.resume[0]).await;
        self.write("what", "user-0/task_0").await;
        self.goes_through(self.words.resume, db, pauses, [1, 0])
            .await;
        assert_eq!(self.browser.complaints().await, [""; 0].map(Value::from));
    }

    async fn goes_through(&mut self, words: [&str; 4], db: &Db, rest: &str, counts: [i64; 2]) {
        let [_, question, yes, done] = words;
        self.is_readable().await;
        self.press("#dialog", self.words.look).await;
        self.reads("#dialog", question).await;
        self.is_readable().await;
        assert_eq!(db.count(rest).await, counts[0], "{rest}");
        self.press("#dialog", yes).await;
        self.reads("#dialog", done).await;
        self.is_readable().await;
        assert_eq!(db.count(rest).await, counts[1], "{rest}");
        self.press("#dialog", self.words.close).await;
    }

    /// Contact 2 is there, and it is not pending; contact 1 is there, and it is not failed.
    async fn says_what_an_id_did_not_name(&mut self) {
        for (button, id, said) in [
            (
                self.words.cancel[0],
                "2",
                "1 of the ids named no pending contact: 2 (failed).",
            ),
            (
                self.words.requeue[0],
                "1",
                "1 of the ids named no failed contact.",
            ),
        ] {
            self.press("#actions", button).await;
            self.write("way", "ids").await;
            self.write("what", id).await;
            self.press("#dialog", self.words.look).await;
            self.reads("#dialog", said).await;
            self.is_readable().await;
            self.press("#dialog", self.words.close).await;
        }
    }

    /// Who has logged in acts in all tabs, until he logs out in one of them.
    async fn shares_its_session_with_other_tabs(&self, courier: &Courier) {
        let first = self.browser.tab().await;
        let here = format!("http://{}/", courier.address);
        self.browser.open_tab(&here).await;
        self.reads("#who", "anna").await;
        self.press("#who", self.words.log_out).await;
        self.reads("#who", self.words.log_in).await;
        self.browser.turn_to(&first).await;
        self.reads("#who", self.words.log_in).await;
    }

    /// A mistyped lane is told before it is paused or resumed.
    async fn doubts_an_unknown_lane(&mut self) {
        for button in [self.words.pause[0], self.words.resume[0]] {
            self.press("#actions", button).await;
            self.write("what", "user-0/typo").await;
            self.press("#dialog", self.words.look).await;
            self.reads("#dialog", self.words.unknown).await;
            self.is_readable().await;
            self.browser.value("(shut(), 0)").await;
        }
    }

    /// The page itself has a text for what the courier refuses.
    async fn refuses_in_chinese(&mut self) {
        self.press("#actions", self.words.pause[0]).await;
        self.write("way", "user").await;
        self.write("what", "u/t").await;
        self.press("#dialog", self.words.look).await;
        self.reads("#dialog", "这不是用户").await;
        self.is_readable().await;
        self.press("#dialog", self.words.close).await;
    }

    async fn logs_out(&mut self) {
        self.press("#who", self.words.log_out).await;
        self.reads("#who", self.words.log_in).await;
        // In Chinese the text to log out contains the one to log in.
        let hidden = "document.getElementById('actions').hidden";
        until("the actions are gone", async || {
            self.browser.value(hidden).await == true
        })
        .await;
        let buttons = "document.querySelectorAll('#lanes button, #paused button').length";
        until("nothing can be done in the tables", async || {
            self.browser.value(buttons).await == 0
        })
        .await;
    }

    /// Presses the button with this text, as soon as it is there.
    async fn press(&self, within: &str, text: &str) {
        let press = format!(
            "[...document.querySelectorAll('{within} button')].some(b => b.textContent === '{text}' && (b.click(), true))"
        );
        until(text, async || self.browser.value(&press).await == true).await;
    }

    /// Fills in a field.
    async fn write(&self, name: &str, text: &str) {
        let field = format!("{DIALOG}.querySelector('[name={name}]')");
        let write = format!("{field} && ({field}.value = '{text}')");
        until(name, async || self.browser.value(&write).await == text).await;
    }

    /// Waits until a part of the page has this text.
    async fn reads(&self, within: &str, text: &str) {
        let says = format!("document.querySelector('{within}').innerText.includes('{text}')");
        until(text, async || self.browser.value(&says).await == true).await;
    }

    /// Checks that the page fits the screen and that its text stands out from its background.
    /// Leaves a picture of it.
    async fn is_readable(&mut self) {
        self.shots += 1;
        let (lang, width, nth) = (self.words.lang, self.width, self.shots);
        let name = format!("acting-{lang}-{width}-{}-{nth:02}.png", self.dark);
        let picture = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        self.browser.picture(&picture).await;
        for element in ["document.documentElement", DIALOG] {
            let beyond = format!("{element}.scrollWidth - {element}.clientWidth");
            assert_eq!(
                self.browser.value(&beyond).await,
                0,
                "{element} scrolls sideways"
            );
        }
        let pale = self.browser.value(include_str!("contrast.js")).await;
        assert_eq!(pale, Value::Array(Vec::new()), "too little contrast");
        let nameless = "[...document.querySelectorAll('input, select')].filter(f => !f.labels.length).map(f => f.name)";
        assert_eq!(self.browser.value(nameless).await, Value::Array(Vec::new()));
    }
}
