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

/// Two hunks of `file`, and a new file.
fn in_parts(repo: &Repo) -> Vec<u8> {
    let numbers = |first: &str, last: &str| -> String {
        let middle = (2..40).map(|number| number.to_string());
        let lines = std::iter::once(first.to_owned()).chain(middle);
        lines
            .chain([last.to_owned()])
            .map(|line| line + "\n")
            .collect()
    };
    repo.write("file", &numbers("1", "40"));
    repo.git(&["commit", "-qam", "long"]);
    repo.write("file", &numbers("one", "forty"));
    repo.write("new", "new\n");
    repo.git(&["add", "-AN"]);
    let diff = repo.git(&["diff", "--binary", "--full-index"]);
    repo.git(&["reset", "-q", "--hard"]);
    diff.into_bytes()
}

fn ends(repo: &Repo) -> (String, String, bool) {
    let text = repo.read("file");
    let mut lines = text.lines();
    let (first, last) = (lines.next(), lines.next_back());
    let line = |line: Option<&str>| line.expect("a line").to_owned();
    (line(first), line(last), repo.path().join("new").exists())
}

fn are(first: &str, last: &str, has_new: bool) -> (String, String, bool) {
    (first.to_owned(), last.to_owned(), has_new)
}

#[tokio::test]
async fn parts_are_taken_by_number_and_path_and_taken_back() {
    let repo = Repo::new();
    let server = server(in_parts(&repo)).await;
    let run = async |arguments: &[&str], status| {
        let ran = Setup::new(&server).dir(repo.path()).run(arguments).await;
        ran.expect(status)
    };
    let ran = run(&["diff", TASK, "--list"], ExitStatus::Ok).await;
    assert_eq!(
        ran.stdout,
        "1  file  @@ -1,4 +1,4 @@\n2  file  @@ -37,4 +37,4 @@\n3  new  @@ -0,0 +1 @@\n"
    );
    let ran = run(&["diff", TASK, "--list", "--paths", "new"], ExitStatus::Ok).await;
    assert_eq!(ran.stdout, "3  new  @@ -0,0 +1 @@\n");
    let ran = run(&["diff", TASK, "--hunks", "2"], ExitStatus::Ok).await;
    assert!(ran.stdout.contains("+forty\n") && !ran.stdout.contains("+one\n"));

    let ran = run(&["apply", TASK, "--hunks", "2,3"], ExitStatus::Ok).await;
    assert_eq!(
        (ran.stdout.as_str(), ends(&repo)),
        ("file\nnew\n", are("1", "forty", true))
    );
    let ran = run(&["apply", "--undo"], ExitStatus::Ok).await;
    assert_eq!(ran.stdout, "file\nnew\n");
    assert_eq!(ran.stderr, format!("took back {TASK}\n"));
    assert_eq!(repo.git(&["status", "--porcelain"]), "");
    let ran = run(
        &["apply", TASK, "--paths", "file", "--json"],
        ExitStatus::Ok,
    )
    .await;
    assert_eq!(ran.json()["files"], serde_json::json!(["file"]));
    assert_eq!(ends(&repo), are("one", "forty", false));
    repo.write("file", "mine\n");
    let ran = run(&["apply", "--undo", TASK], ExitStatus::Failed).await;
    assert!(
        ran.stderr.contains("not as they were after applying"),
        "{}",
        ran.stderr
    );
    assert_eq!(repo.read("file"), "mine\n");

    for (arguments, says) in [
        (["--hunks", "4"], "the diff has no hunk 4; it has 3"),
        (
            ["--paths", "nowhere"],
            "the diff changes nothing at `nowhere`",
        ),
    ] {
        let ran = run(
            &[&["apply", TASK], &arguments[..]].concat(),
            ExitStatus::Failed,
        )
        .await;
        assert!(ran.stderr.contains(says), "{}", ran.stderr);
    }
    let other = format!("task_{}", "0".repeat(32));
    let ran = run(&["apply", "--undo", &other], ExitStatus::Failed).await;
    assert!(
        ran.stderr.contains("no diff of that task"),
        "{}",
        ran.stderr
    );
}

#[tokio::test]
async fn a_person_chooses_hunk_by_hunk() {
    let repo = Repo::new();
    let server = server(in_parts(&repo)).await;
    let at_terminal = || Setup {
        stdin_is_terminal: true,
        ..Setup::new(&server).dir(repo.path())
    };
    let ran = at_terminal()
        .stdin("?\ny\nn\ny\n")
        .run(&["apply", TASK, "-p"])
        .await
        .expect(ExitStatus::Ok);
    assert_eq!(ends(&repo), are("one", "40", true));
    assert!(
        ran.stderr.contains("(2/3) Take this hunk"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("s - split"), "{}", ran.stderr);
    repo.git(&["reset", "-q", "--hard"]);
    // The end of the input decides nothing.
    at_terminal()
        .stdin("y\n")
        .run(&["apply", TASK, "--patch", "--hunks", "1,2"])
        .await
        .expect(ExitStatus::Ok);
    assert_eq!(ends(&repo).0, "1");
    let ran = Setup::new(&server)
        .dir(repo.path())
        .run(&["apply", TASK, "-p"])
        .await;
    let ran = ran.expect(ExitStatus::Usage);
    assert!(ran.stderr.contains("asks at a terminal"), "{}", ran.stderr);
}

#[tokio::test]
async fn a_branch_gets_a_commit_that_names_the_task() {
    let repo = Repo::new();
    for (name, value) in [
        ("user.name", "Somebody"),
        ("user.email", "some@body.example"),
    ] {
        repo.git(&["config", name, value]);
    }
    let diff = repo.diff_to("one\n2\nthree\n");
    let base = repo.git(&["rev-parse", "HEAD"]).trim().to_owned();
    let mut world = World {
        diff,
        ..world("completed", Some("succeeded"), "succeeded")
    };
    world.tasks[0]["commit"] = serde_json::json!(base);
    let server = Server::start(world).await;
    repo.write("file", "not committed\n");
    let run = async |name: &str, status| {
        let ran = Setup::new(&server)
            .dir(repo.path())
            .run(&["apply", TASK, "--branch", name, "--json"])
            .await;
        ran.expect(status)
    };
    let ran = run("fix/it", ExitStatus::Ok).await;
    let commit = repo.git(&["rev-parse", "fix/it"]).trim().to_owned();
    assert_eq!(
        ran.json(),
        serde_json::json!({"files": ["file"], "conflicted": [], "branch": "fix/it", "commit": commit})
    );
    assert!(ran.stderr.contains("is as it was"), "{}", ran.stderr);
    assert_eq!(repo.read("file"), "not committed\n");
    assert_eq!(repo.git(&["show", "fix/it:file"]), "one\n2\nthree\n");
    assert_eq!(repo.git(&["rev-parse", "fix/it^"]).trim(), base);
    let message = repo.git(&["log", "-1", "--format=%B", "fix/it"]);
    assert!(
        message.contains(&format!("Outwork-Task: {TASK}\n")),
        "{message}"
    );
    let ran = run("fix/it", ExitStatus::Failed).await;
    assert!(ran.stderr.contains("branch_exists"), "{}", ran.stderr);
    repo.git(&["checkout", "-q", "."]);
    run("two", ExitStatus::Ok).await;
    assert_eq!(repo.git(&["branch", "--show-current"]), "two\n");
}
