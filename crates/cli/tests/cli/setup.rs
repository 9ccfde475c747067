//! `login`, `model`, `doctor`, `completion`.

use outwork_cli::{Check, CheckResult, ExitStatus};
use serde_json::{Value, json};

use crate::harness::Setup;
use crate::server::{Server, dead_url, world};

async fn server() -> Server {
    Server::start(world("completed", Some("succeeded"), "succeeded")).await
}

#[tokio::test]
async fn a_login_is_kept_for_the_next_commands() {
    let server = server().await;
    let home = tempfile::tempdir().expect("a folder");
    let config = home.path().join("config");
    let setup = || {
        Setup::without_server()
            .dir(home.path())
            .var("OUTWORK_CONFIG_DIR", &config)
    };
    let login = setup()
        .stdin("ow_good\n")
        .run(&["login", "--url", &format!("{}/", server.url)])
        .await;
    assert_eq!(
        login.expect(ExitStatus::Ok).stderr,
        format!("signed in to {} as ada, workspace home\n", server.url)
    );
    setup().run(&["list"]).await.expect(ExitStatus::Ok);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = config
            .join("credentials.toml")
            .metadata()
            .expect("a file")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let kept = std::fs::read_to_string(config.join("config.toml")).expect("a file");
    assert!(!kept.contains("ow_good"), "{kept}");

    // A second server; the first stays, the flag and the variable go before what is kept.
    let second = self::server().await;
    std::fs::write(home.path().join("token"), "ow_good\n").expect("written");
    let arguments = ["login", "--url", &second.url, "--token-file", "token"];
    setup().run(&arguments).await.expect(ExitStatus::Ok);
    setup().run(&["list"]).await.expect(ExitStatus::Ok);
    assert_eq!(
        second.paths(),
        ["GET /api/v1/me", "GET /api/v1/tasks?limit=20"]
    );
    setup()
        .run(&["list", "--url", &server.url])
        .await
        .expect(ExitStatus::Ok);
    setup()
        .var("OUTWORK_URL", &server.url)
        .run(&["list"])
        .await
        .expect(ExitStatus::Ok);
    assert_eq!(server.paths().len(), 4);
}

#[tokio::test]
async fn a_login_that_does_not_work_keeps_nothing() {
    let server = server().await;
    let home = tempfile::tempdir().expect("a folder");
    let dead = dead_url().await;
    for (arguments, expected, message) in [
        (
            &["login", "--url", &server.url, "--token", "ow_wrong"][..],
            ExitStatus::SignedOut,
            "not one of this server",
        ),
        (
            &["login", "--url", &server.url, "--token", "ow_worker"],
            ExitStatus::SignedOut,
            "for a worker",
        ),
        (
            &["login", "--url", &server.url, "--token", "two words"],
            ExitStatus::SignedOut,
            "--token holds no token",
        ),
        (
            &["login", "--url", &server.url, "--token-file", "none"],
            ExitStatus::Usage,
            "cannot be read",
        ),
        (
            &["login", "--url", &server.url],
            ExitStatus::SignedOut,
            "standard input holds no token",
        ),
        (
            &["login", "--url", &dead, "--token", "ow_good"],
            ExitStatus::Unreachable,
            "cannot be reached",
        ),
        (
            &["login", "--token", "ow_good"],
            ExitStatus::Usage,
            "which server?",
        ),
    ] {
        let setup = Setup::without_server()
            .dir(home.path())
            .var("XDG_CONFIG_HOME", home.path());
        let ran = setup.run(arguments).await.expect(expected);
        assert!(
            ran.stderr.contains(message),
            "{arguments:?}: {}",
            ran.stderr
        );
        assert!(!ran.stderr.contains("ow_"), "{}", ran.stderr);
        assert!(!home.path().join("outwork").exists(), "{arguments:?}");
    }
}

#[tokio::test]
async fn a_broken_file_is_named_and_its_secrets_are_not() {
    let home = tempfile::tempdir().expect("a folder");
    std::fs::write(
        home.path().join("credentials.toml"),
        "[tokens]\n\"http://h\" = ow_secret\n",
    )
    .expect("written");
    let setup = Setup::without_server().var("OUTWORK_CONFIG_DIR", home.path());
    let ran = setup
        .run(&["list", "--url", "http://h"])
        .await
        .expect(ExitStatus::Failed);
    assert!(
        ran.stderr.contains("credentials.toml is not as expected"),
        "{}",
        ran.stderr
    );
    assert!(!ran.stderr.contains("ow_secret"), "{}", ran.stderr);
}

#[tokio::test]
async fn the_model_is_set_without_its_key_being_shown() {
    let server = server().await;
    let missing = Setup::new(&server)
        .run(&["model", "show"])
        .await
        .expect(ExitStatus::Failed);
    assert!(
        missing.stderr.starts_with("error: no model is set\nhint: "),
        "{}",
        missing.stderr
    );
    let arguments = [
        "model",
        "set",
        "--base-url",
        "http://m/v1",
        "--name",
        "scripted",
        "--key-file",
        "-",
    ];
    let set = Setup::new(&server)
        .stdin("sk-secret\n")
        .run(&arguments)
        .await
        .expect(ExitStatus::Ok);
    assert!(set.stdout.contains("key       set\n"), "{}", set.stdout);
    assert!(
        !set.stdout.contains("sk-secret") && !set.stderr.contains("sk-secret"),
        "{set:?}"
    );
    let sent = server.requests().pop().expect("a request");
    assert_eq!(
        sent.1,
        json!({"base_url": "http://m/v1", "name": "scripted", "api_key": "sk-secret"})
    );
    assert!(set.stderr.contains("unencrypted"), "{}", set.stderr);
    Setup::new(&server)
        .run(&["model", "rm"])
        .await
        .expect(ExitStatus::Ok);
}

#[tokio::test]
async fn what_is_left_out_of_the_model_stays() {
    let server = server().await;
    for arguments in [
        &["model", "set"][..],
        &["model", "set", "--name", "m"],
        &["model", "set", "--base-url", "https://m/v1"],
    ] {
        let ran = Setup::new(&server)
            .run(arguments)
            .await
            .expect(ExitStatus::Usage);
        assert!(
            ran.stderr.contains("hint: set one with `outwork model set"),
            "{}",
            ran.stderr
        );
    }
    let first = [
        "model",
        "set",
        "--base-url",
        "https://m/v1",
        "--name",
        "one",
    ];
    let ran = Setup::new(&server).run(&first).await.expect(ExitStatus::Ok);
    assert_eq!(ran.stderr, "");
    let ran = Setup::new(&server)
        .stdin("sk-new\n")
        .run(&[
            "model",
            "set",
            "--key-file",
            "-",
            "--context-window",
            "9000",
        ])
        .await;
    ran.expect(ExitStatus::Ok);
    let sent = server.requests().pop().expect("a request").1;
    assert_eq!(
        sent,
        json!({"base_url": "https://m/v1", "name": "one", "api_key": "sk-new",
            "context_window": 9000})
    );
}

fn check(result: CheckResult) -> Check {
    Check {
        name: "worker".to_owned(),
        result,
    }
}

#[tokio::test]
async fn the_doctor_looks_at_everything() {
    let server = server().await;
    let mut setup = Setup::new(&server).var("HOME", "/nonexistent");
    setup.checks = vec![check(CheckResult::ok("sandbox"))];
    let ran = setup.run(&["doctor"]).await.expect(ExitStatus::Ok);
    assert!(
        ran.stdout.contains("signed in as ada in workspace home"),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stdout.contains("ok       git: git version "),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stdout.ends_with("ok       worker: sandbox\n"),
        "{}",
        ran.stdout
    );

    let mut setup = Setup::without_server()
        .var("OUTWORK_URL", dead_url().await)
        .var("OUTWORK_TOKEN", "ow_good")
        .var("PATH", "/nonexistent");
    setup.checks = vec![check(CheckResult::failed("no namespaces", "allow them"))];
    let ran = setup
        .run(&["doctor", "--json"])
        .await
        .expect(ExitStatus::Failed);
    let json = ran.json();
    let checks = json["checks"].as_array().expect("a list");
    let stands: Vec<_> = checks
        .iter()
        .map(|one| {
            (
                one["name"].as_str().expect("a name"),
                one["status"].as_str().expect("a status"),
                one["hint"] == Value::Null,
            )
        })
        .collect();
    assert_eq!(
        stands,
        [
            ("configuration", "warning", false),
            ("server", "failed", false),
            ("git", "failed", false),
            ("worker", "failed", false)
        ]
    );
}

#[tokio::test]
async fn a_typed_token_is_one_line() {
    let server = server().await;
    let home = tempfile::tempdir().expect("a folder");
    let setup = Setup {
        stdin_is_terminal: true,
        ..Setup::without_server()
            .var("OUTWORK_CONFIG_DIR", home.path())
            .stdin("ow_good\nwhat is typed after it")
    };
    let ran = setup
        .run(&["login", "--url", &server.url])
        .await
        .expect(ExitStatus::Ok);
    assert!(
        ran.stderr.starts_with("token (not shown): "),
        "{}",
        ran.stderr
    );
}

#[tokio::test]
async fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let ran = Setup::without_server()
            .run(&["completion", shell])
            .await
            .expect(ExitStatus::Ok);
        // The shell asks `outwork` what there is.
        assert!(ran.stdout.contains("OUTWORK_COMPLETE"), "{shell}");
    }
    let ran = Setup::without_server()
        .run(&["exit-codes"])
        .await
        .expect(ExitStatus::Ok);
    assert!(
        ran.stdout.contains("124   --timeout is over"),
        "{}",
        ran.stdout
    );
}

#[tokio::test]
async fn contexts_are_named_chosen_and_left() {
    let (first, second) = (server().await, server().await);
    let home = tempfile::tempdir().expect("a folder");
    let run = async |arguments: &[&str], status| {
        let ran = Setup::without_server()
            .dir(home.path())
            .var("OUTWORK_CONFIG_DIR", home.path().join("config"))
            .stdin("ow_good\n")
            .run(arguments)
            .await;
        ran.expect(status)
    };
    let login = |url: &str, more: &[&str]| {
        let given = [&["login", "--url", url], more].concat();
        given.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    for arguments in [
        login(&first.url, &["--name", "work"]),
        login(&second.url, &[]),
    ] {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        run(&arguments, ExitStatus::Ok).await;
    }
    let host = second.url.strip_prefix("http://").expect("an address");
    let listed = run(&["context", "list", "--json"], ExitStatus::Ok)
        .await
        .json();
    let mut listed: Vec<_> = listed["contexts"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| {
            (
                one["name"].clone(),
                one["url"].clone(),
                one["is_used"].clone(),
            )
        })
        .collect();
    listed.sort_by_key(|(_, _, is_used)| is_used.as_bool());
    assert_eq!(
        listed,
        [
            (json!("work"), json!(first.url), json!(false)),
            (json!(host), json!(second.url), json!(true)),
        ]
    );

    let requests = || (first.paths().len(), second.paths().len());
    run(&["list"], ExitStatus::Ok).await;
    assert_eq!(requests(), (1, 2));
    run(&["list", "--url", "work"], ExitStatus::Ok).await;
    run(&["context", "use", "work"], ExitStatus::Ok).await;
    run(&["list"], ExitStatus::Ok).await;
    assert_eq!(requests(), (3, 2));
    let taken = run(&["context", "rename", host, "work"], ExitStatus::Failed).await;
    assert!(
        taken.stderr.contains("another server is called `work`"),
        "{}",
        taken.stderr
    );
    run(&["context", "rename", host, "home"], ExitStatus::Ok).await;
    run(&["list", "--url", "home"], ExitStatus::Ok).await;
    assert_eq!(requests(), (3, 3));

    run(&["context", "rm", "work"], ExitStatus::Ok).await;
    run(&["list"], ExitStatus::SignedOut).await;
    let gone = run(&["list", "--url", "work"], ExitStatus::Usage).await;
    assert!(
        gone.stderr.contains("`outwork context list` shows"),
        "{}",
        gone.stderr
    );
    let unknown = run(&["context", "use", "work"], ExitStatus::Failed).await;
    assert!(
        unknown.stderr.ends_with("hint: there are: home\n"),
        "{}",
        unknown.stderr
    );
    let kept = std::fs::read_to_string(home.path().join("config/credentials.toml"));
    assert!(!kept.expect("a file").contains(&first.url));
}

#[tokio::test]
async fn one_signs_out_of_a_server_and_codex_by_itself() {
    let server = server().await;
    let home = tempfile::tempdir().expect("a folder");
    let config = home.path().join("config");
    let run = async |arguments: &[&str], status: ExitStatus| {
        let setup = Setup::without_server()
            .dir(home.path())
            .var("OUTWORK_CONFIG_DIR", &config);
        setup.stdin("ow_good\n").run(arguments).await.expect(status)
    };
    let codex = config.join("codex");
    run(&["logout"], ExitStatus::SignedOut).await;
    run(&["logout", "--codex"], ExitStatus::SignedOut).await;
    run(&["login", "--url", &server.url, "--codex"], ExitStatus::Ok).await;
    std::fs::write(codex.join("config.toml"), "mine").expect("written");

    let out = run(&["logout", "--codex"], ExitStatus::Ok).await;
    assert_eq!(
        out.stderr,
        format!(
            "codex is signed out of {}; its token is refused\n",
            server.url
        )
    );
    let (line, body) = server.requests().pop().expect("a request");
    assert_eq!(line, "POST /oauth/revoke");
    assert_eq!(body, json!({"token": "ow_good"}));
    let left = || {
        let names = std::fs::read_dir(&codex).expect("a folder");
        let names = names.map(|entry| entry.expect("an entry").file_name());
        names.collect::<Vec<_>>()
    };
    assert_eq!(left(), ["config.toml"], "what is the client's stays");
    run(&["codex", "--", "cloud"], ExitStatus::SignedOut).await;
    run(&["list"], ExitStatus::Ok).await;

    run(&["login", "--codex"], ExitStatus::Ok).await;
    run(&["logout", "--codex", "--all"], ExitStatus::Ok).await;
    assert_eq!(
        server.paths().pop().as_deref(),
        Some("DELETE /api/v1/codex-logins")
    );
    assert_eq!(left(), ["config.toml"]);

    run(&["login", "--codex"], ExitStatus::Ok).await;
    let out = run(&["logout"], ExitStatus::Ok).await;
    assert_eq!(
        out.stderr,
        format!(
            "signed out of {}\ncodex is signed in to it still; `outwork logout --codex` ends that\n",
            server.url
        )
    );
    run(&["list"], ExitStatus::SignedOut).await;
    let kept = std::fs::read_to_string(config.join("credentials.toml")).expect("a file");
    assert!(!kept.contains("ow_good"), "{kept}");
    // That needs nothing but what it has itself.
    run(&["logout", "--codex"], ExitStatus::Ok).await;
}

#[tokio::test]
async fn a_login_that_cannot_be_ended_is_kept_for_another_try() {
    let server = server().await;
    let home = tempfile::tempdir().expect("a folder");
    let config = home.path().join("config");
    let setup = || {
        Setup::without_server()
            .dir(home.path())
            .var("OUTWORK_CONFIG_DIR", &config)
            .stdin("ow_good\n")
    };
    let login = ["login", "--url", &server.url, "--codex"];
    setup().run(&login).await.expect(ExitStatus::Ok);
    let dead = dead_url().await;
    std::fs::write(config.join("codex/outwork-server"), dead).expect("written");
    let failed = setup().run(&["logout", "--codex"]).await;
    failed.expect(ExitStatus::Unreachable);
    assert!(config.join("codex/auth.json").exists());
}
