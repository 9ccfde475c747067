//! Values of secrets, injections and credentials: a worker gets them, and they are in nothing else that the server says, logs or stores.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use outwork_test_postgres::shared;
use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

use crate::rig::http::Answer;
use crate::rig::worker::Worker;
use crate::rig::{Database, Rig, Setting, log};
use crate::secrets::{assigned, edit, environment};

/// Texts that are nowhere else.
struct Canaries {
    /// A secret's value.
    value: String,
    /// That of a header injection.
    injected: String,
    /// A credential's.
    token: String,
    /// Inside a private key.
    key: String,
    /// In requests that are refused.
    refused: String,
    /// No secret: it is found where the others are not.
    plain: String,
}

impl Canaries {
    fn new() -> Self {
        let [value, injected, token, key, refused, plain] =
            ["value", "injected", "token", "key", "refused", "plain"]
                .map(|what| format!("canary-{what}-{}", Uuid::now_v7().simple()));
        Self {
            value,
            injected,
            token,
            key,
            refused,
            plain,
        }
    }

    fn secret(&self) -> [&str; 5] {
        [
            &self.value,
            &self.injected,
            &self.token,
            &self.key,
            &self.refused,
        ]
    }
}

#[tokio::test]
async fn a_value_goes_to_the_worker_and_nowhere_else() {
    nowhere_else(Rig::start().await, None).await;
}

#[tokio::test]
async fn a_value_goes_to_the_worker_and_nowhere_else_on_postgresql() {
    let url = shared().new_database();
    let socket = url
        .split("host=")
        .nth(1)
        .and_then(|rest| rest.split('&').next());
    let folder = Path::new(socket.expect("the socket's folder")).join("data");
    let setting = Setting {
        database: Database::Postgres(url),
        ..Setting::default()
    };
    nowhere_else(Rig::start_with(setting).await, Some(folder)).await;
}

async fn nowhere_else(rig: Rig, database: Option<PathBuf>) {
    let canaries = Canaries::new();
    let mut said = secrets_in(&rig, &canaries).await;
    said.extend(injections_in(&rig, &canaries).await);
    said.extend(credentials_in(&rig, &canaries).await);
    said.extend(a_task(&rig, &canaries).await);
    for answer in &said {
        let text = format!(
            "{:?} {}",
            answer.headers,
            String::from_utf8_lossy(&answer.bytes)
        );
        for canary in canaries.secret() {
            assert!(!text.contains(canary), "{text}");
        }
    }
    let log = log::text();
    for canary in canaries.secret() {
        let line = log.lines().find(|line| line.contains(canary));
        assert!(line.is_none(), "{line:?}");
    }
    // All files of the database and its journal, and all objects.
    let folders = [Some(rig.directory.path().to_owned()), database];
    let (mut found, mut leaks) = (BTreeSet::new(), BTreeSet::new());
    for folder in folders.into_iter().flatten() {
        search(&folder, &[&canaries.plain], &mut found);
        search(&folder, &canaries.secret(), &mut leaks);
    }
    assert!(!found.is_empty(), "the search finds nothing");
    assert!(leaks.is_empty(), "{leaks:?}");
    rig.stop().await;
}

async fn secrets_in(rig: &Rig, canaries: &Canaries) -> Vec<Answer> {
    let Canaries {
        value,
        refused,
        plain,
        ..
    } = canaries;
    let (made, path) = environment(rig, json!({"NPM_TOKEN": value, "OTHER": value})).await;
    let shown = |name: &str| json!({"name": name, "updated_at": "2026-11-20T14:53:40.000Z"});
    assert_eq!(made["secrets"], json!([shown("NPM_TOKEN"), shown("OTHER")]));
    let patch = json!({"secrets": {"NPM_TOKEN": value, "OTHER": null}, "setup_script": plain});
    let mut said = vec![
        edit(rig, &path, patch).await,
        rig.user().get(&path).await,
        rig.user().get("/api/v1/environments").await,
    ];
    assert!(said.iter().all(|answer| answer.status == 200), "{said:?}");
    for secrets in [
        json!({"PLAIN": refused}),
        json!({"NOT A NAME": refused}),
        json!({"NUL": format!("{refused}\u{0}")}),
        json!({"LONG": refused.repeat(2000)}),
        json!({"LIST": [refused]}),
        json!({"MAP": {"value": refused}}),
        json!([refused]),
        json!(refused),
    ] {
        let answer = edit(rig, &path, json!({"secrets": secrets})).await;
        assert!(matches!(answer.status, 400 | 422), "{answer:?}");
        said.push(answer);
    }
    let late = rig.user().with("if-match", "\"1\"");
    let patch = json!({"secrets": {"X": refused}});
    said.push(late.send(Method::PATCH, &path, &patch).await);
    said
}

async fn injections_in(rig: &Rig, canaries: &Canaries) -> Vec<Answer> {
    let Canaries {
        injected, refused, ..
    } = canaries;
    let found = rig.get("/api/v1/environments?label=app").await;
    let id = found["items"][0]["id"].as_str().expect("an id").to_owned();
    let path = format!("/api/v1/environments/{id}");
    let with = |host: &str, header: &str, value: serde_json::Value| {
        json!({"network": {"mode": "on"},
            "injections": [{"host": host, "header": header, "value": value}]})
    };
    let mut said = Vec::new();
    for (status, patch) in [
        (200, with("a.example", "x-key", json!(injected))),
        (200, with("b.example", "x-key", json!(injected))),
        (200, with("b.example", "x-key", json!(null))),
        (422, with("com", "x-key", json!(refused))),
        (422, with("a.example", "host", json!(refused))),
        (
            422,
            with("a.example", "x-key", json!(format!("{refused}\n"))),
        ),
        (400, with("a.example", "x-key", json!([refused]))),
        (400, json!({"injections": {"a.example": refused}})),
    ] {
        let answer = edit(rig, &path, patch).await;
        assert_eq!(answer.status, status, "{answer:?}");
        said.push(answer);
    }
    said.push(rig.user().get("/api/v1/environments").await);
    said
}

async fn credentials_in(rig: &Rig, canaries: &Canaries) -> Vec<Answer> {
    let Canaries {
        token,
        key,
        refused,
        ..
    } = canaries;
    let key = format!("-----BEGIN RSA PRIVATE KEY-----\n{key}\n-----END RSA PRIVATE KEY-----\n");
    let mut said = Vec::new();
    for (status, secret) in [
        (
            200,
            json!({"kind": "token", "token": token, "username": "ada"}),
        ),
        (200, json!({"kind": "ssh_key", "private_key": key})),
        (400, json!({"kind": "token", "token": [refused]})),
        (
            422,
            json!({"kind": "token", "token": format!("{refused}\n{refused}")}),
        ),
        (422, json!({"kind": "ssh_key", "private_key": refused})),
    ] {
        let body = json!({"scope": "git.example.com", "secret": secret});
        let user = rig.user();
        let answer = user.send(Method::PUT, "/api/v1/credentials", &body).await;
        assert_eq!(answer.status, status, "{answer:?}");
        said.push(answer);
    }
    said.push(rig.user().get("/api/v1/credentials").await);
    said
}

async fn a_task(rig: &Rig, canaries: &Canaries) -> Vec<Answer> {
    let worker = Worker::register(rig, "one").await;
    let (claim, secrets) = assigned(rig, &worker).await;
    assert_eq!(secrets.len(), 1);
    let given = (&secrets[0]["name"], &secrets[0]["value"]);
    assert_eq!(given, (&json!("NPM_TOKEN"), &json!(canaries.value)));
    let injections = json!([{"host": "a.example", "header": "x-key", "value": canaries.injected}]);
    assert_eq!(claim.assignment["injections"], injections);
    let event = json!({"type": "message", "text": "m"});
    worker.append(&claim, 1, &[event]).await.expect(200);
    worker.succeed(&claim, "d").await;
    let task = claim.assignment["task"].as_str().expect("an id");
    let paths = [
        "/api/v1/tasks".to_owned(),
        "/api/v1/workers".to_owned(),
        "/api/v1/cache".to_owned(),
        format!("/api/v1/tasks/{task}"),
        format!("/api/v1/attempts/{}/events", claim.attempt),
    ];
    let mut said = Vec::new();
    for path in paths {
        said.push(rig.user().get(&path).await);
    }
    said
}

/// Which files below `folder` hold which of the texts, as bytes or in hexadecimal.
fn search(folder: &Path, texts: &[&str], found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            search(&path, texts, found);
            continue;
        }
        // A database that runs may remove one meanwhile, and a socket is no file to read.
        let Ok(content) = std::fs::read(&path) else {
            continue;
        };
        // What is no text becomes something else; what is looked for is ASCII and stays.
        let content = String::from_utf8_lossy(&content);
        for text in texts {
            let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
            if content.contains(*text) || content.contains(&hex) {
                found.insert(format!("{text} is in {}", path.display()));
            }
        }
    }
}
