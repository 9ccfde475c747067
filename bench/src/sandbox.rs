//! The start of a fully confined sandbox beside `bwrap` with everything unshared, and what an idle one
//! keeps in memory.
//!
//! Ours has all that an attempt has: namespaces, ids of its own, an overlay as its root, the filter of
//! system calls, Landlock, and one forwarded port; and once more with the three overlays that an attempt
//! has on the host's own system. `bwrap` has the host's tree read-only and none of the others. All run
//! `/bin/true`, and time runs until its end is known.

mod confined;
mod memory;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use outwork_sandbox::{Capabilities, Launchers, plan, probe};
use tokio::runtime::Runtime;

use crate::Bench;
use crate::stats::{Bar, Series};
use confined::{Confined, System};

/// The role in which this program starts itself again as an ordinary user.
pub(crate) const ORDINARY_ROLE: &str = "sandbox-starts";
/// An id without an account: nothing on this machine is its own.
const ORDINARY_ID: u32 = 54_321;
const ROUNDS: usize = 200;
const WARM_UP: usize = 5;
/// Before each start, until what the one before left to do is done.
const SETTLING: Duration = Duration::from_millis(5);

pub(crate) fn run(bench: &Bench) -> Result<()> {
    println!("A fully confined sandbox, from asking to the end of /bin/true");
    if fs::metadata("/proc/self")?.uid() == 0 {
        starts(&bench.outwork, &bench.scratch, "root")?;
        as_ordinary_user(bench)?;
    } else {
        starts(&bench.outwork, &bench.scratch, "an ordinary user")?;
    }
    memory::run(bench)
}

/// The role: `sandbox-starts LAUNCHER DIRECTORY`.
pub(crate) fn ordinary(arguments: &[String]) -> Result<()> {
    let [launcher, directory] = arguments else {
        anyhow::bail!("{ORDINARY_ROLE} LAUNCHER DIRECTORY");
    };
    starts(
        Path::new(launcher),
        Path::new(directory),
        "an ordinary user",
    )
}

/// Copies of the programs, where the user can reach them.
fn as_ordinary_user(bench: &Bench) -> Result<()> {
    let directory = tempfile::tempdir_in("/var/tmp")?;
    let path = directory.path();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    let (launcher, own) = (path.join("outwork"), path.join("bench"));
    fs::copy(&bench.outwork, &launcher)?;
    fs::copy(std::env::current_exe()?, &own)?;
    let scratch = path.join("scratch");
    fs::create_dir(&scratch)?;
    std::os::unix::fs::chown(&scratch, Some(ORDINARY_ID), Some(ORDINARY_ID))?;
    let status = Command::new(&own)
        .args([
            ORDINARY_ROLE.as_ref(),
            launcher.as_os_str(),
            scratch.as_os_str(),
        ])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .current_dir("/")
        .uid(ORDINARY_ID)
        .gid(ORDINARY_ID)
        .status()?;
    ensure!(status.success(), "the rounds of an ordinary user failed");
    Ok(())
}

fn starts(launcher: &Path, scratch: &Path, who: &str) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let capabilities = probe();
    let directory = tempfile::tempdir_in(scratch)?;
    let systems = [System::Own, System::Hosts];
    let mut confined = Vec::new();
    for system in systems {
        let path = made(directory.path(), system.words())?;
        let one = Confined::new(&path, &capabilities, system)?;
        runtime.block_on(one.check(launcher))?;
        confined.push(one);
    }
    // One waits for the next sandbox, as in a worker.
    let launchers = Launchers::new(launcher.to_owned());
    let mut ours = systems.map(|_| Series::default());
    let mut peer = Series::default();
    for round in 0..ROUNDS + WARM_UP {
        for (confined, ours) in confined.iter().zip(&mut ours) {
            let own = start(&runtime, &capabilities, confined, &launchers, round)?;
            if round >= WARM_UP {
                ours.push(own);
            }
        }
        let other = bwrap()?;
        if round >= WARM_UP {
            peer.push(other);
        }
    }
    for (system, ours) in systems.iter().zip(&ours) {
        let words = system.words();
        println!("{}", ours.row(&format!("Outwork, {words}, as {who}")));
    }
    println!("{}", peer.row(&format!("bwrap --unshare-all, as {who}")));
    let [own, hosts] = &ours;
    Bar::AtMost(1.5).report("ratio of the medians", own.ratio(&peer));
    println!("  the same with three overlays: {:.2}", hosts.ratio(&peer));
    let p99 = own.percentile(99).as_secs_f64() * 1000.0;
    Bar::AtMost(25.0).report("99th percentile of Outwork, in ms", p99);
    Ok(())
}

/// The directories are the caller's to make and are not part of it: a worker makes them while it
/// prepares the attempt.
fn start(
    runtime: &Runtime,
    capabilities: &Capabilities,
    confined: &Confined<'_>,
    launchers: &Launchers,
    round: usize,
) -> Result<Duration> {
    let spec = confined.spec(&format!("round-{round}"), ["/bin/true"])?;
    runtime.block_on(async {
        launchers.prepare();
        std::thread::sleep(SETTLING);
        let begin = Instant::now();
        let plan = plan(&spec, capabilities)?;
        let mut running = launchers.spawn(plan).await?;
        let status = running.wait().await?;
        let took = begin.elapsed();
        ensure!(status.success(), "/bin/true ended with {status:?}");
        Ok(took)
    })
}

fn bwrap() -> Result<Duration> {
    std::thread::sleep(SETTLING);
    let begin = Instant::now();
    let status = Command::new("bwrap")
        .args(["--unshare-all", "--ro-bind", "/", "/", "--dev", "/dev"])
        .args(["--proc", "/proc", "--tmpfs", "/tmp", "/bin/true"])
        .current_dir("/")
        .stdin(Stdio::null())
        .status()
        .context("bwrap cannot be started; scripts/bench installs bubblewrap")?;
    let took = begin.elapsed();
    ensure!(status.success(), "bwrap ended with {status}");
    Ok(took)
}

/// All processes that come from this one, with their names.
fn descendants() -> Result<Vec<(u32, String)>> {
    let mut processes = Vec::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        // One that ended meanwhile is of no interest.
        if let Ok(stat) = fs::read_to_string(entry.path().join("stat"))
            && let Some(process) = process(pid, &stat)
        {
            processes.push(process);
        }
    }
    let mut found = Vec::new();
    let mut parents = vec![std::process::id()];
    while let Some(parent) = parents.pop() {
        for (pid, _, name) in processes.iter().filter(|(_, of, _)| *of == parent) {
            found.push((*pid, name.clone()));
            parents.push(*pid);
        }
    }
    Ok(found)
}

/// Its number, its parent's, and its name, which may have spaces and brackets.
fn process(pid: u32, stat: &str) -> Option<(u32, u32, String)> {
    let (before, after) = stat.rsplit_once(')')?;
    let name = before.split_once('(')?.1.to_owned();
    let parent = after.split_whitespace().nth(1)?.parse().ok()?;
    Some((pid, parent, name))
}

/// Asks ext4 to put each directory in here into another part of the disk. Where many files were deleted
/// it looks long for a number for a new one, and mounting an overlay makes seven. File systems that
/// cannot be asked need not be.
fn spread(directory: &Path) -> Result<()> {
    let mut chattr = Command::new("chattr");
    chattr.arg("+T").arg(directory);
    let _ = chattr.stderr(Stdio::null()).status().context("chattr")?;
    Ok(())
}

/// Below which a directory is made for each sandbox.
fn made(parent: &Path, name: &str) -> Result<PathBuf> {
    let path = parent.join(name);
    fs::create_dir_all(&path)?;
    Ok(path)
}
