//! How long it takes from `kill()` until every process of a sandbox is gone, for daemons that forked twice, have sessions of
//! their own, ignore signals, and are stopped: `cargo run --example kill [ROUNDS]`.
//!
//! Needs the launcher beside it: `cargo build --bin outwork-sandbox-init`.
#![allow(clippy::print_stdout)] // It is what the program is for.

use std::time::{Duration, Instant};

use anyhow::Context;
use outwork_sandbox::{Sandbox, Spec, plan, probe};
use tokio::io::AsyncReadExt;

const READY: &[u8] = b"ready\n";

fn main() -> anyhow::Result<()> {
    let rounds: usize = std::env::args()
        .nth(1)
        .map_or(Ok(20), |rounds| rounds.parse())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    for count in [1, 100, 400] {
        let mut times = Vec::new();
        for _ in 0..rounds {
            times.push(runtime.block_on(round(count))?);
        }
        times.sort();
        let at = |percent: usize| times[(times.len() - 1) * percent / 100].as_secs_f64() * 1000.0;
        let (median, most) = (at(50), at(100));
        println!("{count} daemons: n={rounds} median {median:.1} max {most:.1} ms");
    }
    Ok(())
}

async fn round(count: u32) -> anyhow::Result<Duration> {
    let script = format!(
        "n=0; while [ $n -lt {count} ]; do n=$((n + 1))
            (setsid sh -c 'trap \"\" HUP INT TERM; [ $(($0 % 2)) = 0 ] || kill -STOP $$; sleep 1000' $n &) </dev/null >/dev/null 2>&1
        done; echo ready; sleep 1000"
    );
    let launcher = std::env::current_exe()?
        .ancestors()
        .nth(2)
        .context("the example lies in target/…/examples")?
        .join("outwork-sandbox-init");
    let mut spec = Spec::new(["sh", "-c", &script]);
    spec.limits.processes = 2000;
    let mut running = Sandbox::spawn(plan(&spec, &probe())?, &launcher).await?;
    let mut line = [0; READY.len()];
    let stdout = running.stdout.as_mut().context("it is piped")?;
    stdout.read_exact(&mut line).await?;
    let begin = Instant::now();
    running.kill().await?;
    let time = begin.elapsed();
    let left = running.pid_namespace().processes();
    anyhow::ensure!(left.is_empty(), "left: {left:?}");
    Ok(time)
}
