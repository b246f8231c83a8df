//! The simulated platform: one request from its arrival to its reply, knowing nothing of sockets.
//!
//! `routes` hands in what HTTP brought and carries out the [`Reply`]; the ledger keeps what is held.

use std::sync::Mutex;
use std::time::Duration;

use super::faults::{Dice, Fault, Faults, FaultsError};
use super::ledger::{Ledger, TaskRoute, lock};
use super::state::{Answers, State, Totals};
use super::task::Import;
use super::wire::{self, Complaint, ImportRequest};

/// The platform's words while a task is running.
const TASK_RUNNING: &str = "2.0任务启动中,请先停止任务";
const SERVER_ERROR: &str = "服务器内部错误";
const TOO_FAST: &str = "请求过于频繁,请稍后再试";

/// What goes back to the client, and after which wait.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reply {
    /// How long the answer waits. The import, if any, is already done.
    pub(super) after: Duration,
    /// The answer.
    pub(super) answer: Answer,
}

/// An answer in HTTP's terms.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// A status and a JSON body.
    Json {
        /// HTTP status.
        status: u16,
        /// The body.
        body: Vec<u8>,
    },
    /// The same, with `Retry-After: 1`.
    Later(Vec<u8>),
    /// No answer at all: the connection is closed.
    Reset,
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

    /// Half of the body under HTTP 200, which is no JSON any more.
    fn garbled(self) -> Self {
        match self {
            Self::Json { mut body, .. } => {
                body.truncate(body.len() / 2);
                Self::Json { status: 200, body }
            }
            other => other,
        }
    }
}

/// One platform with its token, its faults and what it holds.
#[derive(Debug)]
pub(super) struct Platform {
    token: String,
    dice: Mutex<Dice>,
    ledger: Ledger,
}

impl Platform {
    /// An empty platform. Refuses impossible faults.
    pub(super) fn new(token: String, seed: u64, faults: Faults) -> Result<Self, FaultsError> {
        Ok(Self {
            token,
            dice: Mutex::new(Dice::new(seed, faults)?),
            ledger: Ledger::new(seed),
        })
    }

    /// Answers a request to add numbers. `body` is what arrived, or what was wrong with it.
    pub(super) fn add_numbers(
        &self,
        route: &TaskRoute,
        authorization: Option<&str>,
        body: Result<&[u8], Complaint>,
    ) -> Reply {
        if !self.accepts(authorization) {
            self.answered(|answers| &mut answers.unauthorized);
            return Reply {
                after: Duration::ZERO,
                answer: unauthorized(),
            };
        }
        let draw = lock(&self.dice).draw();
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
        Reply {
            after: draw.latency,
            answer: self.decide(route, request, draw.fault),
        }
    }

    /// Answers whether the token is good.
    pub(super) fn check_token(&self, authorization: Option<&str>) -> Answer {
        if self.accepts(authorization) {
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
        lock(&self.dice).change(faults)
    }

    /// The counts.
    pub(super) fn totals(&self) -> Totals {
        self.ledger.totals()
    }

    /// A copy of everything it holds.
    pub(super) fn state(&self) -> State {
        self.ledger.state()
    }

    fn accepts(&self, authorization: Option<&str>) -> bool {
        authorization.and_then(|header| header.strip_prefix("Bearer ")) == Some(&self.token)
    }

    /// What a request comes to with the fault that befalls it. Counts it as answered, once.
    fn decide(
        &self,
        route: &TaskRoute,
        request: Result<ImportRequest<'_>, Complaint>,
        fault: Option<Fault>,
    ) -> Answer {
        let Some(fault) = fault else {
            return match self.import(route, request) {
                Ok(answer) => {
                    self.answered(|answers| &mut answers.imported);
                    answer
                }
                Err(answer) => {
                    self.answered(|answers| &mut answers.refused);
                    answer
                }
            };
        };
        self.answered(|answers| answers.of(fault));
        let lost = || {
            self.import(route, request)
                .unwrap_or_else(|refusal| refusal)
        };
        match fault {
            Fault::ErrorBefore => Answer::error(500, 500, SERVER_ERROR),
            Fault::ResetBefore => Answer::Reset,
            Fault::TooManyRequests => Answer::Later(wire::error(429, TOO_FAST)),
            Fault::TaskRunning => Answer::refusal(6007, TASK_RUNNING),
            Fault::ErrorAfter => {
                lost();
                Answer::error(500, 500, SERVER_ERROR)
            }
            Fault::ResetAfter => {
                lost();
                Answer::Reset
            }
            Fault::Garbled => lost().garbled(),
        }
    }

    /// Imports, and says so as the platform does; `Err` is the answer to a request that was refused
    /// as a whole.
    fn import(
        &self,
        route: &TaskRoute,
        request: Result<ImportRequest<'_>, Complaint>,
    ) -> Result<Answer, Answer> {
        let request = request.map_err(refused)?;
        match self.ledger.import(route, &request) {
            (Import::Stopped(cause), _) => Err(Answer::refusal(422, cause)),
            (Import::Done { accepted, failures }, customers) => {
                let body = wire::imported(accepted.len(), customers, &failures);
                Ok(Answer::Json { status: 200, body })
            }
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

fn unauthorized() -> Answer {
    Answer::error(401, 401, "token无效或已过期")
}

fn refused(complaint: Complaint) -> Answer {
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

    /// How often the task holds the number, and how often it was received.
    fn held_and_received(platform: &Platform) -> (u32, u32) {
        let state = platform.state();
        let number = state.task("u", "t").unwrap().number("13012121211").unwrap();
        (number.times_held, number.times_received)
    }

    fn text(answer: Answer) -> String {
        match answer {
            Answer::Json { body, .. } | Answer::Later(body) => String::from_utf8(body).unwrap(),
            Answer::Reset => "reset".into(),
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
                "reset",
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
                garbled: 1.0,
                ..faults.clone()
            },
        ] {
            let platform = platform(faults);
            let answer = send(&platform, BODY).answer;
            assert!(!matches!(answer, Answer::Later(_)));
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
