//! What goes wrong is said so that it can be put right.

use outwork_test_codex::Client;

use super::{Stand, in_every_version, target};

in_every_version!(errors_are_shown_as_the_server_says_them);

async fn errors_are_shown_as_the_server_says_them(version: &'static str) {
    let stand = Stand::start().await;
    let exec = ["cloud", "exec", "--env", "App"];
    for (client, base) in stand.clients(version).into_iter().zip(stand.bases()) {
        let fails = |arguments: &[&str], said: &[&str]| {
            let done = client.run(&stand.clone, arguments).code(1);
            for part in said {
                assert!(done.stderr.contains(part), "{part}: {done:?}");
            }
        };
        let missing = "task_00000000000000000000000000000001";
        let there_is_none = format!("There is no task `{missing}` in this workspace.");
        fails(
            &["cloud", "status", missing],
            &["404 Not Found", &there_is_none],
        );
        fails(
            &["cloud", "list", "--cursor", "x"],
            &["list_tasks failed", "400 Bad Request"],
        );
        fails(
            &["cloud", "exec", "--env", "nonsense", "x"],
            &["environment 'nonsense' not found"],
        );
        fails(
            &[&exec[..], &[" "]].concat(),
            &[
                "create_task failed",
                "`prompt` is empty; say what is to be done.",
            ],
        );
        let branch = [&exec[..], &["--branch", "missing", "x"]].concat();
        fails(&branch, &["422 Unprocessable Entity", "missing"]);
        assert_eq!(
            stand.rig.get("/api/v1/tasks").await["items"],
            serde_json::json!([])
        );

        let stranger = Client::new(target(), version, &base, "sk-canary");
        for arguments in [["cloud", "list"].as_slice(), &[&exec[..], &["x"]].concat()] {
            let refused = stranger.run(&stand.clone, arguments).code(1);
            assert!(refused.stderr.contains("401 Unauthorized"), "{refused:?}");
            assert!(
                refused
                    .stderr
                    .contains("Sign in with `outwork login --codex`"),
                "{refused:?}"
            );
            assert!(!refused.stderr.contains("canary"), "{refused:?}");
        }
        let applied = stranger.apply(&stand.clone, missing).code(1);
        assert!(
            applied
                .stderr
                .contains("Request failed with status 401 Unauthorized"),
            "{applied:?}"
        );
        client.kept_to_its_server();
        stranger.kept_to_its_server();
    }
}
