//! Which open tasks are about the same files: before a task, while it runs, and after it.

use outwork_domain::principal::PrincipalKind;
use reqwest::Method;
use serde_json::{Value, json};

use crate::rig::worker::{Worker, size};
use crate::rig::{Rig, repository};

fn id(task: &Value) -> String {
    task["id"].as_str().expect("an id").to_owned()
}

/// A diff that changes these files.
fn diff(paths: &[&str]) -> String {
    let one = |path: &&str| {
        format!(
            "diff --git a/{path} b/{path}\nnew file mode 100644\nindex 0000000..1\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+x\n"
        )
    };
    paths.iter().map(one).collect()
}

async fn shares(rig: &Rig, task: &str) -> Vec<Value> {
    let page = rig.get(&format!("/api/v1/tasks/{task}/overlaps")).await;
    let items = page["items"].as_array().expect("a list").clone();
    // Every surface says the same.
    let shown = rig.get(&format!("/api/v1/tasks/{task}")).await;
    let list = rig.get("/api/v1/tasks").await;
    let listed = list["items"].as_array().expect("a list").iter();
    let mut listed = listed.filter(|it| it["id"] == task);
    let listed = listed.next().expect("it is in the list");
    for place in [&shown, listed] {
        let count = place["overlap_count"].as_u64().unwrap_or(0);
        assert_eq!(count, items.len() as u64, "{place:#}");
    }
    items
}

#[tokio::test]
async fn tasks_about_the_same_files_are_told() {
    let rig = Rig::start().await;
    let path = repository::make(rig.directory.path());
    rig.environment("app", &path).await;
    let worker = Worker::register(&rig, "one").await;
    let ask = async |body: Value| {
        let answer = rig.user().post("/api/v1/overlaps", &body).await;
        answer.expect(200)["items"]
            .as_array()
            .expect("a list")
            .clone()
    };
    let body = json!({"environment": "app", "prompt": "fix src/a.rs and docs/"});
    assert_eq!(ask(body.clone()).await, Vec::<Value>::new());
    let first = id(&rig.task("app", "fix src/a.rs\nplease").await);
    let expected = json!({"task_id": first, "title": "fix src/a.rs", "status": "pending",
        "url": format!("https://outwork.example/tasks/{first}"), "paths": ["src/a.rs"], "path_count": 1, "certainty": "named"});
    assert_eq!(ask(body.clone()).await, [expected]);
    // While it runs, what its checkpoint has.
    let claim = worker.take().await;
    worker.step(&claim, "running").await.expect(200);
    let checkpoint = diff(&["docs/b.md", "src/c.rs"]);
    worker
        .upload(&claim, "checkpoint_diff", &checkpoint)
        .await
        .expect(204);
    let saved =
        json!({"epoch": claim.epoch, "diffs": [size("repository", 2)], "has_session": false});
    let verb = format!("/api/worker/v1/attempts/{}/checkpoint", claim.attempt);
    worker.client.post(&verb, &saved).await.expect(200);
    let told = ask(body.clone()).await;
    assert_eq!(told[0]["paths"], json!(["docs/b.md", "src/a.rs"]));
    assert_eq!(
        (&told[0]["status"], &told[0]["certainty"]),
        (&json!("running"), &json!("touched"))
    );
    // A second one declares what it is about.
    let declared = json!({"environment": "app", "prompt": "tidy up", "paths": ["./src/"]});
    let declares = rig
        .user()
        .post("/api/v1/tasks", &declared)
        .await
        .expect(201);
    let second = id(&declares);
    let of_second = shares(&rig, &second).await;
    assert_eq!(of_second.len(), 1);
    assert_eq!(of_second[0]["paths"], json!(["src/a.rs", "src/c.rs"]));
    assert_eq!(shares(&rig, &first).await[0]["certainty"], "named");
    // It ends, and did something else than it said.
    worker.succeed(&claim, &diff(&["src/z.rs"])).await;
    let told = ask(body).await;
    let seen: Vec<_> = told.iter().map(|it| &it["task_id"]).collect();
    assert_eq!(seen, [second.as_str()], "the other one still runs");
    assert_eq!(shares(&rig, &second).await[0]["paths"], json!(["src/z.rs"]));
    let claim = worker.take().await;
    worker
        .succeed(&claim, &diff(&["src/y.rs", "src/z.rs"]))
        .await;
    assert_eq!(shares(&rig, &first).await[0]["task_id"], second.as_str());
    // Nobody wants it.
    let dismissal = format!("/api/v1/tasks/{second}/dismissal");
    let set = async |method| {
        rig.user()
            .send(method, &dismissal, &json!({}))
            .await
            .expect(204)
    };
    set(Method::PUT).await;
    assert_eq!(shares(&rig, &first).await, Vec::<Value>::new());
    set(Method::DELETE).await;
    assert_eq!(shares(&rig, &first).await.len(), 1);
    let stranger = rig.stranger(PrincipalKind::User).await;
    for (method, path) in [
        (Method::GET, format!("/api/v1/tasks/{first}/overlaps")),
        (Method::PUT, dismissal.clone()),
    ] {
        let answer = stranger.send(method, &path, &json!({})).await;
        answer.problem(404, "not_found");
    }
    rig.stop().await;
}

#[tokio::test]
async fn wrong_paths_are_named() {
    let rig = Rig::start().await;
    let path = repository::make(rig.directory.path());
    rig.environment("app", &path).await;
    let many: Vec<String> = (0..201).map(|number| number.to_string()).collect();
    for (pointer, more) in [
        ("/paths/1", json!({"paths": ["src", "../x"]})),
        ("/paths/0", json!({"paths": ["/etc"]})),
        ("/paths/0", json!({"paths": [""]})),
        ("/paths/0", json!({"paths": ["a\u{0}b"]})),
        ("/paths", json!({"paths": many})),
        ("/branch", json!({"branch": "a b"})),
    ] {
        for address in ["/api/v1/tasks", "/api/v1/overlaps"] {
            let mut body = json!({"environment": "app", "prompt": "p"});
            for (name, value) in more.as_object().expect("fields") {
                body[name] = value.clone();
            }
            let problem = rig.user().post(address, &body).await;
            let problem = problem.problem(422, "unprocessable");
            assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem:#}");
        }
    }
    let unknown = json!({"environment": "other", "prompt": "p"});
    let answer = rig.user().post("/api/v1/overlaps", &unknown).await;
    answer.problem(404, "not_found");
    // A worker's diff that is none harms nobody.
    let worker = Worker::register(&rig, "one").await;
    let task = id(&rig.task("app", "p").await);
    let claim = worker.take().await;
    worker.succeed(&claim, "diff --git a/x b/y\nnonsense").await;
    assert_eq!(shares(&rig, &task).await, Vec::<Value>::new());
    rig.stop().await;
}

/// Tasks on `app` whose agents did that to the files of its repository; `a` has nine lines.
struct Results {
    rig: Rig,
    repository: std::path::PathBuf,
    worker: Worker,
}

impl Results {
    async fn start() -> Self {
        let rig = Rig::start().await;
        let repository = repository::make(rig.directory.path());
        std::fs::write(repository.join("a"), "1\n2\n3\n4\n5\n6\n7\n8\n9\n").expect("a file");
        repository::commit(&repository, "three");
        rig.environment("app", &repository).await;
        let worker = Worker::register(&rig, "one").await;
        Self {
            rig,
            repository,
            worker,
        }
    }

    async fn task(&self, changes: &[(&str, &str)]) -> String {
        let task = id(&self.rig.task("app", "p").await);
        for (from, to) in changes {
            let path = self.repository.join("a");
            let text = std::fs::read_to_string(&path).expect("a file");
            std::fs::write(path, text.replace(from, to)).expect("a file");
        }
        let diff = repository::git(&self.repository, &["diff", "--binary", "--full-index"]);
        repository::git(&self.repository, &["checkout", "--quiet", "a"]);
        let claim = self.worker.take().await;
        self.worker.succeed(&claim, &diff).await;
        task
    }

    async fn merge(&self, tasks: &[&str]) -> Value {
        let body = json!({"tasks": tasks});
        self.rig
            .user()
            .post("/api/v1/merges", &body)
            .await
            .expect(200)
    }
}

#[tokio::test]
async fn results_are_merged_for_real() {
    let it = Results::start().await;
    // The first stands in the way of two that merge with each other.
    let first = it.task(&[("1\n", "x\n"), ("9\n", "x\n")]).await;
    let second = it.task(&[("1\n", "second\n")]).await;
    let third = it.task(&[("9\n", "third\n")]).await;
    let base = repository::tip(&it.repository, "main");
    let merged = it.merge(&[&first, &second, &third]).await;
    let expected = json!({
        "base": base, "order": [second, third, first], "clean": [second, third], "method": "exact",
        "conflicts": [{"task_id": first, "with": [second, third], "paths": ["a"]}],
        "pairs": [
            {"a": first, "b": second, "clean": false, "paths": ["a"]},
            {"a": first, "b": third, "clean": false, "paths": ["a"]},
            {"a": second, "b": third, "clean": true},
        ],
    });
    assert_eq!(merged, expected);
    // The branch went on meanwhile.
    std::fs::write(
        it.repository.join("a"),
        "upstream\n2\n3\n4\n5\n6\n7\n8\n9\n",
    )
    .expect("a file");
    repository::commit(&it.repository, "four");
    let fourth = it.task(&[("5\n", "fourth\n")]).await;
    let merged = it.merge(&[&second, &third, &fourth]).await;
    assert_eq!(merged["base"], repository::tip(&it.repository, "main"));
    assert_eq!(merged["clean"], json!([third, fourth]));
    assert_eq!(
        merged["conflicts"],
        json!([{"task_id": second, "with": [], "paths": ["a"]}])
    );
    // Nothing is left of it but the copy.
    let publish = it.rig.directory.path().join("git/publish");
    let workspace = std::fs::read_dir(publish).expect("a folder").next();
    let work = workspace
        .expect("one")
        .expect("readable")
        .path()
        .join("work");
    assert_eq!(std::fs::read_dir(work).expect("a folder").count(), 0);
    it.rig.stop().await;
}

#[tokio::test]
async fn many_results_are_merged_greedily() {
    let it = Results::start().await;
    let mut tasks = Vec::new();
    for number in 1..=9 {
        tasks.push(
            it.task(&[(&format!("{number}\n"), &format!("{number}!\n"))])
                .await,
        );
    }
    let names: Vec<&str> = tasks.iter().map(String::as_str).collect();
    let merged = it.merge(&names).await;
    assert_eq!(merged["method"], "greedy");
    assert_eq!(merged["pairs"].as_array().map(Vec::len), Some(36));
    assert_eq!(merged["order"].as_array().map(Vec::len), Some(9));
    // Lines beside each other conflict: every second one merges.
    let clean = merged["clean"].as_array().expect("a list").len();
    assert!((3..=5).contains(&clean), "{merged:#}");
    it.rig.stop().await;
}

#[tokio::test]
async fn what_cannot_be_merged_is_said() {
    let it = Results::start().await;
    let one = it.task(&[("1\n", "x\n")]).await;
    let other = it.task(&[("9\n", "x\n")]).await;
    let unchanged = it.task(&[]).await;
    let odd = id(&it.rig.task("app", "p").await);
    let claim = it.worker.take().await;
    it.worker.succeed(&claim, &diff(&["../x"])).await;
    let elsewhere = it.rig.directory.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).expect("a directory");
    let second = repository::make(&elsewhere);
    it.rig.environment("second", &second).await;
    let far = id(&it.rig.task("second", "p").await);
    let claim = it.worker.take().await;
    it.worker.succeed(&claim, &diff(&["new"])).await;
    let unknown = format!("task_{}", "0".repeat(32));
    let user = it.rig.user();
    for (tasks, status, code) in [
        (json!([one]), 422, "unprocessable"),
        (json!([one, one]), 422, "unprocessable"),
        (json!([one, "x"]), 422, "unprocessable"),
        (json!(vec![&one; 21]), 422, "unprocessable"),
        (json!([one, unchanged]), 409, "conflict"),
        (json!([one, odd]), 409, "conflict"),
        (json!([one, far]), 409, "conflict"),
    ] {
        let body = json!({"tasks": tasks});
        let problem = user
            .post("/api/v1/merges", &body)
            .await
            .problem(status, code);
        assert!(
            problem["detail"]
                .as_str()
                .is_some_and(|text| text.len() > 10),
            "{problem:#}"
        );
    }
    let body = json!({"tasks": [one, unknown]});
    user.post("/api/v1/merges", &body)
        .await
        .problem(404, "not_found");
    let stranger = it.rig.stranger(PrincipalKind::User).await;
    let body = json!({"tasks": [one, other]});
    stranger
        .post("/api/v1/merges", &body)
        .await
        .problem(404, "not_found");
    user.post("/api/v1/merges", &body).await.expect(200);
    // The repository is gone, and the copy is enough.
    std::fs::rename(&it.repository, it.rig.directory.path().join("moved")).expect("renamed");
    user.post("/api/v1/merges", &body).await.expect(200);
    it.rig.stop().await;
}
