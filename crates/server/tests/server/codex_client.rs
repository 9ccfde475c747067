//! The stock client itself, unmodified, in released versions, against this server in both path styles.

mod applying;
mod attempts;
mod errors;
mod listing;
mod picker;
mod signing_in;
mod submitting;

use std::path::{Path, PathBuf};

use outwork_test_codex::Client;
use serde_json::{Value, json};

use crate::rig::worker::{Claim, Worker, size};
use crate::rig::{Rig, repository};

/// Makes a module with the tests for each version of the client.
macro_rules! in_every_version {
    ($($name:ident),+ $(,)?) => {
        crate::codex_client::in_version!(v0_89, 0, $($name),+);
        crate::codex_client::in_version!(v0_101, 1, $($name),+);
        crate::codex_client::in_version!(v0_130, 2, $($name),+);
        crate::codex_client::in_version!(v0_140, 3, $($name),+);
        crate::codex_client::in_version!(v0_151, 4, $($name),+);
    };
}
macro_rules! in_version {
    ($module:ident, $number:literal, $($name:ident),+) => {
        mod $module {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() { super::$name(outwork_test_codex::CLOUD[$number]).await })+
        }
    };
}
use {in_every_version, in_version};

/// The target folder, where the clients are kept.
fn target() -> &'static Path {
    let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
    temporary.parent().expect("it lies in the target folder")
}

/// A server, an environment `App` for a repository, and somebody's clone of it.
struct Stand {
    rig: Rig,
    origin: PathBuf,
    clone: PathBuf,
    environment: Value,
}

impl Stand {
    async fn start() -> Self {
        let rig = Rig::start().await;
        let origin = repository::make(rig.directory.path());
        let environment = rig.environment("App", &origin).await;
        let clone = another_clone(&rig, &origin, "clone");
        Self {
            rig,
            origin,
            clone,
            environment,
        }
    }

    /// What the client is told the server is, in each style.
    fn bases(&self) -> [String; 2] {
        [
            format!("{}/backend-api", self.rig.url),
            self.rig.url.clone(),
        ]
    }

    /// A signed-in client for each style.
    fn clients(&self, version: &'static str) -> [Client; 2] {
        self.bases()
            .map(|base| Client::new(target(), version, &base, &self.rig.user_token))
    }

    fn environment_id(&self) -> &str {
        self.environment["id"].as_str().expect("an id")
    }

    async fn task(&self, id: &str) -> Value {
        self.rig.get(&format!("/api/v1/tasks/{id}")).await
    }

    /// A submitted task of so many attempts.
    async fn submit(&self, prompt: &str, attempts: u32) -> String {
        let body = json!({"environment": "App", "prompt": prompt, "attempts": attempts});
        let task = self
            .rig
            .user()
            .post("/api/v1/tasks", &body)
            .await
            .expect(201);
        task["id"].as_str().expect("an id").to_owned()
    }

    /// A task that came to `diff`.
    async fn done(&self, prompt: &str, diff: &str) -> String {
        let id = self.submit(prompt, 1).await;
        let worker = Worker::register(&self.rig, "w").await;
        let claim = worker.take().await;
        hand_in(&worker, &claim, diff).await;
        id
    }

    /// What git makes of those files in place of what is there.
    fn diff(&self, files: &[(&str, &[u8])]) -> String {
        let scratch = tempfile::tempdir_in(self.rig.directory.path()).expect("a directory");
        let clone = scratch.path().join("clone");
        clone_to(&self.origin, &clone);
        for (name, content) in files {
            std::fs::write(clone.join(name), content).expect("a file");
        }
        repository::git(&clone, &["add", "--all"]);
        repository::git(
            &clone,
            &["diff", "--cached", "--binary", "--full-index", "HEAD"],
        )
    }

    fn another_clone(&self, name: &str) -> PathBuf {
        another_clone(&self.rig, &self.origin, name)
    }
}

fn another_clone(rig: &Rig, origin: &Path, name: &str) -> PathBuf {
    let clone = rig.directory.path().join(name);
    clone_to(origin, &clone);
    clone
}

fn clone_to(origin: &Path, clone: &Path) {
    let [origin, to] = [origin, clone].map(|path| path.to_str().expect("text"));
    repository::git(Path::new("/"), &["clone", "--quiet", origin, to]);
}

/// Finishes an attempt with that diff and a message.
async fn hand_in(worker: &Worker, claim: &Claim, diff: &str) {
    worker.upload(claim, "diff", diff).await.expect(204);
    let result = json!({"outcome": {"result": "succeeded"}, "has_session": false, "last_seq": 0,
        "message": "I did what you asked.", "diffs": [size("repository", 1)]});
    worker.finish(claim, result).await.expect(204);
}
