//! `codex cloud list` and `codex cloud status`.

use serde_json::{Value, json};

use super::{Stand, in_every_version};
use crate::rig::worker::Worker;

in_every_version!(pages_and_filters, a_status_is_what_the_task_has_come_to,);

async fn pages_and_filters(version: &'static str) {
    let stand = Stand::start().await;
    let rig = &stand.rig;
    rig.environment("Site", &stand.origin).await;
    let first = stand
        .done("first", &stand.diff(&[("file", b"three\n")]))
        .await;
    let other = rig.task("Site", "other").await["id"].clone();
    let last = stand.submit("last", 3).await;
    let page = format!("{}/codex/tasks/", rig.url);
    let row = |id: &str, title: &str, label: &str, status: &str, changed: u64, attempts: u64| {
        json!({"id": id, "url": format!("{page}{id}"), "title": title, "status": status, "updated_at": "2026-11-20T14:53:40Z",
            "environment_id": null, "environment_label": label, "is_review": false, "attempt_total": attempts,
            "summary": {"files_changed": changed, "lines_added": changed, "lines_removed": changed}})
    };
    let [first_row, other_row, last_row] = [
        row(&first, "first", "App", "ready", 1, 1),
        row(
            other.as_str().expect("an id"),
            "other",
            "Site",
            "pending",
            0,
            1,
        ),
        row(&last, "last", "App", "pending", 0, 3),
    ];
    for client in stand.clients(version) {
        let list = |flags: &[&str]| {
            let arguments = [&["cloud", "list"], flags].concat();
            client.run(&stand.clone, &arguments).code(0).stdout
        };
        let json = |flags: &[&str]| -> Value {
            let printed = list(&[&["--json"], flags].concat());
            serde_json::from_str(&printed).expect("JSON")
        };
        let all = json!({"tasks": [last_row, other_row, first_row], "cursor": null});
        assert_eq!(json(&[]), all);
        let page_one = json(&["--limit", "2"]);
        assert_eq!(page_one["tasks"], json!([last_row, other_row]));
        let cursor = page_one["cursor"].as_str().expect("there is more");
        let page_two = json(&["--limit", "2", "--cursor", cursor]);
        assert_eq!(page_two, json!({"tasks": [first_row], "cursor": null}));
        assert_eq!(json(&["--env", "site"])["tasks"], json!([other_row]));
        assert_eq!(
            json(&["--env", stand.environment_id()])["tasks"],
            json!([last_row, first_row])
        );

        let text = list(&["--limit", "2"]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], format!("{page}{last}"), "{text}");
        assert_eq!(lines[1], "  [PENDING] last", "{text}");
        assert!(lines[2].starts_with("  App  •  "), "{text}");
        assert!(
            text.contains(&format!("codex cloud list --cursor='{cursor}'")),
            "{text}"
        );
        let text = list(&["--cursor", cursor]);
        assert!(text.contains("  [READY] first\n"), "{text}");
        assert!(text.contains("  +1/-1 • 1 file"), "{text}");
        client.kept_to_its_server();
    }
}

async fn a_status_is_what_the_task_has_come_to(version: &'static str) {
    let stand = Stand::start().await;
    let diff = stand.diff(&[("file", b"three\n")]);
    let worker = Worker::register(&stand.rig, "w").await;
    let ready = stand.done("ready\u{1b}[31m", &diff).await;
    let failed = stand.submit("failed", 1).await;
    worker.fail(&worker.take().await, "agent_failed").await;
    let pending = stand.submit("pending", 1).await;
    for client in stand.clients(version) {
        for (id, code, line, end) in [
            (&ready, 0, "[READY] ready[31m", "+1/-1 • 1 file"),
            (&failed, 1, "[ERROR] failed", "no diff"),
            (&pending, 1, "[PENDING] pending", "no diff"),
        ] {
            let done = client
                .run(&stand.clone, &["cloud", "status", id])
                .code(code);
            let lines: Vec<&str> = done.stdout.lines().collect();
            assert_eq!(lines[0], line, "{done:?}");
            assert!(lines[1].starts_with("App  •  "), "{done:?}");
            assert_eq!(lines[2], end, "{done:?}");
        }
        // Its address is as good as its id.
        let address = format!("{}/codex/tasks/{ready}?x#y", stand.rig.url);
        client
            .run(&stand.clone, &["cloud", "status", &address])
            .code(0);
        client.kept_to_its_server();
    }
}
