//! What an idle sandbox keeps in memory beside the program in it: its launcher and its first process,
//! and what it adds to the process that started it.

use std::fs;

use anyhow::{Context, Result, ensure};
use outwork_sandbox::{Sandbox, plan, probe};

use super::{Confined, System, descendants};
use crate::Bench;
use crate::stats::Bar;

/// Pages that several share count for each in part, so there are as many as a busy worker has.
const SANDBOXES: usize = 10;
const PROGRAM: &str = "sleep";

pub(super) fn run(bench: &Bench) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let capabilities = probe();
    let directory = tempfile::tempdir_in(&bench.scratch)?;
    let confined = Confined::new(directory.path(), &capabilities, System::Hosts)?;
    let before = proportional_kib("self")?;
    let kib_each = runtime.block_on(async {
        let mut sandboxes = Vec::new();
        for n in 0..SANDBOXES {
            let spec = confined.spec(&format!("idle-{n}"), ["/bin/sleep", "600"])?;
            let plan = plan(&spec, &capabilities)?;
            sandboxes.push(Sandbox::spawn(plan, &bench.outwork).await?);
        }
        let processes = descendants()?;
        let (programs, ours): (Vec<_>, Vec<_>) =
            processes.into_iter().partition(|(_, name)| name == PROGRAM);
        ensure!(
            programs.len() == SANDBOXES,
            "{} programs run",
            programs.len()
        );
        ensure!(ours.len() >= SANDBOXES, "{ours:?} are too few");
        let mut kib = proportional_kib("self")?.saturating_sub(before);
        for (pid, _) in &ours {
            kib += proportional_kib(&pid.to_string())?;
        }
        for sandbox in &mut sandboxes {
            sandbox.kill().await?;
        }
        anyhow::Ok(kib as f64 / SANDBOXES as f64)
    })?;
    let mb = kib_each * 1024.0 / 1e6;
    Bar::AtMost(2.0).report("memory of an idle sandbox beside its program, in MB", mb);
    println!();
    Ok(())
}

/// Its own pages and its part of the shared ones.
fn proportional_kib(process: &str) -> Result<u64> {
    let rollup = fs::read_to_string(format!("/proc/{process}/smaps_rollup"))?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    let number = line.context("Pss is listed")?.trim();
    Ok(number.trim_end_matches(" kB").parse()?)
}
