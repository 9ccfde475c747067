//! Tasks with several repositories: which one is read, and which one is applied where.

use std::collections::BTreeMap;

use outwork_cli::ExitStatus;
use serde_json::json;

use crate::harness::{Ran, Repo, Setup};
use crate::server::{Server, TASK, World, environment_json, task_json, world};

const FIRST: &str = "https://h/ada/engine";

/// A task on `engine` with `docs`, which changed, and `wiki`, which did not.
fn several(repo: &Repo) -> World {
    let mut knows = world("completed", Some("succeeded"), "succeeded");
    let mut task = task_json(
        TASK,
        "fix it",
        "completed",
        Some("succeeded"),
        &["succeeded"],
    );
    task["further_repositories"] = json!([
        {"name": "docs", "url": "git@h:ada/docs.git", "branch": "next", "commit": "d".repeat(40)},
        {"name": "wiki", "url": "https://h/ada/wiki", "commit": "e".repeat(40)},
    ]);
    let stat = |name: &str, files: u32| json!({"repository": name, "files_changed": files, "lines_added": files, "lines_removed": 0});
    task["turns"][0]["attempts"][0]["diffs"] =
        json!([stat("engine", 1), stat("docs", 2), stat("wiki", 0)]);
    knows.tasks = vec![task];
    knows.environments = vec![environment_json(
        "env_0192c3f0a1b27def8123456789abcde1",
        "demo",
        FIRST,
    )];
    knows.diff = repo.diff_to("one\nengine\nthree\n");
    knows.further_diffs = BTreeMap::from([
        ("docs".to_owned(), repo.diff_to("one\ndocs\nthree\n")),
        ("wiki".to_owned(), Vec::new()),
    ]);
    knows
}

#[tokio::test]
async fn a_diff_is_of_one_repository() {
    let repo = Repo::new();
    let server = Server::start(several(&repo)).await;
    let run = async |line: &[&str], expected| Setup::new(&server).run(line).await.expect(expected);
    let ran = run(&["diff", TASK], ExitStatus::Ok).await;
    assert!(
        ran.stdout.contains("+engine") && !ran.stdout.contains("+docs"),
        "{ran:?}"
    );
    assert_eq!(
        ran.stderr,
        "docs changed, too (2 files, +2 -0); read it with --repo docs\n"
    );
    let ran = run(&["diff", TASK, "--repo", "docs"], ExitStatus::Ok).await;
    assert!(
        ran.stdout.contains("+docs") && !ran.stdout.contains("+engine"),
        "{ran:?}"
    );
    assert_eq!(
        ran.stderr,
        "engine changed, too (1 file, +1 -0); read it with --repo engine\n"
    );
    let ran = run(&["diff", TASK, "--repo", "engine"], ExitStatus::Ok).await;
    assert!(ran.stdout.contains("+engine"), "{ran:?}");
    let ran = run(&["-q", "diff", TASK, "--repo", "wiki"], ExitStatus::Ok).await;
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", ""));
    let ran = run(&["diff", TASK, "--repo", "nope"], ExitStatus::Failed).await;
    assert_eq!(
        ran.stderr,
        "error: the task has no repository `nope`\nhint: there are: engine, docs, wiki\n"
    );
}

async fn apply(server: &Server, repo: &Repo, arguments: &[&str]) -> Ran {
    let line = [&["apply", TASK], arguments].concat();
    Setup::new(server).dir(repo.path()).run(&line).await
}

#[tokio::test]
async fn the_folder_says_which_diff_is_applied() {
    for (remote, line) in [
        ("git@h:ada/engine.git", "one\nengine\nthree\n"),
        ("https://h/ada/docs", "one\ndocs\nthree\n"),
    ] {
        let repo = Repo::new();
        let server = Server::start(several(&repo)).await;
        repo.git(&["remote", "add", "origin", remote]);
        apply(&server, &repo, &[]).await.expect(ExitStatus::Ok);
        assert_eq!(repo.read("file"), line, "{remote}");
    }
    // Whoever names one means it.
    let repo = Repo::new();
    let server = Server::start(several(&repo)).await;
    repo.git(&["remote", "add", "origin", "https://h/ada/engine"]);
    apply(&server, &repo, &["--repo", "docs"])
        .await
        .expect(ExitStatus::Ok);
    assert_eq!(repo.read("file"), "one\ndocs\nthree\n");
}

#[tokio::test]
async fn nothing_is_applied_to_a_folder_that_is_none_of_them() {
    let repo = Repo::new();
    let server = Server::start(several(&repo)).await;
    for (remote, message) in [
        (
            "https://h/ada/other",
            "a clone of none of the task's repositories",
        ),
        (
            "https://h/ada/docs",
            "a clone of several of the task's repositories",
        ),
    ] {
        repo.git(&[
            "remote",
            "add",
            remote.rsplit('/').next().expect("a name"),
            remote,
        ]);
        if remote.ends_with("docs") {
            repo.git(&["remote", "add", "engine", FIRST]);
        }
        let ran = apply(&server, &repo, &[]).await.expect(ExitStatus::Failed);
        assert!(ran.stderr.contains(message), "{}", ran.stderr);
        assert!(
            ran.stderr
                .ends_with("name one with --repo: engine, docs, wiki\n"),
            "{}",
            ran.stderr
        );
        assert_eq!(repo.read("file"), "one\ntwo\nthree\n");
    }
}

#[tokio::test]
async fn the_further_repositories_are_known_without_the_environment() {
    let repo = Repo::new();
    let mut knows = several(&repo);
    knows.environments.clear();
    let server = Server::start(knows).await;
    repo.git(&["remote", "add", "origin", "https://h/ada/docs"]);
    repo.write("file", "one\nzwei\nthree\n");
    repo.git(&["commit", "-qam", "second"]);
    let ran = apply(&server, &repo, &["--3way"])
        .await
        .expect(ExitStatus::Failed);
    assert!(
        repo.read("file").contains("<<<<<<<"),
        "{}",
        repo.read("file")
    );
    assert!(
        ran.stderr.contains("resolve the conflict markers"),
        "{}",
        ran.stderr
    );
}

#[tokio::test]
async fn the_status_shows_each() {
    let repo = Repo::new();
    let server = Server::start(several(&repo)).await;
    let ran = Setup::new(&server).run(&["status", TASK]).await;
    insta::assert_snapshot!(ran.expect(ExitStatus::Ok).stdout);
}
