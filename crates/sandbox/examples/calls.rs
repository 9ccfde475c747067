//! What the system call filter costs: the time of a call that is always allowed, of one whose arguments are looked at, and
//! of one that is refused, without a sandbox and in one. `cargo run --release --example calls`.
//!
//! Needs the launcher beside it: `cargo build --release --bin outwork-sandbox-init`.
#![allow(clippy::print_stdout)] // It is what the program is for.

use std::hint::black_box;
use std::time::Instant;

use anyhow::Context;
use outwork_sandbox::{Mount, Sandbox, Spec, plan, probe};
use tokio::io::AsyncReadExt;

const ROUNDS: u32 = 1_000_000;

fn main() -> anyhow::Result<()> {
    if std::env::args().nth(1).is_some() {
        measure();
        return Ok(());
    }
    println!("without a sandbox:");
    measure();
    println!("in a sandbox:");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    print!("{}", runtime.block_on(inside())?);
    Ok(())
}

fn measure() {
    let time = |name: &str, call: &dyn Fn()| {
        let begin = Instant::now();
        for _ in 0..ROUNDS {
            call();
        }
        let nanoseconds = begin.elapsed().as_nanos() / u128::from(ROUNDS);
        println!("  {name}: {nanoseconds} ns");
    };
    time("getpid", &|| {
        black_box(rustix::process::getpid());
    });
    let input = std::io::stdin();
    time("ioctl", &|| {
        black_box(rustix::io::ioctl_fionread(&input)).ok();
    });
    // Of no directory, so that it fails also where it is allowed.
    time("chroot", &|| {
        black_box(rustix::process::chroot(c"")).ok();
    });
}

async fn inside() -> anyhow::Result<String> {
    let program = std::env::current_exe()?;
    let launcher = program
        .ancestors()
        .nth(2)
        .context("the example lies in target/…/examples")?
        .join("outwork-sandbox-init");
    let mut spec = Spec::new(["/calls", "measure"]);
    spec.mounts.push(Mount::ReadOnlyBind {
        source: program,
        target: "/calls".into(),
    });
    let mut running = Sandbox::spawn(plan(&spec, &probe())?, &launcher).await?;
    let mut said = String::new();
    let mut stdout = running.stdout.take().context("it is piped")?;
    stdout.read_to_string(&mut said).await?;
    running.wait().await?;
    Ok(said)
}
