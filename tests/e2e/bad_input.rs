//! What people get wrong, and what machines run out of: each a clear error that says what to do,
//! a defined exit code, and nothing lost.

use std::fs;
use std::io::Write;
use std::path::Path;

use crate::harness::{Done, Engine, Outwork, Repository, scratch};

/// The error names the problem, the hint says what to do.
#[track_caller]
fn refused(done: Done, code: i32, says: &str) {
    let done = done.code(code);
    let error = done.stderr.to_lowercase();
    assert!(error.contains("error"), "{}", done.stderr);
    assert!(error.contains("hint"), "no advice: {}", done.stderr);
    assert!(
        error.contains(&says.to_lowercase()),
        "{says:?} is not in {}",
        done.stderr
    );
}

fn ready() -> (Outwork, Repository) {
    let outwork = Outwork::up(Engine::Sqlite);
    let repository = Repository::with(&[("a", "1\n")]);
    outwork.command_environment("demo", &repository, "echo 2 >> a");
    (outwork, repository)
}

#[test]
fn an_unknown_environment() {
    let (outwork, _repository) = ready();
    refused(outwork.run(&["exec", "--env", "nope", "x"]), 1, "nope");
}

#[test]
fn a_missing_repository_and_a_wrong_branch() {
    let (outwork, repository) = ready();
    let create = [
        "env",
        "create",
        "gone",
        "--repo",
        "/no/such/repository",
        "--agent",
        "command",
        "--agent-command",
        "true",
    ];
    outwork.run(&create).success();
    refused(
        outwork.run(&["exec", "--env", "gone", "x"]),
        1,
        "/no/such/repository",
    );
    refused(
        outwork.run(&["exec", "--env", "demo", "--branch", "nope", "x"]),
        1,
        "nope",
    );
    refused(
        outwork.run(&["exec", "--env", "demo", "--branch=-x", "x"]),
        1,
        "branch",
    );
    // A commit is looked for by the worker.
    let commit = "0123456789012345678901234567890123456789";
    let task = outwork.exec("demo", "x", &["--commit", commit]);
    let id = task["id"].as_str().expect("an id");
    let failure = &outwork.task(id)["turns"][0]["attempts"][0]["failure"];
    assert_eq!(failure["code"], "commit_not_found", "{failure}");
    assert_eq!(
        outwork.run(&["list", "--json"]).json()["tasks"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
    drop(repository);
}

#[test]
fn an_unreadable_repository() {
    let (outwork, repository) = ready();
    fs::write(repository.path().join(".git/HEAD"), "nonsense").expect("written");
    let done = outwork.run(&["exec", "--env", "demo", "x"]);
    refused(done, 1, &repository.url());
}

#[test]
fn prompts_of_no_and_of_two_million_bytes() {
    let (outwork, _repository) = ready();
    refused(outwork.run(&["exec", "--env", "demo", ""]), 2, "prompt");
    refused(
        outwork.run_with_input(&["exec", "--env", "demo", "-"], b""),
        2,
        "prompt",
    );
    let long = vec![b'x'; 2 * 1024 * 1024];
    refused(
        outwork.run_with_input(&["exec", "--env", "demo", "-"], &long),
        2,
        "1048576",
    );
    let most = vec![b'x'; 1024 * 1024];
    outwork
        .run_with_input(&["exec", "--env", "demo", "--json", "-"], &most)
        .success();
}

#[test]
fn settings_that_cannot_be() {
    let (outwork, repository) = ready();
    let url = repository.url();
    let create = ["env", "create", "other", "--agent-command", "true"];
    let with_repo = [&create[..], &["--repo", &url]].concat();
    for (arguments, code, says) in [
        (&["env", "create", "", "--repo", &url][..], 1, "label"),
        (&["env", "create", "demo", "--repo", &url], 1, "label"),
        (&[&create[..], &["--repo", ""]].concat(), 1, "--repo"),
        (&[&create[..], &["--repo=-u"]].concat(), 1, "--repo"),
        (
            &[&create[..], &["--repo", "https://u:p@h/x"]].concat(),
            1,
            "--repo",
        ),
        (&[&with_repo[..], &["--branch=-x"]].concat(), 1, "--branch"),
        (
            &[&with_repo[..], &["--setup", "no-such-file"]].concat(),
            2,
            "no-such-file",
        ),
        (
            &[&with_repo[..], &["--timeout", "365d"]].concat(),
            1,
            "--timeout",
        ),
        (&[&with_repo[..], &["--var", "1A=x"]].concat(), 1, "--var"),
        (
            &[
                "env",
                "create",
                "other",
                "--repo",
                &url,
                "--agent-command",
                "",
            ],
            1,
            "--agent-command",
        ),
        (&["env", "edit", "demo"], 2, "nothing"),
        (&["env", "edit", "nope", "--label", "x"], 1, "nope"),
        (&["env", "rm", "nope"], 1, "nope"),
        (&["model", "set", "--name", "m"], 2, "--base-url"),
        (
            &["model", "set", "--base-url", "ftp://h", "--name", "m"],
            1,
            "--base-url",
        ),
        (
            &[
                "model",
                "set",
                "--base-url",
                "https://h",
                "--name",
                "m",
                "--key-file",
                "no-such-file",
            ],
            2,
            "no-such-file",
        ),
        (
            &["exec", "--env", "demo", "--attempts", "9", "x"],
            1,
            "--attempts",
        ),
        (
            &["exec", "--env", "demo", "--commit", "zzz", "x"],
            1,
            "--commit",
        ),
        (&["list", "--url", "ftp://h"], 2, "ftp://h"),
        (&["list", "--env", "nope"], 1, "nope"),
        (&["agent", "install", "nope"], 1, "nope"),
    ] {
        refused(outwork.run(arguments), code, says);
    }
    let environments = outwork.run(&["env", "list", "--json"]).json();
    assert_eq!(
        environments["environments"].as_array().map(Vec::len),
        Some(1)
    );
}

#[test]
fn what_a_task_does_not_have() {
    let (outwork, _repository) = ready();
    let task = outwork.exec("demo", "x", &[]);
    let id = task["id"].as_str().expect("an id");
    let unknown = "task_01a1f9bfa3c7727b98391efa62c5be4f";
    for (arguments, says) in [
        (&["status", unknown][..], unknown),
        (&["status", "ffff"], "ffff"),
        (&["diff", id, "--attempt", "3"], "no attempt 3"),
        (&["diff", id, "--turn", "3"], "no turn 3"),
        (&["log", id, "--attempt", "3"], "no attempt 3"),
        (&["log", id, "--turn", "3"], "no turn 3"),
        (&["follow-up", id, "--attempt", "3", "x"], "--attempt"),
        (&["cancel", id], "has ended: completed"),
    ] {
        refused(outwork.run(arguments), 1, says);
    }
}

#[test]
fn a_configuration_that_cannot_be_used() {
    let (outwork, _repository) = ready();
    let config = outwork.dir.path().join("broken");
    fs::create_dir(&config).expect("made");
    fs::write(config.join("config.toml"), "default_host = [").expect("written");
    let with = |config: &Path| {
        let mut command = outwork.command(&["login", "--token", &outwork.token]);
        Done::of(command.env("OUTWORK_CONFIG_DIR", config).output())
    };
    refused(with(&config), 1, "config.toml");
    let file = outwork.dir.path().join("a-file");
    fs::write(&file, "").expect("written");
    refused(with(&file), 1, "a-file");
}

#[test]
fn a_diff_that_does_not_apply() {
    let (outwork, repository) = ready();
    let task = outwork.exec("demo", "x", &[]);
    let id = task["id"].as_str().expect("an id");
    let clone = repository.clone_here();
    fs::write(clone.path().join("a"), "something else\n").expect("written");
    clone.git(&["commit", "-qam", "else"]);
    let before = clone.git(&["status", "--porcelain", "--ignored"]);
    let done = Done::of(
        outwork
            .command(&["apply", id])
            .current_dir(clone.path())
            .output(),
    );
    refused(done, 1, "a");
    assert_eq!(clone.git(&["status", "--porcelain", "--ignored"]), before);
    assert_eq!(
        fs::read_to_string(clone.path().join("a")).expect("there"),
        "something else\n"
    );
    // The scratch directories lie in a checkout of Outwork; this one lies in none.
    let outside = tempfile::tempdir().expect("a directory");
    let nowhere = outwork
        .command(&["apply", id])
        .current_dir(outside.path())
        .output();
    refused(Done::of(nowhere), 1, "repository");
}

#[test]
fn a_dead_server_and_a_wrong_token() {
    let (mut outwork, _repository) = ready();
    let token = std::mem::replace(&mut outwork.token, "ow_u_nonsense".into());
    refused(outwork.run(&["list"]), 4, "token");
    outwork.token = token;
    outwork.run(&["list"]).success();
    outwork.process.kill();
    refused(outwork.run(&["list"]), 5, &outwork.url);
    refused(
        outwork.run(&["exec", "--env", "demo", "x"]),
        5,
        &outwork.url,
    );
}

#[test]
fn a_worker_with_a_wrong_token() {
    let (outwork, _repository) = ready();
    let dir = scratch();
    let file = dir.path().join("token");
    for (token, says) in [
        (outwork.token.as_str(), "a token for people"),
        ("ow_w_nonsense", "no token of this server"),
    ] {
        fs::write(&file, token).expect("written");
        let mut command = crate::harness::outwork();
        command.args(["worker", "--url", &outwork.url, "--data-dir"]);
        command.arg(dir.path().join("data"));
        let done = Done::of(command.arg("--token-file").arg(&file).output());
        refused(done, 4, says);
    }
}

#[test]
fn a_second_server_on_the_same_data_directory() {
    let (outwork, _repository) = ready();
    let data = outwork.dir.path().join("data");
    let second = |command: &str| {
        let done = crate::harness::outwork()
            .args([command, "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(&data)
            .output();
        Done::of(done)
    };
    refused(second("up"), 1, &outwork.process.id().to_string());
    refused(second("server"), 1, &outwork.process.id().to_string());
    outwork.run(&["list"]).success();
}

#[test]
fn a_port_in_use() {
    let (outwork, _repository) = ready();
    let address = outwork.url.trim_start_matches("http://").to_owned();
    let dir = scratch();
    let done = crate::harness::outwork()
        .args(["up", "--listen", &address, "--data-dir"])
        .arg(dir.path().join("data"))
        .output();
    refused(Done::of(done), 1, &address);
}

/// Runs its arguments on a file system of 16 MiB at `$1`, in namespaces of its own: so the test needs
/// no right of root, and the file system goes with the process.
const ON_A_SMALL_DISK: &str = r#"mount -t tmpfs -o size=16m tmpfs "$1" && disk=$1 && shift && exec "$@" --data-dir "$disk/data""#;

#[test]
fn a_full_disk_in_the_data_directory() {
    let dir = scratch();
    let disk = dir.path().join("disk");
    fs::create_dir(&disk).expect("a folder");
    let repository = Repository::with(&[("a", "1\n")]);
    // The server alone: where the worker's checkouts lie is another disk's concern.
    let mut command = crate::harness::clean("unshare");
    command
        .args([
            "--user",
            "--map-root-user",
            "--mount",
            "sh",
            "-c",
            ON_A_SMALL_DISK,
            "sh",
        ])
        .args([disk.as_os_str(), crate::harness::OUTWORK.as_ref()])
        .args(["server", "--json", "--listen", "127.0.0.1:0"]);
    let outwork = Outwork::from_command(command, dir);
    outwork.command_environment("demo", &repository, "echo 2 >> a");
    let kept = outwork.submit("demo", "before", &[]);
    let filler = outwork.process.sees(disk.join("filler"));
    fill(&filler);
    let refusal = (0..200)
        .map(|_| outwork.run(&["exec", "--env", "demo", "during"]))
        .find(|done| done.code != 0)
        .expect("a full disk is noticed");
    refused(refusal, 1, "disk");
    assert_eq!(outwork.task(&kept)["status"], "pending");
    outwork.run(&["list"]).success();
    fs::remove_file(filler).expect("it was there");
    let after = outwork.submit("demo", "after", &[]);
    for id in [&kept, &after] {
        assert_eq!(outwork.task(id)["status"], "pending");
    }
}

/// Writes until there is no space left.
fn fill(path: &Path) {
    let zeros = vec![0; 64 * 1024];
    let mut file = fs::File::create(path).expect("a file");
    while file.write_all(&zeros).is_ok() {}
}
