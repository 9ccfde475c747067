//! Secrets are for the scripts, and for nobody else.

use std::path::Path;

use outwork_api::secret::Secret;
use outwork_api::worker::AssignedSecret;

use crate::scene::{Scene, WAIT, attempt};

const VALUE: &str = "s3cr3t-canary-4711";

fn secret(name: &str, value: &str) -> AssignedSecret {
    AssignedSecret {
        name: name.to_owned(),
        value: Secret::new(value),
        version: 1,
    }
}

/// Every file below `directory` that holds the value, also in base64.
fn holders(directory: &Path, found: &mut Vec<String>) {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        if kind.is_dir() {
            holders(&path, found);
        } else if kind.is_file() {
            let content = std::fs::read(&path).unwrap_or_default();
            let has = |needle: &str| {
                content
                    .windows(needle.len())
                    .any(|part| part == needle.as_bytes())
            };
            if has(VALUE) || has("czNjcjN0LWNhbmFyeS00NzEx") {
                found.push(path.display().to_string());
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_have_them_and_nothing_else_ever_does() {
    let scene = Scene::new();
    let worker = scene.start().await;
    let script = "[ \"$TOKEN\" = s3cr3t-\"\"canary-4711 ] && echo it is right\n\
                  echo \"token: $TOKEN\"; printf s3cr3t-; sleep 0.1; echo canary-4711\n\
                  echo -n $TOKEN | base64";
    let command = format!(
        "env; cat /proc/*/environ 2>/dev/null | tr '\\0' '\\n'; grep -rs s3cr3t / --include=* --exclude-dir=proc --exclude-dir=sys \
         --exclude-dir=usr -l; {WAIT}"
    );
    for number in [1, 2] {
        let mut assignment = scene.assignment(number, &command);
        assignment.setup_script = Some(script.to_owned());
        assignment.maintenance_script = Some(script.to_owned());
        assignment.secrets = vec![secret("TOKEN", VALUE), secret("PIN", "1234")];
        let printed = format!("{assignment:?} {assignment:#?}");
        assert!(!printed.contains(VALUE), "{printed}");
        scene.api.offer(assignment);
        scene.heard(&attempt(number), "ready").await;
        let mut found = Vec::new();
        holders(&worker.data, &mut found);
        assert_eq!(found, [""; 0], "on the disk of the worker");
        worker.go(&attempt(number)).await;
        let record = scene.finished(&attempt(number)).await;
        assert_eq!(record.outcome(), "ok", "{record:#?}");
        let output = record.output();
        let shown = "it is right\ntoken: [secret TOKEN]\n[secret TOKEN]\n[secret TOKEN]";
        assert!(output.starts_with(shown), "{output}");
        let everything = format!("{record:?}");
        assert!(
            !everything.contains("canary") && !everything.contains("czNjcjN0"),
            "{everything}"
        );
        // Of the agent: neither name nor value.
        let agent = output.split("[secret TOKEN]\n").last().unwrap();
        assert!(!agent.contains("TOKEN"), "{agent}");
        assert!(
            record.warnings()[0].contains("PIN"),
            "{:?}",
            record.warnings()
        );
    }
    worker.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_a_script_writes_down_is_told_by_name_and_place() {
    let scene = Scene::new();
    let mut assignment = scene.assignment(1, "true");
    assignment.setup_script = Some(
        "echo //registry/:_authToken=$TOKEN > ~/.npmrc; echo $TOKEN > /usr/local/etc/token"
            .to_owned(),
    );
    assignment.secrets = vec![secret("TOKEN", VALUE)];
    let record = scene.run(assignment).await;
    assert_eq!(record.outcome(), "ok", "{record:#?}");
    let warnings = record.warnings();
    for path in ["/home/agent/.npmrc", "/usr/local/etc/token"] {
        let expected = format!(
            "The setup script wrote the secret TOKEN into {path}: the agent can read it there."
        );
        assert!(warnings.contains(&expected), "{warnings:#?}");
    }

    let worker = scene.start().await;
    for number in [2, 3] {
        let mut assignment = scene.assignment(number, "true");
        assignment.maintenance_script = Some("echo $TOKEN > ~/.netrc".to_owned());
        assignment.secrets = vec![secret("TOKEN", VALUE)];
        scene.api.offer(assignment);
        let warnings = scene.finished(&attempt(number)).await.warnings();
        let expected = match number {
            2 => Vec::new(),
            _ => vec![
                "The maintenance script wrote the secret TOKEN into /home/agent/.netrc: the agent can read it there.",
            ],
        };
        assert_eq!(warnings, expected);
    }
    worker.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_does_not_tell_them() {
    let scene = Scene::new();
    let mut assignment = scene.assignment(1, "true");
    assignment.setup_script = Some("echo \"error: bad token $TOKEN\" >&2; exit 1".to_owned());
    assignment.secrets = vec![secret("TOKEN", VALUE)];
    let record = scene.run(assignment).await;
    assert_eq!(
        record.failure().message,
        "The setup script failed with exit code 1: error: bad token [secret TOKEN]"
    );
    assert!(!format!("{record:?}").contains("canary"), "{record:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_version_makes_another_snapshot() {
    let scene = Scene::new();
    let worker = scene.start().await;
    for (number, version, expected) in [(1, 1, "first time"), (2, 2, "secret TOKEN changed")] {
        let mut assignment = scene.assignment(number, "true");
        assignment.setup_script = Some("true".to_owned());
        let mut secret = secret("TOKEN", VALUE);
        secret.version = version;
        assignment.secrets = vec![secret];
        scene.api.offer(assignment);
        let record = scene.finished(&attempt(number)).await;
        let told = format!("{:?}", record.events);
        assert!(told.contains(expected), "{told}");
    }
    worker.end().await;
}
