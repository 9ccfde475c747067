//! Measures the release binary against peers and limits, on this machine, in one run.
//!
//! `make bench`. Every figure is a median with its minimum and maximum; what is compared is
//! measured in turn (A, B, A, B, …), so that a machine that gets slower slows both.

#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod stats;

mod machine;
mod player;
mod server;

mod cli;
mod codex_start;
mod egress;
mod environment;
mod exec;
mod footprint;
mod sandbox;

mod control;
mod floor;
mod http;
mod life;
mod queue_peer;

mod followers;
mod idle;
mod lifecycle;
mod mention;
mod pickup;
mod queue;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use outwork_egress::process::{PROCESS_ARGUMENT, process_main};

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

type Benchmark = fn(&Bench) -> Result<()>;

/// All of them, in the order in which they run.
const BENCHMARKS: [(&str, Benchmark); 13] = [
    ("footprint", footprint::run),
    ("cli", cli::run),
    ("exec", exec::run),
    ("environment", environment::run),
    ("codex-start", codex_start::run),
    ("sandbox", sandbox::run),
    ("egress", egress::run),
    ("lifecycle", lifecycle::run),
    ("pickup", pickup::run),
    ("queue", queue::run),
    ("mention", mention::run),
    ("followers", followers::run),
    ("idle", idle::run),
];

/// `outwork-bench [NAME…]`: the named benchmarks, or all. Some start this program again in a role.
fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some((first, rest)) = arguments.split_first() {
        if first == PROCESS_ARGUMENT {
            return Ok(process_main());
        }
        if first == sandbox::ORDINARY_ROLE {
            return sandbox::ordinary(rest).map(|()| ExitCode::SUCCESS);
        }
        if first == lifecycle::FLOOR_ROLE {
            return lifecycle::floor_role(rest).map(|()| ExitCode::SUCCESS);
        }
        if first == followers::raw::ROLE {
            return followers::raw::role().map(|()| ExitCode::SUCCESS);
        }
        if let Some(role) = egress::Role::of(first) {
            return egress::role(role, rest).map(|()| ExitCode::SUCCESS);
        }
    }
    let is_known = |name: &&String| BENCHMARKS.iter().any(|(known, _)| known == name);
    if let Some(unknown) = arguments.iter().find(|name| !is_known(name)) {
        let known = BENCHMARKS.map(|(name, _)| name).join(", ");
        bail!("no benchmark is called {unknown}; there are {known}");
    }
    measure(&arguments)?;
    Ok(ExitCode::SUCCESS)
}

/// Where cargo puts what it builds.
fn target(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from)
}

fn measure(names: &[String]) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("the bench folder lies in the workspace")?;
    let target = target(root);
    let bench = Bench {
        outwork: target.join("release/outwork"),
        agents_dir: target.join("agents"),
        scratch: target.join("bench"),
        runs: 20,
    };
    ensure!(bench.outwork.exists(), "build it first: make release");
    std::fs::create_dir_all(&bench.scratch)?;
    println!("{}\n", stats::machine()?);
    for (name, run) in BENCHMARKS {
        if names.is_empty() || names.iter().any(|wanted| wanted == name) {
            run(&bench)?;
        }
    }
    Ok(())
}
