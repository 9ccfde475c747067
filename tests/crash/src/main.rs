//! The crash suite: runs tasks while servers, workers, agents, databases and networks fail, and checks that nothing is stuck, nothing is
//! lost, nothing is run twice and nothing is left. `make crash`; [docs/crash-suite.md](../../../docs/crash-suite.md) says how.

#![allow(clippy::print_stdout, reason = "this is what the program prints")]

mod random;
mod record;
mod work;

mod process;
mod relay;

mod points;
mod seat;

mod left;
mod site;

mod faults;
mod people;

mod check;
mod scenario;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

use crate::scenario::{Shown, away, full_disk, lost_worker, storm};
use crate::site::Engine;

/// Breaks Outwork and looks what came of it
#[derive(Parser, Debug)]
#[command(name = "outwork-crash")]
struct Arguments {
    /// What everything random is drawn from
    #[arg(long, env = "CRASH_SEED", default_value_t = 20_261_130)]
    seed: u64,
    /// How many tasks the storm has, on each store
    #[arg(long, env = "CRASH_TASKS", default_value_t = 1000)]
    tasks: usize,
    /// Only this store
    #[arg(long, env = "CRASH_STORE", value_enum)]
    store: Option<Engine>,
    /// Only this scenario
    #[arg(long, env = "CRASH_ONLY", value_enum)]
    only: Option<Only>,
    /// Where the table is written, too
    #[arg(long)]
    output: Option<PathBuf>,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Only {
    Storm,
    Away,
    LostWorker,
    FullDisk,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    // The client wants one, also without TLS.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let engines = match arguments.store {
        Some(engine) => vec![engine],
        None => vec![Engine::Sqlite, Engine::Postgres],
    };
    println!(
        "seed {} (CRASH_SEED), {} tasks on each store (CRASH_TASKS)",
        arguments.seed, arguments.tasks
    );
    let (mut outcomes, mut scenarios, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for engine in engines {
        let wanted = |scenario| arguments.only.is_none_or(|only| only == scenario);
        let mut shown = Vec::new();
        let mut note = |what: &str, came: Result<Shown>| match came {
            Ok(one) => shown.push(one),
            Err(error) => failed.push(format!("{what} on {}: {error:#}", engine.name())),
        };
        if wanted(Only::LostWorker) {
            note("lost worker", lost_worker::run(engine).await);
        }
        if wanted(Only::Away) {
            note("server away", away::run(engine).await);
        }
        if wanted(Only::FullDisk) {
            note("full disk", full_disk::run(engine).await);
        }
        scenarios.push((engine, shown));
        if wanted(Only::Storm) {
            println!("storm on {}", engine.name());
            outcomes.push(storm::run(engine, arguments.seed, arguments.tasks).await?);
        }
    }
    let page = table::page(arguments.seed, &outcomes, &scenarios, "make crash");
    println!("\n{page}");
    if let Some(output) = &arguments.output {
        std::fs::write(output, &page)
            .with_context(|| format!("{} cannot be written", output.display()))?;
    }
    for outcome in &outcomes {
        let findings = outcome.findings.iter();
        failed.extend(findings.map(|found| {
            format!(
                "{} on {}: {}",
                found.kind,
                outcome.engine.name(),
                found.text
            )
        }));
    }
    for failure in &failed {
        println!("FAILED: {failure}");
    }
    Ok(if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
