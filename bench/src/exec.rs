//! A task that appends a line, from `outwork exec --wait` to its exit, beside what git and the
//! agent's command need by themselves.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Result, ensure};

use crate::Bench;
use crate::server::{Server, git, repository};
use crate::stats::Series;

const AGENT: &str = "echo a line >> file-0.txt";

pub(crate) fn run(bench: &Bench) -> Result<()> {
    let dir = tempfile::tempdir_in(&bench.scratch)?;
    let source = dir.path().join("repository");
    repository(&source)?;
    let server = Server::up(bench, &[])?;
    let url = source.display().to_string();
    let create = [
        "env",
        "create",
        "bench",
        "--repo",
        &url,
        "--agent",
        "command",
        "--agent-command",
        AGENT,
    ];
    server.run(bench, &create)?;

    let (mut outwork, mut bare) = (Series::default(), Series::default());
    for run in 0..=bench.runs {
        let start = Instant::now();
        server.run(
            bench,
            &["exec", "--env", "bench", "--wait", "append a line"],
        )?;
        let whole = start.elapsed();
        let start = Instant::now();
        by_hand(&source, &dir.path().join("by-hand"))?;
        let by_hand = start.elapsed();
        // The first of each warms the caches and is not counted.
        if run > 0 {
            outwork.push(whole);
            bare.push(by_hand);
        }
    }
    println!("A task that appends a line, on a warm server (bar: under 1 s)");
    println!("{}", outwork.row("outwork exec --wait"));
    println!(
        "{}",
        bare.row("git clone, the same command, git diff, by hand")
    );
    let own = outwork.median().saturating_sub(bare.median());
    println!("  Outwork's own: {:.1} ms\n", own.as_secs_f64() * 1000.0);
    Ok(())
}

/// The same work without Outwork: no isolation, no log, no exactness.
fn by_hand(source: &Path, target: &Path) -> Result<()> {
    let parent = source.parent().unwrap_or(source);
    let (from, to) = (source.display().to_string(), target.display().to_string());
    git(parent, &["clone", "-q", "--shared", &from, &to])?;
    let status = Command::new("bash")
        .args(["-c", AGENT])
        .current_dir(target)
        .status()?;
    ensure!(status.success(), "the command failed");
    git(target, &["add", "-A"])?;
    git(target, &["diff", "--cached", "--binary", "--full-index"])?;
    fs::remove_dir_all(target)?;
    Ok(())
}
