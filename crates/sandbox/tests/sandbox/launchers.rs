//! The launcher that waits for the next sandbox.

use std::path::Path;

use outwork_sandbox::{ExitStatus, Launchers, plan, probe};

use crate::harness::{directory, eventually, launcher_for_everybody, shell};

/// All processes of `program`.
fn processes(program: &Path) -> Vec<u32> {
    let is_of = |pid: &u32| {
        std::fs::read_link(format!("/proc/{pid}/exe"))
            .ok()
            .as_deref()
            == Some(program)
    };
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok())
        .filter(is_of)
        .collect()
}

async fn the_one(program: &Path) -> u32 {
    eventually("one launcher that waits", || match processes(program)[..] {
        [one] => Ok(one),
        ref others => Err(format!("{others:?}")),
    })
    .await
}

async fn runs(launchers: &Launchers) -> u32 {
    let plan = plan(&shell("exit 3"), &probe()).unwrap();
    let mut running = launchers.spawn(plan).await.unwrap();
    let launcher = running.launcher_pid().unwrap();
    assert_eq!(running.wait().await.unwrap(), ExitStatus::Code(3));
    launcher
}

#[tokio::test]
async fn the_next_sandbox_gets_the_launcher_that_waits() {
    let dir = directory();
    let program = launcher_for_everybody(dir.path());
    let launchers = Launchers::new(program.clone());
    assert_eq!(processes(&program), [] as [u32; 0]);
    launchers.prepare();
    launchers.prepare();
    for _ in 0..3 {
        let waiting = the_one(&program).await;
        assert_eq!(runs(&launchers).await, waiting);
    }
    the_one(&program).await;
    drop(launchers);
    eventually("the end of the one that waits", || {
        match &processes(&program)[..] {
            [] => Ok(()),
            some => Err(format!("{some:?}")),
        }
    })
    .await;
}

#[tokio::test]
async fn a_launcher_that_was_killed_is_not_used() {
    let dir = directory();
    let program = launcher_for_everybody(dir.path());
    let launchers = Launchers::new(program.clone());
    launchers.prepare();
    let waiting = the_one(&program).await;
    let pid = rustix::process::Pid::from_raw(i32::try_from(waiting).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    eventually("its end", || {
        let stat = std::fs::read_to_string(format!("/proc/{waiting}/stat")).unwrap();
        if stat.contains(") Z ") {
            Ok(())
        } else {
            Err(stat)
        }
    })
    .await;
    assert_ne!(runs(&launchers).await, waiting);
}
