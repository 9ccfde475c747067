//! How long a sandbox takes, from asking to the command's end: `cargo run --example start [COUNT]`.
//!
//! Needs the launcher beside it: `cargo build --bin outwork-sandbox-init`.
#![allow(clippy::print_stdout)] // It is what the program is for.

use std::time::{Duration, Instant};

use anyhow::Context;
use outwork_sandbox::{Sandbox, Spec, plan, probe};

fn main() -> anyhow::Result<()> {
    let count: usize = std::env::args()
        .nth(1)
        .map_or(Ok(100), |count| count.parse())?;
    let example = std::env::current_exe()?;
    let launcher = example
        .ancestors()
        .nth(2)
        .context("the example lies in target/…/examples")?
        .join("outwork-sandbox-init");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let before_probe = Instant::now();
    let capabilities = probe();
    println!(
        "probe: {:.2} ms, {:?}",
        milliseconds(before_probe.elapsed()),
        capabilities.privilege
    );
    let plan = plan(&Spec::new(["/bin/true"]), &capabilities)?;
    let (mut starts, mut ends) = (Vec::new(), Vec::new());
    for round in 0..count + 5 {
        let (started, ended) = runtime.block_on(async {
            let begin = Instant::now();
            let mut running = Sandbox::spawn(plan.clone(), &launcher).await?;
            let started = begin.elapsed();
            running.wait().await?;
            anyhow::Ok((started, begin.elapsed()))
        })?;
        if round >= 5 {
            starts.push(started);
            ends.push(ended);
        }
    }
    report("spawn to exec", starts);
    report("spawn to end", ends);
    Ok(())
}

fn report(name: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |percent: usize| milliseconds(times[(times.len() - 1) * percent / 100]);
    println!(
        "{name}: n={} min {:.2} median {:.2} p90 {:.2} max {:.2} ms",
        times.len(),
        at(0),
        at(50),
        at(90),
        at(100)
    );
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
