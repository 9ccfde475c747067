//! What idle workers cost the server: each waits in `acquire`, follows its commands, and sends
//! heartbeats as often as it was told to, as a real one does.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use http_body_util::BodyExt;
use tokio::task::JoinSet;

use crate::Bench;
use crate::control::Control;
use crate::http::Connection;
use crate::machine::{Judge, Watch, processor_time};
use crate::player;
use crate::stats::Bar;

const WORKERS: usize = 100;
/// A worker's own: `acquire_wait` in `crates/worker/src/config.rs`.
const WAIT_MS: u64 = 20_000;
/// Longer than a wait, so that each asks again at least once.
const LASTS: Duration = Duration::from_secs(40);
/// For what comes with the start of the server and of the workers.
const SETTLE: Duration = Duration::from_secs(3);

pub(crate) fn run(bench: &Bench) -> Result<()> {
    println!("The cost of {WORKERS} idle workers");
    let watch = Watch::start(&bench.scratch)?;
    let (alone, with_workers) = player::runtime()?.block_on(measure(bench))?;
    let judge = watch.end(&bench.scratch)?;
    report(&judge, alone, with_workers);
    Ok(())
}

/// The share of a core, in percent, without workers and with them.
async fn measure(bench: &Bench) -> Result<(f64, f64)> {
    let control = Control::start(bench, None).await?;
    tokio::time::sleep(SETTLE).await;
    let alone = share(&control, LASTS / 4).await?;
    let mut tasks = JoinSet::new();
    for number in 0..WORKERS {
        let mut waits = control.worker(&format!("worker-{number}")).await?;
        let mut beats = control.worker(&format!("heart-{number}")).await?;
        beats.id.clone_from(&waits.id);
        let id = waits.id.clone();
        let mut follows = Connection::open(control.address, &control.worker_token).await?;
        let every = Duration::from_millis(beats.heartbeat_interval_ms);
        tasks.spawn(async move {
            loop {
                let held = waits.acquire(WAIT_MS).await?;
                ensure!(held.is_none(), "nothing was submitted");
            }
        });
        tasks.spawn(async move {
            loop {
                tokio::time::sleep(every).await;
                beats.heartbeat().await?;
            }
        });
        tasks.spawn(async move {
            let path = format!("/api/worker/v1/commands?worker={id}");
            let mut stream = follows.stream(&path, None).await?;
            while let Some(frame) = stream.frame().await {
                frame?;
            }
            anyhow::bail!("the stream of commands ended")
        });
    }
    tokio::time::sleep(SETTLE).await;
    let with_workers = share(&control, LASTS).await?;
    if let Some(ended) = tasks.try_join_next() {
        ended.context("a worker panicked")??;
    }
    Ok((alone, with_workers))
}

async fn share(control: &Control, lasts: Duration) -> Result<f64> {
    let (before, begin) = (processor_time(control.pid())?, Instant::now());
    tokio::time::sleep(lasts).await;
    let used = processor_time(control.pid())? - before;
    Ok(100.0 * used.as_secs_f64() / begin.elapsed().as_secs_f64())
}

fn report(judge: &Judge, alone: f64, with_workers: f64) {
    println!("  the server alone: {alone:.2} % of a core");
    judge.judge(
        Bar::AtMost(2.0),
        &format!("with {WORKERS} idle workers, % of a core"),
        with_workers,
    );
    println!();
}
