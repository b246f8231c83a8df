//! A platform with an own answer for each user, which notes the users and instants of its requests.

use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// The platform's answer to a user whose name begins with this, or to a task.
const ANSWERS: [(&str, u16, &str); 9] = [
    ("absent", 404, r#"{"code":404,"message":"no such task"}"#),
    ("missing", 404, r#"{"code":404,"message":"no such task"}"#),
    ("running", 200, r#"{"code":6007,"message":"任务正在运行"}"#),
    ("forbidden", 403, r#"{"code":403,"message":"not yours"}"#),
    ("blocked", 403, "<html>blocked</html>"),
    (
        "stranger",
        401,
        r#"{"code":401,"message":"not this token"}"#,
    ),
    (
        "limited",
        429,
        r#"{"code":429,"message":"too many requests"}"#,
    ),
    ("broken", 500, "out of order"),
    (
        "good",
        200,
        r#"{"code":200,"status":"success","message":"号码导入任务成功","data":[]}"#,
    ),
];

/// Of a user whose name begins with this, only the first request is answered, as a good one's.
const ONCE: &str = "good-once";

/// A user whose name begins with this is answered as a good one, when the platform lets go.
const HELD: &str = "good-held";

/// The first request of a user whose name begins with this gets this answer: 404 when the platform
/// lets go, or 401 at once. All others are answered as a good one's.
const MENDED: [(&str, u16, &str); 2] = [
    ("mended", 404, r#"{"code":404,"message":"no such task"}"#),
    ("refused", 401, r#"{"code":401,"message":"not this token"}"#),
];

/// A user or task whose name begins with this may send one request in each second of the platform, and is
/// then answered as a good one.
const SLOW: &str = "slow";

/// A platform of one test; it ends when this is dropped.
pub(crate) struct Platform {
    pub(crate) base_url: String,
    came: watch::Receiver<Vec<String>>,
    arrivals: Arrivals,
    lets_go: watch::Sender<bool>,
    server: AbortHandle,
}

impl Platform {
    pub(crate) async fn start() -> Self {
        let (sender, came) = watch::channel(Vec::new());
        let lets_go = watch::Sender::new(false);
        let arrivals = Arrivals::default();
        let state = (Arc::new(sender), Arc::clone(&arrivals), lets_go.subscribe());
        let app = Router::new().fallback(answer).with_state(state);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let serving = tokio::spawn(async { axum::serve(listener, app).await });
        Self {
            base_url,
            came,
            arrivals,
            lets_go,
            server: serving.abort_handle(),
        }
    }

    /// Returns the users of all requests so far.
    pub(crate) fn came(&self) -> Vec<String> {
        self.came.borrow().clone()
    }

    /// Returns the paths of all requests so far: one per lane.
    pub(crate) fn paths(&self) -> Vec<String> {
        let arrivals = self.arrivals.lock().unwrap();
        arrivals.iter().map(|(_, path)| path.clone()).collect()
    }

    /// Returns the instants of all requests so far.
    pub(crate) fn instants(&self) -> Vec<Instant> {
        let arrivals = self.arrivals.lock().unwrap();
        arrivals.iter().map(|(at, _)| *at).collect()
    }

    /// Answers the users that are held.
    pub(crate) fn let_go(&self) {
        self.lets_go.send_replace(true);
    }

    /// Waits until the requests satisfy `enough`, and returns their users.
    pub(crate) async fn until(&self, enough: impl Fn(&[String]) -> bool) -> Vec<String> {
        let mut came = self.came.clone();
        let came = came.wait_for(|came| enough(came)).await;
        came.expect("the platform runs").clone()
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// When each request came, and its path.
type Arrivals = Arc<Mutex<Vec<(Instant, String)>>>;

/// Whether no other request of a lane with this user or task has been let in for a second. The last arrival
/// is the one that is asked about.
fn may_send(name: &str, arrivals: &Arrivals) -> bool {
    let arrivals = arrivals.lock().unwrap();
    let mut let_in: Option<Instant> = None;
    let mut may = false;
    for (at, _) in arrivals
        .iter()
        .filter(|(_, path)| path.split('/').any(|part| part == name))
    {
        may = let_in.is_none_or(|last| *at >= last + Duration::from_secs(1));
        if may {
            let_in = Some(*at);
        }
    }
    may
}

type Answering = (
    Arc<watch::Sender<Vec<String>>>,
    Arrivals,
    watch::Receiver<bool>,
);

async fn answer(State((came, arrivals, mut lets_go)): State<Answering>, uri: Uri) -> Response {
    let arrival = (Instant::now(), uri.path().to_owned());
    arrivals.lock().unwrap().push(arrival);
    let known = |segment: &&str| {
        let kinds = ANSWERS.iter().map(|(kind, ..)| *kind);
        let mended = MENDED.iter().map(|(kind, ..)| *kind);
        kinds
            .chain(mended)
            .chain(["hanging", SLOW])
            .any(|kind| segment.starts_with(kind))
    };
    let user = uri.path().split('/').rfind(known).unwrap_or_default();
    if user.starts_with(ONCE) && came.borrow().iter().any(|earlier| earlier == user) {
        came.send_modify(|came| came.push(user.to_owned()));
        return pending().await;
    }
    let mended = MENDED.iter().find(|(kind, ..)| user.starts_with(kind));
    let is_first = !came.borrow().iter().any(|earlier| earlier == user);
    came.send_modify(|came| came.push(user.to_owned()));
    if user.starts_with(HELD) || mended.is_some_and(|(_, status, _)| is_first && *status == 404) {
        lets_go
            .wait_for(|lets_go| *lets_go)
            .await
            .expect("the test goes on");
    }
    let kind = match mended {
        Some(_) => "good",
        None if user.starts_with(SLOW) && may_send(user, &arrivals) => "good",
        None if user.starts_with(SLOW) => "limited",
        None => user,
    };
    let Some((_, status, body)) = ANSWERS.iter().find(|(known, ..)| kind.starts_with(known)) else {
        return pending().await;
    };
    let (status, body) = match mended.filter(|_| is_first) {
        Some((_, status, body)) => (*status, *body),
        None => (*status, *body),
    };
    let status = StatusCode::from_u16(status).unwrap();
    let json = [(header::CONTENT_TYPE, "application/json")];
    (status, json, body).into_response()
}
