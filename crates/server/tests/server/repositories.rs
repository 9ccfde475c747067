//! Environments with several repositories.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::rig::worker::{Worker, size};
use crate::rig::{Rig, repository};

/// Three repositories, the first called `repository`.
async fn three(rig: &Rig) -> [PathBuf; 3] {
    let below = |name: &str| {
        let folder = rig.directory.path().join(name);
        std::fs::create_dir(&folder).expect("a new directory");
        repository::make(&folder)
    };
    let paths = [below("one"), below("two"), below("three")];
    let body = json!({"label": "app", "repository_url": paths[0], "agent": {"name": "command", "command": "cat"},
        "further_repositories": [
            {"name": "docs", "url": paths[1], "branch": "refs/heads/other"},
            {"name": "web", "url": paths[2]}]});
    rig.user()
        .post("/api/v1/environments", &body)
        .await
        .expect(201);
    paths
}

async fn diff_of(rig: &Rig, path: &str) -> String {
    let answer = rig.user().get(path).await;
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    String::from_utf8(answer.bytes).expect("text")
}

#[tokio::test]
async fn each_has_its_commit_its_diff_and_its_place_in_a_follow_up() {
    let rig = Rig::start().await;
    let paths = three(&rig).await;
    let worker = Worker::register(&rig, "one").await;
    let submit = json!({"environment": "app", "prompt": "p", "branch": "other", "starting_diff": "from the person"});
    let task = rig.user().post("/api/v1/tasks", &submit).await.expect(201);
    let id = task["id"].as_str().expect("an id").to_owned();
    // `branch` is about the first.
    assert_eq!(task["commit"], repository::tip(&paths[0], "other"));
    let further = json!([
        {"name": "docs", "url": paths[1], "branch": "other", "commit": repository::tip(&paths[1], "other")},
        {"name": "web", "url": paths[2], "branch": "main", "commit": repository::tip(&paths[2], "main")}]);
    assert_eq!(task["further_repositories"], further);

    let claim = worker.take().await;
    let assigned = claim.assignment["repositories"].as_array().expect("a list");
    let flags = |repository: &Value| {
        let flag = |name: &str| repository[name].as_bool().expect("a flag");
        let name = repository["name"].as_str().expect("a name").to_owned();
        (name, flag("has_starting_diff"), flag("has_carried_diff"))
    };
    let named = |name: &str, starting, carried| (name.to_owned(), starting, carried);
    assert_eq!(
        assigned.iter().map(flags).collect::<Vec<_>>(),
        [
            named("repository", true, false),
            named("docs", false, false),
            named("web", false, false)
        ]
    );
    assert_eq!(
        (&assigned[1]["commit"], &assigned[1]["url"]),
        (&further[0]["commit"], &further[0]["url"])
    );
    assert_eq!(
        worker
            .download_of(&claim, "starting_diff", "repository")
            .await
            .bytes,
        b"from the person"
    );
    worker
        .download_of(&claim, "starting_diff", "docs")
        .await
        .problem(404, "not_found");
    let unknown = worker
        .upload_diff(&claim, "nope", "x")
        .await
        .problem(404, "not_found");
    assert_eq!(unknown["hint"], "Its repositories: repository, docs, web.");

    // None for `docs`; in any order.
    let finish = |diffs: Value| json!({"outcome": {"result": "succeeded"}, "has_session": false, "last_seq": 0, "diffs": diffs});
    worker
        .upload_diff(&claim, "web", "of web")
        .await
        .expect(204);
    let early = worker.finish(
        &claim,
        finish(json!([size("web", 2), size("repository", 1)])),
    );
    let early = early.await.problem(409, "out_of_order");
    assert!(
        early["detail"]
            .as_str()
            .expect("a text")
            .contains("`repository`"),
        "{early:#}"
    );
    worker
        .upload(&claim, "diff", "of the first")
        .await
        .expect(204);
    for (pointer, diffs) in [
        ("/diffs/0/repository", json!([size("nope", 1)])),
        (
            "/diffs/1/repository",
            json!([size("web", 1), size("web", 1)]),
        ),
        (
            "/diffs/1/repository",
            json!([size("repository", 1), size("repository", 1)]),
        ),
    ] {
        let problem = worker
            .finish(&claim, finish(diffs))
            .await
            .problem(422, "unprocessable");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem:#}");
    }
    worker
        .finish(
            &claim,
            finish(json!([size("web", 2), size("repository", 1)])),
        )
        .await
        .expect(204);

    let three = json!({"files_changed": 3, "lines_added": 3, "lines_removed": 3});
    let task = rig.get(&format!("/api/v1/tasks/{id}")).await;
    let attempt = &task["turns"][0]["attempts"][0];
    assert_eq!((&task["summary"], &attempt["diff"]), (&three, &three));
    assert_eq!(
        attempt["diffs"],
        json!([size("repository", 1), size("web", 2)])
    );
    let of_attempt = format!("/api/v1/attempts/{}/diff", claim.attempt);
    for base in [format!("/api/v1/tasks/{id}/diff"), of_attempt] {
        assert_eq!(diff_of(&rig, &base).await, "of the first");
        assert_eq!(
            diff_of(&rig, &format!("{base}?repository=repository")).await,
            "of the first"
        );
        assert_eq!(
            diff_of(&rig, &format!("{base}?repository=web")).await,
            "of web"
        );
        let none = rig.user().get(&format!("{base}?repository=docs")).await;
        none.problem(404, "not_found");
        let unknown = rig.user().get(&format!("{base}?repository=nope")).await;
        let unknown = unknown.problem(404, "not_found");
        assert_eq!(unknown["detail"], "The task has no repository `nope`.");
        assert_eq!(unknown["hint"], "Its repositories: repository, docs, web.");
    }

    follow_up(&rig, &worker, &id).await;
    rig.stop().await;
}

async fn follow_up(rig: &Rig, worker: &Worker, id: &str) {
    // What the environment says later does not change what a task has.
    let environments = rig.get("/api/v1/environments").await;
    let path = format!(
        "/api/v1/environments/{}",
        environments["items"][0]["id"].as_str().expect("an id")
    );
    let patch = json!({"repository_url": "/elsewhere/web", "further_repositories": []});
    rig.user()
        .send(reqwest::Method::PATCH, &path, &patch)
        .await
        .expect(200);
    let turns = format!("/api/v1/tasks/{id}/turns");
    rig.user()
        .post(&turns, &json!({"prompt": "more"}))
        .await
        .expect(201);
    let claim = worker.take().await;
    let carried: Vec<_> = claim.assignment["repositories"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|repository| {
            (
                repository["name"].clone(),
                repository["has_carried_diff"].clone(),
            )
        })
        .collect();
    let expected = [("repository", true), ("docs", false), ("web", true)];
    assert_eq!(
        carried,
        expected.map(|(name, carried)| (json!(name), json!(carried)))
    );
    assert_eq!(
        worker.download(&claim, "carried_diff").await.bytes,
        b"of the first"
    );
    assert_eq!(
        worker
            .download_of(&claim, "carried_diff", "web")
            .await
            .bytes,
        b"of web"
    );
    worker
        .download_of(&claim, "carried_diff", "docs")
        .await
        .problem(404, "not_found");
    worker.upload_diff(&claim, "docs", "").await.expect(204);
    let result = json!({"outcome": {"result": "succeeded"}, "has_session": false, "last_seq": 0, "diffs": [size("docs", 0)]});
    worker.finish(&claim, result).await.expect(204);
    let task = rig.get(&format!("/api/v1/tasks/{id}")).await;
    assert_eq!(
        task["turns"][1]["attempts"][0]["diffs"],
        json!([size("docs", 0)])
    );
    assert_eq!(
        diff_of(rig, &format!("/api/v1/tasks/{id}/diff?repository=docs")).await,
        ""
    );
    assert_eq!(
        diff_of(
            rig,
            &format!("/api/v1/tasks/{id}/diff?turn=1&repository=web")
        )
        .await,
        "of web"
    );
}

#[tokio::test]
async fn the_one_that_cannot_be_used_is_named() {
    let rig = Rig::start().await;
    let [_, _, web] = three(&rig).await;
    let submit = json!({"environment": "app", "prompt": "p"});
    let refused = async |submit: &Value| {
        let problem = rig
            .user()
            .post("/api/v1/tasks", submit)
            .await
            .problem(422, "repository");
        problem["detail"].as_str().expect("a text").to_owned()
    };
    let mut wrong = submit.clone();
    wrong["branch"] = json!("mian");
    let detail = refused(&wrong).await;
    assert!(detail.starts_with("Repository `repository`: "), "{detail}");
    std::fs::rename(&web, web.with_extension("gone")).expect("renamed");
    let detail = refused(&submit).await;
    assert!(
        detail.starts_with("Repository `web`: There is no git repository at "),
        "{detail}"
    );
    assert_eq!(rig.get("/api/v1/tasks").await["items"], json!([]));
    rig.stop().await;
}
