//! `credential`: what is secret goes one way only.

use outwork_cli::ExitStatus;
use serde_json::{Value, json};

use crate::harness::Setup;
use crate::server::{Server, World, world};

const KEY: &str =
    "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk\n-----END OPENSSH PRIVATE KEY-----";

fn credential(digit: char, scope: &str, kind: &str, username: Option<&str>) -> Value {
    let id = format!("cred_0192c3f0a1b27def8123456789abcdc{digit}");
    json!({"id": id, "scope": scope, "kind": kind, "username": username, "updated_at": "2026-11-20T14:00:00.000Z"})
}

async fn server() -> Server {
    Server::start(World {
        credentials: vec![
            credential('1', "git.example.com", "token", Some("ada")),
            credential('2', "git.example.com", "ssh_key", None),
            credential('3', "git.example.com/Team", "token", None),
        ],
        ..world("completed", Some("succeeded"), "succeeded")
    })
    .await
}

#[tokio::test]
async fn a_token_and_a_key_are_set() {
    let server = server().await;
    let home = tempfile::tempdir().expect("a folder");
    for (name, text) in [
        ("token", " s3cret-token\n"),
        ("key", &format!("{KEY}\n\n")),
        ("hosts", "git.example.com ssh-ed25519 AAAA\n"),
    ] {
        std::fs::write(home.path().join(name), text).expect("written");
    }
    for (arguments, expected) in [
        (
            &[
                "Git.Example.com/Team/",
                "--token-file",
                "token",
                "--username",
                "ada",
            ][..],
            json!({"scope": "git.example.com/Team",
                "secret": {"kind": "token", "username": "ada", "token": "s3cret-token"}}),
        ),
        (
            &["git.example.com", "--token-file", "-"],
            json!({"scope": "git.example.com", "secret": {"kind": "token", "token": "s3cret-typed"}}),
        ),
        (
            &[
                "git.example.com",
                "--ssh-key-file",
                "key",
                "--known-hosts",
                "hosts",
            ],
            json!({"scope": "git.example.com", "secret": {"kind": "ssh_key", "private_key": format!("{KEY}\n"),
                "known_hosts": "git.example.com ssh-ed25519 AAAA\n"}}),
        ),
    ] {
        let line = [&["credential", "set"], arguments].concat();
        let setup = Setup::new(&server).dir(home.path()).stdin("s3cret-typed\n");
        let ran = setup.run(&line).await.expect(ExitStatus::Ok);
        assert_eq!(ran.stdout, "cred_0192c3f0a1b27def8123456789abcdc1\n");
        assert_eq!(ran.stderr, "");
        let sent = server.requests().pop().expect("a request");
        assert_eq!(sent, ("PUT /api/v1/credentials".to_owned(), expected));
    }
    let line = ["credential", "set", "h", "--token-file", "-", "--json"];
    let typed = Setup {
        stdin_is_terminal: true,
        ..Setup::new(&server).stdin("s3cret-typed\n")
    };
    let ran = typed.run(&line).await.expect(ExitStatus::Ok);
    assert_eq!(ran.stderr, "token (not shown): ");
    assert_eq!(ran.json()["kind"], "token");
    assert!(!ran.stdout.contains("s3cret"), "{}", ran.stdout);
}

#[tokio::test]
async fn what_is_no_credential_is_refused_here() {
    let server = server().await;
    for (flag, stdin, message) in [
        ("--token-file", &b" \n"[..], "the token file is empty"),
        ("--token-file", b"\xff", "the token file is not text"),
        (
            "--ssh-key-file",
            b"ssh-ed25519 AAAA ada@h\n",
            "the key file holds no private key",
        ),
    ] {
        let setup = Setup::new(&server).stdin(stdin);
        let ran = setup.run(&["credential", "set", "h", flag, "-"]).await;
        let ran = ran.expect(ExitStatus::Usage);
        let expected = format!("error: {message}\nhint: ");
        assert!(ran.stderr.starts_with(&expected), "{}", ran.stderr);
    }
    let ran = Setup::new(&server)
        .run(&["credential", "set", "h", "--token-file", "none"])
        .await
        .expect(ExitStatus::Usage);
    assert!(
        ran.stderr.contains("the token file /none cannot be read"),
        "{}",
        ran.stderr
    );
    assert_eq!(server.paths(), Vec::<String>::new());
}

#[tokio::test]
async fn credentials_are_listed_and_removed() {
    let server = server().await;
    let run = async |line: &[&str], expected| Setup::new(&server).run(line).await.expect(expected);
    let setup = Setup::new(&server).terminal().var("NO_COLOR", "1");
    let ran = setup
        .run(&["credential", "list"])
        .await
        .expect(ExitStatus::Ok);
    insta::assert_snapshot!(ran.stdout);
    let listed = run(&["credential", "list", "--json"], ExitStatus::Ok).await;
    assert_eq!(
        listed.json()["credentials"][2]["scope"],
        "git.example.com/Team"
    );
    for (name, removed) in [
        ("GIT.example.com/Team", '3'),
        ("cred_0192c3f0a1b27def8123456789abcdc2", '2'),
    ] {
        let ran = run(&["credential", "rm", name], ExitStatus::Ok).await;
        assert_eq!(ran.stderr, format!("removed {name}\n"));
        let path =
            format!("DELETE /api/v1/credentials/cred_0192c3f0a1b27def8123456789abcdc{removed}");
        assert_eq!(server.paths().pop().expect("a request"), path);
    }
    let ran = run(&["credential", "rm", "git.example.com"], ExitStatus::Failed).await;
    assert!(
        ran.stderr.contains("there are 2 credentials"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("abcdc2  ssh_key"), "{}", ran.stderr);
    run(
        &["credential", "rm", "other.example.com"],
        ExitStatus::Failed,
    )
    .await;
}

#[tokio::test]
async fn what_may_push_says_where() {
    let server = server().await;
    let home = tempfile::tempdir().expect("a folder");
    std::fs::write(home.path().join("token"), "s3cret-token\n").expect("written");
    let set = [
        "credential",
        "set",
        "git.example.com",
        "--push",
        "--forge",
        "forgejo",
        "--api-url",
        "https://git.example.com/api/v1",
        "--token-file",
        "token",
    ];
    let setup = Setup::new(&server).dir(home.path());
    setup.run(&set).await.expect(ExitStatus::Ok);
    let (_, sent) = server.requests().pop().expect("a request");
    let expected = json!({"scope": "git.example.com", "secret": {"kind": "token", "token": "s3cret-token"},
        "push": {"forge": "gitea", "api_url": "https://git.example.com/api/v1"}});
    assert_eq!(sent, expected);
}
