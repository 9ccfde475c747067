//! How long a sandbox takes, from asking to the command's end, with the host's system read-only, with layers that can be
//! written, and with limits: `cargo run --example start [COUNT]`. Beside them, in turn, what bubblewrap takes for less, if it
//! is installed.
//!
//! Needs the launcher beside it: `cargo build --bin outwork-sandbox-init`.
#![allow(clippy::print_stdout)] // It is what the program is for.

use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context;
use outwork_sandbox::{
    Capabilities, LayerIds, Lower, Mount, Overlay, Sandbox, Spec, SystemRoot, plan, probe,
    stored_owner,
};

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
        "probe: {:.2} ms, {:?}, overlays {:?}",
        milliseconds(before_probe.elapsed()),
        capabilities.privilege,
        capabilities.overlay
    );
    let directory = tempfile::tempdir()?;
    spread(directory.path());
    let (mut read_only, mut layered, mut limited) =
        (Times::default(), Times::default(), Times::default());
    let mut bubblewrap = Times::default();
    for round in 0..count + 5 {
        let attempt = directory.path().join(round.to_string());
        let specs = [
            Spec::new(["/bin/true"]),
            layers(&attempt, &capabilities)?,
            limits(layers(&attempt.join("limited"), &capabilities)?),
        ];
        let all = [&mut read_only, &mut layered, &mut limited];
        for (spec, times) in specs.iter().zip(all) {
            let plan = plan(spec, &capabilities)?;
            let time = runtime.block_on(async {
                let begin = Instant::now();
                let mut running = Sandbox::spawn(plan, &launcher).await?;
                let started = begin.elapsed();
                running.wait().await?;
                anyhow::Ok((started, begin.elapsed()))
            })?;
            if round >= 5 {
                times.starts.push(time.0);
                times.ends.push(time.1);
            }
        }
        if round >= 5
            && let Some(time) = bubblewrap_time()?
        {
            bubblewrap.ends.push(time);
        }
    }
    read_only.report("the host's system, read-only");
    layered.report("three overlays: /, /usr/local, /opt");
    let plan = plan(&limits(Spec::new(["/bin/true"])), &capabilities)?;
    limited.report(&format!(
        "the same with limits: {}",
        plan.holds.lines().join("; ")
    ));
    bubblewrap.report("bubblewrap, the whole host read-only, no filter");
    Ok(())
}

/// From asking to the end.
fn bubblewrap_time() -> anyhow::Result<Option<Duration>> {
    const PROGRAM: &str = "/usr/bin/bwrap";
    if !Path::new(PROGRAM).exists() {
        return Ok(None);
    }
    let arguments = "--unshare-all --die-with-parent --ro-bind / / --proc /proc --dev /dev --tmpfs /tmp /bin/true";
    let mut command = Command::new(PROGRAM);
    command.args(arguments.split(' '));
    let begin = Instant::now();
    let status = command.status()?;
    anyhow::ensure!(status.success(), "bubblewrap: {status}");
    Ok(Some(begin.elapsed()))
}

/// Ask ext4 to put each directory in here into another part of the disk. Where many files were deleted it looks long for a
/// number for a new one (0.6 ms instead of 0.01), and mounting an overlay makes seven.
fn spread(directory: &Path) {
    let spread = || {
        let flags = rustix::fs::OFlags::RDONLY;
        let file = rustix::fs::open(directory, flags, rustix::fs::Mode::empty())?;
        let flags = rustix::fs::ioctl_getflags(&file)?;
        rustix::fs::ioctl_setflags(&file, flags | rustix::fs::IFlags::TOPDIR)
    };
    if let Err::<(), rustix::io::Errno>(error) = spread() {
        println!("cannot spread directories: {error}");
    }
}

/// What a worker without images does: its own system below directories of its own, of which three can be written.
fn layers(attempt: &Path, capabilities: &Capabilities) -> anyhow::Result<Spec> {
    let mut spec = Spec::new(["/bin/true"]);
    let (uid, gid) = stored_owner(capabilities, spec.store_uid_base, 0, 0);
    let make = |name: &str| -> anyhow::Result<PathBuf> {
        let path = attempt.join(name);
        std::fs::create_dir_all(&path)?;
        chown(&path, Some(uid), Some(gid))?;
        Ok(path)
    };
    let overlay = |name: &str, lower: Lower| -> anyhow::Result<Overlay> {
        Ok(Overlay {
            lowers: vec![lower],
            upper: make(&format!("{name}.upper"))?,
            work: make(&format!("{name}.work"))?,
        })
    };
    let host = |path: &str| Lower {
        path: path.into(),
        ids: LayerIds::Host,
    };
    let (usr_local, opt) = (
        overlay("usr-local", host("/usr/local"))?,
        overlay("opt", host("/opt"))?,
    );
    let skeleton = make("skeleton")?;
    for name in ["etc", "usr", "opt", "proc", "sys", "dev", "tmp", "var"] {
        make(&format!("skeleton/{name}"))?;
    }
    let stored = Lower {
        path: skeleton,
        ids: LayerIds::Stored,
    };
    let root = overlay("root", stored)?;
    let mut mounts = Vec::new();
    for name in ["bin", "lib", "lib64", "sbin", "usr"] {
        let path = Path::new("/").join(name);
        if let Ok(points_to) = std::fs::read_link(&path) {
            let target = path;
            mounts.push(Mount::Symlink { points_to, target });
        } else if path.is_dir() {
            let source = path.clone();
            let target = path;
            mounts.push(Mount::ReadOnlyBind { source, target });
        }
    }
    for (overlay, target) in [(usr_local, "/usr/local"), (opt, "/opt")] {
        let target = PathBuf::from(target);
        mounts.push(Mount::Overlay { overlay, target });
    }
    spec.system = SystemRoot::Overlay(root);
    spec.mounts.splice(0..0, mounts);
    Ok(spec)
}

/// Every one that there is.
fn limits(mut spec: Spec) -> Spec {
    spec.limits.memory_bytes = Some(4 << 30);
    spec.limits.cpu_millis = Some(2000);
    spec.limits.disk_bytes = Some(10 << 30);
    spec.limits.disk_files = Some(200_000);
    spec
}

#[derive(Default)]
struct Times {
    starts: Vec<Duration>,
    ends: Vec<Duration>,
}

impl Times {
    fn report(self, what: &str) {
        println!("{what}:");
        report("  spawn to exec", self.starts);
        report("  spawn to end", self.ends);
    }
}

fn report(name: &str, mut times: Vec<Duration>) {
    if times.is_empty() {
        return;
    }
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
