//! What stands between commands and the machine: what tasks, workers and the doctor say of it, container runtimes, and
//! what refuses to start.

use serde_json::Value;

use crate::harness::{By, Done, Outwork, Repository, by_both, outwork, scratch};

by_both!(
    tasks_say_how_they_were_isolated,
    a_container_runtime_runs_whole_tasks,
    a_kernel_in_user_space_runs_whole_tasks,
);

/// Runs a task with a setup script, and checks what it made.
fn whole_task(outwork: &Outwork, isolation: &str) {
    let repository = Repository::with(&[("a", "1\n")]);
    let setup = outwork.file("echo made > ~/tool\necho made > /usr/local/tool\n");
    let agent = "cat ~/tool /usr/local/tool > tools; echo 2 >> a; id -u > user";
    let flags = ["--setup", &setup, "--agent-command", agent];
    outwork.environment("demo", &repository, &flags);
    // The first makes the snapshot, the second uses it.
    for states in [&["building", "built"][..], &["cached"]] {
        let task = outwork.exec("demo", "go", &[]);
        let id = task["id"].as_str().expect("an id");
        let log = outwork.log(id);
        assert_eq!(task["outcome"], "succeeded", "{log:#?}");
        assert_eq!(log.snapshots(), states);
        let diff = String::from_utf8(outwork.diff(id, &[])).expect("text");
        assert!(diff.contains("+made\n+made\n"), "{diff}");
        assert!(diff.contains(" 1\n+2\n"), "{diff}");
        assert!(!diff.contains("\n+0\n"), "the agent was root: {diff}");
        let attempt = &outwork.task(id)["turns"][0]["attempts"][0];
        assert_eq!(attempt["isolation"], isolation, "{attempt:#}");
        let shown = outwork.run(&["status", id]).success().text();
        assert!(
            shown.contains(&format!("isolated by {isolation}")),
            "{shown}"
        );
    }
    let workers = outwork.run(&["workers", "--json"]).success().json();
    assert_eq!(workers["workers"][0]["isolation"], isolation, "{workers:#}");
}

fn tasks_say_how_they_were_isolated(who: By) {
    let outwork = Outwork::run_by(who, &[]);
    whole_task(&outwork, "namespaces");
    outwork.end();
}

fn a_container_runtime_runs_whole_tasks(who: By) {
    let outwork = Outwork::run_by(who, &["--sandbox", "oci:crun"]);
    whole_task(&outwork, "oci:crun");
    outwork.end();
}

fn a_kernel_in_user_space_runs_whole_tasks(who: By) {
    let outwork = Outwork::run_by(who, &["--sandbox", "oci:runsc"]);
    whole_task(&outwork, "oci:runsc");
    outwork.end();
}

/// `outwork up` with these flags, which ends by itself.
fn refused(flags: &[&str]) -> Done {
    let dir = scratch();
    let mut command = outwork();
    command
        .args(["up", "--listen", "127.0.0.1:0", "--json", "--data-dir"])
        .arg(dir.path().join("data"))
        .args(flags);
    Done::of(command.output())
}

#[test]
fn a_runtime_that_does_not_work_refuses_to_start() {
    let broken = refused(&["--sandbox", "oci:crun", "--oci-runtime", "/bin/false"]).code(1);
    for part in ["the worker cannot start", "oci:crun", "hint: "] {
        assert!(broken.stderr.contains(part), "{part:?}: {}", broken.stderr);
    }
    assert_eq!(broken.text(), "", "it was ready for a moment");
    let unknown = refused(&["--sandbox", "oci:no-such-runtime"]).code(1);
    assert!(unknown.stderr.contains("--sandbox"), "{}", unknown.stderr);
    let missing = refused(&["--sandbox", "oci:x", "--oci-runtime", "/no/such/program"]).code(1);
    assert!(
        missing.stderr.contains("--oci-runtime"),
        "{}",
        missing.stderr
    );
}

#[test]
fn the_doctor_looks_at_what_contains_agents() {
    let outwork = Outwork::run_by(By::Tester, &[]);
    let data = outwork.dir.path().join("doctor");
    let look = |variables: &[(&str, &str)], name: &str| -> Value {
        let mut command = outwork.command(&["doctor", "--json"]);
        command.env("OUTWORK_DATA_DIR", &data);
        command.envs(variables.iter().copied());
        let all = Done::of(command.output()).json();
        let mut checks = all["checks"].as_array().expect("a list").iter();
        let name = format!("worker {name}");
        let found = checks.find(|check| check["name"] == name.as_str());
        found
            .unwrap_or_else(|| panic!("no {name} in {all:#}"))
            .clone()
    };
    for (name, part) in [
        ("sandbox", "namespaces on Linux"),
        ("limits", "memory"),
        ("landlock", "files are fenced twice"),
        ("network", "the proxy of sandboxes starts"),
    ] {
        let check = look(&[], name);
        assert_eq!(check["status"], "ok", "{check:#}");
        let detail = check["detail"].as_str().expect("text");
        assert!(detail.contains(part), "{detail}");
    }
    let broken = [
        ("OUTWORK_SANDBOX", "oci:crun"),
        ("OUTWORK_OCI_RUNTIME", "/bin/false"),
    ];
    let check = look(&broken, "sandbox");
    assert_eq!(check["status"], "warning", "{check:#}");
    assert!(check["hint"].is_string(), "{check:#}");
    outwork.end();
}
