//! The program: arguments → library → exit code, nothing else.

use std::process::ExitCode;

use clap::Parser;
use contact_courier::cli::{self, Cli};

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = cli::run(Cli::parse()).await;
    cli::report(outcome, &mut std::io::stderr())
}
