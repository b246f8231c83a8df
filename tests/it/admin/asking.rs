//! Asking the admin server over plain HTTP.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::world::{Ended, Program, World, until};

/// The program at work, and its address.
pub(crate) struct Courier {
    pub(crate) program: Program,
    pub(crate) address: SocketAddr,
}

/// An answer.
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }

    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

impl Courier {
    /// Starts the daemon; it listens on a free port.
    pub(crate) async fn start(world: &mut World<'_>) -> Self {
        Self::start_by(world, &[]).await
    }

    /// The same by another program, which turns into this one.
    pub(crate) async fn start_by(world: &mut World<'_>, launcher: &[&str]) -> Self {
        world.set("admin.listen", "127.0.0.1:0");
        let program = world.start_by(launcher, &["run"]);
        program.says("are served").await;
        let address = program
            .log()
            .lines()
            .filter(|line| line.contains("are served"))
            .find_map(|line| {
                let line: serde_json::Value = serde_json::from_str(line).ok()?;
                line["address"].as_str()?.parse().ok()
            })
            .expect("the log tells the address");
        Self { program, address }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        ask(
            self.address,
            &format!("GET {path} HTTP/1.1\r\nHost: {}\r\n", self.address),
        )
        .await
    }

    /// Waits until it is ready, ends it as a supervisor would, and returns how it ended.
    pub(crate) async fn ends_when_ready(self) -> Ended {
        until("it is ready", async || {
            self.get("/readyz").await.code == 200
        })
        .await;
        self.program.signal("TERM").await;
        let ended = self.program.ended().await;
        assert_eq!(ended.code, Some(0), "{}", ended.tail());
        ended
    }

    /// Returns the series that `/metrics` serves.
    pub(crate) async fn metrics(&self) -> Metrics {
        let answer = self.get("/metrics").await;
        assert_eq!(answer.code, 200);
        Metrics::read(&answer.body)
    }

    /// Waits until the metrics satisfy the condition.
    pub(crate) async fn measures(&self, what: &str, holds: impl Fn(&Metrics) -> bool) -> Metrics {
        until(what, async || holds(&self.metrics().await)).await;
        self.metrics().await
    }
}

/// Sends the head of a request and reads to the end of the answer.
pub(crate) async fn ask(address: SocketAddr, head: &str) -> Answer {
    send(address, head, "").await
}

/// The same with a body, whose length the head tells.
pub(crate) async fn send(address: SocketAddr, head: &str, body: &str) -> Answer {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let request = format!("{head}Connection: close\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).await.expect("sends");
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        let read = stream.read_line(&mut head).await.expect("UTF-8");
        assert_ne!(read, 0, "cut off: {head}");
    }
    let lower = head.to_lowercase();
    let length = lower.split("content-length:").nth(1);
    let length = length.map(|rest| rest.lines().next().expect("a line").trim().parse());
    let mut body = vec![0; length.unwrap_or(Ok(0)).expect("a length")];
    // A browser under chromedriver holds the connection open, so the end of the connection says
    // nothing.
    stream.read_exact(&mut body).await.expect("the body");
    if lower.contains("transfer-encoding: chunked") {
        stream.read_to_end(&mut body).await.expect("the body");
        body = joined(&body);
    }
    let code = head.split(' ').nth(1).expect("a status");
    Answer {
        code: code.parse().expect("a number"),
        body: String::from_utf8(body).expect("UTF-8"),
        head,
    }
}

/// Joins a body that came in chunks, each behind a line with its size.
fn joined(mut chunks: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(line) = chunks.windows(2).position(|two| two == b"\r\n") {
        let size = std::str::from_utf8(&chunks[..line]).expect("a size");
        let size = usize::from_str_radix(size, 16).expect("a size");
        let from = line + 2;
        body.extend_from_slice(&chunks[from..from + size]);
        chunks = &chunks[(from + size + 2).min(chunks.len())..];
    }
    body
}

/// An address that nobody listens on, for a program that cannot tell which one it takes by itself. It is
/// free again at once; all else here takes ports of 127.0.0.1.
pub(crate) fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.2:0").expect("a free port");
    listener.local_addr().expect("its address")
}

/// Whether the address takes connections.
pub(crate) async fn reachable(address: SocketAddr) -> bool {
    TcpStream::connect(address).await.is_ok()
}

/// Metrics in Prometheus's text format.
pub(crate) struct Metrics {
    /// Every series with its value.
    series: BTreeMap<String, String>,
    /// Every family with its help text.
    pub(crate) help: BTreeMap<String, String>,
    pub(crate) types: BTreeMap<String, String>,
}

impl Metrics {
    fn read(text: &str) -> Self {
        let told = |what: &str| {
            let lines = text.lines().filter_map(|line| line.strip_prefix(what));
            let pairs = lines.filter_map(|line| line.split_once(' '));
            pairs
                .map(|(name, words)| (name.to_owned(), words.to_owned()))
                .collect()
        };
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let series = lines.map(|line| {
            let (name, value) = line.rsplit_once(' ').expect("a series and its value");
            (name.to_owned(), value.to_owned())
        });
        Self {
            series: series.collect(),
            help: told("# HELP "),
            types: told("# TYPE "),
        }
    }

    /// Returns the value of a series that must be there.
    pub(crate) fn of(&self, series: &str) -> f64 {
        self.text(series).parse().expect("a number")
    }

    /// Returns the value of a counter.
    pub(crate) fn count(&self, series: &str) -> u64 {
        self.text(series).parse().expect("a whole number")
    }

    /// Returns the sum of all counters that begin with this.
    pub(crate) fn sum(&self, beginning: &str) -> u64 {
        let names = self.series.keys();
        let those = names.filter(|name| name.starts_with(beginning));
        those.map(|name| self.count(name)).sum()
    }

    fn text(&self, series: &str) -> &str {
        let known = || format!("{series} is not among {:?}", self.series.keys());
        self.series
            .get(series)
            .unwrap_or_else(|| panic!("{}", known()))
    }
}
