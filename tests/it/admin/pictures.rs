//! Pictures of the page for people: in both languages, light and dark, on a desktop and on a phone.

use std::path::Path;

use super::browser::Browser;
use super::page::can_be_read;
use crate::support::variable;
use crate::world::until;

/// Whether all pictures are asked for; they take their time.
pub(super) fn are_all() -> bool {
    variable("COURIER_TEST_PICTURES").is_some_and(|which| which == "all")
}

/// Leaves pictures of the page as it is now, and checks that each can be read. Without
/// `COURIER_TEST_PICTURES=all` it is only the one in English on a light desktop.
pub(super) async fn leaves_pictures(browser: &Browser, url: &str, name: &str) {
    for (language, code) in [("zh-CN,zh", "zh"), ("en-GB,en", "en")] {
        for (width, dark) in [(390, false), (390, true), (1280, true), (1280, false)] {
            if !are_all() && (code, width, dark) != ("en", 1280, false) {
                continue;
            }
            browser.look(language, width, dark).await;
            browser.open(url).await;
            until("the page is filled", async || {
                browser.value("document.body.dataset.refreshed").await == "yes"
            })
            .await;
            leaves_this(browser, &format!("{name}-{code}-{width}-{dark}")).await;
        }
    }
}

/// Leaves one picture of the page as it looks now.
pub(super) async fn leaves_this(browser: &Browser, name: &str) {
    let picture = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.png"));
    browser.picture(&picture).await;
    can_be_read(browser).await;
}
