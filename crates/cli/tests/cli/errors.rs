//! Each kind of error: its exit status, its words, its JSON.

use outwork_api::problem::{Code, Problem};
use outwork_cli::ExitStatus;

use crate::harness::Setup;
use crate::server::{Server, TASK, World, dead_url, world};

#[tokio::test]
async fn every_problem_of_the_server_has_its_exit_status() {
    for code in Code::ALL {
        let problem = Problem::new(code, "It is so.")
            .with_field("/prompt", "too short")
            .with_hint("Do this.");
        let server = Server::start(World {
            refusal: Some(problem),
            ..World::default()
        })
        .await;
        let expected = match code {
            Code::Unauthorized | Code::TokenRevoked | Code::Forbidden => ExitStatus::SignedOut,
            _ => ExitStatus::Failed,
        };
        let arguments: &[&str] = match code {
            // The client waits for the first request to end; that has its own test.
            Code::IdempotencyInFlight => continue,
            _ => &["exec", "--env", "demo", "fix"],
        };
        let ran = Setup::new(&server).run(arguments).await.expect(expected);
        assert_eq!(ran.stdout, "", "{code:?}");
        assert_eq!(
            ran.stderr, "error: it is so\n  /prompt: too short\nhint: do this\n",
            "{code:?}"
        );
    }
}

#[tokio::test]
async fn errors_as_json_are_one_line() {
    let problem = Problem::new(Code::Repository, "No branch `x`.").with_hint("Push it.");
    let server = Server::start(World {
        refusal: Some(problem),
        ..World::default()
    })
    .await;
    let ran = Setup::new(&server)
        .run(&["exec", "--env", "demo", "--json", "fix"])
        .await
        .expect(ExitStatus::Failed);
    let error: serde_json::Value = serde_json::from_str(&ran.stderr).expect("one line of JSON");
    assert_eq!(
        error,
        serde_json::json!({"error": {"kind": "failed", "exit_code": 1, "code": "repository",
            "message": "no branch `x`", "details": [], "hint": "push it", "cause": null}})
    );
    assert_eq!(ran.stdout, "");
}

#[tokio::test]
async fn a_dead_server_is_said_to_be_dead() {
    let url = dead_url().await;
    for arguments in [
        &["list"][..],
        &["exec", "--env", "demo", "fix"],
        &["log", TASK, "--follow"],
    ] {
        let setup = Setup::without_server()
            .var("OUTWORK_URL", &url)
            .var("OUTWORK_TOKEN", "ow_good");
        let ran = setup.run(arguments).await.expect(ExitStatus::Unreachable);
        let expected = format!("error: the server at {url} cannot be reached\n  ");
        assert!(ran.stderr.starts_with(&expected), "{}", ran.stderr);
        assert!(ran.stderr.contains("refused"), "{}", ran.stderr);
        assert!(
            ran.stderr.contains("hint: start it with `outwork up`"),
            "{}",
            ran.stderr
        );
    }
}

#[tokio::test]
async fn who_is_not_signed_in_is_told_how() {
    let server = Server::start(World::default()).await;
    let setup = || Setup::without_server();
    let nothing = setup().run(&["list"]).await.expect(ExitStatus::SignedOut);
    assert!(
        nothing.stderr.contains("no server is configured"),
        "{}",
        nothing.stderr
    );
    assert!(nothing.stderr.contains("outwork up"), "{}", nothing.stderr);
    let no_token = setup()
        .var("OUTWORK_URL", &server.url)
        .run(&["list"])
        .await
        .expect(ExitStatus::SignedOut);
    assert!(
        no_token
            .stderr
            .contains(&format!("outwork login --url {}", server.url)),
        "{}",
        no_token.stderr
    );
    let wrong = Setup::new(&server)
        .var("OUTWORK_TOKEN", "ow_wrong")
        .run(&["list"])
        .await;
    let wrong = wrong.expect(ExitStatus::SignedOut);
    assert!(
        wrong.stderr.contains("the token is not one of this server"),
        "{}",
        wrong.stderr
    );
    assert!(!wrong.stderr.contains("ow_wrong"), "{}", wrong.stderr);
}

#[tokio::test]
async fn a_key_of_another_service_is_never_sent() {
    let server = Server::start(world("completed", Some("succeeded"), "succeeded")).await;
    let setup = |key: &str| {
        Setup::without_server()
            .var(
                "CODEX_CLOUD_TASKS_BASE_URL",
                format!("{}/backend-api/", server.url),
            )
            .var("CODEX_API_KEY", key)
    };
    setup("sk-another")
        .run(&["list"])
        .await
        .expect(ExitStatus::SignedOut);
    assert_eq!(server.paths(), Vec::<String>::new());
    setup("ow_good").run(&["list"]).await.expect(ExitStatus::Ok);
}

#[tokio::test]
async fn a_bad_address_is_wrong_usage() {
    for url in [
        "localhost:80",
        "ftp://host",
        "nonsense",
        "http://",
        "https://h?a=b",
    ] {
        // Also before anybody signed in: a token would not help.
        for variables in [&[("OUTWORK_TOKEN", "ow_good")][..], &[]] {
            let setup = Setup::without_server().var("HOME", "/nonexistent");
            let setup = variables
                .iter()
                .fold(setup, |setup, (name, value)| setup.var(name, value));
            if variables.is_empty() && url.contains('?') {
                continue;
            }
            let ran = setup
                .run(&["--url", url, "list"])
                .await
                .expect(ExitStatus::Usage);
            assert!(ran.stderr.contains("hint: "), "{url}: {}", ran.stderr);
            assert!(!ran.stderr.contains("signed in"), "{url}: {}", ran.stderr);
        }
    }
}

#[tokio::test]
async fn a_reader_that_goes_away_is_no_failure() {
    let mut knows = world("completed", Some("succeeded"), "succeeded");
    let task = knows.tasks[0].clone();
    knows.tasks.push(task);
    let server = Server::start(knows).await;
    for arguments in [
        &["list"][..],
        &["status", TASK],
        &["log", TASK],
        &["list", "--json"],
    ] {
        let setup = Setup {
            stdout_closes_after: Some(0),
            ..Setup::new(&server)
        };
        let ran = setup.run(arguments).await.expect(ExitStatus::Ok);
        assert_eq!(
            (ran.stdout.as_str(), ran.stderr.as_str()),
            ("", ""),
            "{arguments:?}"
        );
    }
}

#[tokio::test]
async fn how_a_task_came_out_does_not_depend_on_who_reads() {
    let server = Server::start(world("failed", Some("failed"), "failed")).await;
    for closes_after in [0, 1, 2] {
        let setup = Setup {
            stdout_closes_after: Some(closes_after),
            ..Setup::new(&server)
        };
        setup
            .run(&["exec", "--env", "demo", "--wait", "fix"])
            .await
            .expect(ExitStatus::Failed);
    }
}

#[tokio::test]
async fn wrong_fields_are_named_as_they_are_typed_and_said_once() {
    for (problem, expected) in [
        (
            Problem::new(
                Code::Unprocessable,
                "`timeout_seconds` must be at most 24 hours.",
            )
            .with_field("/timeout_seconds", "must be at most 24 hours"),
            "error: --timeout must be at most 24 hours\n\
             hint: correct --timeout, and run the command again\n",
        ),
        (
            Problem::new(Code::Unprocessable, "Branch \"-x\" is not valid.")
                .with_field("/branch", "branch \"-x\" is not valid"),
            "error: branch \"-x\" is not valid\nhint: correct --branch, and run the command again\n",
        ),
        (
            Problem::new(Code::Unprocessable, "`attempts` is 9.")
                .with_field("/attempts", "is 9")
                .with_field("/commit", "is odd"),
            "error: --attempts is 9\n  /attempts: is 9\n  /commit: is odd\n\
             hint: correct --attempts and --commit, and run the command again\n",
        ),
        (
            Problem::new(Code::Conflict, "Another environment has this label.")
                .with_field("/label", "is taken")
                .with_hint("See the other with `outwork env show x`."),
            "error: another environment has this label\n\
             hint: see the other with `outwork env show x`\n",
        ),
    ] {
        let server = Server::start(World {
            refusal: Some(problem),
            ..World::default()
        })
        .await;
        let ran = Setup::new(&server)
            .run(&["exec", "--env", "demo", "fix"])
            .await
            .expect(ExitStatus::Failed);
        assert_eq!(ran.stderr, expected);
    }
}
