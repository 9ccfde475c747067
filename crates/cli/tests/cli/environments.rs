//! `env create`, `env edit`, `env list`, `env show`, `env rm`.

use outwork_cli::ExitStatus;
use serde_json::json;

use crate::harness::Setup;
use crate::server::{Server, world};

async fn server() -> Server {
    Server::start(world("completed", Some("succeeded"), "succeeded")).await
}

#[tokio::test]
async fn environments_are_made_and_changed() {
    let server = server().await;
    let home = tempfile::tempdir().expect("a folder");
    for (name, text) in [
        ("setup.sh", "make\n"),
        ("maintain.sh", "make deps\n"),
        ("token", "vb\r\n"),
    ] {
        std::fs::write(home.path().join(name), text).expect("written");
    }
    let run = async |arguments: &[&str], expected| {
        Setup::new(&server)
            .dir(home.path())
            .var("A_TOKEN", "va")
            .stdin("vc\n")
            .run(arguments)
            .await
            .expect(expected)
    };
    let arguments = [
        "env",
        "create",
        "made",
        "--repo",
        "https://h/r",
        "--agent-command",
        "cat",
        "--setup",
        "setup.sh",
        "--var",
        "A=1=2",
        "--var",
        "B=",
        "--timeout",
        "30m",
        "--branch",
        "main",
        "--maintenance",
        "maintain.sh",
        "--verify",
        "npm test",
        "--image",
        "debian:12",
        "--runtime",
        "node=22",
        "--also",
        "docs=https://h/d#next",
        "--also",
        "git@h:ada/wiki.git",
        "--secret",
        "A_TOKEN",
        "--secret",
        "B_TOKEN=@token",
        "--secret",
        "C_TOKEN=-",
        "--secret",
        "D_TOKEN=given",
        "--setup-timeout",
        "10m",
        "--json",
    ];
    let made = run(&arguments, ExitStatus::Ok).await;
    assert_eq!(made.json()["label"], "made");
    assert_eq!(
        server.requests()[0].1,
        json!({"label": "made", "repository_url": "https://h/r", "branch": "main",
            "agent": {"name": "command", "command": "cat"},
            "further_repositories": [{"name": "docs", "url": "https://h/d", "branch": "next"},
                {"name": "wiki", "url": "git@h:ada/wiki.git"}],
            "base_image": "debian:12", "runtimes": {"node": "22"}, "setup_script": "make\n",
            "maintenance_script": "make deps\n", "verify_command": "npm test",
            "variables": {"A": "1=2", "B": ""},
            "secrets": {"A_TOKEN": "va", "B_TOKEN": "vb", "C_TOKEN": "vc", "D_TOKEN": "given"},
            "setup_timeout_seconds": 600, "timeout_seconds": 1800})
    );
    assert_eq!(made.json()["secrets"][0]["name"], "A_TOKEN");
    server.world.lock().expect("no panic").environments.pop();
    let edited = run(
        &[
            "env",
            "edit",
            "Demo",
            "--var",
            "C=3",
            "--unset",
            "A",
            "--no-setup",
            "--maintenance",
            "maintain.sh",
            "--verify",
            "make\ncheck",
            "--image",
            "alpine",
            "--runtime",
            "python=3.11",
            "--also",
            "docs=https://h/d",
            "--secret",
            "A_TOKEN",
            "--setup-timeout",
            "1h",
        ],
        ExitStatus::Ok,
    )
    .await;
    assert!(edited.stdout.starts_with("env_"), "{}", edited.stdout);
    let sent = server.requests().pop().expect("a request").1;
    assert_eq!(
        sent,
        json!({"setup_script": "", "maintenance_script": "make deps\n",
            "verify_command": "make\ncheck", "base_image": "alpine", "runtimes": {"python": "3.11"},
            "further_repositories": [{"name": "docs", "url": "https://h/d"}],
            "variables": {"B": "2", "C": "3"}, "secrets": {"A_TOKEN": "va"},
            "setup_timeout_seconds": 3600})
    );
    run(&["env", "edit", "demo"], ExitStatus::Usage).await;
    run(
        &["env", "create", "x", "--repo", "u", "--agent", "command"],
        ExitStatus::Usage,
    )
    .await;
    run(
        &[
            "env",
            "create",
            "x",
            "--repo",
            "u",
            "--agent",
            "codex",
            "--agent-command",
            "c",
        ],
        ExitStatus::Usage,
    )
    .await;
    let listed = run(&["env", "list"], ExitStatus::Ok).await;
    assert_eq!(
        listed.stdout,
        "env_0192c3f0a1b27def8123456789abcde1\tdemo\tcodex\thttps://h/ada/engine\t\toff\n"
    );
    let listed = run(&["env", "list", "--json"], ExitStatus::Ok).await;
    assert_eq!(listed.json()["environments"][0]["label"], "demo");
    insta::assert_snapshot!(run(&["env", "show", "demo"], ExitStatus::Ok).await.stdout);
    let undone = [
        "env",
        "edit",
        "demo",
        "--no-maintenance",
        "--no-verify",
        "--no-image",
        "--no-runtime",
        "python",
        "--remove-also",
        "docs",
        "--unset-secret",
        "A_TOKEN",
    ];
    run(&undone, ExitStatus::Ok).await;
    assert_eq!(
        server.requests().pop().expect("a request").1,
        json!({"further_repositories": [], "base_image": "", "runtimes": {}, "maintenance_script": "",
            "verify_command": "", "secrets": {"A_TOKEN": null}})
    );
    let absent = run(
        &["env", "edit", "demo", "--remove-also", "docs"],
        ExitStatus::Failed,
    )
    .await;
    assert_eq!(
        absent.stderr,
        "error: the environment has no further repository `docs`\nhint: it has none\n"
    );
    run(&["env", "rm", "demo"], ExitStatus::Ok).await;
    assert_eq!(
        server.paths().pop().expect("a request"),
        "DELETE /api/v1/environments/env_0192c3f0a1b27def8123456789abcde1"
    );
}

#[tokio::test]
async fn a_repository_is_named_as_git_takes_it() {
    let server = server().await;
    let home = tempfile::tempdir().expect("a folder");
    let inside = home.path().join("src/web");
    std::fs::create_dir_all(&inside).expect("made");
    let inside = inside.canonicalize().expect("there").display().to_string();
    for (typed, expected) in [
        ("src/web", inside.as_str()),
        ("./src/web/", &inside),
        (&inside, &inside),
        ("host:src/web", "host:src/web"),
        ("https://h/src/web", "https://h/src/web"),
        ("no/such/folder", "no/such/folder"),
    ] {
        let arguments = [
            "env",
            "create",
            "x",
            "--agent-command",
            "true",
            "--repo",
            typed,
        ];
        let setup = Setup::new(&server).dir(home.path());
        setup.run(&arguments).await.expect(ExitStatus::Ok);
        let sent = server.requests().pop().expect("a request").1;
        assert_eq!(sent["repository_url"], expected, "{typed}");
    }
}
