//! How long a command takes with each backend, from asking to its end, in turn: `cargo run --example backends [COUNT]`.
//! First whether each works here, and what it means for those who trust it.
//!
//! Needs the launcher beside it: `cargo build --bin outwork-sandbox-init`.
#![allow(clippy::print_stdout)] // It is what the program is for.

use std::time::{Duration, Instant};

use anyhow::Context;
use outwork_sandbox::{Backend, Sandbox, Spec, probe};

const BACKENDS: [&str; 4] = ["namespaces", "oci:crun", "oci:runc", "oci:runsc"];

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let count: usize = std::env::args()
        .nth(1)
        .map_or(Ok(20), |count| count.parse())?;
    let example = std::env::current_exe()?;
    let launcher = example
        .ancestors()
        .nth(2)
        .context("the example lies in target/…/examples")?
        .join("outwork-sandbox-init");
    let capabilities = probe();
    let spec = Spec::new(["/bin/true"]);
    let mut installed = Vec::new();
    for name in BACKENDS {
        match name.parse::<Backend>() {
            Ok(backend) => {
                match backend.probe(&capabilities, &launcher, spec.uid_base).await {
                    Ok(()) => println!("{name}: works. {}", backend.kernel().sentence()),
                    Err(unusable) => println!("{unusable}\n  {}", unusable.remedy),
                }
                installed.push((backend, Vec::new()));
            }
            Err(error) => println!("{name}: {error}"),
        }
    }
    for _ in 0..count {
        for (backend, times) in &mut installed {
            let plan = backend.plan(&spec, &capabilities)?;
            let begin = Instant::now();
            let mut running = Sandbox::spawn(plan, &launcher).await?;
            let started = begin.elapsed();
            running.wait().await?;
            times.push((started, begin.elapsed()));
        }
    }
    for (backend, mut times) in installed {
        times.sort();
        let [best, middle] = [0, times.len() / 2].map(|index| times.get(index).copied());
        let (Some(best), Some(middle)) = (best, middle) else {
            continue;
        };
        println!(
            "{backend}: n={} spawn to exec median {:.1} (best {:.1}), to the end {:.1} ({:.1}) ms",
            times.len(),
            milliseconds(middle.0),
            milliseconds(best.0),
            milliseconds(middle.1),
            milliseconds(best.1)
        );
    }
    Ok(())
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
