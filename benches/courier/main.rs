//! The benchmark: the release binary between a private database and the simulated platform, each a
//! process of its own, so that the CPU of each can be told apart. `benches/README.md` says what
//! every line means; `make bench` runs all of it.
//!
//! One file per measurement stands in [`measure`]. Beside it: [`database`] and [`dataset`] make the
//! contacts to deliver, [`process`] runs the program, [`arrivals`] notes when requests come,
//! [`usage`] reads the CPU time and memory of processes, [`tuning`] has the settings, and [`table`]
//! shows the results.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the table goes to standard output, and how far it is to standard error"
)]

mod arrivals;
mod database;
mod dataset;
mod machine;
mod measure;
mod measurement;
mod options;
mod process;
mod servers;
mod table;
mod tuning;
mod usage;

use anyhow::Result;
use clap::Parser;

use self::machine::Machine;
use self::measure::Bench;
use self::measurement::Measurement;
use self::options::Options;
use self::servers::Servers;
use self::table::Table;

fn main() -> Result<()> {
    let options = Options::parse();
    let wanted = options.wanted()?;
    if options.dry {
        for measurement in &wanted {
            println!("{}\t{}", measurement.name(), measurement.about());
        }
        println!("{}", tuning::shown(&options.set));
        return Ok(());
    }
    let Some(servers) = Servers::told() else {
        return servers::run_again_with_servers();
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(measure_all(options, servers, &wanted))
}

async fn measure_all(options: Options, servers: Servers, wanted: &[Measurement]) -> Result<()> {
    let machine = Machine::here(&servers).await?;
    let mut table = Table::default();
    let bench = Bench { options, servers };
    for measurement in wanted {
        eprintln!("{} …", measurement.name());
        measure::run(*measurement, &bench, &mut table).await?;
    }
    let tuning = tuning::shown(&bench.options.set);
    println!("{machine}\n{tuning}\n\n{table}");
    if let Some(file) = &bench.options.json {
        std::fs::write(file, table.json(&machine, &tuning)?)?;
    }
    if bench.options.save {
        table::save(&table, &machine, &tuning)?;
    }
    Ok(())
}
