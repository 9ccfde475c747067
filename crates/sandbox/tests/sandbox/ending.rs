//! However a sandbox ends, nothing of it is left.

use std::time::Duration;

use outwork_sandbox::{ExitStatus, PidNamespace, Running, Sandbox, Spec, plan, probe};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

use crate::harness::{
    daemons, directory, eventually, finish, launcher_for_everybody, python, shell, spawn, within,
};

/// Started, and all its daemons there.
async fn started(spec: &Spec) -> Running {
    let mut running = spawn(spec).await.unwrap();
    // Exactly this line: what follows belongs to the test.
    let mut line = [0; b"ready\n".len()];
    let stdout = running.stdout.as_mut().unwrap();
    within("the daemons", stdout.read_exact(&mut line))
        .await
        .unwrap();
    assert_eq!(&line, b"ready\n");
    running
}

/// The first process, the command and five daemons.
fn assert_full(namespace: PidNamespace) {
    let inside = namespace.processes().len();
    assert!(inside >= 6, "only {inside} processes are inside");
}

fn assert_empty(namespace: PidNamespace) {
    assert_eq!(namespace.processes(), [] as [u32; 0]);
}

async fn becomes_empty(namespace: PidNamespace) {
    eventually("the sandbox to be empty", || {
        match &*namespace.processes() {
            [] => Ok(()),
            left => Err(format!("{left:?}")),
        }
    })
    .await;
}

#[tokio::test]
async fn daemons_end_with_the_command() {
    let mut running = started(&daemons(5, "sys.exit(3)")).await;
    assert_eq!(
        within("the end", finish(&mut running)).await.status,
        ExitStatus::Code(3)
    );
    assert_empty(running.pid_namespace());
    assert_eq!(
        within("the end again", running.wait()).await,
        Ok(ExitStatus::Code(3))
    );
}

#[tokio::test]
async fn kill_leaves_nothing() {
    for count in [1, 100] {
        let mut running = started(&daemons(count, "time.sleep(1000)")).await;
        let namespace = running.pid_namespace();
        assert!(namespace.processes().len() > count as usize, "{count}");
        assert_eq!(
            within("the end", running.kill()).await,
            Ok(ExitStatus::Signal(9))
        );
        assert_empty(namespace);
    }
}

#[tokio::test]
async fn a_wait_that_is_given_up_loses_nothing() {
    let mut running = started(&daemons(5, "sys.stdin.read(); sys.exit(4)")).await;
    let killer = running.killer();
    let given_up = tokio::time::timeout(Duration::ZERO, running.wait()).await;
    drop(given_up);
    killer.kill();
    within("the end", running.wait()).await.unwrap();
    assert_empty(running.pid_namespace());
    killer.kill();
}

#[tokio::test]
async fn dropping_leaves_nothing() {
    let running = started(&daemons(5, "time.sleep(1000)")).await;
    let namespace = running.pid_namespace();
    assert_full(namespace);
    drop(running);
    becomes_empty(namespace).await;
}

#[tokio::test]
async fn killing_the_launcher_leaves_nothing() {
    let mut running = started(&daemons(5, "time.sleep(1000)")).await;
    assert_full(running.pid_namespace());
    let launcher = i32::try_from(running.launcher_pid().unwrap()).unwrap();
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(launcher).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
    assert_eq!(
        within("the end", running.wait()).await,
        Ok(ExitStatus::Signal(9))
    );
    assert_empty(running.pid_namespace());
}

/// Given up at many moments between nothing and a running command.
#[tokio::test]
async fn a_spawn_that_is_given_up_leaves_nothing() {
    let dir = directory();
    let launcher = launcher_for_everybody(dir.path());
    let marker = launcher.to_string_lossy().into_owned();
    let plan = plan(&shell(&format!("sleep 1000; : {marker}")), &probe()).unwrap();
    for step in 0..60 {
        let patience = Duration::from_micros(step * 500);
        drop(tokio::time::timeout(patience, Sandbox::spawn(plan.clone(), &launcher)).await);
    }
    eventually("no trace of the sandboxes", || {
        let commands = std::fs::read_dir("/proc")
            .unwrap()
            .flatten()
            .filter_map(|entry| {
                Some(
                    String::from_utf8_lossy(&std::fs::read(entry.path().join("cmdline")).ok()?)
                        .replace('\0', " "),
                )
            });
        let left: Vec<String> = commands
            .filter(|command| command.contains(&marker))
            .collect();
        if left.is_empty() {
            Ok(())
        } else {
            Err(format!("{left:?}"))
        }
    })
    .await;
}

#[tokio::test]
async fn a_signal_reaches_the_commands_group_only() {
    let mut running = started(&daemons(
        5,
        "
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
child = os.fork()
if child: print('armed', flush=True)
signal.sigwait([signal.SIGTERM])
if child == 0:
    print('child', flush=True)
    os._exit(0)
os.waitpid(child, 0)
print('parent', flush=True)
sys.exit(5)",
    ))
    .await;
    let mut lines = BufReader::new(running.stdout.take().unwrap()).lines();
    assert_eq!(
        within("the handler", lines.next_line())
            .await
            .unwrap()
            .as_deref(),
        Some("armed")
    );
    running.signal(15).unwrap();
    assert_eq!(
        within("the end", running.wait()).await,
        Ok(ExitStatus::Code(5))
    );
    let mut said = Vec::new();
    while let Some(line) = within("output", lines.next_line()).await.unwrap() {
        said.push(line);
    }
    assert_eq!(said, ["child", "parent"]);
    assert_empty(running.pid_namespace());
}

#[tokio::test]
async fn orphans_are_reaped_while_it_runs() {
    let script = "
import os, time
for n in range(50):
    if os.fork() == 0:
        if os.fork() == 0: os._exit(0)
        os._exit(0)
    os.wait()
deadline = time.monotonic() + 20
def zombies():
    found = 0
    for p in filter(str.isdigit, os.listdir('/proc')):
        try: found += open(f'/proc/{p}/stat').read().rsplit(')', 1)[1].split()[0] == 'Z'
        except OSError: pass
    return found
while zombies() and time.monotonic() < deadline: pass
print(zombies())";
    assert_eq!(crate::harness::stdout(&python(script)).await, "0\n");
}
