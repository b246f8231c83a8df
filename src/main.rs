//! The program: arguments → library → exit code, nothing else.

use std::process::ExitCode;

use contact_courier::cli;

/// The system's allocators are slow at many small blocks, that of static builds above all.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = cli::run(std::env::args_os()).await;
    cli::report(outcome, &mut std::io::stderr())
}
