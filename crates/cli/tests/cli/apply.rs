//! `apply` in real repositories.

use outwork_cli::ExitStatus;

use crate::harness::{Repo, Setup};
use crate::server::{Server, TASK, World, world};

async fn server(diff: Vec<u8>) -> Server {
    Server::start(World {
        diff,
        ..world("completed", Some("succeeded"), "succeeded")
    })
    .await
}

#[tokio::test]
async fn a_diff_is_applied_from_anywhere_in_the_repository() {
    let repo = Repo::new();
    let server = server(repo.diff_to("one\n2\nthree\n")).await;
    let inside = repo.path().join("sub");
    std::fs::create_dir(&inside).expect("a folder");
    let ran = Setup::new(&server)
        .dir(&inside)
        .run(&["apply", TASK, "--check"])
        .await
        .expect(ExitStatus::Ok);
    assert_eq!(
        (ran.stdout.as_str(), repo.read("file").as_str()),
        ("file\n", "one\ntwo\nthree\n")
    );
    let ran = Setup::new(&server)
        .dir(&inside)
        .run(&["a", TASK, "--attempt", "1"])
        .await
        .expect(ExitStatus::Ok);
    assert_eq!(
        (ran.stdout.as_str(), repo.read("file").as_str()),
        ("file\n", "one\n2\nthree\n")
    );
    assert_eq!(
        server.paths().last().expect("a request"),
        &format!("GET /api/v1/tasks/{TASK}/diff?attempt=1")
    );
}

#[tokio::test]
async fn a_conflict_leaves_the_tree_as_it_was() {
    let repo = Repo::new();
    let server = server(repo.diff_to("one\n2\nthree\n")).await;
    repo.write("file", "one\nzwei\nthree\n");
    let before = repo.git(&["status", "--porcelain"]);
    for arguments in [&["apply", TASK][..], &["apply", TASK, "--check"]] {
        let ran = Setup::new(&server)
            .dir(repo.path())
            .run(arguments)
            .await
            .expect(ExitStatus::Failed);
        assert_eq!(ran.stdout, "");
        assert_eq!(
            ran.stderr,
            format!(
                "error: the diff does not apply; the files are as they were\n  file: patch does not apply\n\
                 hint: commit or stash what you changed, or merge with `outwork apply {TASK} --3way`\n"
            )
        );
        assert_eq!(repo.read("file"), "one\nzwei\nthree\n");
        assert_eq!(repo.git(&["status", "--porcelain"]), before);
    }
}

#[tokio::test]
async fn three_way_leaves_markers_and_says_where() {
    let repo = Repo::new();
    let server = server(repo.diff_to("one\n2\nthree\n")).await;
    repo.write("file", "one\nzwei\nthree\n");
    repo.git(&["commit", "-qam", "second"]);
    let ran = Setup::new(&server)
        .dir(repo.path())
        .run(&["apply", TASK, "--3way"])
        .await
        .expect(ExitStatus::Failed);
    assert_eq!(ran.stdout, "file\n");
    assert!(
        ran.stderr
            .starts_with("error: the diff was merged with conflicts\n  file\nhint: "),
        "{}",
        ran.stderr
    );
    assert!(
        repo.read("file").contains("<<<<<<<"),
        "{}",
        repo.read("file")
    );
}

#[tokio::test]
async fn what_cannot_be_applied_is_said() {
    let repo = Repo::new();
    let empty = server(Vec::new()).await;
    let ran = Setup::new(&empty)
        .dir(repo.path())
        .run(&["apply", TASK])
        .await
        .expect(ExitStatus::Ok);
    assert_eq!(ran.stderr, "the diff is empty; there is nothing to apply\n");
    let rubbish = server(b"this is no diff\n".to_vec()).await;
    let ran = Setup::new(&rubbish)
        .dir(repo.path())
        .run(&["apply", TASK])
        .await
        .expect(ExitStatus::Failed);
    assert!(ran.stderr.starts_with("error: "), "{}", ran.stderr);
    let nowhere = tempfile::tempdir().expect("a folder");
    let ran = Setup::new(&rubbish)
        .dir(nowhere.path())
        .run(&["apply", TASK])
        .await
        .expect(ExitStatus::Failed);
    assert!(
        ran.stderr.contains("this folder is in no git repository"),
        "{}",
        ran.stderr
    );
    let setup = Setup::new(&rubbish)
        .dir(repo.path())
        .var("PATH", "/nonexistent");
    let ran = setup.run(&["apply", TASK]).await.expect(ExitStatus::Failed);
    assert!(
        ran.stderr.contains("git cannot be started"),
        "{}",
        ran.stderr
    );
}
