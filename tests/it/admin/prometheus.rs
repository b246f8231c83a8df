//! A Prometheus of the test's own, scraping one courier.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::process::Stdio;

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::asking::{ask, free_address, reachable};
use crate::world::until;

/// A server that scrapes five times a second and evaluates its rules as often. It ends with the
/// value.
pub(crate) struct Prometheus {
    address: SocketAddr,
    _process: Child,
    _dir: TempDir,
}

impl Prometheus {
    /// Scrapes `courier` as the job that the alert rules ask for, and evaluates rules, which may be
    /// an empty text.
    pub(crate) async fn start(courier: SocketAddr, rules: &str) -> Self {
        Self::start_so(courier, rules, "").await
    }

    /// The same with more lines for the job, each indented by two.
    pub(crate) async fn start_so(courier: SocketAddr, rules: &str, more: &str) -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        fs::write(dir.path().join("rules.yml"), rules).expect("writes");
        let config = dir.path().join("prometheus.yml");
        let text = format!(
            "global: {{scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms}}\n\
             rule_files: [rules.yml]\n\
             scrape_configs:\n\
             - job_name: contact-courier\n  static_configs: [{{targets: ['{courier}']}}]\n{more}"
        );
        fs::write(&config, text).expect("writes");
        let address = free_address();
        let log = dir.path().join("log");
        let process = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                dir.path().join("data").display()
            ))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).expect("a file"))
            .kill_on_drop(true)
            .spawn()
            .expect("prometheus is installed (scripts/test-databases.sh sees to it)");
        let prometheus = Self {
            address,
            _process: process,
            _dir: dir,
        };
        until("Prometheus is ready", async || {
            reachable(address).await && prometheus.get("/-/ready").await.is_some()
        })
        .await;
        prometheus
    }

    /// The values of an expression, now.
    pub(crate) async fn values(&self, expression: &str) -> Vec<f64> {
        let query: String = url::form_urlencoded::byte_serialize(expression.as_bytes()).collect();
        let answer = self.api(&format!("query?query={query}")).await;
        let series = answer["result"].as_array().expect("a vector");
        let values = series
            .iter()
            .filter_map(|series| series["value"][1].as_str());
        values
            .map(|value| value.parse().expect("a number"))
            .collect()
    }

    /// Waits until an expression has the value.
    pub(crate) async fn comes_to(&self, expression: &str, value: f64) {
        let near = |found: &f64| (found - value).abs() < 1e-9;
        until(expression, async || {
            self.values(expression).await.iter().any(near)
        })
        .await;
    }

    /// The names of all metrics that were scraped.
    pub(crate) async fn names(&self) -> Vec<String> {
        let answer = self.api("label/__name__/values").await;
        let names = answer.as_array().expect("a list").iter();
        names
            .filter_map(|name| Some(name.as_str()?.to_owned()))
            .collect()
    }

    /// Returns the answer of a path of its API.
    pub(crate) async fn api(&self, path: &str) -> Value {
        let answer = self.get(&format!("/api/v1/{path}")).await;
        let answer = answer.expect("an answer");
        let mut answer: Value = serde_json::from_str(&answer).expect("JSON");
        answer["data"].take()
    }

    async fn get(&self, path: &str) -> Option<String> {
        let head = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n", self.address);
        let answer = ask(self.address, &head).await;
        (answer.code == 200).then_some(answer.body)
    }
}
