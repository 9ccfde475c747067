//! Measures the release binary against peers and limits, on this machine, in one run.
//!
//! `make bench`. Every figure is a median with its minimum and maximum; what is compared is
//! measured in turn (A, B, A, B, …), so that a machine that gets slower slows both.

#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod codex_start;
mod environment;
mod exec;
mod footprint;
mod server;
mod stats;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// Where things are.
pub(crate) struct Bench {
    /// The release binary.
    pub(crate) outwork: PathBuf,
    /// Where the agents are installed.
    pub(crate) agents_dir: PathBuf,
    /// A directory for what the benchmarks write; on a disk, not below `/tmp`.
    pub(crate) scratch: PathBuf,
    /// How many counted runs.
    pub(crate) runs: usize,
}

fn main() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("the bench folder lies in the workspace")?;
    let bench = Bench {
        outwork: root.join("target/release/outwork"),
        agents_dir: root.join("target/agents"),
        scratch: root.join("target/bench"),
        runs: 20,
    };
    ensure!(bench.outwork.exists(), "build it first: make release");
    std::fs::create_dir_all(&bench.scratch)?;
    println!("{}\n", stats::machine()?);
    footprint::run(&bench)?;
    exec::run(&bench)?;
    environment::run(&bench)?;
    codex_start::run(&bench)
}
