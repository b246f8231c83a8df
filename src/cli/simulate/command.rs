//! The command `simulate`: its arguments and its run.

use std::fmt;
use std::future::Future;
use std::io::{self, Write};
use std::net::SocketAddr;

use anyhow::{Context, Result, anyhow};
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};

use super::faults::FaultArgs;
use super::help;
use crate::simulator::{Config, Running, Simulator, Totals};

/// Run the calling platform as a local server, with faults on request
#[derive(Clone, Debug, clap::Args)]
#[command(long_about = help::LONG_ABOUT, after_long_help = help::REHEARSING)]
pub(in crate::cli) struct SimulateArgs {
    /// Where to listen; port 0 takes any free port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8790")]
    pub listen: SocketAddr,

    /// The token that is accepted
    #[arg(long, default_value = "demo-token")]
    pub token: String,

    /// A name by which `/simulator/...` may be asked, beside `localhost`, this host's own and IP
    /// addresses; may be given several times
    #[arg(long, value_name = "NAME")]
    pub host: Vec<String>,

    /// Repeats the faults of an earlier run
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,

    /// Print the start information and the final counts as one JSON line each
    #[arg(long)]
    pub json: bool,

    /// What goes wrong.
    #[command(flatten)]
    faults: FaultArgs,
}

/// Runs the simulator until it is told to stop.
pub(in crate::cli) async fn run(args: SimulateArgs) -> Result<()> {
    // Before anything is printed: a reader of our output may stop us at once.
    let stop = stop_signal().context("cannot listen for signals")?;
    serve(args, stop, &mut io::stdout()).await
}

async fn serve(args: SimulateArgs, stop: impl Future, out: &mut impl Write) -> Result<()> {
    let faults = args.faults.load()?;
    let config = Config {
        listen: args.listen,
        token: args.token.clone(),
        seed: args.seed,
        faults,
        hosts: args.host.clone(),
    };
    let running = Simulator::start(config)
        .await
        .map_err(|error| cannot_listen(args.listen, &error))?;
    let started = Started::new(&running, args.token, args.seed);
    print(out, &started, args.json)?;
    stop.await;
    let ended = Ended::from(running.totals());
    running.stop().await;
    print(out, &ended, args.json)
}

/// The information that a script or a person needs to talk to it.
#[derive(Debug, Serialize)]
struct Started {
    base_url: String,
    token: String,
    state_url: String,
    faults_url: String,
    seed: u64,
}

impl Started {
    fn new(running: &Running, token: String, seed: u64) -> Self {
        let base_url = running.base_url();
        Self {
            token,
            state_url: format!("{base_url}/simulator/state"),
            faults_url: format!("{base_url}/simulator/faults"),
            base_url,
            seed,
        }
    }
}

impl fmt::Display for Started {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "The simulated platform is listening; stop it with Ctrl-C."
        )?;
        writeln!(f, "  base URL  {}", self.base_url)?;
        writeln!(f, "  token     {}", self.token)?;
        writeln!(f, "  state     {}", self.state_url)?;
        writeln!(f, "  faults    {} (GET, POST)", self.faults_url)?;
        write!(f, "  seed      {}", self.seed)
    }
}

/// The final counts.
#[derive(Debug, Serialize)]
struct Ended {
    requests: u64,
    faults: u64,
    numbers_held: u64,
}

impl From<Totals> for Ended {
    fn from(totals: Totals) -> Self {
        Self {
            requests: totals.requests,
            faults: totals.answers.faults(),
            numbers_held: totals.numbers_held,
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Stopped: requests {}, of them with a fault {}, numbers held {}",
            self.requests, self.faults, self.numbers_held
        )
    }
}

fn print(out: &mut impl Write, what: &(impl fmt::Display + Serialize), json: bool) -> Result<()> {
    if json {
        writeln!(out, "{}", serde_json::to_string(what)?)?;
    } else {
        writeln!(out, "{what}")?;
    }
    Ok(out.flush()?)
}

fn cannot_listen(address: SocketAddr, error: &io::Error) -> anyhow::Error {
    if error.kind() == io::ErrorKind::AddrInUse {
        return anyhow!(
            "cannot listen on {address}: it is in use; stop what listens there, or choose another \
             with --listen (port 0 takes any free one)"
        );
    }
    anyhow!("cannot listen on {address}: {error}; choose another address with --listen")
}

/// Returns a future that ends at the first SIGINT or SIGTERM. The handlers are in place when this
/// returns.
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::Faults;
    use clap::{CommandFactory, Parser};

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        args: SimulateArgs,
    }

    fn parse(flags: &[&str]) -> Result<SimulateArgs, clap::Error> {
        let line = ["simulate", "--listen", "127.0.0.1:0"].iter().chain(flags);
        Cli::try_parse_from(line).map(|cli| cli.args)
    }

    async fn said(flags: &[&str]) -> Result<String> {
        let mut out = Vec::new();
        serve(parse(flags)?, async {}, &mut out).await?;
        Ok(String::from_utf8(out)?)
    }

    #[test]
    fn the_help_tells_how_to_rehearse_an_outage() {
        let help = Cli::command().render_long_help().to_string();
        assert!(help.contains("rehearse an outage") && help.contains("/simulator/faults"));
        for key in toml::Table::try_from(Faults::default()).unwrap().keys() {
            let flag = format!("--{}", key.replace('_', "-"));
            assert!(help.contains(&flag) || help.contains(key.as_str()), "{key}");
        }
    }

    #[tokio::test]
    async fn it_says_where_it_listens_and_what_came_of_it() {
        let text = said(&[]).await.unwrap();
        assert!(text.contains("base URL  http://127.0.0.1:"), "{text}");
        assert!(text.contains("token     demo-token"), "{text}");
        assert!(
            text.ends_with("requests 0, of them with a fault 0, numbers held 0\n"),
            "{text}"
        );
    }

    #[tokio::test]
    async fn as_json_each_is_one_line() {
        let text = said(&["--json"]).await.unwrap();
        let lines: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines.len(), 2);
        let base_url = lines[0]["base_url"].as_str().unwrap();
        assert_eq!(lines[0]["state_url"], format!("{base_url}/simulator/state"));
        assert_eq!(lines[1]["numbers_held"], 0);
    }

    #[tokio::test]
    async fn faults_that_add_up_to_more_than_one_are_refused() {
        let flags = ["--garbled", "0.6", "--task-running", "0.6"];
        let error = said(&flags).await.unwrap_err().to_string();
        assert!(error.contains("at most 1, not 1.2"), "{error}");
    }

    #[tokio::test]
    async fn a_port_in_use_is_named_with_what_to_do_about_it() {
        let taken = Simulator::start(Config::default()).await.unwrap();
        let address = taken.address().to_string();
        let mut args = parse(&[]).unwrap();
        args.listen = taken.address();
        let error = serve(args, async {}, &mut Vec::new())
            .await
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(&address) && error.contains("--listen"),
            "{error}"
        );
        assert_eq!(error.lines().count(), 1);
        taken.stop().await;
    }
}
