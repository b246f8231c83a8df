//! A headless Chromium, driven over the `WebDriver` protocol.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::asking::send;

/// The longest wait: starting a browser on a busy machine takes time.
const PATIENCE: Duration = Duration::from_mins(1);

/// A browser with one window. It ends with the value.
pub(crate) struct Browser {
    driver: SocketAddr,
    session: String,
    _process: Child,
    _profile: TempDir,
}

impl Browser {
    /// A fresh browser, which finds no host but the loopback address.
    pub(crate) async fn start() -> Self {
        let profile = TempDir::new().expect("a temporary directory");
        let log = File::create(profile.path().join("driver.log")).expect("a file");
        let mut process = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .expect("chromedriver is installed (scripts/test-databases.sh sees to it)");
        let mut lines = BufReader::new(process.stdout.take().expect("its output")).lines();
        let port = loop {
            let line = timeout(PATIENCE, lines.next_line()).await.expect("in time");
            let line = line.expect("UTF-8").expect("chromedriver tells its port");
            if let Some((_, port)) = line.split_once("successfully on port ") {
                break port.trim_end_matches('.').parse().expect("a port");
            }
        };
        let driver = SocketAddr::from(([127, 0, 0, 1], port));
        let session = session(driver, profile.path()).await;
        let browser = Self {
            driver,
            session,
            _process: process,
            _profile: profile,
        };
        // The requests of the browser's own first page are not ours.
        browser.open("about:blank").await;
        browser.requests().await;
        browser
    }

    /// Sets how the window looks to pages from now on.
    pub(crate) async fn look(&self, language: &str, width: u32, dark: bool) {
        let scheme = if dark { "dark" } else { "light" };
        let narrow = width < 600;
        for (command, params) in [
            (
                "Emulation.setUserAgentOverride",
                json!({"userAgent": "test", "acceptLanguage": language}),
            ),
            (
                "Emulation.setEmulatedMedia",
                json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]}),
            ),
            (
                "Emulation.setDeviceMetricsOverride",
                json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": narrow}),
            ),
        ] {
            let body = json!({"cmd": command, "params": params});
            self.command("goog/cdp/execute", &body).await;
        }
    }

    /// Goes to a page.
    pub(crate) async fn open(&self, url: &str) {
        self.command("url", &json!({"url": url})).await;
    }

    /// Goes to a page in a tab of its own.
    pub(crate) async fn open_tab(&self, url: &str) {
        let tab = self.command("window/new", &json!({"type": "tab"})).await;
        self.turn_to(tab["handle"].as_str().expect("a handle"))
            .await;
        self.open(url).await;
    }

    /// The present tab.
    pub(crate) async fn tab(&self) -> String {
        let head = format!(
            "GET /session/{}/window HTTP/1.1\r\nHost: {}\r\n",
            self.session, self.driver
        );
        let told = send(self.driver, &head, "").await.json();
        told["value"].as_str().expect("a handle").to_owned()
    }

    /// Goes on in another tab.
    pub(crate) async fn turn_to(&self, tab: &str) {
        self.command("window", &json!({"handle": tab})).await;
    }

    /// The value of a JavaScript expression on the page.
    pub(crate) async fn value(&self, expression: &str) -> Value {
        let script = format!("return ({expression});");
        let body = json!({"script": script, "args": []});
        self.command("execute/sync", &body).await
    }

    /// A text on the page.
    pub(crate) async fn text(&self, expression: &str) -> String {
        let value = self.value(expression).await;
        let text = value.as_str();
        text.unwrap_or_else(|| panic!("{expression} is {value}"))
            .to_owned()
    }

    /// The errors that the page and the browser have reported since the last call.
    pub(crate) async fn complaints(&self) -> Vec<Value> {
        self.log("browser").await
    }

    /// The addresses that the pages have requested since the last call.
    pub(crate) async fn requests(&self) -> Vec<String> {
        let events = self.log("performance").await;
        let messages = events.iter().filter_map(|event| event["message"].as_str());
        let messages = messages.filter_map(|text| serde_json::from_str::<Value>(text).ok());
        messages
            .filter(|event| event["message"]["method"] == "Network.requestWillBeSent")
            .filter_map(|event| {
                let url = event["message"]["params"]["request"]["url"].as_str()?;
                Some(url.to_owned())
            })
            .collect()
    }

    /// A picture of the whole page, for people.
    pub(crate) async fn picture(&self, file: &Path) {
        use base64::Engine;
        let params = json!({"captureBeyondViewport": true});
        let body = json!({"cmd": "Page.captureScreenshot", "params": params});
        let answer = self.command("goog/cdp/execute", &body).await;
        let data = answer["data"].as_str().expect("a picture");
        let bytes = base64::engine::general_purpose::STANDARD.decode(data);
        std::fs::write(file, bytes.expect("base64")).expect("writes");
    }

    async fn log(&self, kind: &str) -> Vec<Value> {
        let answer = self.command("se/log", &json!({"type": kind})).await;
        answer.as_array().expect("a list").clone()
    }

    async fn command(&self, path: &str, body: &Value) -> Value {
        let path = format!("/session/{}/{path}", self.session);
        post(self.driver, &path, body).await
    }
}

impl Drop for Browser {
    /// A browser whose driver is killed lives on, and its page goes on asking. So the driver is
    /// told to end it first, and this waits for it.
    fn drop(&mut self) {
        let request = format!(
            "DELETE /session/{} HTTP/1.1\r\nHost: {}\r\n\r\n",
            self.session, self.driver
        );
        let quit = || -> std::io::Result<()> {
            let mut stream = TcpStream::connect(self.driver)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.write_all(request.as_bytes())?;
            stream.read_exact(&mut [0])
        };
        // A test that has failed says why by itself; a second panic would hide it.
        let ended = quit();
        assert!(ended.is_ok() || std::thread::panicking(), "{ended:?}");
    }
}

async fn session(driver: SocketAddr, profile: &Path) -> String {
    let profile = format!("--user-data-dir={}", profile.join("profile").display());
    let arguments = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-dev-shm-usage",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        &profile,
    ];
    let capabilities = json!({"capabilities": {"alwaysMatch": {
        "goog:chromeOptions": {"args": arguments},
        "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
    }}});
    let answer = post(driver, "/session", &capabilities).await;
    answer["sessionId"].as_str().expect("a session").to_owned()
}

async fn post(driver: SocketAddr, path: &str, body: &Value) -> Value {
    let body = body.to_string();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {driver}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n",
        body.len()
    );
    let answer = timeout(PATIENCE, send(driver, &head, &body)).await;
    let answer = answer.unwrap_or_else(|_| panic!("the browser does not answer to {path}"));
    let mut json = answer.json();
    assert_eq!(answer.code, 200, "{path}: {json}");
    json["value"].take()
}
