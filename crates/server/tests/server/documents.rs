//! The OpenAPI documents: checked in, whole, and what the server serves.

use std::collections::BTreeSet;
use std::path::PathBuf;

use outwork_server::{task_api_document, worker_api_document};
use serde_json::Value;

use crate::rig::Rig;

/// With `UPDATE_OPENAPI=1` the files are written instead of compared.
#[test]
fn the_checked_in_documents_are_up_to_date() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../openapi");
    for (name, generated) in [
        ("outwork.json", task_api_document()),
        ("worker.json", worker_api_document()),
    ] {
        let path = folder.join(name);
        if std::env::var_os("UPDATE_OPENAPI").is_some() {
            std::fs::create_dir_all(&folder).expect("a directory");
            std::fs::write(&path, &generated).expect("a file");
        }
        let stored = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            stored == generated,
            "{name} is out of date: run `UPDATE_OPENAPI=1 cargo test -p outwork-server documents` and commit it"
        );
    }
}

fn problem_type(path: &str) -> &'static str {
    match path.contains("/git/") {
        true => "text/plain",
        false => "application/problem+json",
    }
}

#[test]
fn every_operation_is_described() {
    let mut ids = BTreeSet::new();
    for document in [task_api_document(), worker_api_document()] {
        let document: Value = serde_json::from_str(&document).expect("JSON");
        for (path, item) in document["paths"].as_object().expect("paths") {
            for (method, operation) in item.as_object().expect("operations") {
                let name = format!("{method} {path}");
                let id = operation["operationId"]
                    .as_str()
                    .unwrap_or_else(|| panic!("{name} has no id"));
                assert!(ids.insert(id.to_owned()), "{id} is given twice");
                assert!(
                    operation["summary"].is_string() && operation["tags"].is_array(),
                    "{name}"
                );
                let responses = operation["responses"].as_object().expect("responses");
                for (status, response) in responses {
                    assert!(
                        response["description"]
                            .as_str()
                            .is_some_and(|text| !text.is_empty()),
                        "{name} {status}"
                    );
                    // A machine that watches health reads a status, no problem.
                    let problem = status.starts_with(['4', '5'])
                        && (path.as_str(), status.as_str()) != ("/readyz", "503");
                    assert!(
                        // Git shows plain text alone.
                        !problem || response["content"][problem_type(path)].is_object(),
                        "{name} {status}"
                    );
                }
                assert_eq!(
                    responses.contains_key("401"),
                    path.starts_with("/api/"),
                    "{name}"
                );
                let parameters = operation["parameters"]
                    .as_array()
                    .map_or(&[][..], Vec::as_slice);
                let in_path = parameters
                    .iter()
                    .filter(|parameter| parameter["in"] == "path")
                    .count();
                assert_eq!(in_path, path.matches('{').count(), "{name}");
            }
        }
        assert!(document["components"]["securitySchemes"]["token"].is_object());
    }
}

#[tokio::test]
async fn the_server_serves_them_and_its_health() {
    let rig = Rig::start().await;
    let served = |answer: crate::rig::http::Answer| String::from_utf8(answer.bytes).expect("text");
    assert_eq!(
        served(rig.nobody().get("/openapi.json").await),
        task_api_document()
    );
    assert_eq!(
        served(rig.nobody().get("/openapi/worker.json").await),
        worker_api_document()
    );
    assert_eq!(rig.nobody().get("/livez").await.expect(200)["status"], "ok");
    assert_eq!(
        rig.nobody().get("/readyz").await.expect(200),
        serde_json::json!({"status": "ok"})
    );
    let verbose = rig.nobody().get("/readyz?verbose").await.expect(200);
    assert_eq!(verbose["checks"].as_array().map(Vec::len), Some(4));
    rig.stop().await;
}

#[tokio::test]
async fn every_documented_operation_exists() {
    let rig = Rig::start().await;
    for document in [task_api_document(), worker_api_document()] {
        let document: Value = serde_json::from_str(&document).expect("JSON");
        for (path, item) in document["paths"].as_object().expect("paths") {
            for method in item.as_object().expect("operations").keys() {
                let address = path
                    .replace("{kind}", "diff")
                    .replace("{id}", "x")
                    .replace("{attempt}", "x");
                let method = method.to_uppercase().parse().expect("a method");
                let answer = rig.nobody().bare(method, &address).await;
                assert!(matches!(answer.status, 200 | 401), "{path}: {answer:?}");
            }
        }
    }
    rig.stop().await;
}
