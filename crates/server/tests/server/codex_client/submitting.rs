//! `codex cloud exec`.

use reqwest::Method;

use super::{Stand, in_every_version};
use crate::codex_api::DIFF;
use crate::rig::worker::Worker;

in_every_version!(what_is_submitted_is_a_task);

async fn what_is_submitted_is_a_task(version: &'static str) {
    let stand = Stand::start().await;
    let worker = Worker::register(&stand.rig, "w").await;
    let page = format!("{}/codex/tasks/", stand.rig.url);
    for client in stand.clients(version) {
        let by_label = [
            "cloud", "exec", "--env", "app", "--branch", "other", "fix it",
        ];
        let done = client.run(&stand.clone, &by_label).code(0);
        let id = done
            .stdout
            .trim_end()
            .strip_prefix(&page)
            .expect("its page");
        let task = stand.task(id).await;
        assert_eq!(task["title"], "fix it");
        assert_eq!(task["branch"], "other");
        assert_eq!(task["environment_id"], stand.environment_id());
        assert_eq!(
            task["turns"][0]["attempts"]
                .as_array()
                .expect("a list")
                .len(),
            1
        );
        let path = format!("/codex/tasks/{id}");
        let shown = stand.rig.nobody().bare(Method::GET, &path).await;
        assert_eq!(shown.status, 200);
        worker.acquire(1, 10_000).await;

        let client = client.with("CODEX_STARTING_DIFF", DIFF);
        let by_id = [
            "cloud",
            "exec",
            "--env",
            stand.environment_id(),
            "--attempts",
            "3",
            "-",
        ];
        let done = client
            .run_with_input(&stand.clone, &by_id, "fix this\nand that\n")
            .code(0);
        let id = done
            .stdout
            .trim_end()
            .strip_prefix(&page)
            .expect("its page");
        let task = stand.task(id).await;
        assert_eq!(task["turns"][0]["prompt"], "fix this\nand that\n");
        assert_eq!(task["branch"], "main");
        let claims = worker.acquire(4, 10_000).await;
        assert_eq!(claims.len(), 3);
        let sent = worker.download(&claims[0], "starting_diff").await;
        assert_eq!(String::from_utf8(sent.bytes).expect("text"), DIFF);
        client.kept_to_its_server();
    }
}
