//! `codex cloud diff`, `codex cloud apply` and `codex apply`.

use std::path::Path;

use outwork_test_codex::{Client, NEWEST};

use super::{Stand, in_every_version, target};
use crate::rig::repository;

in_every_version!(a_diff_is_printed_and_applied, what_does_not_fit_is_said);

/// Everything that git knows: a change, a new file, bytes.
const FILES: [(&str, &[u8]); 3] = [
    ("file", b"three\n"),
    ("new file", b"no final line break"),
    ("bytes", b"\x00\x01\xff\x00"),
];

#[track_caller]
fn is_applied(clone: &Path, expected: &str) {
    for (name, content) in FILES {
        assert_eq!(
            std::fs::read(clone.join(name)).expect("a file"),
            content,
            "{name}"
        );
    }
    let staged = repository::git(
        clone,
        &["diff", "--cached", "--binary", "--full-index", "HEAD"],
    );
    assert_eq!(staged, expected);
}

async fn a_diff_is_printed_and_applied(version: &'static str) {
    let stand = Stand::start().await;
    let diff = stand.diff(&FILES);
    let id = stand.done("change it", &diff).await;
    for (number, client) in stand.clients(version).into_iter().enumerate() {
        let printed = client.run(&stand.clone, &["cloud", "diff", &id]).code(0);
        assert_eq!(printed.stdout, diff);
        let clone = stand.another_clone(&format!("apply-{number}"));
        let done = client.run(&clone, &["cloud", "apply", &id]).code(0);
        assert!(
            done.stdout.contains(&format!("Applied task {id} locally")),
            "{done:?}"
        );
        is_applied(&clone, &diff);
        let clone = stand.another_clone(&format!("plain-{number}"));
        let done = client.apply(&clone, &id).code(0);
        assert!(
            done.stdout.contains("Successfully applied diff"),
            "{done:?}"
        );
        is_applied(&clone, &diff);
        client.kept_to_its_server();
    }
}

async fn what_does_not_fit_is_said(version: &'static str) {
    let stand = Stand::start().await;
    let id = stand
        .done("change it", &stand.diff(&[("file", b"three\n")]))
        .await;
    let unfinished = stand.submit("nothing yet", 1).await;
    for (number, client) in stand.clients(version).into_iter().enumerate() {
        let clone = stand.another_clone(&format!("conflict-{number}"));
        std::fs::write(clone.join("file"), "something else\n").expect("a file");
        repository::commit(&clone, "else");
        client.run(&clone, &["cloud", "apply", &id]).code(1);
        let text = std::fs::read_to_string(clone.join("file")).expect("a file");
        assert!(
            text.contains("<<<<<<<"),
            "it was merged, with the blobs that the diff names: {text}"
        );
        let done = client
            .run(&stand.clone, &["cloud", "diff", &unfinished])
            .code(1);
        let expected = format!("No diff available for task {unfinished}; it may still be running.");
        assert!(done.stderr.contains(&expected), "{done:?}");
        let done = client.apply(&stand.clone, &unfinished).code(1);
        assert!(done.stderr.contains("No diff turn found"), "{done:?}");
    }
}

/// The newest client refuses other servers for `codex cloud`, but not for `codex apply`.
#[tokio::test(flavor = "multi_thread")]
async fn the_newest_client_applies() {
    let stand = Stand::start().await;
    let diff = stand.diff(&FILES);
    let id = stand.done("change it", &diff).await;
    for (number, client) in stand.clients(NEWEST).into_iter().enumerate() {
        let clone = stand.another_clone(&format!("apply-{number}"));
        let done = client.apply(&clone, &id).code(0);
        assert!(
            done.stdout.contains("Successfully applied diff"),
            "{done:?}"
        );
        is_applied(&clone, &diff);
        let refused = client.run(&clone, &["cloud", "list"]).code(1);
        assert!(
            refused
                .stderr
                .contains("custom backends cannot use saved ChatGPT credentials"),
            "{refused:?}"
        );
        client.kept_to_its_server();
    }
    let base = format!("{}/p/backend-api", stand.rig.url);
    let client = Client::new(target(), NEWEST, &base, &stand.rig.user_token);
    let clone = stand.another_clone("prefix");
    client.apply(&clone, &id).code(0);
    is_applied(&clone, &diff);
}
