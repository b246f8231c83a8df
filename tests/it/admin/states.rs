//! If contacts are kept back, for any reason, all parts of the page agree: headline, tiles, lists
//! and tags.

use contact_courier::simulator::Faults;
use serde_json::Value;

use super::asking::Courier;
use super::browser::Browser;
use super::pictures::leaves_pictures;
use crate::support::Db;
use crate::world::{World, goods, lanes, until};

/// A state that keeps contacts back, and the texts that the page has to show.
struct State {
    name: &'static str,
    faults: Faults,
    command: &'static [&'static str],
    /// How many lanes are kept back, of three with two contacts each.
    lanes: usize,
    headline: &'static str,
    /// A part of what stands below the headline.
    more: &'static str,
    /// The first row of the list of lanes on hold.
    first: &'static str,
    /// How many contacts wait, according to that row.
    waiting: &'static str,
}

fn states() -> [State; 4] {
    let for_a_user = "2 lanes are on hold; nothing is sent for 1 user";
    [
        State {
            name: "token",
            faults: Faults {
                token_off: true,
                ..Faults::default()
            },
            command: &[],
            lanes: 3,
            headline: "Nothing is sent: Token not accepted",
            // The platform's words stand apart from ours.
            more: " · Check platform.token or platform.token_file.",
            first: "all lanes",
            waiting: "6",
        },
        State {
            name: "pause-all",
            faults: Faults::default(),
            command: &["pause", "--all", "--reason", "the night"],
            lanes: 3,
            headline: "Nothing is sent: Paused by an operator",
            more: "; ends when somebody resumes. by ",
            first: "all lanes",
            waiting: "6",
        },
        State {
            name: "forbidden",
            faults: Faults {
                forbidden_users: vec!["user-0".into()],
                ..Faults::default()
            },
            command: &[],
            lanes: 2,
            headline: for_a_user,
            more: "4 contacts wait in lanes on hold.",
            first: "user-0 · all lanes",
            waiting: "4",
        },
        State {
            name: "pause-user",
            faults: Faults::default(),
            command: &["pause", "--user", "user-0", "--for", "2h"],
            lanes: 2,
            headline: for_a_user,
            more: "4 contacts wait in lanes on hold.",
            first: "user-0 · all lanes",
            waiting: "4",
        },
    ]
}

#[tokio::test]
async fn all_on_the_page_agrees_whatever_keeps_contacts_back() {
    let browser = Browser::start().await;
    browser.look("en", 1280, false).await;
    for state in states() {
        let db = Db::sqlite().await;
        let mut world = World::new(&db, state.faults.clone()).await;
        world.holds_outlast_the_test();
        for (nth, lane) in lanes(3).iter().enumerate() {
            world.insert(lane, &goods(nth, 2)).await;
        }
        if !state.command.is_empty() {
            assert_eq!(world.run(state.command).await.code, Some(0));
        }
        let courier = Courier::start(&mut world).await;
        let held = 2 * state.lanes as u64;
        until(state.headline, async || {
            let outbox = &courier.get("/api/status").await.json()["outbox"];
            let pending = &outbox["pending"];
            pending["held"] == held && pending["due"] == 0
        })
        .await;
        let outbox = &courier.get("/api/status").await.json()["outbox"];
        assert_eq!(outbox["lanes"]["held"], state.lanes, "{outbox}");
        let url = format!("http://{}/", courier.address);
        leaves_pictures(&browser, &url, state.name).await;
        agrees(&browser, &state).await;
    }
}

/// What has become of all contacts, or keeps them back by no fault of theirs.
struct End {
    name: &'static str,
    faults: Faults,
    /// The contacts of each of two lanes.
    phones: &'static [&'static str],
    headline: &'static str,
}

fn ends() -> [End; 4] {
    let good = &["13012121211", "13012121212"];
    [
        End {
            name: "never",
            faults: Faults::default(),
            phones: &[],
            headline: "No contact was inserted yet",
        },
        End {
            name: "delivered",
            faults: Faults::default(),
            phones: good,
            headline: "All delivered",
        },
        End {
            name: "refused",
            faults: Faults::default(),
            phones: &["99999901", "99999902"],
            headline: "None of the newest contacts was delivered",
        },
        End {
            name: "breaker",
            faults: Faults {
                error_before: 1.0,
                ..Faults::default()
            },
            phones: good,
            headline: "Nothing is sent: Platform error",
        },
    ]
}

#[tokio::test]
async fn the_headline_tells_an_end_from_an_outage() {
    let browser = Browser::start().await;
    for end in ends() {
        let db = Db::sqlite().await;
        let mut world = World::new(&db, end.faults.clone()).await;
        world.lease_outlasts_the_test();
        // Lanes of two users, or the breaker holds back one of them alone. A batch of a single contact
        // would count as failing by itself.
        let phones: Vec<String> = end.phones.iter().map(|phone| (*phone).into()).collect();
        for lane in lanes(3).iter().step_by(2).filter(|_| !phones.is_empty()) {
            world.insert(lane, &phones).await;
        }
        let courier = Courier::start(&mut world).await;
        let url = format!("http://{}/", courier.address);
        browser.look("en", 1280, false).await;
        browser.open(&url).await;
        let headline = "document.getElementById('headline-text').innerText";
        until(end.headline, async || {
            browser.text(headline).await == end.headline
        })
        .await;
        let breaker = browser
            .text("document.getElementById('flow').innerText")
            .await;
        let is_open = breaker.contains("open: requests are held back");
        assert_eq!(is_open, end.name == "breaker", "{breaker}");
        leaves_pictures(&browser, &url, end.name).await;
    }
}

async fn agrees(browser: &Browser, state: &State) {
    let text = |id: &str| format!("document.getElementById('{id}').innerText");
    assert_eq!(browser.text(&text("headline-text")).await, state.headline);
    let more = browser.text(&text("headline-more")).await;
    assert!(more.contains(state.more), "{more}");
    let is_stopped = state.headline.starts_with("Nothing is sent");
    assert_eq!(more.starts_with("For "), is_stopped, "{more}");
    let held = 2 * state.lanes;
    assert_eq!(browser.text(&text("pending")).await, held.to_string());
    let kinds = browser.text(&text("pending-more")).await;
    assert_eq!(kinds, format!("{held} on hold"));
    let first = "document.querySelector('#paused tbody td').innerText";
    assert_eq!(browser.text(first).await, state.first);
    let waiting = "document.querySelector('#paused tbody td.number').innerText";
    assert_eq!(browser.text(waiting).await, state.waiting);
    // The page claims no further entries beyond the end of the list.
    let beyond = "document.querySelectorAll('#paused .quiet').length";
    assert_eq!(browser.value(beyond).await, 0, "{}", state.headline);
    let tags = "[...document.querySelectorAll('#lanes .tag')].map(tag => tag.textContent)";
    let on_hold = Value::from(vec!["on hold"; state.lanes]);
    assert_eq!(browser.value(tags).await, on_hold, "{}", state.headline);
}
