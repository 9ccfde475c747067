//! A worker as a process of its own: another user, or one that is killed.

use std::os::unix::fs::MetadataExt;

use outwork_sandbox::{Mount, PidNamespace};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::harness::{
    ORDINARY, daemons, directory, eventually, is_root, launcher_for_everybody, line, shell,
    start_worker,
};

#[tokio::test]
async fn an_ordinary_user_can_be_the_worker() {
    let (dir, workspace) = (directory(), directory());
    let program = launcher_for_everybody(dir.path());
    let user = if is_root() {
        ORDINARY
    } else {
        rustix::process::geteuid().as_raw()
    };
    std::os::unix::fs::chown(workspace.path(), Some(user), None).unwrap();
    let mut spec = shell(
        "id -u; id -g; cat /proc/self/uid_map | tr -s ' '; echo x > file; stat -c %U file; [ -e /root ] || echo hidden; \
         touch /x /etc/x /dev/x 2>&1 | grep -c Read-only; grep ^CapEff /proc/self/status; grep -c : /proc/net/dev",
    );
    spec.mounts.push(Mount::Bind {
        source: workspace.path().to_owned(),
        target: "/workspace".into(),
    });
    spec.working_directory = "/workspace".into();

    let mut worker = start_worker(&program, dir.path(), &spec, true);
    let mut lines = BufReader::new(worker.stdout.take().unwrap()).lines();
    let started = line(&mut lines).await;
    assert!(started["started"].is_u64(), "{started}");
    let ended = line(&mut lines).await;

    assert_eq!(
        ended["stdout"].as_str().unwrap(),
        format!("1000\n1000\n 1000 {user} 1\nagent\nhidden\n3\nCapEff:\t0000000000000000\n1\n"),
        "{ended}"
    );
    assert_eq!(
        workspace.path().join("file").metadata().unwrap().uid(),
        user
    );
}

#[tokio::test]
async fn a_command_that_ends_leaves_nothing_of_either_worker() {
    for (as_ordinary_user, count) in [(false, 1), (false, 100), (true, 1), (true, 100)] {
        let dir = directory();
        let program = launcher_for_everybody(dir.path());
        let spec = daemons(count, "sys.exit(3)");
        let mut worker = start_worker(&program, dir.path(), &spec, as_ordinary_user);
        let mut lines = BufReader::new(worker.stdout.take().unwrap()).lines();
        let started = line(&mut lines).await;
        let namespace = PidNamespace(started["started"].as_u64().expect("it starts"));
        let ended = line(&mut lines).await;
        assert_eq!(namespace.processes(), [] as [u32; 0]);
        assert_eq!(ended["ended"]["code"], 3, "{ended}");
    }
}

#[tokio::test]
async fn a_worker_that_is_killed_leaves_nothing() {
    for (as_ordinary_user, count) in [(false, 1), (false, 100), (true, 1), (true, 100)] {
        let dir = directory();
        let program = launcher_for_everybody(dir.path());
        let spec = daemons(count, "time.sleep(1000)");
        let mut worker = start_worker(&program, dir.path(), &spec, as_ordinary_user);
        let mut lines = BufReader::new(worker.stdout.take().unwrap()).lines();
        let started = line(&mut lines).await;
        let namespace = PidNamespace(started["started"].as_u64().unwrap());
        let launcher = started["launcher"].as_u64().unwrap();
        // The command and its daemons; an ordinary user does not see the first process.
        let all = count as usize + 1;
        eventually("the daemons", || match namespace.processes().len() {
            few if few < all => Err(format!("{few} processes")),
            _ => Ok(()),
        })
        .await;

        worker.start_kill().unwrap();

        eventually("the sandbox to be empty", || {
            match &*namespace.processes() {
                [] => Ok(()),
                left => Err(format!("{left:?}")),
            }
        })
        .await;
        eventually(
            "the launcher to be gone",
            || match std::fs::read_to_string(format!("/proc/{launcher}/stat")) {
                Ok(stat) if !stat.contains(") Z ") => Err(stat),
                Ok(_) | Err(_) => Ok(()),
            },
        )
        .await;
    }
}
