//! `env secret`: values that are never shown.

use outwork_cli::ExitStatus;
use serde_json::{Value, json};

use crate::harness::Setup;
use crate::server::{Server, secret_json, world};

async fn server() -> Server {
    let mut knows = world("completed", Some("succeeded"), "succeeded");
    knows.environments[0]["secrets"] = json!([secret_json("OLD_TOKEN")]);
    Server::start(knows).await
}

fn sent(server: &Server) -> (String, Value) {
    server.requests().pop().expect("a request")
}

#[tokio::test]
async fn a_value_comes_from_wherever_it_is_kept() {
    let server = server().await;
    let home = tempfile::tempdir().expect("a folder");
    std::fs::write(home.path().join("key"), "-----BEGIN\nline\n\n").expect("written");
    let setup = || {
        Setup::new(&server)
            .dir(home.path())
            .var("A_TOKEN", "from-variable")
            .stdin("from-stdin\n")
    };
    for (arguments, name, value) in [
        (&["A_TOKEN"][..], "A_TOKEN", "from-stdin"),
        (&["A_TOKEN", "--from-env"], "A_TOKEN", "from-variable"),
        (
            &["B_TOKEN", "--from-env=A_TOKEN"],
            "B_TOKEN",
            "from-variable",
        ),
        (&["KEY", "--from-file", "key"], "KEY", "-----BEGIN\nline"),
    ] {
        let line = [&["env", "secret", "set", "demo"], arguments].concat();
        let ran = setup().run(&line).await.expect(ExitStatus::Ok);
        let expected = format!("set {name} of demo; the next task builds a new snapshot\n");
        assert_eq!(
            (ran.stdout.as_str(), ran.stderr.as_str()),
            ("", expected.as_str())
        );
        assert_eq!(sent(&server).1, json!({"secrets": {name: value}}));
    }
    let typed = Setup {
        stdin_is_terminal: true,
        ..setup()
    };
    let ran = typed.run(&["env", "secret", "set", "demo", "A"]).await;
    let ran = ran.expect(ExitStatus::Ok);
    assert!(ran.stderr.starts_with("A (not shown): set A"), "{ran:?}");
    assert_eq!(sent(&server).1, json!({"secrets": {"A": "from-stdin"}}));
}

#[tokio::test]
async fn a_value_that_is_not_there_is_said_before_anything_is_sent() {
    let server = server().await;
    for (arguments, stdin, message) in [
        (&["A"][..], &b"\n"[..], "the secret A has no value"),
        (
            &["A"],
            b"\xff\xfe",
            "the value of the secret A is not UTF-8",
        ),
        (&["A", "--from-env"], b"", "the variable A is not set"),
        (
            &["A", "--from-file", "none"],
            b"",
            "the file /none cannot be read",
        ),
    ] {
        let line = [&["env", "secret", "set", "demo"], arguments].concat();
        let ran = Setup::new(&server).stdin(stdin).run(&line).await;
        let ran = ran.expect(ExitStatus::Usage);
        assert!(ran.stderr.contains(message), "{}", ran.stderr);
        assert!(ran.stderr.contains("\nhint: "), "{}", ran.stderr);
    }
    let is_read_only = server.paths().iter().all(|line| line.starts_with("GET "));
    assert!(is_read_only, "{:?}", server.paths());
    // Two that want standard input.
    let twice = [
        "env", "create", "x", "--repo", "u", "--secret", "A=-", "--secret", "B=-",
    ];
    let ran = Setup::new(&server).stdin("x").run(&twice).await;
    let ran = ran.expect(ExitStatus::Usage);
    assert!(
        ran.stderr.contains("can be read once only"),
        "{}",
        ran.stderr
    );
}

#[tokio::test]
async fn names_are_listed_and_removed() {
    let server = server().await;
    let run = async |line: &[&str], expected| Setup::new(&server).run(line).await.expect(expected);
    let listed = run(&["env", "secret", "list", "demo"], ExitStatus::Ok).await;
    assert_eq!(listed.stdout, "OLD_TOKEN\t2026-11-20T14:00:00.000Z\n");
    let listed = run(&["env", "secret", "list", "demo", "--json"], ExitStatus::Ok).await;
    assert_eq!(
        listed.json(),
        json!({"secrets": [secret_json("OLD_TOKEN")]})
    );
    let absent = run(&["env", "secret", "rm", "demo", "NONE"], ExitStatus::Failed).await;
    assert_eq!(
        absent.stderr,
        "error: the environment has no secret `NONE`\nhint: there are: OLD_TOKEN\n"
    );
    let removed = run(
        &["env", "secret", "rm", "demo", "OLD_TOKEN"],
        ExitStatus::Ok,
    )
    .await;
    assert_eq!(removed.stderr, "removed OLD_TOKEN\n");
    assert_eq!(sent(&server).1, json!({"secrets": {"OLD_TOKEN": null}}));
    let listed = run(&["env", "secret", "list", "demo"], ExitStatus::Ok).await;
    assert_eq!(listed.stdout, "");
    assert!(
        listed.stderr.contains("env secret set demo NAME"),
        "{}",
        listed.stderr
    );
}
