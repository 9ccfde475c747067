//! `env sync`: the file is taken over when a person says so.

use outwork_cli::ExitStatus;
use serde_json::{Value, json};

use crate::harness::{Repo, Setup};
use crate::server::{Server, world};

fn clone(file: &str) -> Repo {
    let repo = Repo::new();
    repo.git(&["remote", "add", "origin", "git@h:ada/engine.git"]);
    repo.write(".outwork.toml", file);
    repo
}

async fn server() -> Server {
    let mut knows = world("completed", Some("succeeded"), "succeeded");
    let one = &mut knows.environments[0];
    one["setup_script"] = json!("set -x\nnpm install\nnpm run build\n");
    one["base_image"] = json!("debian:11");
    one["maintenance_script"] = json!("npm ci\n");
    one["further_repositories"] = json!([{"name": "docs", "url": "https://h/d"}]);
    Server::start(knows).await
}

const FILE: &str = "label = \"other\"\nimage = \"debian:12\"\nsetup = \"set -x\\nnpm ci\\nnpm run build\\n\"\n\
    maintenance = \"\"\nverify = \"npm test\"\nsecrets = [\"NPM_TOKEN\"]\n[variables]\nA = \"1\"\nC = \"3\"\n\
    [[also]]\nname = \"wiki\"\nurl = \"https://h/w\"\n";

#[tokio::test]
async fn what_changes_is_shown_and_written() {
    let repo = clone(FILE);
    let server = server().await;
    let run = async |line: &[&str], expected| {
        let setup = Setup::new(&server).dir(repo.path());
        setup.run(line).await.expect(expected)
    };
    let ran = run(&["env", "sync"], ExitStatus::Usage).await;
    insta::assert_snapshot!(ran.stderr);
    let is_read_only = server.paths().iter().all(|line| line.starts_with("GET "));
    assert!(is_read_only, "{:?}", server.paths());
    let ran = run(&["env", "sync", "--yes"], ExitStatus::Ok).await;
    assert_eq!(ran.stdout, "env_0192c3f0a1b27def8123456789abcde1\n");
    let sent = server.requests().pop().expect("a request");
    assert_eq!(
        sent.1,
        json!({"base_image": "debian:12", "further_repositories": [{"name": "wiki", "url": "https://h/w"}],
            "setup_script": "set -x\nnpm ci\nnpm run build\n", "maintenance_script": "",
            "verify_command": "npm test", "variables": {"A": "1", "C": "3"}})
    );
    let again = run(&["env", "sync", "demo", "--json"], ExitStatus::Ok).await;
    assert!(
        again.stderr.ends_with("demo is as the file says\n"),
        "{}",
        again.stderr
    );
    assert_eq!(again.json()["label"], "demo");
}

#[tokio::test]
async fn a_person_is_asked() {
    let repo = clone("verify = \"npm test\"\n");
    let server = server().await;
    for (answer, expected) in [("n\n", ExitStatus::Failed), ("y\n", ExitStatus::Ok)] {
        let setup = Setup {
            stdin_is_terminal: true,
            ..Setup::new(&server).dir(repo.path()).stdin(answer)
        };
        let ran = setup.run(&["env", "sync"]).await.expect(expected);
        let shown = "verify\n+ npm test\nChange the environment demo like this? [y/N] ";
        assert!(ran.stderr.starts_with(shown), "{}", ran.stderr);
    }
    let sent = server.requests().pop().expect("a request").1;
    assert_eq!(sent, json!({"verify_command": "npm test"}));
}

#[tokio::test]
async fn there_has_to_be_a_file_and_an_environment() {
    let server = server().await;
    for (remote, file, expected, message) in [
        (
            "git@h:ada/engine",
            None,
            ExitStatus::Failed,
            "has no .outwork.toml",
        ),
        (
            "git@h:ada/engine",
            Some("x = 1\n"),
            ExitStatus::Failed,
            ".outwork.toml is not as expected",
        ),
        (
            "git@h:ada/other",
            Some(""),
            ExitStatus::Usage,
            "no environment is for this repository",
        ),
    ] {
        let repo = Repo::new();
        repo.git(&["remote", "add", "origin", remote]);
        if let Some(text) = file {
            repo.write(".outwork.toml", text);
        }
        let ran = Setup::new(&server)
            .dir(repo.path())
            .run(&["env", "sync"])
            .await;
        let ran = ran.expect(expected);
        assert!(ran.stderr.contains(message), "{}", ran.stderr);
    }
    let changed: Vec<(String, Value)> = server.requests();
    assert!(changed.iter().all(|(line, _)| line.starts_with("GET ")));
}
