//! The simulated platform: it takes one request from arrival to reply, and knows nothing of
//! sockets.
//!
//! `routes` hands in the HTTP request and carries out the [`Reply`]; the ledger keeps the numbers.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use super::failure::Failure;
use super::faults::{
    Draw, Fault, Faults, FaultsError, RefusalBody, RetryAfter, RowLuck, RunningSays,
};
use super::ledger::{Ledger, TaskRoute};
use super::luck::Luck;
use super::state::{Answers, State, Totals};
use super::task::{Import, Rules};
use super::wire::{self, Complaint, ImportRequest, Style};
use crate::lock::lock;

const SERVER_ERROR: &str = "服务器内部错误";
const TOO_FAST: &str = "请求过于频繁,请稍后再试";
/// More bytes than a careful client reads.
const OVERSIZE: usize = 2 * 1024 * 1024;
const PROXY_PAGE: &str = "<!DOCTYPE html>\n<html><head><title>Welcome</title></head>\
    <body><h1>Please sign in to the network</h1></body></html>\n";

/// The page of a firewall, in place of an answer.
const FIREWALL_PAGE: &str = "<!DOCTYPE html>\n<html><head><title>Blocked</title></head>\
    <body><h1>您的请求可能对网站造成安全威胁，已被拦截</h1></body></html>\n";

/// The answer to the client, and the wait before it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reply {
    /// How long the answer waits. The import, if any, is already done.
    pub(super) after: Duration,
    pub(super) answer: Answer,
}

impl Reply {
    fn at_once(answer: Answer) -> Self {
        let after = Duration::ZERO;
        Self { after, answer }
    }
}

/// An answer in HTTP's terms.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// A status and a JSON body.
    Json { status: u16, body: Vec<u8> },
    /// 429, with or without a `Retry-After`.
    Later {
        /// The form of `Retry-After`.
        form: RetryAfter,
        /// The wait that it names.
        wait: Duration,
        body: Vec<u8>,
    },
    /// A status and text that is not JSON.
    Text {
        status: u16,
        content_type: &'static str,
        body: String,
    },
    /// 302 to a path that is not there.
    Redirect,
    /// 200 and the beginning of this body, then the connection is reset.
    CutOff(Vec<u8>),
    /// No answer at all: the connection is reset.
    Reset,
    /// No answer at all: the connection stays open.
    Silence,
}

impl Answer {
    fn error(status: u16, code: u16, message: &str) -> Self {
        Self::Json {
            status,
            body: wire::error(code, message),
        }
    }

    /// Business errors come under HTTP 200.
    fn refusal(code: u16, message: &str) -> Self {
        Self::error(200, code, message)
    }

    /// Returns the body, if it is JSON.
    fn into_body(self) -> Vec<u8> {
        match self {
            Self::Json { body, .. } => body,
            _ => Vec::new(),
        }
    }
}

/// One platform with its token, its faults and its ledger.
#[derive(Debug)]
pub(super) struct Platform {
    token: String,
    seed: u64,
    luck: Mutex<Luck>,
    ledger: Ledger,
}

impl Platform {
    /// Makes an empty platform. Refuses impossible faults.
    pub(super) fn new(token: String, seed: u64, faults: Faults) -> Result<Self, FaultsError> {
        Ok(Self {
            token,
            seed,
            luck: Mutex::new(Luck::new(seed, faults)?),
            ledger: Ledger::new(seed),
        })
    }

    /// Answers a request to add numbers. `body` is the body that arrived, or the complaint about
    /// it.
    pub(super) fn add_numbers(
        &self,
        route: &TaskRoute,
        authorization: Option<&str>,
        body: Result<&[u8], Complaint>,
    ) -> Reply {
        let answer = self.blocked(body.unwrap_or_default());
        if let Some(answer) = answer.or_else(|| self.turned_away(route, authorization)) {
            return Reply::at_once(answer);
        }
        let (draw, faults) = lock(&self.luck).meet(route, Instant::now());
        let is_too_long = body.is_ok_and(|body| body.len() > faults.limits.bytes);
        let request = body.and_then(ImportRequest::read);
        if let Ok(request) = &request {
            self.ledger.receive(route, &request.rows);
        }
        let request = request.and_then(|request| match request.complaint() {
            Some(complaint) => Err(complaint),
            None => Ok(request),
        });
        if let Err(complaint) = &request {
            self.violated(*complaint);
        }
        // A request within the documentation but beyond the limits in force is not the client's
        // mistake.
        let request = request.and_then(|request| {
            if is_too_long || request.rows.len() > faults.limits.rows {
                Err(Complaint::TooLarge)
            } else {
                Ok(request)
            }
        });
        let import = Importing {
            platform: self,
            route,
            faults: &faults,
        };
        Reply {
            after: draw.latency,
            answer: import.decide(request, draw),
        }
    }

    /// Answers whether the token is good.
    pub(super) fn check_token(&self, authorization: Option<&str>) -> Answer {
        if self.accepts(authorization) && !self.faults().token_off {
            let body = wire::token_is_good();
            Answer::Json { status: 200, body }
        } else {
            unauthorized()
        }
    }

    /// Answers a path or method that the platform does not have.
    pub(super) fn unknown_route(&self, status: u16) -> Answer {
        self.ledger
            .count(|totals| totals.violations.unknown_route += 1);
        Answer::error(status, status, "请求的接口不存在")
    }

    /// Changes the faults from the next request on.
    pub(super) fn set_faults(&self, faults: Faults) -> Result<(), FaultsError> {
        lock(&self.luck).change(faults)
    }

    pub(super) fn faults(&self) -> Arc<Faults> {
        lock(&self.luck).faults()
    }

    pub(super) fn totals(&self) -> Totals {
        self.ledger.totals()
    }

    /// Returns a copy of everything that the platform holds.
    pub(super) fn state(&self) -> State {
        self.ledger.state()
    }

    fn accepts(&self, authorization: Option<&str>) -> bool {
        authorization.and_then(|header| header.strip_prefix("Bearer ")) == Some(&self.token)
    }

    /// Returns the answer of a firewall to a request that it does not let through.
    fn blocked(&self, body: &[u8]) -> Option<Answer> {
        let faults = self.faults();
        let mut words = faults.firewall_words.iter().map(String::as_bytes);
        let holds = |word: &[u8]| body.windows(word.len()).any(|part| part == word);
        words.any(|word| !word.is_empty() && holds(word)).then(|| {
            self.answered(|answers| &mut answers.blocked);
            if faults.firewall_status == 302 {
                return Answer::Redirect;
            }
            Answer::Text {
                status: faults.firewall_status,
                content_type: "text/html; charset=utf-8",
                body: FIREWALL_PAGE.into(),
            }
        })
    }

    /// Returns the answer to a request that is turned away at once: its rows are not looked at and
    /// the dice are not rolled.
    fn turned_away(&self, route: &TaskRoute, authorization: Option<&str>) -> Option<Answer> {
        let faults = self.faults();
        let (user, task) = route;
        if !self.accepts(authorization) || faults.token_off {
            self.answered(|answers| &mut answers.unauthorized);
            Some(unauthorized())
        } else if faults.forbidden_users.contains(user) {
            self.answered(|answers| &mut answers.forbidden);
            Some(Answer::error(403, 403, "没有权限操作该用户"))
        } else if faults.unknown_tasks.contains(task) {
            self.answered(|answers| &mut answers.not_found);
            Some(Answer::error(404, 404, "任务不存在"))
        } else {
            None
        }
    }

    fn answered(&self, kind: impl FnOnce(&mut Answers) -> &mut u64) {
        self.ledger.count(|totals| {
            totals.requests += 1;
            *kind(&mut totals.answers) += 1;
        });
    }

    fn violated(&self, complaint: Complaint) {
        self.ledger
            .count(|totals| *complaint.count(&mut totals.violations) += 1);
    }
}

/// A request that was let in, under the faults that were in force then.
struct Importing<'p> {
    platform: &'p Platform,
    route: &'p TaskRoute,
    faults: &'p Faults,
}

impl Importing<'_> {
    /// Decides about a request by the dice. Counts it as answered, once.
    fn decide(&self, request: Result<ImportRequest<'_>, Complaint>, draw: Draw) -> Answer {
        let Some(fault) = draw.fault else {
            return match self.import(request) {
                Ok(answer) => {
                    self.platform.answered(|answers| &mut answers.imported);
                    answer
                }
                Err(answer) => {
                    self.platform.answered(|answers| &mut answers.refused);
                    answer
                }
            };
        };
        self.platform.answered(|answers| answers.of(fault));
        let lost = || self.import(request).unwrap_or_else(|refusal| refusal);
        match fault {
            Fault::ErrorBefore => self.error(draw.error_status),
            Fault::ResetBefore => Answer::Reset,
            Fault::SilenceBefore => Answer::Silence,
            Fault::TooManyRequests => Answer::Later {
                form: self.faults.retry_after,
                wait: self.faults.retry_after_wait,
                body: wire::error(429, TOO_FAST),
            },
            Fault::TaskRunning => match self.faults.task_running_says {
                RunningSays::Code6007 => Answer::refusal(6007, "2.0任务启动中,请先停止任务"),
                RunningSays::Code422 => Answer::refusal(422, "任务正在拨打中,请先暂停任务"),
            },
            Fault::Redirected => Answer::Redirect,
            after => self.spoilt(after, lost(), draw),
        }
    }

    /// Returns what a fault leaves of an answer after the import was done.
    fn spoilt(&self, fault: Fault, answer: Answer, draw: Draw) -> Answer {
        match fault {
            Fault::ErrorAfter => self.error(draw.error_status),
            Fault::ResetAfter => Answer::Reset,
            Fault::SilenceAfter => Answer::Silence,
            Fault::CutOff => Answer::CutOff(answer.into_body()),
            Fault::NotJson => Answer::Text {
                status: 200,
                content_type: "text/html; charset=utf-8",
                body: PROXY_PAGE.into(),
            },
            Fault::Garbled => {
                let mut body = answer.into_body();
                body.truncate(body.len() / 2);
                Answer::Json { status: 200, body }
            }
            Fault::Oversized => {
                let mut body = answer.into_body();
                body.resize(OVERSIZE, b' ');
                Answer::Json { status: 200, body }
            }
            Fault::Contradictory => Answer::Json {
                status: 200,
                body: wire::contradiction(),
            },
            // Faults before the import do not come here.
            _ => answer,
        }
    }

    fn error(&self, status: u16) -> Answer {
        let http = if self.faults.error_under_200 {
            200
        } else {
            status
        };
        Answer::error(http, status, SERVER_ERROR)
    }

    /// Imports, and answers as the platform does. `Err` is the answer to a request that was refused
    /// as a whole.
    fn import(&self, request: Result<ImportRequest<'_>, Complaint>) -> Result<Answer, Answer> {
        let request = request.map_err(complain)?;
        let (user, task) = self.route;
        let rules = Rules {
            luck: RowLuck::new(self.faults.rows, self.platform.seed, user, task),
            ignore_skip_error: self.faults.refusal.ignore_skip_error,
        };
        let ledger = &self.platform.ledger;
        match ledger.import(self.route, &request, &rules) {
            (Import::Stopped(failures), _) => Err(self.refused(&failures)),
            (
                Import::Done {
                    accepted,
                    uncounted,
                    failures,
                },
                customers,
            ) => {
                let counted = accepted.len() - uncounted;
                let body = self
                    .style()
                    .imported(counted, customers.min(counted), &failures);
                Ok(Answer::Json { status: 200, body })
            }
        }
    }

    /// Returns the answer to a request that these numbers stopped.
    fn refused(&self, failures: &[Failure<'_>]) -> Answer {
        let cause = failures.first().map_or("", |failure| failure.cause);
        let status = self.faults.refusal.status;
        match self.faults.refusal.body {
            RefusalBody::Message => Answer::error(status, 422, cause),
            RefusalBody::List => Answer::Json {
                status,
                body: self.style().refused(cause, failures),
            },
            RefusalBody::Text => Answer::Text {
                status,
                content_type: "text/plain; charset=utf-8",
                body: cause.into(),
            },
        }
    }

    fn style(&self) -> Style<'_> {
        Style {
            answer: &self.faults.answer,
            mask: &self.faults.mask,
        }
    }
}

fn unauthorized() -> Answer {
    Answer::error(401, 401, "token无效或已过期")
}

fn complain(complaint: Complaint) -> Answer {
    match complaint {
        Complaint::TooLarge => Answer::error(413, 413, &complaint.message()),
        _ => Answer::refusal(422, &complaint.message()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = r#"{"skip_error":true,"data":[{"phone":"13012121211","sort":0}]}"#;

    fn platform(faults: Faults) -> Platform {
        Platform::new("secret".into(), 1, faults).unwrap()
    }

    fn send(platform: &Platform, body: &str) -> Reply {
        let route = ("u".to_owned(), "t".to_owned());
        platform.add_numbers(&route, Some("Bearer secret"), Ok(body.as_bytes()))
    }

    /// Returns how often the task holds the number, and how often it was received.
    fn held_and_received(platform: &Platform) -> (u32, u32) {
        let state = platform.state();
        let number = state.task("u", "t").unwrap().number("13012121211").unwrap();
        (number.times_held, number.times_received)
    }

    fn text(answer: Answer) -> String {
        match answer {
            Answer::Json { body, .. } | Answer::Later { body, .. } => {
                String::from_utf8(body).unwrap()
            }
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn a_fault_before_the_import_leaves_nothing_behind_but_the_note_that_it_came_in() {
        let faults = Faults::default();
        for (faults, said) in [
            (
                Faults {
                    error_before: 1.0,
                    ..faults.clone()
                },
                r#""code":500"#,
            ),
            (
                Faults {
                    reset_before: 1.0,
                    ..faults.clone()
                },
                "Reset",
            ),
            (
                Faults {
                    too_many_requests: 1.0,
                    ..faults.clone()
                },
                r#""code":429"#,
            ),
            (
                Faults {
                    task_running: 1.0,
                    ..faults.clone()
                },
                "6007",
            ),
            (
                Faults {
                    silence_before: 1.0,
                    ..faults.clone()
                },
                "Silence",
            ),
            (
                Faults {
                    redirected: 1.0,
                    ..faults.clone()
                },
                "Redirect",
            ),
        ] {
            let platform = platform(faults);
            let answer = text(send(&platform, BODY).answer);
            assert!(answer.contains(said), "{answer}");
            assert_eq!(held_and_received(&platform), (0, 1));
            assert_eq!(platform.totals().answers.faults(), 1);
        }
    }

    #[test]
    fn a_fault_after_the_import_hides_that_the_number_is_in() {
        let faults = Faults::default();
        for faults in [
            Faults {
                error_after: 1.0,
                ..faults.clone()
            },
            Faults {
                reset_after: 1.0,
                ..faults.clone()
            },
            Faults {
                silence_after: 1.0,
                ..faults.clone()
            },
            Faults {
                garbled: 1.0,
                ..faults.clone()
            },
            Faults {
                cut_off: 1.0,
                ..faults.clone()
            },
            Faults {
                not_json: 1.0,
                ..faults.clone()
            },
            Faults {
                oversized: 1.0,
                ..faults.clone()
            },
            Faults {
                contradictory: 1.0,
                ..faults.clone()
            },
        ] {
            let platform = platform(faults);
            let answer = send(&platform, BODY).answer;
            assert!(!matches!(answer, Answer::Later { .. }));
            assert_eq!(held_and_received(&platform), (1, 1));
            let totals = platform.totals();
            assert_eq!((totals.answers.faults(), totals.answers.imported), (1, 0));
        }
    }

    #[test]
    fn a_garbled_answer_is_no_json() {
        let platform = platform(Faults {
            garbled: 1.0,
            ..Faults::default()
        });
        let Answer::Json { status: 200, body } = send(&platform, BODY).answer else {
            panic!("garbled is a success by its status");
        };
        assert!(!body.is_empty());
        assert!(serde_json::from_slice::<serde_json::Value>(&body).is_err());
    }

    #[test]
    fn a_wrong_token_changes_nothing_but_the_count() {
        let platform = platform(Faults::default());
        let route = ("u".to_owned(), "t".to_owned());
        for header in [
            None,
            Some("secret"),
            Some("Bearer wrong"),
            Some("Bearer secret "),
        ] {
            let answer = platform
                .add_numbers(&route, header, Ok(BODY.as_bytes()))
                .answer;
            assert!(matches!(answer, Answer::Json { status: 401, .. }));
        }
        assert!(platform.state().tasks.is_empty());
        assert_eq!(platform.totals().answers.unauthorized, 4);
    }

    #[test]
    fn a_request_of_too_many_rows_is_refused_counted_and_its_numbers_are_noted() {
        let platform = platform(Faults::default());
        let rows = vec![r#"{"phone":"13012121211","sort":0}"#; 101].join(",");
        let answer = text(send(&platform, &format!(r#"{{"data":[{rows}]}}"#)).answer);
        assert!(
            answer.contains("100") && answer.contains(r#""code":422"#),
            "{answer}"
        );
        assert_eq!(held_and_received(&platform), (0, 101));
        let totals = platform.totals();
        assert_eq!((totals.max_rows, totals.violations.too_many_rows), (101, 1));
        assert_eq!(totals.violations.total(), 1);
    }

    #[test]
    fn every_request_is_answered_in_one_way() {
        let platform = platform(Faults {
            error_before: 0.3,
            garbled: 0.3,
            ..Faults::default()
        });
        for n in 0..50 {
            send(&platform, if n % 3 == 0 { "nonsense" } else { BODY });
        }
        let totals = platform.totals();
        assert_eq!((totals.requests, totals.answers.total()), (50, 50));
        assert_eq!(totals.violations.unreadable, 17);
        assert!(held_and_received(&platform).0 <= 1);
    }
}
