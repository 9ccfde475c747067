//! `env init`: found out, shown, tried, kept or removed.

use std::time::Duration;

use futures_util::FutureExt;
use outwork_cli::ExitStatus;
use serde_json::{Value, json};

use crate::harness::{Repo, Setup};
use crate::server::{ATTEMPT, Server, TASK, World, log, task_json, world};

const MADE: &str = "env_0192c3f0a1b27def8123456789abcde9";
const PACKAGE: &str = r#"{"devDependencies": {"jest": "29"}, "scripts": {"test": "jest"}}"#;

/// A clone of `https://h/ada/web`, a Node project.
fn clone() -> Repo {
    let repo = Repo::new();
    repo.git(&["remote", "add", "origin", "https://h/ada/web.git"]);
    repo.write("package.json", PACKAGE);
    repo.write("package-lock.json", "{}");
    repo.write(".nvmrc", "20.1\n");
    repo
}

/// A server whose next task ends in `state`.
fn trial(status: &str, state: &str, failure: Value) -> World {
    let mut task = task_json(TASK, "Check the environment", status, Some(state), &[state]);
    let mut end = json!({"type": "state", "state": state});
    if !failure.is_null() {
        task["turns"][0]["attempts"][0]["failure"] = failure.clone();
        end["failure"] = failure;
    }
    let mut knows = world(status, Some(state), state);
    knows.tasks = vec![task];
    let key = "3f".repeat(32);
    let events = log(&[
        json!({"type": "state", "state": "leased", "worker": "wkr_1"}),
        json!({"type": "snapshot", "key": key, "state": "building", "reason": "the first"}),
        json!({"type": "step_started", "step": "setup"}),
        json!({"type": "output", "stream": "stdout", "text": "added 300 packages\n"}),
        json!({"type": "step_finished", "step": "setup", "duration_ms": 41_000}),
        json!({"type": "step_started", "step": "agent"}),
        json!({"type": "output", "stream": "stdout", "text": "1 test failed\nsee"}),
        json!({"type": "output", "stream": "stdout", "text": " above"}),
        json!({"type": "step_started", "step": "diff"}),
        end,
    ]);
    knows.events.insert(ATTEMPT.to_owned(), events);
    knows
}

fn passes() -> World {
    trial("completed", "succeeded", Value::Null)
}

fn fails() -> World {
    let failure = json!({"code": "agent_failed", "message": "The command ended with exit code 1.",
        "hint": "The log shows what the command wrote."});
    trial("failed", "failed", failure)
}

/// The requests that changed something: method, path and body.
fn changes(server: &Server) -> Vec<(String, Value)> {
    let mut requests = server.requests();
    requests.retain(|(line, _)| !line.starts_with("GET "));
    requests
}

fn labels(server: &Server) -> Vec<String> {
    let world = server.world.lock().expect("no panic");
    let label = |one: &Value| one["label"].as_str().expect("a label").to_owned();
    world.environments.iter().map(label).collect()
}

#[tokio::test]
async fn what_works_is_kept_with_the_agent_that_was_wanted() {
    let repo = clone();
    let server = Server::start(passes()).await;
    let ran = Setup::new(&server)
        .dir(repo.path())
        .run(&["env", "init", "--yes"])
        .await
        .expect(ExitStatus::Ok);
    assert_eq!(ran.stdout, format!("{MADE}\n"));
    insta::assert_snapshot!(ran.stderr);
    let script = "# package-lock.json\nnpm ci\n";
    assert_eq!(
        changes(&server),
        [
            (
                "POST /api/v1/environments".to_owned(),
                json!({"label": "web", "repository_url": "https://h/ada/web.git",
                    "agent": {"name": "command", "command": "npm test"}, "runtimes": {"node": "20"},
                    "setup_script": script, "verify_command": "npm test"})
            ),
            (
                "POST /api/v1/tasks".to_owned(),
                json!({"environment": MADE, "interactive": false, "prompt": "Check the environment: npm test"})
            ),
            (
                format!("PATCH /api/v1/environments/{MADE}"),
                json!({"agent": {"name": "codex"}})
            ),
        ]
    );
}

#[tokio::test]
async fn what_does_not_work_is_removed_and_says_why() {
    let repo = clone();
    let mut knows = fails();
    knows.deletions_refused = 2;
    let server = Server::start(knows).await;
    let ran = Setup::new(&server)
        .dir(repo.path())
        .run(&["-q", "env", "init", "--yes"])
        .await
        .expect(ExitStatus::Failed);
    assert_eq!(ran.stdout, "");
    assert_eq!(
        ran.stderr,
        "error: the verification command failed: npm test\n  1 test failed\n  see above\n  \
         agent_failed: The command ended with exit code 1.\n\
         hint: give the right one with --verify COMMAND\n"
    );
    assert_eq!(labels(&server), ["demo"]);
    // With --keep it stays, with the agent that was wanted.
    let server = Server::start(fails()).await;
    let ran = Setup::new(&server)
        .dir(repo.path())
        .run(&[
            "-q",
            "env",
            "init",
            "--yes",
            "--keep",
            "--agent-command",
            "cat",
        ])
        .await
        .expect(ExitStatus::Failed);
    assert!(
        ran.stderr
            .ends_with("hint: the environment is kept; correct it with `outwork env edit web`\n"),
        "{}",
        ran.stderr
    );
    assert_eq!(labels(&server), ["demo", "web"]);
    let (_, patch) = changes(&server).pop().expect("a request");
    assert_eq!(
        patch,
        json!({"agent": {"name": "command", "command": "cat"}})
    );
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let repo = clone();
    let failure = json!({"code": "setup_failed",
        "message": "The setup script failed with exit code 127: cargo: command not found"});
    let mut knows = trial("failed", "failed", failure);
    let events = log(&[
        json!({"type": "step_started", "step": "setup"}),
        json!({"type": "output", "stream": "stderr",
            "text": "/outwork/setup.sh: line 2: cargo: command not found\n"}),
        json!({"type": "state", "state": "failed"}),
    ]);
    knows.events.insert(ATTEMPT.to_owned(), events);
    let server = Server::start(knows).await;
    let line = ["-q", "env", "init", "--yes"];
    let ran = Setup::new(&server).dir(repo.path()).run(&line).await;
    assert_eq!(
        ran.expect(ExitStatus::Failed).stderr,
        "error: the setup script failed\n  /outwork/setup.sh: line 2: cargo: command not found\n  \
         setup_failed: The setup script failed with exit code 127: cargo: command not found\n\
         hint: cargo is not there: name an image that has it with --image REFERENCE, or install it in the setup script\n"
    );
}

#[tokio::test]
async fn nobody_is_asked_who_is_not_there() {
    let repo = clone();
    let server = Server::start(passes()).await;
    let ran = Setup::new(&server)
        .dir(repo.path())
        .run(&["env", "init"])
        .await
        .expect(ExitStatus::Usage);
    assert!(
        ran.stderr.contains("npm ci"),
        "the proposal is shown: {}",
        ran.stderr
    );
    assert!(
        ran.stderr.contains("run the command again with --yes"),
        "{}",
        ran.stderr
    );
    assert_eq!(changes(&server), []);
}

#[cfg(unix)]
#[tokio::test]
async fn a_person_changes_it_and_tries_again() {
    let repo = clone();
    let server = Server::start(fails()).await;
    // The first answer breaks the file, the second corrects it.
    let editor = repo.path().join("edit.sh");
    std::fs::write(
        &editor,
        "grep -q 'npm ci' \"$1\" || exit 1\n\
         if [ -e once ]; then printf 'verify = \"make\"\\nlabel = \"app\"\\n' > \"$1\"; else touch once; sed -i '1i x = 1' \"$1\"; fi\n",
    )
    .expect("written");
    let setup = Setup {
        stdin_is_terminal: true,
        ..Setup::new(&server)
            .dir(repo.path())
            .var("EDITOR", format!("sh {}", editor.display()))
            .stdin("e\ne\ny\nt\ny\nk\n")
    };
    let ran = setup.run(&["env", "init"]).await.expect(ExitStatus::Ok);
    assert!(
        ran.stderr.contains(".outwork.toml is not as expected"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("unknown field `x`"), "{}", ran.stderr);
    let made = json!({"label": "app", "repository_url": "https://h/ada/web.git",
        "agent": {"name": "command", "command": "make"}, "verify_command": "make"});
    let sent: Vec<(String, Value)> = changes(&server);
    let lines: Vec<&str> = sent.iter().map(|(line, _)| line.as_str()).collect();
    assert_eq!(
        lines,
        [
            "POST /api/v1/environments",
            "POST /api/v1/tasks",
            &format!("DELETE /api/v1/environments/{MADE}"),
            "POST /api/v1/environments",
            "POST /api/v1/tasks",
            &format!("PATCH /api/v1/environments/{MADE}"),
        ]
    );
    assert_eq!((&sent[0].1, &sent[3].1), (&made, &made));
    assert_eq!(labels(&server), ["demo", "app"]);
}

#[tokio::test]
async fn a_person_may_say_no() {
    let repo = clone();
    for (answers, is_tried) in [("n\n", false), ("", false), ("y\nr\n", true), ("y\n", true)] {
        let server = Server::start(fails()).await;
        let setup = Setup {
            stdin_is_terminal: true,
            ..Setup::new(&server).dir(repo.path()).stdin(answers)
        };
        let ran = setup.run(&["env", "init"]).await.expect(ExitStatus::Failed);
        assert!(
            ran.stderr.ends_with("error: nothing was made\n"),
            "{}",
            ran.stderr
        );
        assert_eq!(!changes(&server).is_empty(), is_tried, "{answers:?}");
        assert_eq!(labels(&server), ["demo"]);
    }
}

#[tokio::test]
async fn an_interruption_leaves_nothing_behind() {
    let repo = clone();
    let mut knows = trial("running", "running", Value::Null);
    knows.deletions_refused = 2;
    let server = Server::start(knows).await;
    let mut setup = Setup::new(&server).dir(repo.path());
    let stderr = setup.stderr.clone();
    setup.interrupt = async move {
        while !stderr.text().contains("added 300 packages") {
            tokio::task::yield_now().await;
        }
    }
    .boxed();
    let arguments = ["env", "init", "--yes"];
    let ran = tokio::time::timeout(Duration::from_secs(20), setup.run(&arguments));
    let ran = ran.await.expect("it ends").expect(ExitStatus::Interrupted);
    assert!(
        ran.stderr.ends_with("the environment is removed again\n"),
        "{}",
        ran.stderr
    );
    assert_eq!(labels(&server), ["demo"]);
    let cancelled = format!("POST /api/v1/tasks/{TASK}/cancel");
    assert!(server.paths().contains(&cancelled), "{:?}", server.paths());
}

#[tokio::test]
async fn the_file_wins_over_guesses_and_flags_over_the_file() {
    let repo = clone();
    repo.write(
        ".outwork.toml",
        "label = \"site\"\nimage = \"debian:12\"\nsetup = { file = \"scripts/setup.sh\" }\n\
         verify = \"npm run check\"\nsecrets = [\"NPM_TOKEN\"]\n[runtimes]\nnode = \"22\"\n\
         [variables]\nA = \"1\"\n[[also]]\nname = \"docs\"\nurl = \"https://h/ada/docs\"\n",
    );
    std::fs::create_dir(repo.path().join("scripts")).expect("made");
    repo.write("scripts/setup.sh", "npm install\n");
    let server = Server::start(passes()).await;
    let run = async |arguments: &[&str], expected| {
        let line = [&["env", "init", "--yes", "--no-check"], arguments].concat();
        let setup = Setup::new(&server)
            .dir(repo.path())
            .var("NPM_TOKEN", "s3cret");
        setup.run(&line).await.expect(expected)
    };
    let ran = run(
        &["--verify", "make", "--secret", "NPM_TOKEN", "--json"],
        ExitStatus::Ok,
    )
    .await;
    assert_eq!(ran.json()["check"], Value::Null);
    assert_eq!(ran.json()["environment"]["label"], "site");
    assert!(!format!("{ran:?}").contains("s3cret"), "{ran:?}");
    assert_eq!(
        changes(&server)[0].1,
        json!({"label": "site", "repository_url": "https://h/ada/web.git", "agent": {"name": "codex"},
            "further_repositories": [{"name": "docs", "url": "https://h/ada/docs"}],
            "base_image": "debian:12", "runtimes": {"node": "22"}, "setup_script": "npm install\n",
            "verify_command": "make", "variables": {"A": "1"}, "secrets": {"NPM_TOKEN": "s3cret"}})
    );
    let proposal: Vec<&str> = ran.stderr.lines().collect();
    insta::assert_snapshot!(proposal.join("\n"));
    // Another for the same repository has to be called for by name.
    let again = run(&[], ExitStatus::Failed).await;
    assert!(
        again.stderr.contains("there is an environment `site`"),
        "{}",
        again.stderr
    );
    assert!(
        again.stderr.contains("outwork env sync site"),
        "{}",
        again.stderr
    );
    let second = run(&["second", "--runtime", "go=1.24"], ExitStatus::Ok).await;
    assert!(
        second
            .stderr
            .contains("the secret NPM_TOKEN is not set: `outwork env secret set second NPM_TOKEN`"),
        "{}",
        second.stderr
    );
    let sent = changes(&server).pop().expect("a request").1;
    assert_eq!(sent["runtimes"], json!({"go": "1.24"}));
    run(&["third", "--no-runtimes"], ExitStatus::Ok).await;
    let sent = changes(&server).pop().expect("a request").1;
    assert_eq!(sent["runtimes"], Value::Null);
    let other = run(&["demo"], ExitStatus::Failed).await;
    assert!(
        other.stderr.contains("it is for another repository"),
        "{}",
        other.stderr
    );
}

#[tokio::test]
async fn secrets_are_asked_for_where_somebody_is_there() {
    let repo = clone();
    repo.write(".outwork.toml", "secrets = [\"NPM_TOKEN\", \"OTHER\"]\n");
    let server = Server::start(passes()).await;
    let line = ["env", "init", "--yes"];
    let ran = Setup::new(&server).dir(repo.path()).run(&line).await;
    let ran = ran.expect(ExitStatus::Usage);
    assert!(
        ran.stderr.contains("the secret NPM_TOKEN has no value"),
        "{}",
        ran.stderr
    );
    assert_eq!(changes(&server), []);
    let typed = Setup {
        stdin_is_terminal: true,
        ..Setup::new(&server).dir(repo.path()).stdin("y\ns3cret\n\n")
    };
    let ran = typed.run(&["env", "init"]).await.expect(ExitStatus::Ok);
    assert!(
        ran.stderr
            .contains("secret NPM_TOKEN (not shown; empty to leave it out): "),
        "{}",
        ran.stderr
    );
    assert!(!ran.stderr.contains("s3cret"), "{}", ran.stderr);
    assert_eq!(
        changes(&server)[0].1["secrets"],
        json!({"NPM_TOKEN": "s3cret"})
    );
}

#[tokio::test]
async fn the_proposal_is_written_for_the_others() {
    let repo = clone();
    let server = Server::start(passes()).await;
    let line = ["env", "init", "--yes", "--write"];
    let ran = Setup::new(&server).dir(repo.path()).run(&line).await;
    let ran = ran.expect(ExitStatus::Ok);
    assert!(
        ran.stderr.contains("wrote .outwork.toml; commit it"),
        "{}",
        ran.stderr
    );
    insta::assert_snapshot!(repo.read(".outwork.toml"));
    let again = Setup::new(&server).dir(repo.path()).run(&line).await;
    let again = again.expect(ExitStatus::Usage);
    assert!(
        again.stderr.contains("there is a .outwork.toml already"),
        "{}",
        again.stderr
    );
}

#[tokio::test]
async fn what_stands_in_the_way_is_said_first() {
    let nowhere = tempfile::tempdir().expect("a folder");
    let server = Server::start(passes()).await;
    let line = ["env", "init", "--yes"];
    let ran = Setup::new(&server).dir(nowhere.path()).run(&line).await;
    assert!(
        ran.expect(ExitStatus::Failed)
            .stderr
            .contains("in no git repository")
    );
    let repo = clone();
    repo.git(&["remote", "set-url", "origin", "https://ada:t0ken@h/ada/web"]);
    let ran = Setup::new(&server).dir(repo.path()).run(&line).await;
    let ran = ran.expect(ExitStatus::Failed);
    assert!(
        ran.stderr.contains("the remote origin cannot be used"),
        "{}",
        ran.stderr
    );
    assert!(!ran.stderr.contains("t0ken"), "{}", ran.stderr);
    repo.git(&["remote", "set-url", "origin", "https://h/ada/engine"]);
    let ran = Setup::new(&server).dir(repo.path()).run(&line).await;
    let ran = ran.expect(ExitStatus::Failed);
    assert!(
        ran.stderr
            .contains("there is an environment for this repository: `demo`"),
        "{}",
        ran.stderr
    );
    repo.git(&["remote", "remove", "origin"]);
    let mut knows = passes();
    knows.workers = Some(json!([]));
    let server = Server::start(knows).await;
    let ran = Setup::new(&server).dir(repo.path()).run(&line).await;
    let ran = ran.expect(ExitStatus::Failed);
    assert!(
        ran.stderr.contains("this clone has no remote"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("no worker is there"), "{}", ran.stderr);
    assert_eq!(changes(&server), []);
}

#[tokio::test]
async fn a_task_without_an_environment_offers_one() {
    let repo = clone();
    let server = Server::start(passes()).await;
    let typed = |answers: &str| Setup {
        stdin_is_terminal: true,
        ..Setup::new(&server).dir(repo.path()).stdin(answers)
    };
    let declined = typed("n\n")
        .run(&["exec", "fix it"])
        .await
        .expect(ExitStatus::Usage);
    assert!(
        declined
            .stderr
            .contains("hint: `outwork env init` makes one"),
        "{}",
        declined.stderr
    );
    assert_eq!(changes(&server), []);
    let ran = typed("\n\n")
        .run(&["exec", "fix it"])
        .await
        .expect(ExitStatus::Ok);
    assert!(ran.stderr.ends_with("environment: web\n"), "{}", ran.stderr);
    assert_eq!(
        changes(&server).pop().expect("a request").1,
        json!({"environment": MADE, "prompt": "fix it"})
    );
}

#[tokio::test]
async fn a_hostile_clone_does_not_drive_the_terminal() {
    let repo = clone();
    repo.write(
        ".outwork.toml",
        "setup = \"echo \\u001b]0;owned\\u0007\"\nverify = \"\\u001b[2Jx\"\n[variables]\nA = \"\\u001b[31m\"\n",
    );
    let server = Server::start(passes()).await;
    let ran = Setup::new(&server)
        .dir(repo.path())
        .run(&["env", "init"])
        .await;
    let ran = ran.expect(ExitStatus::Usage);
    let is_safe = |text: &str| !text.chars().any(|c| c.is_control() && c != '\n');
    assert!(is_safe(&ran.stderr), "{:?}", ran.stderr);
}
