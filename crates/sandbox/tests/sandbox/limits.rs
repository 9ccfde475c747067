//! Processes, processor time, what is left of groups, and whether others notice.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use outwork_sandbox::{
    Cgroup, Consequence, ExitStatus, Group, GroupPart, GroupVersion, LimitKind, Sandbox, Step,
    probe, sweep_groups,
};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::harness::{
    directory, eventually, finish, is_root, launcher, launcher_for_everybody, line, python, shell,
    start_worker, within,
};
use crate::limited::{By, by_groups, each};

#[tokio::test]
async fn a_fork_bomb_meets_the_limit_and_the_sandbox_goes_on() {
    for by in each() {
        let mut spec = python(
            "
import errno, os, signal, subprocess, time
pids = []
try:
    while len(pids) < 500:
        pid = os.fork()
        if pid == 0: signal.pause()
        pids.append(pid)
except OSError as e: print(errno.errorcode[e.errno], len(pids))
time.sleep(0.5)
for pid in pids: os.kill(pid, signal.SIGKILL); os.waitpid(pid, 0)
print(subprocess.run(['echo', 'usable'], capture_output=True, text=True).stdout, end='')",
        );
        spec.limits.processes = 60;
        let ended = by.run(&spec).await;
        let (forks, after) = ended.stdout.split_once('\n').unwrap();
        let forks: u32 = forks.strip_prefix("EAGAIN ").expect(forks).parse().unwrap();
        assert!((55..60).contains(&forks), "{by:?}: {forks}");
        assert_eq!(after, "usable\n", "{by:?}");
        let hit = &ended.hits[0];
        assert_eq!(
            (hit.kind, hit.limit, hit.consequence, hit.command.as_deref()),
            (
                LimitKind::Processes,
                60,
                Consequence::Refused,
                Some("python3")
            ),
            "{by:?}"
        );
        assert_eq!(ended.hit, None, "{by:?}: the command ended by itself");
    }
}

#[tokio::test]
async fn processor_time_is_shared_out() {
    for by in each() {
        let mut spec = python(
            "
import errno, os, time
def burn():
    begin = time.monotonic()
    while time.monotonic() < begin + 1.5: pass
pids = []
for n in range(3):
    pid = os.fork()
    if pid == 0: burn(); os._exit(0)
    pids.append(pid)
for pid in pids: os.waitpid(pid, 0)
used = os.times()
print(len(os.sched_getaffinity(0)), used.children_user + used.children_system)
try: print('moved', os.sched_setaffinity(0, range(os.cpu_count())))
except OSError as e: print(errno.errorcode[e.errno])",
        );
        spec.limits.cpu_millis = Some(500);
        let held = by_groups(&by.plan(&spec)) && by == By::Machine;
        let ended = by.run(&spec).await;
        let lines: Vec<&str> = ended.stdout.lines().collect();
        let (processors, used) = lines[0].split_once(' ').unwrap();
        let used: f64 = used.parse().unwrap();
        if held {
            assert!(used < 1.5 * 0.5 * 1.4, "{by:?}: {used} s");
        } else {
            // A part of a processor cannot be held: it is rounded up, as the plan says.
            assert_eq!((processors, lines[1]), ("1", "EPERM"), "{by:?}");
            assert!(used < 1.5 * 1.2, "{by:?}: {used} s");
        }
    }
}

/// Directories of sandboxes in the worker's groups.
fn groups(cgroup: &Cgroup) -> Vec<PathBuf> {
    let Cgroup::V1 {
        memory: Some(parent),
        ..
    } = cgroup
    else {
        return Vec::new();
    };
    let entries = std::fs::read_dir(parent).unwrap().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| path.to_string_lossy().contains("outwork-sandbox-"))
        .collect()
}

fn of(launcher: u32, cgroup: &Cgroup) -> Vec<PathBuf> {
    let mut all = groups(cgroup);
    all.retain(|path| path.to_string_lossy().contains(&format!("-{launcher}-")));
    all
}

#[tokio::test]
async fn a_group_lasts_as_long_as_its_sandbox() {
    let cgroup = probe().cgroup;
    let mut spec = shell("cat /proc/self/cgroup; read line");
    spec.stdin = outwork_sandbox::Stdin::Piped;
    spec.limits.memory_bytes = Some(64 << 20);
    let mut running = By::Machine.spawn(&spec).await;
    let launcher = running.launcher_pid().unwrap();
    let is_v1 = matches!(
        &cgroup,
        Cgroup::V1 {
            memory: Some(_),
            ..
        }
    );
    assert_eq!(of(launcher, &cgroup).len(), usize::from(is_v1));
    // The sandbox sees itself at the top.
    let mut lines = BufReader::new(running.stdout.take().unwrap()).lines();
    let first = within("a line", lines.next_line()).await.unwrap().unwrap();
    assert!(!first.contains("outwork"), "{first}");
    assert!(!first.contains(".."), "{first}");
    sweep_groups(&cgroup);
    assert_eq!(
        of(launcher, &cgroup).len(),
        usize::from(is_v1),
        "it is in use"
    );
    drop(running.stdin.take());
    within("the end", running.wait()).await.unwrap();
    assert_eq!(of(launcher, &cgroup), [] as [PathBuf; 0]);
}

/// Version 2 is joined by being born there. Where it is not mounted, a plain directory must not be taken for a group.
#[tokio::test]
async fn a_group_of_version_2_is_joined_at_birth() {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    let mounted = mounts.lines().find_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (at, kind) = (words.next()?, words.next()?);
        (kind == "cgroup2").then(|| PathBuf::from(at))
    });
    let plain = directory();
    let mut plan = By::Watching.plan(&shell("cat /proc/self/cgroup"));
    let group = |parent: PathBuf| Group {
        version: GroupVersion::V2,
        parts: vec![GroupPart {
            parent,
            settings: Vec::new(),
        }],
    };
    plan.holds.group = Some(group(plain.path().to_owned()));
    let error = Sandbox::spawn(plan.clone(), launcher()).await.unwrap_err();
    assert_eq!(error.step, Step::CreateNamespaces, "{error}");
    assert_eq!(std::fs::read_dir(plain.path()).unwrap().count(), 0);

    let Some(mounted) = mounted.filter(|_| is_root()) else {
        return;
    };
    plan.holds.group = Some(group(mounted.clone()));
    let mut running = Sandbox::spawn(plan, launcher()).await.unwrap();
    let pid = running.launcher_pid().unwrap().to_string();
    let output = within("the end", finish(&mut running)).await;
    assert!(
        output.stdout.lines().any(|line| line == "0::/"),
        "{output:?}"
    );
    let left = std::fs::read_dir(mounted).unwrap().flatten();
    let left: Vec<_> = left
        .map(|entry| entry.file_name())
        .filter(|name| name.to_string_lossy().contains(&format!("-{pid}-")))
        .collect();
    assert_eq!(left, [""; 0]);
}

/// A launcher that outlives its worker removes its group; one that does not leaves it to the next sweep.
#[tokio::test]
async fn groups_of_a_worker_that_was_killed_are_removed() {
    let cgroup = probe().cgroup;
    for with_launcher in [false, true] {
        let dir = directory();
        let program = launcher_for_everybody(dir.path());
        let mut spec = shell("sleep 1000");
        spec.limits.memory_bytes = Some(64 << 20);
        let mut worker = start_worker(&program, dir.path(), &spec, false);
        let mut lines = BufReader::new(worker.stdout.take().unwrap()).lines();
        let started = line(&mut lines).await;
        let launcher = u32::try_from(started["launcher"].as_u64().unwrap()).unwrap();
        if with_launcher {
            let launcher = rustix::process::Pid::from_raw(launcher.cast_signed()).unwrap();
            rustix::process::kill_process(launcher, rustix::process::Signal::KILL).unwrap();
        }
        worker.start_kill().unwrap();
        within("the worker", worker.wait()).await.unwrap();
        eventually("its group to be gone", || {
            if with_launcher {
                sweep_groups(&cgroup);
            }
            match &*of(launcher, &cgroup) {
                [] => Ok(()),
                left => Err(format!("{left:?}")),
            }
        })
        .await;
    }
}

/// A neighbour's beats and the worker's own, while a sandbox does its worst.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neighbour_and_worker_go_on_beside_a_bomb() {
    const LONGEST_SILENCE: Duration = Duration::from_secs(3);
    let bombs = [
        "
while True:
    try: os.fork()
    except OSError: pass",
        "
for n in range(8): os.fork()
m = mmap.mmap(-1, 1 << 30, flags=mmap.MAP_PRIVATE)
for n in range(1 << 18): m[n * 4096] = 1",
        "
for n in range(5): os.fork()
while True: pass",
        "
n = 0
while True:
    n += 1
    with open(f'/workspace/{n}', 'wb') as f: f.write(b'x' * 100_000)",
    ];
    for by in [By::Machine, By::Watching] {
        let mut neighbour = by
            .spawn(&python(
                "import time\nwhile True: print(time.monotonic(), flush=True); time.sleep(0.02)",
            ))
            .await;
        let mut beats = BufReader::new(neighbour.stdout.take().unwrap()).lines();
        for bomb in bombs {
            let mut spec = python(&format!("import mmap, os\n{bomb}"));
            spec.limits.processes = 100;
            spec.limits.memory_bytes = Some(192 << 20);
            spec.limits.cpu_millis = Some(1000);
            spec.limits.disk_bytes = Some(64 << 20);
            let _workspace = by.workspace(&mut spec);
            let mut running = by.spawn(&spec).await;
            let killer = running.killer();
            let until = Instant::now() + Duration::from_secs(2);
            let mut last = Instant::now();
            while Instant::now() < until {
                let beat = tokio::time::timeout(LONGEST_SILENCE, beats.next_line()).await;
                assert!(
                    beat.is_ok_and(|line| line.unwrap().is_some()),
                    "{by:?}: {bomb}"
                );
                assert!(last.elapsed() < LONGEST_SILENCE, "{by:?}: {bomb}");
                last = Instant::now();
            }
            killer.kill();
            let status = within("the end", running.wait()).await.unwrap();
            assert!(!matches!(status, ExitStatus::Code(0)), "{by:?}: {bomb}");
        }
        neighbour.kill().await.unwrap();
    }
}
