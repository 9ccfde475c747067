//! The size of the binary, the time of `--version`, and the memory of an idle `outwork up`.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::Bench;
use crate::machine::resident_kib;
use crate::server::Server;
use crate::stats::Series;

pub(crate) fn run(bench: &Bench) -> Result<()> {
    let size = fs::metadata(&bench.outwork)?.len();
    println!("Footprint");
    println!("  binary: {:.1} MB (bar: 40)", size as f64 / 1e6);

    let (mut own, mut git) = (Series::default(), Series::default());
    for run in 0..=bench.runs {
        let (one, other) = (
            version(&bench.outwork.display().to_string())?,
            version("git")?,
        );
        if run > 0 {
            own.push(one);
            git.push(other);
        }
    }
    println!("{}", own.row("outwork --version (bar: 15 ms)"));
    println!("{}", git.row("git --version"));

    let server = Server::up(bench, &[])?;
    // Idle means after the first timers have run.
    std::thread::sleep(Duration::from_secs(10));
    println!(
        "  outwork up, idle: {:.1} MB resident (bar: 60)\n",
        resident_kib(server.pid())? as f64 * 1024.0 / 1e6
    );
    Ok(())
}

fn version(program: &str) -> Result<Duration> {
    let start = Instant::now();
    Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .status()?;
    Ok(start.elapsed())
}
