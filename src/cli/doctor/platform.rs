//! The platform: whether it answers over TLS, and takes the token.

use std::path::Path;

use url::Url;

use super::check::Check;
use crate::app;
use crate::cli::table::short;
use crate::http;
use crate::mask::mask_within;
use crate::platform::client::Way;
use crate::platform::token::TokenError;
use crate::platform::verdict::{Answer, Reply};
use crate::settings::{Settings, is_this_host};

/// Runs all checks.
pub(super) async fn checks(settings: &Settings) -> Vec<Check> {
    let base_url = &settings.platform.base_url;
    let platform = match app::http_platform(settings) {
        Ok(platform) => platform,
        Err(_) if settings.require_platform_token().is_err() => {
            let mut checks = way(settings);
            let todo = "set platform.token or platform.token_file";
            checks.push(Check::failed(
                "token",
                "there is none, so no courier starts",
                todo,
            ));
            return checks;
        }
        Err(error) => {
            let (name, todo) = if error.is::<TokenError>() {
                ("token", "correct platform.token or platform.token_file")
            } else {
                (
                    "platform",
                    "docs/security.md tells of the way to the platform",
                )
            };
            let mut checks = way(settings);
            checks.push(Check::failed(name, format!("{error:#}"), todo));
            return checks;
        }
    };
    let mut checks = way(settings);
    let reply = platform.ask_about_token().await;
    checks.extend(judge(base_url, &reply, unreached(settings)));
    checks
}

/// Checks the way to the platform, and to a collector of traces if there is one.
fn way(settings: &Settings) -> Vec<Check> {
    let platform = &settings.platform;
    let mut checks = vec![tls(&platform.base_url, platform.ca_file.as_deref())];
    if let Ok(Way {
        proxy: Some(proxy), ..
    }) = settings.way_to_platform()
    {
        let proxy = http::without_user(&proxy);
        let found = format!("requests to the platform go through {proxy} (platform.proxy)");
        checks.push(Check::ok("proxy", found));
    } else if settings.leaves_out_a_proxy() {
        checks.push(Check::ok("proxy", UNUSED_PROXY));
    }
    let traces = &settings.traces;
    checks.extend(traces.endpoint.as_ref().map(|endpoint| {
        let authorities = trusted(traces.ca_file.as_deref());
        match settings.way_to_collector(endpoint) {
            Ok(Way {
                proxy: Some(proxy), ..
            }) => {
                let proxy = http::without_user(&proxy);
                let found = format!("they go to {endpoint} through {proxy}, by {authorities}");
                Check::ok("traces", found)
            }
            Ok(_) => Check::ok("traces", format!("they go to {endpoint}, by {authorities}")),
            Err(error) => Check::failed(
                "traces",
                error.to_string(),
                "correct traces.ca_file or traces.proxy",
            ),
        }
    }));
    checks
}

/// About the environment's proxies.
const UNUSED_PROXY: &str =
    "the environment names a proxy, which is not used; platform.proxy = \"environment\" uses it";

/// The remedy when the platform cannot be reached.
fn unreached(settings: &Settings) -> &'static str {
    if settings.leaves_out_a_proxy() {
        return UNUSED_PROXY;
    }
    "check platform.base_url, the network, DNS and certificates"
}

/// Says whose certificates are trusted.
fn trusted(ca_file: Option<&Path>) -> String {
    match ca_file {
        None => "the system's authorities".into(),
        Some(file) => format!("the system's authorities and those of {}", file.display()),
    }
}

fn tls(base_url: &Url, ca_file: Option<&Path>) -> Check {
    match (base_url.scheme(), is_this_host(base_url)) {
        ("https", _) => Check::ok(
            "tls",
            format!("certificates are checked by {}", trusted(ca_file)),
        ),
        (_, true) => Check::ok("tls", "none, but the platform is on this host"),
        _ => Check::warning(
            "tls",
            format!("{base_url} is not encrypted, and the token goes along"),
            "write https:// in platform.base_url",
        ),
    }
}

/// Judges the reply to the question about the token.
fn judge(base_url: &Url, reply: &Reply, unreached: &str) -> Vec<Check> {
    let reached = || Check::ok("platform", format!("{base_url} answers"));
    let answer = match reply {
        Reply::NotSent(why) => {
            let found = format!("{base_url} cannot be reached: {why}");
            return vec![Check::failed("platform", found, unreached)];
        }
        Reply::Lost(why) => {
            let found = format!("{base_url} gave no whole answer: {why}");
            let todo = "is it down? Check platform.base_url and platform.timeout";
            return vec![Check::failed("platform", found, todo)];
        }
        Reply::Answer(answer) => answer,
    };
    let says = |number: i64| {
        let code = answer.document.as_ref().map(|document| document.code);
        i64::from(answer.http) == number || code == Some(number)
    };
    let words = words(answer);
    match answer.http {
        300..=399 => vec![Check::failed(
            "platform",
            format!("{base_url} redirects, which is not followed"),
            "correct platform.base_url",
        )],
        500..=599 => vec![Check::failed(
            "platform",
            words,
            "is it down? Try again later",
        )],
        _ if says(401) => vec![
            reached(),
            Check::failed(
                "token",
                format!("it is not accepted: {words}"),
                "renew platform.token or platform.token_file",
            ),
        ],
        // Any web server may answer 200; only the platform says so in its JSON, too.
        200 if answer.document.is_some() && says(200) => {
            vec![reached(), Check::ok("token", "the platform accepts it")]
        }
        _ if says(404) || says(405) => vec![
            reached(),
            Check::warning(
                "token",
                format!("not checked: {base_url} does not know GET /agent-api/token"),
                "is platform.base_url the platform's address? If it is, deliver a contact to see",
            ),
        ],
        _ => {
            let todo = match answer.document {
                Some(_) => "try again later",
                None => "is platform.base_url the platform's address?",
            };
            let found = format!("not checked: {words}");
            vec![reached(), Check::warning("token", found, todo)]
        }
    }
}

/// How many characters of the platform's words are shown.
const MOST_WORDS: usize = 200;

fn words(answer: &Answer) -> String {
    let http = answer.http;
    match &answer.document {
        Some(document) => {
            let said = short(&mask_within(&document.message), MOST_WORDS);
            format!("HTTP {http}, {} {said}", document.code)
        }
        None => format!("HTTP {http} without the documented JSON"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::wire::Document;

    fn answer(http: u16, code: Option<i64>) -> Reply {
        Reply::Answer(Answer {
            http,
            retry_after: None,
            is_garbled: false,
            is_page: false,
            document: code.map(|code| Document {
                code,
                message: "words".into(),
                ..Document::default()
            }),
        })
    }

    fn said(reply: &Reply) -> Vec<String> {
        let base_url = "https://p.example/".parse().unwrap();
        judge(&base_url, reply, "")
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn what_the_platform_says_about_the_token_is_read() {
        let reached = "ok       platform    https://p.example/ answers";
        for (reply, last) in [
            (
                answer(200, Some(200)),
                "ok       token       the platform accepts it",
            ),
            (
                answer(401, Some(401)),
                "FAILED   token       it is not accepted: HTTP 401, 401 words; renew \
                 platform.token or platform.token_file",
            ),
            (
                answer(200, Some(401)),
                "FAILED   token       it is not accepted: HTTP 200, 401 words; renew \
                 platform.token or platform.token_file",
            ),
            (
                answer(404, None),
                "warning  token       not checked: https://p.example/ does not know GET \
                 /agent-api/token; is platform.base_url the platform's address? If it is, deliver a \
                 contact to see",
            ),
            (
                answer(200, None),
                "warning  token       not checked: HTTP 200 without the documented JSON; is \
                 platform.base_url the platform's address?",
            ),
            (
                answer(429, Some(429)),
                "warning  token       not checked: HTTP 429, 429 words; try again later",
            ),
        ] {
            assert_eq!(said(&reply), [reached, last]);
        }
    }

    #[test]
    fn a_platform_that_does_not_answer_has_failed() {
        for reply in [
            Reply::NotSent("connection refused".into()),
            Reply::Lost("timeout".into()),
            answer(503, None),
            answer(302, None),
        ] {
            let said = said(&reply);
            assert_eq!(said.len(), 1);
            assert!(said[0].starts_with("FAILED   platform"), "{said:?}");
        }
    }

    #[test]
    fn an_address_that_is_not_encrypted_is_told_unless_it_is_this_host() {
        for (url, warned) in [
            ("https://p.example", false),
            ("http://127.0.0.1:8790", false),
            ("http://[::1]:8790", false),
            ("http://localhost", false),
            ("http://p.example", true),
        ] {
            let check = tls(&url.parse().unwrap(), None);
            assert_eq!(check.todo.is_some(), warned, "{url}");
        }
    }
}
