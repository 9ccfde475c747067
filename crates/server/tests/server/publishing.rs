//! Results as branches and pull requests: pushed with the real git, opened at stand-ins of the servers' interfaces.

mod approvals;
mod faults;
mod follow_up;
mod forge;
mod mentions;
mod schedules;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use outwork_test_postgres::shared;
use reqwest::Method;
use serde_json::{Value, json};

use crate::rig::worker::{Worker, size};
use crate::rig::{Database, Rig, Setting, repository};
use forge::{Forge, Kind, PUSH_TOKEN, READ_TOKEN};

/// A server, a repository at a forge, its environment `app`, both credentials, and a worker.
struct Scene {
    rig: Rig,
    forge: Forge,
    worker: Worker,
    /// A clone, in which changes are made.
    clone: PathBuf,
}

/// The machine may be slow, and git is started many times.
const PATIENCE: Duration = Duration::from_secs(180);
/// By the server's clock.
const LONGEST_WAIT: Duration = Duration::from_secs(61);

const PROMPT: &str = "Fix the sum\n\nIt is off by one.";

impl Scene {
    async fn start(kind: Kind) -> Self {
        Self::start_with(kind, Setting::default()).await
    }

    async fn start_with(kind: Kind, setting: Setting) -> Self {
        let rig = Rig::start_with(setting).await;
        let forge = Forge::start(kind, rig.directory.path()).await;
        let clone = rig.directory.path().join("clone");
        let clone_at = clone.display().to_string();
        let bare = forge.repository.display().to_string();
        repository::git(
            rig.directory.path(),
            &["clone", "--quiet", &bare, &clone_at],
        );
        let scene = Self {
            worker: Worker::register(&rig, "one").await,
            rig,
            forge,
            clone,
        };
        scene.credential(READ_TOKEN, None).await;
        scene
            .credential(PUSH_TOKEN, Some(scene.forge.settings()))
            .await;
        let body = json!({"label": "app", "repository_url": scene.forge.url(), "branch": "main",
            "agent": {"name": "command", "command": "cat"}});
        let user = scene.rig.user();
        user.post("/api/v1/environments", &body).await.expect(201);
        scene
    }

    async fn credential(&self, token: &str, push: Option<Value>) {
        let mut body =
            json!({"scope": self.forge.host, "secret": {"kind": "token", "token": token}});
        if let Some(push) = push {
            body["push"] = push;
        }
        let user = self.rig.user();
        let set = user.send(Method::PUT, "/api/v1/credentials", &body).await;
        let stored = set.expect(200);
        assert!(!stored.to_string().contains(token), "{stored}");
    }

    /// A task whose agent did that in the clone. Answers its id.
    async fn done(&self, change: impl FnOnce(&Path)) -> String {
        let task = self.rig.task("app", PROMPT).await;
        self.work(change).await;
        task["id"].as_str().expect("an id").to_owned()
    }

    /// What waits is done like that; the diff is against `main`, whatever the clone had before.
    async fn work(&self, change: impl FnOnce(&Path)) {
        let mut claims =
            crate::git_gateway::acquire(&self.worker.client, &self.worker.id, true).await;
        let claim = claims.pop().expect("an attempt waits");
        assert!(!claim.assignment.to_string().contains(PUSH_TOKEN));
        change(&self.clone);
        repository::git(&self.clone, &["add", "--all"]);
        let diff = repository::git(
            &self.clone,
            &[
                "diff",
                "--cached",
                "--binary",
                "--full-index",
                "-M",
                "origin/main",
            ],
        );
        self.worker.upload(&claim, "diff", &diff).await.expect(204);
        let result = json!({"outcome": {"result": "succeeded"}, "has_session": false, "last_seq": 0,
            "message": "The sum is right now, @ada.\n\n- `file`: starts at zero\n- `new.txt` says why; fixes #1",
            "diffs": [size("repo", 2)]});
        self.worker.finish(&claim, result).await.expect(204);
    }

    async fn ask(&self, task: &str, body: Value) -> Value {
        let user = self.rig.user();
        let path = format!("/api/v1/tasks/{task}/publications");
        user.post(&path, &body).await.expect(201)
    }

    /// Asks, and waits until it has ended; the server's clock goes on meanwhile.
    async fn publish(&self, task: &str, body: Value) -> Value {
        let asked = self.ask(task, body).await;
        self.ended(&asked).await
    }

    async fn ended(&self, asked: &Value) -> Value {
        let id = asked["id"].as_str().expect("an id");
        let path = format!("/api/v1/publications/{id}");
        let begun = Instant::now();
        let mut passed = 0;
        loop {
            let now = self.rig.get(&path).await;
            if now["ended_at"].is_string() {
                return now;
            }
            assert!(begun.elapsed() < PATIENCE, "it never ended: {now:#}");
            let waits = self.waits(&now).await;
            if waits > passed {
                passed = waits;
                self.rig.pass(LONGEST_WAIT).await;
            }
            tokio::task::yield_now().await;
        }
    }

    /// How often it was put off because of trouble.
    async fn waits(&self, publication: &Value) -> usize {
        let (id, attempt) = (&publication["id"], publication["attempt_id"].as_str());
        let path = format!(
            "/api/v1/attempts/{}/events?limit=100",
            attempt.expect("an id")
        );
        let log = self.rig.get(&path).await;
        let events = log["items"].as_array().expect("a list").iter();
        let waits = events.filter(|event| {
            event["publication"] == *id
                && event["state"] == "queued"
                && event["message"].is_string()
        });
        waits.count()
    }

    /// The tree of what is in the clone.
    fn tree(&self) -> String {
        repository::git(&self.clone, &["write-tree"])
    }
}

/// A file changed, one added, one moved and made executable.
fn change(clone: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(clone.join("file"), "three\n").expect("a file");
    std::fs::write(clone.join("new.txt"), "why | `so`").expect("a file");
    let permissions = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(clone.join("new.txt"), permissions).expect("ours");
}

#[tokio::test]
async fn a_result_becomes_a_branch_and_a_pull_request() {
    opens(Database::Sqlite).await;
}

#[tokio::test]
async fn a_result_becomes_a_branch_and_a_pull_request_on_postgresql() {
    opens(Database::Postgres(shared().new_database())).await;
}

async fn opens(database: Database) {
    let setting = Setting {
        database,
        ..Setting::default()
    };
    let scene = Scene::start_with(Kind::GitHub, setting).await;
    let task = scene.done(change).await;
    let published = scene
        .publish(&task, json!({"author": "Ada <ada@example.com>"}))
        .await;
    assert_eq!(published["state"], "published", "{published:#}");
    let branch = format!("outwork/{}-fix-the-sum", &task[task.len() - 8..]);
    assert_eq!(published["branch"], branch.as_str());
    assert_eq!(
        published["pull_request"],
        json!({"url": "https://forge.example/team/repo/pull/1", "number": 1, "state": "open"})
    );

    // The very tree, as one commit on what the task started from.
    assert_eq!(
        scene
            .forge
            .git(&["rev-parse", &format!("{branch}^{{tree}}")]),
        scene.tree()
    );
    assert_eq!(
        scene.forge.git(&["rev-parse", &format!("{branch}^")]),
        scene.forge.git(&["rev-parse", "main"])
    );
    assert_eq!(
        scene.forge.git(&["rev-parse", &branch]).trim(),
        published["commit"]
    );
    let shown = scene
        .forge
        .git(&["show", "-s", "--format=%an <%ae>%n%cn%n%B", &branch]);
    let attempt = published["attempt_id"].as_str().expect("an id");
    assert_eq!(
        shown.trim(),
        format!(
            "Ada <ada@example.com>\nOutwork\nFix the sum\n\n{PROMPT}\n\nhttps://outwork.example/tasks/{task}\n\n\
        Outwork-Task: {task}\nOutwork-Attempt: {attempt}"
        )
    );

    let pulls = scene.forge.pulls();
    assert_eq!(pulls.len(), 1);
    assert_eq!(
        (
            pulls[0].title.as_str(),
            pulls[0].base.as_str(),
            pulls[0].draft
        ),
        ("Fix the sum", "main", false)
    );
    let base = scene.forge.git(&["rev-parse", "--short=12", "main"]);
    assert_eq!(
        pulls[0].body,
        format!(
            "<!-- outwork:begin -->\nThe sum is right now, @\u{200b}ada.\n\n- `file`: starts at zero\n\
        - `new.txt` says why; fixes #\u{200b}1\n\n\
        | File | Change | Lines | Why |\n| --- | --- | --- | --- |\n\
        | `file` | changed | +1 −1 | `file`: starts at zero |\n\
        | `new.txt` | added | +1 −0 | `new.txt` says why; fixes #\u{200b}1 |\n\n\
        Made by [Outwork](https://outwork.example/tasks/{task}): turn 1, attempt 1, on commit `{}`.\n<!-- outwork:end -->",
            base.trim()
        )
    );

    let shown = scene.rig.get(&format!("/api/v1/tasks/{task}")).await;
    assert_eq!(
        shown["pull_request"],
        json!({"url": "https://forge.example/team/repo/pull/1", "number": 1, "state": "open",
        "branch": branch, "commit": published["commit"]})
    );
    let log = scene
        .rig
        .get(&format!("/api/v1/attempts/{attempt}/events?limit=100"))
        .await;
    let events = log["items"].as_array().expect("a list");
    let states: Vec<_> = events
        .iter()
        .filter(|event| event["type"] == "publication")
        .map(|event| event["state"].as_str())
        .collect();
    assert_eq!(states, [Some("queued"), Some("published")], "{log:#}");

    // Once more: nothing is pushed, and nothing is opened.
    let again = scene.publish(&task, json!({})).await;
    assert_eq!(
        (&again["commit"], &again["pull_request"]),
        (&published["commit"], &published["pull_request"])
    );
    assert_eq!((scene.forge.pushes(), scene.forge.pulls().len()), (1, 1));
    let listed = scene
        .rig
        .get(&format!("/api/v1/tasks/{task}/publications"))
        .await;
    assert_eq!(listed["items"][1], published);
    assert!(
        !crate::rig::log::text().contains(PUSH_TOKEN),
        "the log has the token"
    );
    scene.rig.stop().await;
}

#[tokio::test]
async fn a_request_sent_twice_is_one_publication() {
    let scene = Scene::start(Kind::GitHub).await;
    let task = scene.done(change).await;
    let path = format!("/api/v1/tasks/{task}/publications");
    let user = scene.rig.user().with("idempotency-key", "once");
    let first = user.post(&path, &json!({"draft": true})).await.expect(201);
    let again = user.post(&path, &json!({"draft": true})).await;
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(again.expect(201)["id"], first["id"]);
    user.post(&path, &json!({"draft": false})).await.expect(422);
    let ended = scene.ended(&first).await;
    assert_eq!(ended["pull_request"]["state"], "draft", "{ended:#}");
    assert!(scene.forge.pulls()[0].draft);
    scene.rig.stop().await;
}

#[tokio::test]
async fn what_cannot_be_published_is_refused_at_once() {
    let scene = Scene::start(Kind::GitHub).await;
    let task = scene.rig.task("app", PROMPT).await;
    let task = task["id"].as_str().expect("an id").to_owned();
    let path = format!("/api/v1/tasks/{task}/publications");
    let user = scene.rig.user();
    let early = user.post(&path, &json!({})).await.expect(409);
    assert_eq!(early["detail"], "There is nothing to publish yet.");
    scene.work(change).await;
    for (body, pointer) in [
        (json!({"branch": "main"}), "/branch"),
        (json!({"branch": "a..b"}), "/branch"),
        (json!({"branch": "x", "base": "x"}), "/branch"),
        (json!({"author": "Ada"}), "/author"),
        (json!({"title": "x".repeat(251)}), "/title"),
    ] {
        let refused = user.post(&path, &body).await.expect(422);
        assert_eq!(refused["errors"][0]["pointer"], pointer, "{refused:#}");
    }
    user.post(&path, &json!({"attempt": 2})).await.expect(404);
    let empty = scene.rig.task("app", "nothing").await;
    scene
        .work(|clone| _ = repository::git(clone, &["reset", "--quiet", "--hard", "origin/main"]))
        .await;
    let path = format!(
        "/api/v1/tasks/{}/publications",
        empty["id"].as_str().expect("an id")
    );
    let refused = user.post(&path, &json!({})).await.expect(409);
    assert_eq!(
        refused["detail"],
        "The attempt changed nothing in `repo`, so there is nothing to publish."
    );
    scene.rig.stop().await;
}

/// Also a worker that does not know the gateway, which is given the token for reading.
#[tokio::test]
async fn no_worker_is_given_what_may_push() {
    let scene = Scene::start(Kind::GitHub).await;
    scene.rig.task("app", PROMPT).await;
    let claims = crate::git_gateway::acquire(&scene.worker.client, &scene.worker.id, false).await;
    let given = claims[0].assignment.to_string();
    assert!(given.contains(READ_TOKEN), "{given}");
    assert!(!given.contains(PUSH_TOKEN), "{given}");
    // Without one for reading there is none for a worker, whatever may push.
    let listed = scene.rig.get("/api/v1/credentials").await;
    let items = listed["items"].as_array().expect("a list");
    assert_eq!(items.len(), 2, "{listed:#}");
    let reading = items
        .iter()
        .find(|one| one["kind"] == "token")
        .expect("one for reading");
    let path = format!(
        "/api/v1/credentials/{}",
        reading["id"].as_str().expect("an id")
    );
    scene
        .rig
        .user()
        .bare(Method::DELETE, &path)
        .await
        .expect(204);
    scene.worker.release(&claims[0]).await.expect(204);
    let claims = crate::git_gateway::acquire(&scene.worker.client, &scene.worker.id, true).await;
    let assigned = &claims[0].assignment["repositories"][0];
    assert_eq!(
        (&assigned["credential"], &assigned["lease_token"]),
        (&Value::Null, &Value::Null),
        "{assigned:#}"
    );
    scene.rig.stop().await;
}

#[tokio::test]
async fn without_a_credential_for_it_nothing_is_published() {
    let scene = Scene::start(Kind::GitHub).await;
    let task = scene.done(change).await;
    let listed = scene.rig.get("/api/v1/credentials").await;
    let mut items = listed["items"].as_array().expect("a list").iter();
    let pushing = items
        .find(|one| one["kind"] == "push_token")
        .expect("one for publishing");
    let path = format!(
        "/api/v1/credentials/{}",
        pushing["id"].as_str().expect("an id")
    );
    scene
        .rig
        .user()
        .bare(Method::DELETE, &path)
        .await
        .expect(204);
    let failed = scene.publish(&task, json!({})).await;
    let host = &scene.forge.host;
    assert_eq!(
        failed["failure"],
        json!({"code": "no_push_credential",
        "message": format!("There is no credential for publishing to {host}; those for reading are not used for it."),
        "hint": format!("Store one that may write: `outwork credential set {host} --push --token-file FILE`.")})
    );
    assert_eq!(scene.forge.pushes(), 0);
    scene.rig.stop().await;
}

/// A folder of the server's machine: the branch is all.
#[tokio::test]
async fn plain_git_gets_a_branch() {
    let scene = Scene::start(Kind::GitHub).await;
    let bare = scene.forge.repository.clone();
    scene.rig.environment("local", &bare).await;
    let task = scene.rig.task("local", PROMPT).await;
    scene.work(change).await;
    let task = task["id"].as_str().expect("an id");
    let published = scene.publish(task, json!({"branch": "results/one"})).await;
    assert_eq!(published["pull_request"], Value::Null, "{published:#}");
    let said = published["message"].as_str().expect("a note");
    assert!(
        said.starts_with("The branch `results/one` is in /"),
        "{said}"
    );
    assert_eq!(
        scene.forge.git(&["rev-parse", "results/one^{tree}"]),
        scene.tree()
    );
    scene.rig.stop().await;
}
