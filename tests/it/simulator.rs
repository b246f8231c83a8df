//! The simulator as a client meets it: over HTTP, on the loopback address.

use contact_courier::simulator::{Config, Faults, Running, Simulator, State};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HOST, RETRY_AFTER};
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const GOOD: &str = "13012121211";
const OTHER: &str = "13912345678";
const BAD: &str = "911123458179";

struct Rig {
    running: Running,
    client: Client,
}

impl Rig {
    async fn start(faults: Faults) -> Self {
        // Another test of this process may have installed it already.
        rustls::crypto::ring::default_provider()
            .install_default()
            .ok();
        let config = Config {
            faults,
            ..Config::default()
        };
        Self {
            running: Simulator::start(config).await.unwrap(),
            client: Client::builder().no_proxy().build().unwrap(),
        }
    }

    async fn call(&self, method: Method, path: &str, body: String) -> reqwest::Result<Response> {
        self.client
            .request(method, format!("{}{path}", self.running.base_url()))
            .header(AUTHORIZATION, "Bearer demo-token")
            .header(CONTENT_TYPE, "application/json")
            .body(body)
            .send()
            .await
    }

    async fn send(&self, body: &Value) -> reqwest::Result<Response> {
        let path = "/agent-api/user/u/task/t/number";
        self.call(Method::POST, path, body.to_string()).await
    }

    /// Sends and reads a JSON answer that came under HTTP 200.
    async fn answer(&self, body: &Value) -> Value {
        let response = self.send(body).await.unwrap();
        assert_eq!(response.status(), 200);
        read(response).await
    }

    async fn get(&self, path: &str) -> Response {
        self.call(Method::GET, path, String::new()).await.unwrap()
    }

    /// Returns how often the task holds a number, and how often the number was received.
    fn held_and_received(&self, number: &str) -> (u32, u32) {
        let state = self.running.state();
        let number = state.task("u", "t").unwrap().number(number).unwrap();
        (number.times_held, number.times_received)
    }
}

async fn read(response: Response) -> Value {
    serde_json::from_str(&response.text().await.unwrap()).unwrap()
}

fn import(numbers: &[&str]) -> Value {
    let rows: Vec<Value> = numbers
        .iter()
        .map(|phone| json!({"phone": phone, "sort": 0, "name": "联系人"}))
        .collect();
    json!({"skip_error": true, "data": rows})
}

#[tokio::test]
async fn an_import_is_answered_with_counts_and_masked_failures() {
    let rig = Rig::start(Faults::default()).await;
    let answer = rig.answer(&import(&[GOOD, BAD, GOOD, OTHER])).await;
    assert_eq!(
        answer,
        json!({"code": 200, "status": "success", "message": "号码导入任务成功", "data": {
            "taskNumberCount": 2,
            "crmCustomerCount": 2,
            "fail_datas": [
                {"fail_data": "911***8179", "fail_cause": "格式不正确。"},
                {"fail_data": "130***1211", "fail_cause": "号码重复。"},
            ],
        }})
    );
    rig.running.stop().await;
}

#[tokio::test]
async fn a_second_send_of_the_same_numbers_is_refused_as_duplicates() {
    let rig = Rig::start(Faults::default()).await;
    let body = import(&[GOOD, OTHER]);
    assert_eq!(rig.answer(&body).await["data"]["taskNumberCount"], 2);
    let again = rig.answer(&body).await;
    assert_eq!(again["data"]["taskNumberCount"], 0);
    assert_eq!(again["data"]["fail_datas"].as_array().unwrap().len(), 2);
    assert_eq!(rig.held_and_received(GOOD), (1, 2));
}

#[tokio::test]
async fn with_a_suffix_of_the_platform_a_second_send_puts_the_number_in_twice() {
    let rig = Rig::start(Faults::default()).await;
    let mut body = import(&[GOOD]);
    body["number_add_suffix"] = json!(true);
    for _ in 0..2 {
        assert_eq!(rig.answer(&body).await["data"]["taskNumberCount"], 1);
    }
    assert_eq!(rig.held_and_received(GOOD), (2, 2));
}

#[tokio::test]
async fn without_skip_error_one_bad_number_refuses_the_request() {
    let rig = Rig::start(Faults::default()).await;
    let mut body = import(&[GOOD, BAD]);
    body.as_object_mut().unwrap().remove("skip_error");
    let answer = rig.answer(&body).await;
    let expected = json!({"code": 422, "status": "error", "message": "格式不正确。", "data": []});
    assert_eq!(answer, expected);
    assert_eq!(rig.held_and_received(GOOD), (0, 1));
    assert_eq!(rig.running.totals().answers.refused, 1);
}

#[tokio::test]
async fn a_wrong_or_missing_token_is_answered_401_on_both_paths() {
    let rig = Rig::start(Faults::default()).await;
    let base = rig.running.base_url();
    for path in ["/agent-api/user/u/task/t/number", "/agent-api/token"] {
        let method = if path.ends_with("token") {
            Method::GET
        } else {
            Method::POST
        };
        for token in [None, Some("Bearer wrong")] {
            let mut request = rig
                .client
                .request(method.clone(), format!("{base}{path}"))
                .header(CONTENT_TYPE, "application/json")
                .body(import(&[GOOD]).to_string());
            if let Some(token) = token {
                request = request.header(AUTHORIZATION, token);
            }
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), 401);
            let answer = read(response).await;
            assert_eq!(
                (&answer["code"], &answer["data"]),
                (&json!(401), &json!([]))
            );
        }
    }
    assert!(rig.running.state().tasks.is_empty());
    assert_eq!(read(rig.get("/agent-api/token").await).await["code"], 200);
}

#[tokio::test]
async fn mistakes_of_the_client_are_answered_422_and_counted_by_kind() {
    let rig = Rig::start(Faults::default()).await;
    let row = json!({"phone": GOOD, "sort": 0});
    for body in [
        json!({}),
        json!({"data": {}}),
        json!({"data": []}),
        json!({"data": vec![row.clone(); 101]}),
        json!({"data": [{"sort": 0}]}),
        json!({"data": [{"phone": GOOD}]}),
        json!("nonsense"),
    ] {
        let answer = rig.answer(&body).await;
        assert_eq!(
            (&answer["code"], &answer["data"]),
            (&json!(422), &json!([])),
            "{body}"
        );
    }
    assert_eq!(rig.get("/elsewhere").await.status(), 404);
    let totals = rig.running.totals();
    let seen = &totals.violations;
    assert_eq!((seen.no_data, seen.too_many_rows, seen.no_phone), (3, 1, 1));
    assert_eq!(
        (seen.no_sort, seen.unreadable, seen.unknown_route),
        (1, 1, 1)
    );
    assert_eq!(
        (totals.requests, totals.answers.refused, totals.max_rows),
        (7, 7, 101)
    );
}

#[tokio::test]
async fn a_body_that_is_not_declared_as_json_or_is_too_large_is_refused() {
    let rig = Rig::start(Faults::default()).await;
    let url = format!("{}/agent-api/user/u/task/t/number", rig.running.base_url());
    let plain = rig
        .client
        .post(&url)
        .header(AUTHORIZATION, "Bearer demo-token");
    let answer = read(
        plain
            .body(import(&[GOOD]).to_string())
            .send()
            .await
            .unwrap(),
    )
    .await;
    assert_eq!(answer["code"], 422);
    let mut body = import(&[GOOD]);
    body["padding"] = json!("x".repeat(9 * 1024 * 1024));
    let response = rig.send(&body).await.unwrap();
    assert_eq!(response.status(), 413);
    assert_eq!(read(response).await["code"], 413);
    let seen = rig.running.totals().violations;
    assert_eq!((seen.content_type, seen.too_large), (1, 1));
}

#[tokio::test]
async fn a_reset_closes_the_connection_without_a_byte_of_an_answer() {
    let resets = [
        (
            0,
            Faults {
                reset_before: 1.0,
                ..Faults::default()
            },
        ),
        (
            1,
            Faults {
                reset_after: 1.0,
                ..Faults::default()
            },
        ),
    ];
    for (held, faults) in resets {
        let rig = Rig::start(faults).await;
        let error = rig.send(&import(&[GOOD])).await.unwrap_err();
        assert!(error.is_request() && !error.is_connect(), "{error:?}");
        assert_eq!(
            rig.held_and_received(GOOD),
            (held, 1),
            "sent once, and not repeated"
        );

        let mut raw = TcpStream::connect(rig.running.address()).await.unwrap();
        let body = import(&[OTHER]).to_string();
        let head = format!(
            "POST /agent-api/user/u/task/t/number HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \
             demo-token\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        raw.write_all((head + &body).as_bytes()).await.unwrap();
        let mut received = Vec::new();
        let error = raw.read_to_end(&mut received).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        assert_eq!(received, b"");
    }
}

#[tokio::test]
async fn too_many_requests_says_when_to_come_again() {
    let faults = Faults {
        too_many_requests: 1.0,
        ..Faults::default()
    };
    let rig = Rig::start(faults).await;
    let response = rig.send(&import(&[GOOD])).await.unwrap();
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()[RETRY_AFTER], "1");
    assert_eq!(read(response).await["code"], 429);
    assert_eq!(rig.held_and_received(GOOD), (0, 1));
}

#[tokio::test]
async fn a_running_task_is_a_code_under_http_200() {
    let faults = Faults {
        task_running: 1.0,
        ..Faults::default()
    };
    let rig = Rig::start(faults).await;
    let answer = rig.answer(&import(&[GOOD])).await;
    assert_eq!(answer["code"], 6007);
    assert_eq!(answer["message"], "2.0任务启动中,请先停止任务");
}

#[tokio::test]
async fn an_error_after_the_import_and_a_garbled_answer_both_hide_a_held_number() {
    let rig = Rig::start(Faults {
        error_after: 1.0,
        ..Faults::default()
    })
    .await;
    assert_eq!(rig.send(&import(&[GOOD])).await.unwrap().status(), 500);
    let garbled = Faults {
        garbled: 1.0,
        ..Faults::default()
    };
    rig.running.set_faults(garbled).unwrap();
    let response = rig.send(&import(&[OTHER])).await.unwrap();
    assert_eq!(response.status(), 200);
    let body = response.bytes().await.unwrap();
    assert!(serde_json::from_slice::<Value>(&body).is_err());
    assert_eq!(rig.held_and_received(GOOD), (1, 1));
    assert_eq!(rig.held_and_received(OTHER), (1, 1));
    let answers = rig.running.totals().answers;
    assert_eq!(
        (answers.error_after, answers.garbled, answers.imported),
        (1, 1, 0)
    );
}

#[tokio::test]
async fn a_client_that_stops_waiting_has_lost_the_answer_but_not_the_import() {
    let hour = std::time::Duration::from_hours(1);
    let rig = Rig::start(Faults {
        latency: hour,
        ..Faults::default()
    })
    .await;
    let body = import(&[GOOD]);
    let request = rig.send(&body);
    tokio::pin!(request);
    while rig.running.totals().requests == 0 {
        tokio::select! {
            _ = &mut request => panic!("answered an hour early"),
            () = tokio::task::yield_now() => {}
        }
    }
    assert_eq!(rig.held_and_received(GOOD), (1, 1));
}

#[tokio::test]
async fn faults_are_changed_while_it_runs_and_unknown_ones_are_refused() {
    let rig = Rig::start(Faults::default()).await;
    let set = |faults: &str| rig.call(Method::POST, "/simulator/faults", faults.to_owned());
    let in_force = set(r#"{"error_before": 1, "latency": "1ms"}"#)
        .await
        .unwrap();
    assert_eq!(in_force.status(), 200);
    assert_eq!(read(in_force).await["latency"], "1ms");
    assert_eq!(rig.send(&import(&[GOOD])).await.unwrap().status(), 500);
    for (wrong, why) in [
        (r#"{"eror_before": 1}"#, "eror_before"),
        (r#"{"garbled": 2}"#, "between 0 and 1"),
        (r#"{"garbled": 0.7, "task_running": 0.7}"#, "at most 1"),
        (r#"{"latency": 5}"#, "duration"),
    ] {
        let response = set(wrong).await.unwrap();
        assert_eq!(response.status(), 400);
        let said = read(response).await["message"].as_str().unwrap().to_owned();
        assert!(said.contains(why), "{said}");
    }
    assert_eq!(
        rig.send(&import(&[GOOD])).await.unwrap().status(),
        500,
        "still in force"
    );
    assert_eq!(set("{}").await.unwrap().status(), 200);
    assert_eq!(rig.answer(&import(&[GOOD])).await["code"], 200);
}

#[tokio::test]
async fn the_same_seed_and_requests_meet_the_same_faults() {
    let faults = Faults {
        error_before: 0.3,
        task_running: 0.3,
        ..Faults::default()
    };
    let mut runs = Vec::new();
    for _ in 0..2 {
        let rig = Rig::start(faults.clone()).await;
        let mut codes = Vec::new();
        for _ in 0..30 {
            codes.push(read(rig.send(&import(&[GOOD])).await.unwrap()).await["code"].clone());
        }
        runs.push(codes);
    }
    assert_eq!(runs[0], runs[1]);
    for code in [200, 500, 6007] {
        assert!(runs[0].contains(&json!(code)), "{code} in {:?}", runs[0]);
    }
}

#[tokio::test]
async fn the_state_over_http_is_the_state_in_process_with_whole_numbers_and_causes() {
    let rig = Rig::start(Faults::default()).await;
    rig.answer(&import(&["13012121211_a1", BAD])).await;
    rig.answer(&import(&["13012121211_a1"])).await;
    let text = rig.get("/simulator/state").await.text().await.unwrap();
    let state: State = serde_json::from_str(&text).unwrap();
    assert_eq!(state, rig.running.state());
    let task = state.task("u", "t").unwrap();
    let number = task.number("13012121211_a1").unwrap();
    assert_eq!(number.base, GOOD);
    assert_eq!((number.times_held, number.times_received), (1, 2));
    assert!(task.refusal(BAD).unwrap().said("格式不正确。"));
    assert!(task.refusal("13012121211_a1").unwrap().said("号码重复。"));
    assert_eq!(task.refusals.len(), 2);
    assert_eq!(state.totals, rig.running.totals());
    let totals = rig.get("/simulator/totals").await.text().await.unwrap();
    let totals: contact_courier::simulator::Totals = serde_json::from_str(&totals).unwrap();
    assert_eq!((totals.rows_received, totals.numbers_held), (3, 1));
    assert_eq!(totals.violations.total(), 0);
}

#[tokio::test]
async fn concurrent_requests_for_the_same_numbers_hold_each_once() {
    let rig = Rig::start(Faults::default()).await;
    let numbers: Vec<String> = (0..100).map(|n| format!("130000{n:05}")).collect();
    let numbers: Vec<&str> = numbers.iter().map(String::as_str).collect();
    let body = import(&numbers);
    let answers = tokio::join!(rig.answer(&body), rig.answer(&body), rig.answer(&body));
    let counts = [answers.0, answers.1, answers.2]
        .map(|answer| answer["data"]["taskNumberCount"].as_u64().unwrap());
    assert_eq!(counts.iter().sum::<u64>(), 100);
    let state = rig.running.state();
    let numbers = &state.task("u", "t").unwrap().numbers;
    assert!(
        numbers
            .iter()
            .all(|n| n.times_held == 1 && n.times_received == 3)
    );
}

#[tokio::test]
async fn stopping_lets_go_of_the_port_though_clients_keep_connections_open() {
    let rig = Rig::start(Faults::default()).await;
    rig.answer(&import(&[GOOD])).await;
    let listen = rig.running.address();
    rig.running.stop().await;
    let config = Config {
        listen,
        ..Config::default()
    };
    let again = Simulator::start(config).await.unwrap();
    assert_eq!(again.totals().requests, 0, "it starts empty");
    again.stop().await;
}

#[tokio::test]
async fn its_own_paths_are_answered_by_a_name_that_it_was_given() {
    let rig = Rig::start(Faults::default()).await;
    assert_eq!(rig.totals_by("simulator").await, 421);
    let config = Config {
        hosts: vec!["simulator".into()],
        ..Config::default()
    };
    let named = Rig {
        running: Simulator::start(config).await.unwrap(),
        client: rig.client,
    };
    for (host, status) in [("simulator:8790", 200), ("evil.example", 421)] {
        assert_eq!(named.totals_by(host).await, status, "{host}");
    }
}

#[tokio::test]
async fn impossible_faults_do_not_start() {
    let faults = Faults {
        garbled: 1.5,
        ..Faults::default()
    };
    let config = Config {
        faults,
        ..Config::default()
    };
    let error = Simulator::start(config).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    assert!(error.to_string().contains("garbled"), "{error}");
}

impl Rig {
    /// Returns the status of the answer to a request with this host name.
    async fn totals_by(&self, host: &str) -> u16 {
        let url = format!("{}/simulator/totals", self.running.base_url());
        let asked = self.client.get(url).header(HOST, host).send().await;
        asked.unwrap().status().as_u16()
    }

    /// Puts faults in force over HTTP.
    async fn set(&self, faults: Value) {
        let path = "/simulator/faults";
        let set = self.call(Method::POST, path, faults.to_string()).await;
        assert_eq!(set.unwrap().status(), 200, "{faults}");
    }

    /// A simulator with these faults.
    async fn with(faults: Value) -> Self {
        Self::start(serde_json::from_value(faults).unwrap()).await
    }
}

#[tokio::test]
async fn an_answer_that_never_comes_ends_when_the_simulator_stops() {
    for (key, held) in [("silence_before", 0), ("silence_after", 1)] {
        let rig = Rig::with(json!({key: 1})).await;
        let mut raw = TcpStream::connect(rig.running.address()).await.unwrap();
        let body = import(&[GOOD]).to_string();
        let head = format!(
            "POST /agent-api/user/u/task/t/number HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \
             demo-token\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        raw.write_all((head + &body).as_bytes()).await.unwrap();
        while rig.running.totals().requests == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(rig.held_and_received(GOOD), (held, 1));
        let mut received = Vec::new();
        {
            let end = raw.read_to_end(&mut received);
            tokio::pin!(end);
            // Another request is answered meanwhile, but this one is not.
            tokio::select! {
                biased;
                _ = &mut end => panic!("it ended by itself"),
                _ = rig.get("/simulator/totals") => {}
            }
            let ((), ended) = tokio::join!(rig.running.stop(), end);
            ended.unwrap();
        }
        assert_eq!(received, b"");
    }
}

#[tokio::test]
async fn a_rate_limit_tells_when_to_come_again_in_seconds_as_a_date_or_not_at_all() {
    let rig = Rig::with(json!({"too_many_requests": 1, "retry_after_wait": "90500ms"})).await;
    let told = async || {
        let response = rig.send(&import(&[GOOD])).await.unwrap();
        assert_eq!(response.status(), 429);
        let value = response.headers().get(RETRY_AFTER)?;
        Some(value.to_str().unwrap().to_owned())
    };
    assert_eq!(told().await.as_deref(), Some("91"));
    for form in ["date", "none"] {
        rig.set(json!({"too_many_requests": 1, "retry_after": form}))
            .await;
        let said = told().await;
        assert_eq!(said.is_some(), form == "date");
        if let Some(date) = said {
            assert!(date.ends_with(" GMT"), "{date}");
            httpdate::parse_http_date(&date).unwrap();
        }
    }
}

#[tokio::test]
async fn errors_have_the_statuses_asked_for_also_under_http_200() {
    let rig = Rig::with(json!({"error_before": 1, "error_statuses": [502, 503]})).await;
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..30 {
        let response = rig.send(&import(&[GOOD])).await.unwrap();
        let status = response.status().as_u16();
        assert_eq!(read(response).await["code"], status);
        seen.insert(status);
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [502, 503]);
    rig.set(json!({"error_after": 1, "error_under_200": true}))
        .await;
    assert_eq!(rig.answer(&import(&[GOOD])).await["code"], 500);
    assert_eq!(rig.held_and_received(GOOD).0, 1);
}

#[tokio::test]
async fn foreign_answers_come_under_http_200_and_hide_a_held_number() {
    for key in ["not_json", "oversized", "contradictory"] {
        let rig = Rig::with(json!({key: 1})).await;
        let response = rig.send(&import(&[GOOD])).await.unwrap();
        assert_eq!(response.status(), 200);
        let text = response.text().await.unwrap();
        match key {
            "not_json" => assert!(text.starts_with("<!DOCTYPE html>")),
            "oversized" => assert_eq!(text.len(), 2 * 1024 * 1024),
            _ => assert!(text.contains(r#""code":200,"status":"error""#), "{text}"),
        }
        assert_eq!(rig.held_and_received(GOOD), (1, 1));
        assert_eq!(rig.running.totals().answers.faults(), 1);
    }
}

#[tokio::test]
async fn an_answer_that_is_cut_off_begins_well_and_ends_in_a_reset() {
    let rig = Rig::with(json!({"cut_off": 1})).await;
    let response = rig.send(&import(&[GOOD])).await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.content_length().unwrap() > 50);
    assert!(response.bytes().await.is_err());
    assert_eq!(rig.held_and_received(GOOD), (1, 1));
}

#[tokio::test]
async fn a_redirect_imports_nothing_and_who_follows_it_is_counted() {
    let rig = Rig::with(json!({"redirected": 1})).await;
    let followed = rig.send(&import(&[GOOD])).await.unwrap();
    assert_eq!(followed.status(), 404);
    let totals = rig.running.totals();
    assert_eq!(totals.answers.redirected, 1);
    assert_eq!(totals.violations.unknown_route, 1);
    assert_eq!(rig.held_and_received(GOOD), (0, 1));
}

#[tokio::test]
async fn a_task_runs_on_after_the_first_request_that_met_it_until_other_faults_are_in_force() {
    let words = ["2.0任务启动中,请先停止任务", "任务正在拨打中,请先暂停任务"];
    for (says, code, words) in [("code6007", 6007, words[0]), ("code422", 422, words[1])] {
        let rig = Rig::with(json!({"task_running": 1, "task_running_for": "1h",
            "task_running_says": says}))
        .await;
        for _ in 0..2 {
            let answer = rig.answer(&import(&[GOOD])).await;
            assert_eq!(
                (&answer["code"], &answer["message"]),
                (&json!(code), &json!(words))
            );
        }
        rig.set(json!({"running_tasks": ["t"]})).await;
        assert_eq!(rig.answer(&import(&[GOOD])).await["code"], 6007);
        rig.set(json!({"running_tasks": ["other"]})).await;
        assert_eq!(rig.answer(&import(&[GOOD])).await["code"], 200);
        assert_eq!(rig.running.totals().answers.task_running, 3);
    }
}

#[tokio::test]
async fn who_is_turned_away_at_the_door_leaves_nothing_but_a_count() {
    let rig = Rig::with(json!({"token_off": true})).await;
    assert_eq!(rig.get("/agent-api/token").await.status(), 401);
    let statuses = [
        (json!({"token_off": true}), 401),
        (json!({"forbidden_users": ["u"]}), 403),
        (json!({"unknown_tasks": ["t"]}), 404),
    ];
    for (faults, status) in statuses {
        rig.set(faults).await;
        let response = rig.send(&import(&[GOOD])).await.unwrap();
        assert_eq!(response.status(), status);
        assert_eq!(read(response).await["code"], status);
    }
    assert!(rig.running.state().tasks.is_empty());
    let answers = rig.running.totals().answers;
    assert_eq!(
        (answers.unauthorized, answers.forbidden, answers.not_found),
        (1, 1, 1)
    );
    rig.set(json!({"forbidden_users": ["v"], "unknown_tasks": ["s"]}))
        .await;
    assert_eq!(rig.answer(&import(&[GOOD])).await["code"], 200);
}

#[tokio::test]
async fn a_firewall_turns_away_what_holds_its_words_whatever_the_token() {
    for (status, seen) in [(403, 403), (405, 405), (302, 404)] {
        let faults = json!({"firewall_words": ["", "<script"], "firewall_status": status,
            "token_off": true});
        let rig = Rig::with(faults).await;
        let mut request = import(&[GOOD]);
        assert_eq!(rig.send(&request).await.unwrap().status(), 401);
        request["data"][0]["customVars"] = json!({"note": "a <script> of theirs"});
        let response = rig.send(&request).await.unwrap();
        assert_eq!(response.status(), seen, "a redirect is followed here");
        assert_eq!(rig.running.totals().answers.blocked, 1);
        assert!(rig.running.state().tasks.is_empty());
    }
}

#[tokio::test]
async fn dropped_and_uncounted_numbers_are_missing_in_the_answer_and_told_by_the_state() {
    for (key, held) in [("dropped", 0), ("uncounted", 1)] {
        let rig = Rig::with(json!({"rows": {key: 1}})).await;
        let data = &rig.answer(&import(&[GOOD])).await["data"];
        assert_eq!(data["taskNumberCount"], 0);
        assert_eq!(data["fail_datas"], json!([]));
        let state = rig.running.state();
        let number = state.task("u", "t").unwrap().number(GOOD).unwrap();
        assert_eq!(number.times_held, held);
        assert_eq!(
            (number.times_dropped, number.times_uncounted),
            (1 - held, held)
        );
    }
    let rig = Rig::with(json!({"rows": {"blacklisted": 1}})).await;
    let data = &rig.answer(&import(&[GOOD])).await["data"];
    let quoted = format!("号码 {GOOD} 在黑名单中。");
    assert_eq!(data["fail_datas"][0]["fail_cause"], quoted);
}

#[tokio::test]
async fn the_luck_of_numbers_does_not_depend_on_the_requests_that_bring_them() {
    let numbers: Vec<String> = (0..60).map(|n| format!("130{n:08}")).collect();
    let mut dropped = Vec::new();
    for size in [1, 7, 60] {
        let rig = Rig::with(json!({"rows": {"dropped": 0.3}})).await;
        for some in numbers.chunks(size).rev() {
            let some: Vec<&str> = some.iter().map(String::as_str).collect();
            rig.answer(&import(&some)).await;
        }
        let state = rig.running.state();
        let held = state.task("u", "t").unwrap().numbers.clone();
        dropped.push(held.iter().map(|n| n.times_dropped).collect::<Vec<_>>());
    }
    assert_eq!(dropped[0], dropped[1]);
    assert_eq!(dropped[0], dropped[2]);
    assert!(dropped[0].contains(&0) && dropped[0].contains(&1));
}

#[tokio::test]
async fn numbers_are_masked_as_asked_for_and_encrypted_ones_by_the_number_behind() {
    let rig = Rig::with(json!({"mask": {"first": 2, "last": 1, "stars": 0}})).await;
    let shown = async |mut body: Value, encryption: bool| {
        body["encryption"] = json!(encryption);
        rig.answer(&body).await["data"]["fail_datas"][0]["fail_data"].clone()
    };
    assert_eq!(shown(import(&[BAD]), false).await, "91*********9");
    // BAD in base64.
    let encrypted = import(&["OTExMTIzNDU4MTc5"]);
    assert_eq!(shown(encrypted, true).await, "91*********9");
    rig.set(json!({"mask": {"whole": true}})).await;
    assert_eq!(shown(import(&[BAD]), false).await, BAD);
}

#[tokio::test]
async fn answers_are_written_as_asked_for() {
    let rig = Rig::with(json!({"answer": {"data": "empty_list"}})).await;
    assert_eq!(rig.answer(&import(&[GOOD])).await["data"], json!([]));
    let style = json!({"counts": "strings", "fail_list": "null_if_empty", "extra_fields": true});
    rig.set(json!({"answer": style})).await;
    let answer = rig.answer(&import(&[OTHER])).await;
    assert_eq!(answer["data"]["taskNumberCount"], "1");
    assert!(answer["data"]["fail_datas"].is_null() && answer["trace"].is_object());
}

#[tokio::test]
async fn what_is_over_the_limits_in_force_is_413_and_no_mistake_of_the_client() {
    let rig = Rig::with(json!({"limits": {"rows": 1}})).await;
    let both = import(&[GOOD, OTHER]);
    assert_eq!(rig.send(&both).await.unwrap().status(), 413);
    rig.set(json!({"limits": {"bytes": 100}})).await;
    assert_eq!(rig.send(&both).await.unwrap().status(), 413);
    let totals = rig.running.totals();
    assert_eq!((totals.answers.refused, totals.violations.total()), (2, 0));
    assert_eq!(rig.held_and_received(GOOD), (0, 2));
    rig.set(json!({"limits": {"rows": 2}})).await;
    assert_eq!(rig.answer(&both).await["data"]["taskNumberCount"], 2);
}

#[tokio::test]
async fn one_bad_number_refuses_the_request_in_each_form_of_a_refusal() {
    let rig = Rig::start(Faults::default()).await;
    for (status, body) in [
        (200, "message"),
        (400, "message"),
        (422, "list"),
        (422, "text"),
    ] {
        let refusal = json!({"ignore_skip_error": true, "status": status, "body": body});
        rig.set(json!({"refusal": refusal})).await;
        let response = rig.send(&import(&[GOOD, BAD])).await.unwrap();
        assert_eq!(response.status(), status);
        let text = response.text().await.unwrap();
        assert!(text.contains("格式不正确。"), "{text}");
        assert_eq!(text.contains("911***8179"), body == "list", "{text}");
        assert_eq!(
            serde_json::from_str::<Value>(&text).is_err(),
            body == "text"
        );
    }
    assert_eq!(rig.held_and_received(GOOD), (0, 4));
}

#[tokio::test]
async fn the_faults_in_force_are_told_and_can_be_sent_back_as_they_are() {
    let rig = Rig::with(json!({"latency": "1ms", "rows": {"dropped": 0.5}})).await;
    let told = read(rig.get("/simulator/faults").await).await;
    assert_eq!(told["rows"]["dropped"], 0.5);
    rig.set(told.clone()).await;
    assert_eq!(read(rig.get("/simulator/faults").await).await, told);
}
