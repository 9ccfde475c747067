//! `conflicts`, and what `exec` and lists say of overlaps.

use outwork_cli::ExitStatus;
use serde_json::{Value, json};

use crate::harness::Setup;
use crate::server::{Server, TASK, World, world};

fn overlap(number: u32, certainty: &str) -> Value {
    json!({"task_id": format!("task_0192c3f0a1b27def812345678900000{number}"), "title": format!("tidy {number}"), "status": "running",
        "url": "https://outwork.example/x", "paths": ["src/a.rs", "src/b.rs"], "path_count": 23, "certainty": certainty})
}

fn answered(answers: &[(&str, Value)]) -> World {
    let answers = answers.iter();
    World {
        answers: answers
            .map(|(line, answer)| ((*line).to_owned(), answer.clone()))
            .collect(),
        ..world("completed", Some("succeeded"), "succeeded")
    }
}

#[tokio::test]
async fn open_tasks_are_listed() {
    let line = format!("GET /api/v1/tasks/{TASK}/overlaps");
    let items = json!([overlap(1, "touched"), overlap(2, "named")]);
    let server = Server::start(answered(&[(&line, json!({"items": items}))])).await;
    let ran = Setup::new(&server).run(&["conflicts", TASK]).await;
    let ran = ran.expect(ExitStatus::Ok);
    assert_eq!(
        ran.stdout,
        "task_0192c3f0a1b27def8123456789000001\trunning\ttouched\tsrc/a.rs, src/b.rs and 21 more\ttidy 1\n\
         task_0192c3f0a1b27def8123456789000002\trunning\tnamed\tsrc/a.rs, src/b.rs and 21 more\ttidy 2\n"
    );
    let ran = Setup::new(&server)
        .run(&["conflicts", TASK, "--json"])
        .await;
    assert_eq!(ran.expect(ExitStatus::Ok).json(), items);
}

#[tokio::test]
async fn no_overlap_is_said_and_a_task_can_be_dismissed() {
    let line = format!("GET /api/v1/tasks/{TASK}/overlaps");
    let put = format!("PUT /api/v1/tasks/{TASK}/dismissal");
    let delete = format!("DELETE /api/v1/tasks/{TASK}/dismissal");
    let world = answered(&[
        (&line, json!({"items": []})),
        (&put, json!({})),
        (&delete, json!({})),
    ]);
    let server = Server::start(world).await;
    for (flags, said) in [
        (&[][..], "no open task is about the same files"),
        (
            &["--dismiss"],
            "dismissed; it counts again after a follow-up",
        ),
        (&["--restore"], "no open task is about the same files"),
    ] {
        let ran = Setup::new(&server)
            .run(&[&["conflicts", TASK], flags].concat())
            .await;
        let ran = ran.expect(ExitStatus::Ok);
        assert_eq!((ran.stdout.as_str(), ran.stderr.trim()), ("", said));
    }
    assert_eq!(
        server.paths(),
        [line.clone(), put, line.clone(), delete, line]
    );
    let ran = Setup::new(&server)
        .run(&["conflicts", "task_0192c3f0a1b27def8123456789abcd00"])
        .await;
    ran.expect(ExitStatus::Failed);
}

#[tokio::test]
async fn exec_says_which_tasks_it_overlaps() {
    let items = json!([
        overlap(1, "touched"),
        overlap(2, "named"),
        overlap(3, "named"),
        overlap(4, "named")
    ]);
    let server = Server::start(answered(&[(
        "POST /api/v1/overlaps",
        json!({"items": items}),
    )]))
    .await;
    let line = [
        "exec", "--env", "demo", "--branch", "main", "--path", "src", "fix it",
    ];
    let ran = Setup::new(&server).run(&line).await.expect(ExitStatus::Ok);
    assert_eq!(
        ran.stderr,
        "overlap: task_0192c3f0a1b27def8123456789000001 (running) changes src/a.rs, src/b.rs and 21 more: tidy 1\n\
         overlap: task_0192c3f0a1b27def8123456789000002 (running) is about src/a.rs, src/b.rs and 21 more: tidy 2\n\
         overlap: task_0192c3f0a1b27def8123456789000003 (running) is about src/a.rs, src/b.rs and 21 more: tidy 3\n\
         overlap: 1 more open tasks are about the same files\n"
    );
    let requests = server.requests();
    let asked =
        json!({"environment": "demo", "prompt": "fix it", "paths": ["src"], "branch": "main"});
    assert_eq!(requests[0], ("POST /api/v1/overlaps".to_owned(), asked));
    assert_eq!(requests[1].1["paths"], json!(["src"]));
    // Where a server cannot say it, nobody is told, and the task is submitted.
    let server = Server::start(answered(&[])).await;
    let line = ["exec", "--env", "demo", "fix src/a.rs"];
    let ran = Setup::new(&server).run(&line).await.expect(ExitStatus::Ok);
    assert_eq!(ran.stderr, "");
    assert_eq!(
        server.paths(),
        ["POST /api/v1/overlaps", "POST /api/v1/tasks"]
    );
    // Most prompts name nothing, and nobody is asked.
    let ran = Setup::new(&server)
        .run(&["exec", "--env", "demo", "fix it"])
        .await;
    ran.expect(ExitStatus::Ok);
    assert_eq!(server.paths()[2..], ["POST /api/v1/tasks"]);
}

#[tokio::test]
async fn lists_and_status_mark_it() {
    let mut world = answered(&[]);
    world.tasks[0]["overlap_count"] = json!(2);
    let server = Server::start(world).await;
    let ran = Setup::new(&server)
        .run(&["list"])
        .await
        .expect(ExitStatus::Ok);
    assert!(ran.stdout.contains(" (overlaps 2)\t"), "{}", ran.stdout);
    let ran = Setup::new(&server)
        .run(&["status", TASK])
        .await
        .expect(ExitStatus::Ok);
    let line = format!(
        "overlaps      2 open tasks are about the same files; `outwork conflicts {TASK}` shows them\n"
    );
    assert!(ran.stdout.contains(&line), "{}", ran.stdout);
}

#[tokio::test]
async fn results_are_merged_with_each_other() {
    const OTHER: &str = "task_0192c3f0a1b27def8123456789abcd00";
    const THIRD: &str = "task_0192c3f0a1b27def8123456789abcd01";
    let answer = json!({"base": "ab".repeat(20), "order": [OTHER, TASK, THIRD], "clean": [OTHER],
        "conflicts": [{"task_id": TASK, "with": [OTHER], "paths": ["a", "b"]}, {"task_id": THIRD, "with": [], "paths": ["c"]}],
        "pairs": [{"a": TASK, "b": OTHER, "clean": false, "paths": ["a", "b"]}], "method": "exact"});
    let server = Server::start(answered(&[("POST /api/v1/merges", answer.clone())])).await;
    let line = ["conflicts", "--merge", TASK, OTHER, THIRD];
    let ran = Setup::new(&server).run(&line).await.expect(ExitStatus::Ok);
    assert_eq!(
        ran.stdout,
        format!(
            "{OTHER}\tmerges\t\t\n{TASK}\tconflicts\t{OTHER}\ta, b\n{THIRD}\tconflicts\tthe base\tc\n"
        )
    );
    assert_eq!(
        ran.stderr.trim(),
        "1 of 3 merge into ababababab, in this order; no other order merges more"
    );
    assert_eq!(
        server.requests()[0].1,
        json!({"tasks": [TASK, OTHER, THIRD]})
    );
    let ran = Setup::new(&server)
        .run(&[&line[..], &["--json"]].concat())
        .await;
    assert_eq!(ran.expect(ExitStatus::Ok).json(), answer);
    for line in [
        &["conflicts", TASK, OTHER][..],
        &["conflicts", "--merge", TASK],
    ] {
        let ran = Setup::new(&server).run(line).await;
        ran.expect(ExitStatus::Usage);
    }
}
