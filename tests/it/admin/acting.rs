//! Acting on the status page over HTTP: which clients may act, and that the page does what the
//! commands do.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use contact_courier::simulator::Faults;
use serde_json::{Value, json};

use super::asking::{Answer, Courier, send};
use crate::support::{Db, on_every_database};
use crate::world::{Lane, World, goods, lanes, until};

/// Anna's password is `geheim`. The line was made by `crypt(3)`.
pub(super) const ANNA: &str = "anna:$2y$04$WHkkWQSdmXDo/Kkhw8tGLuFpwkyUmkBLl0wfPZBklKE7.GP/L6Yh2\n";

/// Writes the file of the users and makes the courier use it. The file is renamed, as careful
/// programs do.
pub(super) fn write_users(world: &mut World<'_>, text: &str) -> PathBuf {
    let [new, file] = ["new", "users"].map(|name| world.dir.path().join(name));
    fs::write(&new, text).unwrap();
    fs::set_permissions(&new, fs::Permissions::from_mode(0o600)).unwrap();
    fs::rename(&new, &file).unwrap();
    world.set("admin.users_file", file.to_str().unwrap());
    file
}

/// The keys that a browser would send along.
#[derive(Clone, Default)]
struct Keys {
    cookie: String,
    token: String,
}

impl Keys {
    fn headers(&self) -> String {
        let Self { cookie, token } = self;
        format!("Cookie: {cookie}\r\nX-Courier-Token: {token}\r\n")
    }
}

impl Courier {
    async fn post(&self, path: &str, headers: &str, body: &Value) -> Answer {
        let body = body.to_string();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{headers}",
            self.address,
            body.len()
        );
        send(self.address, &head, &body).await
    }

    async fn log_in(&self, user: &str, password: &str) -> Answer {
        let body = json!({"user": user, "password": password});
        self.post("/api/login", "", &body).await
    }

    async fn anna(&self) -> Keys {
        let answer = self.log_in("anna", "geheim").await;
        assert_eq!(answer.code, 200, "{}", answer.body);
        let cookie = answer.header("set-cookie").unwrap();
        Keys {
            cookie: cookie.split(';').next().unwrap().to_owned(),
            token: answer.json()["token"].as_str().unwrap().to_owned(),
        }
    }
}

/// Inserts contacts that wait for another hour.
pub(super) async fn insert(db: &Db, lane: &Lane, phones: &[String]) {
    let (Lane(user, task), later) = (lane, db.now(3_600));
    for phone in phones {
        db.execute(&format!(
            "INSERT INTO contact_outbox (user_id, task_id, phone, not_before)
             VALUES ('{user}', '{task}', '{phone}', {later})"
        ))
        .await;
    }
}

on_every_database!(each_action_does_what_the_command_does);

/// Each action, with the input of the page and the arguments of the command besides the lane.
fn deeds() -> [(&'static str, Value, Vec<&'static str>); 4] {
    [
        (
            "pause",
            json!({"for_seconds": 3_600, "reason": "task 13012121211"}),
            vec!["--for", "1h", "--reason", "task 13012121211"],
        ),
        (
            "cancel",
            json!({"reason": "wrong list"}),
            vec!["--yes", "--reason", "wrong list"],
        ),
        (
            "requeue",
            json!({"kinds": ["cancelled"]}),
            vec!["--yes", "--kind", "cancelled"],
        ),
        ("resume", json!({}), vec![]),
    ]
}

/// Does the same on two lanes, once by the page and once by the command.
async fn each_action_does_what_the_command_does(db: &Db) {
    let mut world = World::new(db, Faults::default()).await;
    write_users(&mut world, ANNA);
    let both = lanes(2);
    for (nth, lane) in both.iter().enumerate() {
        insert(db, lane, &goods(nth, 3)).await;
    }
    let courier = Courier::start(&mut world).await;
    let keys = courier.anna().await.headers();
    let names: Vec<String> = both
        .iter()
        .map(|Lane(user, task)| format!("{user}/{task}"))
        .collect();
    for (action, more, flags) in deeds() {
        let before = state(&world, &both[0]).await;
        let mut body = more;
        body["lane"] = names[0].clone().into();
        body["dry_run"] = true.into();
        let path = format!("/api/{action}");
        let counted = courier.post(&path, &keys, &body).await;
        assert_eq!(counted.code, 200, "{}", counted.body);
        assert_eq!(counted.json()["dry_run"], true);
        assert_eq!(
            state(&world, &both[0]).await,
            before,
            "counting changes nothing"
        );

        body["dry_run"] = false.into();
        let done = courier.post(&path, &keys, &body).await;
        assert_eq!(done.code, 200, "{}", done.body);
        let lane: Vec<&str> = match action {
            "cancel" | "requeue" => vec!["--lane", &names[1]],
            _ => vec![&names[1]],
        };
        let command = world
            .run(&[&[action, "--json"], &lane[..], &flags[..]].concat())
            .await;
        assert_eq!(command.code, Some(0), "{}", command.tail());
        let told = command.out.replace(&names[1], &names[0]);
        let told: Value = serde_json::from_str(&told).unwrap();
        assert_eq!(by_anybody(done.json()), by_anybody(told), "{action}");
        let [page, command] = [state(&world, &both[0]).await, state(&world, &both[1]).await];
        assert_eq!(page, command, "{action}");
        assert_ne!(page, before, "{action} changes something");
    }
    the_history_names_the_user(&world).await;
}

/// Runs on the one database whose reads can be held up.
mod on_postgres {
    crate::support::on_databases!(postgres Postgres:
        a_pause_waits_for_no_count_and_one_count_is_under_way_at_a_time,
        a_long_action_tells_how_far_it_is_and_what_became_of_it
    );

    use contact_courier::outbox::PostgresOutbox;
    use sqlx::ConnectOptions;

    use super::*;

    async fn a_pause_waits_for_no_count_and_one_count_is_under_way_at_a_time(db: &Db) {
        let mut world = World::new(db, Faults::default()).await;
        write_users(&mut world, ANNA);
        let courier = Courier::start(&mut world).await;
        let keys = courier.anna().await.headers();
        let options = PostgresOutbox::connect_options(&db.url).unwrap();
        let mut other = options.connect().await.unwrap();
        let lock = "BEGIN; LOCK TABLE contact_outbox IN ACCESS EXCLUSIVE MODE";
        sqlx::raw_sql(lock).execute(&mut other).await.unwrap();
        let body = json!({"dry_run": false, "all": true});
        let pause = courier.post("/api/pause", &keys, &body);
        let others = async {
            until("the pause is in force", async || {
                db.count("FROM delivery_pause").await == 1
            })
            .await;
            // Of three looks, one has its turn. So the first answer comes to a look that has none.
            let body = json!({"dry_run": true, "all": true});
            let [one, two] =
                ["one", "two"].map(|_| async { courier.post("/api/requeue", &keys, &body).await });
            tokio::pin!(one, two);
            let refused = tokio::select! {
                answer = one => answer,
                answer = two => answer,
            };
            sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
            refused
        };
        let (paused, refused) = tokio::join!(pause, others);
        assert_eq!(paused.code, 200, "{}", paused.body);
        assert_eq!(refused.code, 409, "{}", refused.body);
        let told = refused.json()["error"].to_string();
        assert!(told.contains("another look is under way"), "{told}");
    }

    async fn a_long_action_tells_how_far_it_is_and_what_became_of_it(db: &Db) {
        let mut world = World::new(db, Faults::default()).await;
        write_users(&mut world, ANNA);
        let lane = &lanes(1)[0];
        insert(db, lane, &goods(0, 3)).await;
        let courier = Courier::start(&mut world).await;
        let keys = courier.anna().await.headers();
        let action = async || {
            let head = format!("GET /api/action HTTP/1.1\r\nHost: localhost\r\n{keys}");
            send(courier.address, &head, "").await
        };
        assert_eq!(courier.get("/api/action").await.code, 401);
        assert_eq!(action().await.json()["action"], Value::Null);
        let options = PostgresOutbox::connect_options(&db.url).unwrap();
        let mut other = options.connect().await.unwrap();
        // The table may be read, but not written.
        let lock = "BEGIN; LOCK TABLE contact_outbox IN SHARE MODE";
        sqlx::raw_sql(lock).execute(&mut other).await.unwrap();
        let Lane(user, task) = lane;
        let body = json!({"dry_run": false, "lane": format!("{user}/{task}")});
        let begun = courier.post("/api/cancel", &keys, &body).await;
        assert_eq!(begun.json(), json!({"under_way": 1}), "{}", begun.body);
        let busy = courier.post("/api/cancel", &keys, &body).await;
        assert_eq!(busy.code, 409, "{}", busy.body);
        let told = action().await.json()["action"].take();
        assert_eq!(
            (&told["action"], &told["user"]),
            (&json!("cancel"), &json!("anna"))
        );
        assert_eq!((&told["done"], &told["total"]), (&json!(0), &json!(3)));
        assert_eq!(told["ended_seconds_ago"], Value::Null);
        sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
        until("it has ended", async || {
            action().await.json()["action"]["ended_seconds_ago"].is_number()
        })
        .await;
        let told = action().await.json()["action"].take();
        assert_eq!(
            (&told["done"], &told["result"]["cancelled"]),
            (&json!(3), &json!(3))
        );
    }
}

/// Everything that actions change about a lane, with one name for every actor.
async fn state(world: &World<'_>, Lane(user, task): &Lane) -> Vec<Vec<Option<String>>> {
    let of = format!("WHERE user_id = '{user}' AND task_id = '{task}'");
    let mut all = Vec::new();
    for (columns, table, order) in [
        (
            &["status", "fail_kind", "fail_cause", "attempts"][..],
            "contact_outbox",
            "id",
        ),
        (&["reason"], "delivery_pause", "reason"),
        (&["user_id"], "delivery_resume", "user_id"),
    ] {
        let rows = format!("FROM {table} {of} ORDER BY {order}");
        all.extend(world.table(columns, &rows).await);
    }
    let selection =
        format!("FROM operator_action WHERE selection LIKE '%{user}/{task}%' ORDER BY id");
    let mut done = world.table(&["action", "affected"], &selection).await;
    all.append(&mut done);
    let who = |text: String| text.replace("anna (status page)", &me());
    for value in all.iter_mut().flatten() {
        *value = value.take().map(who);
    }
    all
}

/// An answer in which a pause that has ended does not tell who had paused, and when.
fn by_anybody(mut answer: Value) -> Value {
    for pause in answer["ended"].as_array_mut().into_iter().flatten() {
        let reason = pause["reason"].as_str().unwrap();
        let why = reason.split_once(": ").unwrap().1.to_owned();
        *pause = json!({"scope": pause["scope"], "why": why});
    }
    answer
}

fn me() -> String {
    let user = nix::unistd::User::from_uid(nix::unistd::Uid::current());
    user.unwrap().unwrap().name
}

async fn the_history_names_the_user(world: &World<'_>) {
    let history = world.run(&["history", "--json"]).await.out;
    let lines = history
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    let by_page: Vec<Value> = lines
        .filter(|line: &Value| line["os_user"] == "anna (status page)")
        .collect();
    let actions: Vec<&str> = by_page
        .iter()
        .map(|line| line["action"].as_str().unwrap())
        .collect();
    assert_eq!(actions, ["resume", "requeue", "cancel", "pause"]);
    assert!(by_page.iter().all(|line| !line["ended_at"].is_null()));
    assert_eq!(
        by_page[1]["selection"],
        "failed: lane user-0/task_0, kind cancelled"
    );
}

/// Every kind of request that needs a log-in.
fn requests() -> [(&'static str, Value); 5] {
    [
        ("/api/pause", json!({"dry_run": false, "all": true})),
        ("/api/resume", json!({"dry_run": false, "all": true})),
        ("/api/cancel", json!({"dry_run": false, "user": "user-0"})),
        ("/api/requeue", json!({"dry_run": false, "all": true})),
        ("/api/logout", json!({})),
    ]
}

#[tokio::test]
async fn nobody_acts_without_session_token_and_the_page_itself() {
    let db = Db::sqlite().await;
    let mut world = World::new(&db, Faults::default()).await;
    write_users(&mut world, ANNA);
    insert(&db, &lanes(1)[0], &goods(0, 3)).await;
    let courier = Courier::start(&mut world).await;
    let anna = courier.anna().await;
    let all = anna.headers();
    let here = format!("{all}Origin: http://{}\r\n", courier.address);
    let elsewhere = |headers: &str| format!("{all}{headers}");
    let (cookie, token) = (&anna.cookie, &anna.token);
    let bodies = requests();
    for (path, body) in &bodies {
        for (headers, code) in [
            (String::new(), 401),
            (format!("Cookie: {cookie}\r\n"), 401),
            (format!("X-Courier-Token: {token}\r\n"), 401),
            (
                format!("Cookie: {cookie}\r\nX-Courier-Token: {token}x\r\n"),
                401,
            ),
            (
                format!("Cookie: {cookie}x\r\nX-Courier-Token: {token}\r\n"),
                401,
            ),
            (elsewhere("Origin: http://evil.example\r\n"), 403),
            (elsewhere("Origin: http://127.0.0.1:1\r\n"), 403),
            (elsewhere("Origin: null\r\n"), 403),
            (elsewhere("Sec-Fetch-Site: same-site\r\n"), 403),
            (elsewhere("Sec-Fetch-Site: cross-site\r\n"), 403),
        ] {
            let answer = courier.post(path, &headers, body).await;
            assert_eq!(answer.code, code, "{path} {headers}: {}", answer.body);
            assert_eq!(answer.json()["error"].as_str().unwrap().lines().count(), 1);
        }
        // A form of a page could send it as text, without being asked.
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n{all}",
            courier.address
        );
        if *path != "/api/logout" {
            assert_eq!(send(courier.address, &request, "{}").await.code, 415);
        }
        assert_eq!(courier.get(path).await.code, 405);
    }
    for rest in [
        "FROM operator_action WHERE action <> 'migrate'",
        "FROM delivery_pause",
        "FROM contact_outbox WHERE status <> 'pending'",
    ] {
        assert_eq!(db.count(rest).await, 0, "{rest}");
    }
    let pause = async |headers: String| {
        let (path, body) = &bodies[0];
        courier.post(path, &headers, body).await
    };
    assert_eq!(pause(here.clone()).await.code, 200);
    assert_eq!(db.count("FROM delivery_pause").await, 1);
    let left = courier.post("/api/logout", &here, &json!({})).await;
    assert_eq!(left.code, 200);
    assert!(left.header("set-cookie").unwrap().contains("Max-Age=0"));
    assert_eq!(pause(here).await.code, 401);
}

#[tokio::test]
async fn a_wrong_request_is_told_in_a_line_and_changes_nothing() {
    let db = Db::sqlite().await;
    let mut world = World::new(&db, Faults::default()).await;
    write_users(&mut world, ANNA);
    let courier = Courier::start(&mut world).await;
    let keys = courier.anna().await.headers();
    for (path, body, words) in [
        ("/api/pause", json!({"all": true}), "dry_run"),
        ("/api/pause", json!({"dry_run": false}), "say which"),
        (
            "/api/pause",
            json!({"dry_run": false, "lane": "u"}),
            "is no lane",
        ),
        (
            "/api/pause",
            json!({"dry_run": false, "all": true, "al": 1}),
            "al",
        ),
        (
            "/api/resume",
            json!({"dry_run": false, "lane": "13012121211"}),
            "130***1211",
        ),
        ("/api/cancel", json!({"dry_run": false}), "say which"),
        (
            "/api/cancel",
            json!({"dry_run": false, "ids": [0]}),
            "no id",
        ),
        ("/api/requeue", json!({"dry_run": false}), "say which"),
        (
            "/api/requeue",
            json!({"dry_run": false, "kinds": ["x"]}),
            "no kind",
        ),
        ("/api/requeue", json!([]), "invalid"),
    ] {
        let answer = courier.post(path, &keys, &body).await;
        assert_eq!(answer.code, 400, "{path} {body}: {}", answer.body);
        let error = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(error.contains(words) && !error.contains('\n'), "{error}");
    }
    let long = json!({"dry_run": false, "all": true, "reason": "x".repeat(300_000)});
    let answer = courier.post("/api/pause", &keys, &long).await;
    assert_eq!(answer.code, 400, "{}", answer.body);
    let there = "FROM operator_action WHERE action <> 'migrate'";
    assert_eq!(db.count(there).await, 0);
}

#[tokio::test]
async fn a_session_begins_with_the_password_and_its_cookie_is_kept_from_others() {
    let db = Db::sqlite().await;
    let mut world = World::new(&db, Faults::default()).await;
    write_users(&mut world, ANNA);
    let courier = Courier::start(&mut world).await;
    for (user, password) in [
        ("anna", "wrong"),
        ("ben", "geheim"),
        ("geheim-13012121211", ""),
    ] {
        let answer = courier.log_in(user, password).await;
        assert_eq!(answer.code, 401, "{}", answer.body);
        assert_eq!(answer.json()["reason"], "no_user");
        assert_eq!(answer.header("set-cookie"), None);
    }
    let body = json!({"user": "anna", "password": "geheim"});
    let foreign = courier
        .post("/api/login", "Origin: http://evil.example\r\n", &body)
        .await;
    assert_eq!(foreign.code, 403);
    let plain = courier.log_in("anna", "geheim").await;
    let cookie = plain.header("set-cookie").unwrap();
    for part in ["; Path=/", "; HttpOnly", "; SameSite=Strict"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains("Secure"), "{cookie}");
    let by_tls = format!("Origin: https://{}\r\n", courier.address);
    let secure = courier.post("/api/login", &by_tls, &body).await;
    let cookie = secure.header("set-cookie").unwrap();
    assert!(cookie.ends_with("; Secure"), "{cookie}");
    let token = secure.json()["token"].as_str().unwrap().to_owned();
    let status = courier.get("/api/status").await;
    assert_eq!(status.json()["log_in"], true);
    let log = courier.program.log();
    assert_eq!(
        log.matches("a log-in to the status page was refused")
            .count(),
        3
    );
    assert_eq!(log.matches("\"user\":\"unknown\"").count(), 2);
    for secret in ["geheim", &token] {
        assert!(!log.contains(secret) && !status.body.contains(secret));
    }
}

#[tokio::test]
async fn the_users_are_read_again_and_whoever_is_gone_is_out() {
    let db = Db::sqlite().await;
    let mut world = World::new(&db, Faults::default()).await;
    write_users(&mut world, ANNA);
    let courier = Courier::start(&mut world).await;
    let keys = courier.anna().await.headers();
    let body = json!({"dry_run": true, "all": true});
    let may = async || courier.post("/api/pause", &keys, &body).await.code == 200;
    assert!(may().await);
    write_users(&mut world, "anna:geheim\n");
    courier.program.says("is not used").await;
    assert!(may().await, "a file that is wrong changes nothing");
    assert!(!courier.program.log().contains("geheim"));
    write_users(&mut world, &ANNA.replace("anna", "ben"));
    courier.program.says("is in force").await;
    assert!(!may().await);
    assert_eq!(courier.log_in("ben", "geheim").await.code, 200);
    assert_eq!(courier.log_in("anna", "geheim").await.code, 401);
    write_users(&mut world, ANNA);
    until("anna may log in", async || {
        courier.log_in("anna", "geheim").await.code == 200
    })
    .await;
    let keys = courier.anna().await.headers();
    write_users(&mut world, "# nobody\n");
    courier.program.says("nobody may log in").await;
    assert_eq!(courier.post("/api/pause", &keys, &body).await.code, 401);
    assert_eq!(courier.log_in("anna", "geheim").await.code, 401);
}

#[tokio::test]
async fn a_file_of_users_that_is_wrong_is_refused_at_the_start_and_by_doctor() {
    let db = Db::sqlite().await;
    let mut world = World::new(&db, Faults::default()).await;
    world.set("admin.listen", "127.0.0.1:0");
    let file = write_users(&mut world, "anna:geheim\n");
    let ended = world.run(&["run"]).await;
    let said = format!("admin.users_file = {}: line 1", file.display());
    assert!(ended.error().contains(&said), "{}", ended.error());
    assert!(!ended.err.contains("geheim"));
    let told = world.run(&["doctor"]).await;
    assert!(told.out.contains("FAILED   users"), "{}", told.out);
    assert!(told.out.contains(&said) && !told.out.contains("geheim"));

    fs::write(&file, ANNA).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let told = world.run(&["doctor"]).await;
    assert!(told.out.contains("1 user may log in"), "{}", told.out);
    let exposed = format!("chmod o= {}", file.display());
    assert!(told.out.contains(&exposed), "{}", told.out);
}

#[tokio::test]
async fn without_a_file_of_users_nothing_can_be_done() {
    let db = Db::sqlite().await;
    let mut world = World::new(&db, Faults::default()).await;
    let courier = Courier::start(&mut world).await;
    let body = json!({"dry_run": true, "all": true});
    for path in [
        "login", "logout", "session", "pause", "resume", "cancel", "requeue",
    ] {
        let path = format!("/api/{path}");
        assert_eq!(courier.post(&path, "", &body).await.code, 404, "{path}");
        assert_eq!(courier.get(&path).await.code, 404, "{path}");
    }
    assert_eq!(courier.get("/api/status").await.json()["log_in"], false);
}

#[tokio::test]
async fn those_who_log_in_slowly_keep_nobody_from_asking() {
    use tokio::io::AsyncWriteExt;
    let db = Db::sqlite().await;
    let mut world = World::new(&db, Faults::default()).await;
    write_users(&mut world, ANNA);
    let courier = Courier::start(&mut world).await;
    let mut slow = Vec::new();
    let head = "POST /api/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{";
    for _ in 0..80 {
        let mut stream = tokio::net::TcpStream::connect(courier.address)
            .await
            .unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        slow.push(stream);
    }
    assert_eq!(courier.get("/healthz").await.code, 200);
    let entered = courier.log_in("anna", "geheim").await;
    assert_eq!(entered.code, 200, "{}", entered.body);
}
