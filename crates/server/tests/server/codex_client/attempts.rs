//! Best of several.

use super::{Stand, hand_in, in_every_version};
use crate::rig::worker::Worker;

in_every_version!(any_attempt_can_be_taken);

async fn any_attempt_can_be_taken(version: &'static str) {
    let stand = Stand::start().await;
    let id = stand.submit("change it", 3).await;
    let worker = Worker::register(&stand.rig, "w").await;
    let claims = worker.acquire(4, 10_000).await;
    let task = stand.task(&id).await;
    let diffs = [b"second\n".as_slice(), b"third\n"].map(|text| stand.diff(&[("file", text)]));
    for claim in &claims {
        let attempts = task["turns"][0]["attempts"].as_array().expect("a list");
        let mut places = attempts
            .iter()
            .map(|attempt| attempt["id"] == claim.attempt.as_str());
        match places.position(|is_it| is_it).expect("it is one of them") {
            0 => worker.fail(claim, "agent_failed").await,
            number => hand_in(&worker, claim, &diffs[number - 1]).await,
        }
    }
    for (number, client) in stand.clients(version).into_iter().enumerate() {
        let diff = |flags: &[&str]| {
            let arguments = [&["cloud", "diff", &id], flags].concat();
            client.run(&stand.clone, &arguments)
        };
        // The one that failed has no diff, so the client does not count it.
        assert_eq!(diff(&[]).code(0).stdout, diffs[0]);
        assert_eq!(diff(&["--attempt", "1"]).code(0).stdout, diffs[0]);
        assert_eq!(diff(&["--attempt", "2"]).code(0).stdout, diffs[1]);
        let missing = diff(&["--attempt", "3"]).code(1);
        assert!(
            missing
                .stderr
                .contains("Attempt 3 not available; only 2 attempt(s) found"),
            "{missing:?}"
        );
        let clone = stand.another_clone(&format!("attempt-{number}"));
        client
            .run(&clone, &["cloud", "apply", &id, "--attempt", "2"])
            .code(0);
        let text = std::fs::read_to_string(clone.join("file")).expect("a file");
        assert_eq!(text, "third\n");
        client.kept_to_its_server();
    }
}
