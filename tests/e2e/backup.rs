//! Backups of a server at work, and servers that start from them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{
    Done, Engine, Hold, Outwork, Repository, outwork, processes_with, scratch, until,
};

fn backup_of(data: &Path, to: &Path) -> Command {
    let mut command = outwork();
    command
        .arg("backup")
        .arg(to)
        .arg("--data-dir")
        .arg(data)
        .arg("--json")
        .stdin(Stdio::null());
    command
}

fn restore_of(backup: &Path, to: &Path) -> Command {
    let mut command = outwork();
    command
        .arg("restore")
        .arg(backup)
        .arg("--data-dir")
        .arg(to)
        .arg("--json")
        .stdin(Stdio::null());
    command
}

fn data(outwork: &Outwork) -> PathBuf {
    outwork.dir.path().join("data")
}

/// A data directory from that backup, with the key that the backup leaves out, and what was told.
fn restored(backup: &Path, of: &Outwork) -> (TempDir, Value) {
    let dir = scratch();
    let to = dir.path().join("data");
    let told = Done::of(restore_of(backup, &to).output()).success().json();
    fs::copy(data(of).join("secret.key"), to.join("secret.key")).expect("the key");
    (dir, told)
}

fn start_on(dir: TempDir, listen: &str) -> Outwork {
    let mut command = outwork();
    command
        .args(["server", "--json", "--listen", listen, "--data-dir"])
        .arg(dir.path().join("data"))
        .stdin(Stdio::null());
    Outwork::from_command(command, dir)
}

#[test]
fn what_was_acknowledged_before_a_backup_under_load_is_in_it() {
    let outwork = Outwork::start("server", Engine::Sqlite, &[]);
    let repository = Repository::with(&[("a", "1\n")]);
    outwork.command_environment("demo", &repository, "cat >> a; echo >> a");
    let _workers = ["one", "two"].map(|name| outwork.worker(name));
    let done: Vec<(String, Vec<u8>)> = (0..4)
        .map(|number| {
            let task = outwork.exec("demo", &format!("before {number}"), &[]);
            assert_eq!(task["outcome"], "succeeded", "{task:#}");
            let id = task["id"].as_str().expect("an id").to_owned();
            let diff = outwork.diff(&id, &[]);
            (id, diff)
        })
        .collect();

    let over = AtomicBool::new(false);
    let backups: Vec<PathBuf> = std::thread::scope(|scope| {
        let load = scope.spawn(|| {
            let mut made = 0;
            while !over.load(Ordering::Relaxed) {
                outwork.submit("demo", &format!("during {made}"), &[]);
                made += 1;
            }
            made
        });
        let backups = (0..3)
            .map(|number| {
                let to = outwork.dir.path().join(format!("backup-{number}"));
                Done::of(backup_of(&data(&outwork), &to).output()).success();
                to
            })
            .collect();
        over.store(true, Ordering::Relaxed);
        assert!(load.join().expect("it submits") > 0, "there was no load");
        backups
    });
    for backup in &backups {
        let (dir, told) = restored(backup, &outwork);
        assert!(told["tasks"].as_u64() >= Some(4), "{told}");
        let again = start_on(dir, "127.0.0.1:0");
        for (id, diff) in &done {
            let task = again.task(id);
            assert_eq!(task["outcome"], "succeeded", "{task:#}");
            assert_eq!(&again.diff(id, &[]), diff);
        }
    }
}

#[test]
fn what_ran_at_the_backup_runs_again_and_who_ran_it_is_refused() {
    let mut first = Outwork::start("server", Engine::Sqlite, &[]);
    let address = first.url.trim_start_matches("http://").to_owned();
    let repository = Repository::with(&[("a", "1\n")]);
    let hold = Hold::new();
    let agent = format!("echo run >> a; {}", hold.command());
    first.command_environment("demo", &repository, &agent);
    let old = first.worker("old");
    let id = first.submit("demo", "hold on", &[]);
    hold.reached(1);
    let command = hold.command();
    let sleep = command.trim_start_matches("{ ").split("||").next();
    let sleep = sleep.expect("a command").to_owned();
    let before = processes_with(&sleep);
    assert!(!before.is_empty(), "{sleep}");
    let to = first.dir.path().join("backup");
    Done::of(backup_of(&data(&first), &to).output()).success();
    // The server is lost; the worker goes on, and finds another one at its address.
    first.process.kill();
    let (dir, told) = restored(&to, &first);
    assert_eq!(
        (&told["given_back"], &told["unfinished"]),
        (&1.into(), &1.into())
    );
    let second = start_on(dir, &address);
    second.task_until(&id, "the attempt runs again", |task| {
        task["turns"][0]["attempts"][0]["state"] == "running"
    });
    until("what ran before is stopped", || {
        let now = processes_with(&sleep);
        before.iter().all(|one| !now.contains(one)).then_some(())
    });
    hold.reached(1);
    hold.release();
    let task = second.ended(&id);
    let attempt = &task["turns"][0]["attempts"][0];
    assert_eq!(
        (&task["outcome"], &attempt["tries"]),
        (&"succeeded".into(), &1.into()),
        "{task:#}\n{}",
        old.log()
    );
    let diff = String::from_utf8(second.diff(&id, &[])).expect("text");
    assert_eq!(diff.matches("+run\n").count(), 1, "{diff}");
}

#[test]
fn a_killed_backup_leaves_nothing_that_restores() {
    let outwork = Outwork::start("server", Engine::Sqlite, &[]);
    let repository = Repository::with(&[("a", "1\n")]);
    outwork.command_environment("demo", &repository, "cat >> a; echo >> a");
    let _worker = outwork.worker("one");
    let tasks: Vec<_> = (0..12)
        .map(|number| outwork.submit("demo", &format!("{number}"), &[]))
        .collect();
    for task in &tasks {
        outwork.ended(task);
    }
    let place = outwork.dir.path();
    let (to, restored) = (place.join("backup"), place.join("restored"));
    let partial = place.join("backup.partial");
    let mut interrupted = 0;
    for step in 0..40 {
        let mut backup = backup_of(&data(&outwork), &to)
            .stdout(Stdio::null())
            .spawn()
            .expect("it starts");
        // At another place each time: from before the copy of the database to after the first objects.
        let reached = ["", "outwork.sqlite", "objects", "backup.json"][step % 4];
        until("the backup has come so far", || {
            let there = partial.join(reached).exists();
            (there || backup.try_wait().expect("ours").is_some()).then_some(())
        });
        let _ended_already = backup.kill();
        backup.wait().expect("it has ended");
        if to.exists() {
            // It had its name already: then it is whole.
            Done::of(restore_of(&to, &restored).output()).success();
            fs::remove_dir_all(&restored).expect("ours");
            fs::remove_dir_all(&to).expect("ours");
            continue;
        }
        interrupted += 1;
        let refused = Done::of(restore_of(&to, &restored).output()).code(1);
        assert!(
            refused.stderr.contains("is not a whole backup"),
            "{}",
            refused.stderr
        );
        if !partial.join("backup.json").exists() {
            let refused = Done::of(restore_of(&partial, &restored).output()).code(1);
            assert!(
                refused.stderr.contains("never finished"),
                "{}",
                refused.stderr
            );
        }
        assert!(!restored.exists());
    }
    assert!(interrupted > 0, "it was never interrupted");
    // What was left stands in nobody's way.
    let told = Done::of(backup_of(&data(&outwork), &to).output())
        .success()
        .json();
    assert_eq!((&told["tasks"], &told["objects"]), (&12.into(), &12.into()));
    assert!(!partial.exists());
    let refused = Done::of(backup_of(&data(&outwork), &to).output()).code(1);
    assert!(
        refused.stderr.contains("is not empty"),
        "{}",
        refused.stderr
    );
}

#[test]
fn a_damaged_backup_is_refused_whole() {
    let outwork = Outwork::up(Engine::Sqlite);
    let repository = Repository::with(&[("a", "1\n")]);
    outwork.command_environment("demo", &repository, "echo 2 >> a");
    outwork.exec("demo", "x", &[]);
    let place = outwork.dir.path();
    let to = place.join("backup");
    let mut with_key = backup_of(&data(&outwork), &to);
    Done::of(with_key.arg("--include-secret-key").output()).success();
    for secret in ["admin.token", "worker.token"] {
        assert!(!to.join(secret).exists(), "{secret}");
    }
    let manifest: Value =
        serde_json::from_slice(&fs::read(to.join("backup.json")).expect("readable")).expect("JSON");
    let object = to
        .join("objects")
        .join(manifest["objects"][0]["path"].as_str().expect("a path"));
    let restored = place.join("restored");
    let refused = |said: &str| {
        let refused = Done::of(restore_of(&to, &restored).output()).code(1);
        assert!(refused.stderr.contains(said), "{}", refused.stderr);
        assert!(!restored.exists());
    };
    let whole = fs::read(&object).expect("readable");
    let mut other = whole.clone();
    other[0] ^= 1;
    fs::write(&object, &other).expect("ours");
    refused("is not as its list says");
    fs::remove_file(&object).expect("ours");
    refused("cannot be copied");
    std::os::unix::fs::symlink("/etc/passwd", &object).expect("ours");
    refused("it is not a file");
    fs::remove_file(&object).expect("ours");
    fs::write(&object, &whole).expect("ours");

    let list = fs::read_to_string(to.join("backup.json")).expect("readable");
    let change = |from: &str, into: &str| {
        assert!(list.contains(from), "{list}");
        fs::write(to.join("backup.json"), list.replace(from, into)).expect("ours");
    };
    change("\"outwork_backup\": 1", "\"outwork_backup\": 2");
    refused("reads 1");
    change("\"path\": \"attempts/", "\"path\": \"../attempts/");
    refused("outside of it");
    fs::write(to.join("backup.json"), &list).expect("ours");

    let told = Done::of(restore_of(&to, &restored).output())
        .success()
        .json();
    assert_eq!(told["has_secret_key"], true);
    let key = |data: &Path| fs::read(data.join("secret.key")).expect("the key");
    assert_eq!(key(&restored), key(&data(&outwork)));
    let refused = Done::of(restore_of(&to, &restored).output()).code(1);
    assert!(
        refused.stderr.contains("is not empty"),
        "{}",
        refused.stderr
    );
    // The new tokens are good, and the server works.
    fs::remove_dir_all(&restored).expect("ours");
    let dir = scratch();
    Done::of(restore_of(&to, &dir.path().join("data")).output()).success();
    let again = start_on(dir, "127.0.0.1:0");
    let tasks = again.run(&["list", "--json"]).success().text();
    assert!(tasks.contains("task_"), "{tasks}");
    let _worker = again.worker("new");
    let task = again.exec("demo", "y", &[]);
    assert_eq!(task["outcome"], "succeeded", "{task:#}");
}

#[test]
fn a_postgresql_that_was_restored_is_fenced_by_itself() {
    let mut first = Outwork::start("server", Engine::Postgres, &[]);
    let repository = Repository::with(&[("a", "1\n")]);
    let hold = Hold::new();
    first.command_environment("demo", &repository, &hold.command());
    let mut worker = first.worker("one");
    let id = first.submit("demo", "hold on", &[]);
    hold.reached(1);
    first.process.kill();
    worker.kill();
    let database = first.database().expect("an address").to_owned();
    let fence = || {
        let mut command = outwork();
        command.args(["restore", "--json", "--database", &database]);
        Done::of(command.stdin(Stdio::null()).output())
            .success()
            .json()
    };
    assert_eq!(fence()["given_back"], 1);
    assert_eq!(fence()["given_back"], 0);
    first.restart();
    let attempt = &first.task(&id)["turns"][0]["attempts"][0];
    assert_eq!(
        (&attempt["state"], &attempt["tries"]),
        (&"queued".into(), &0.into()),
        "{attempt:#}"
    );
}
