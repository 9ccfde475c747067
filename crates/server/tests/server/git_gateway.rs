//! The git gateway: a worker reads a private repository with a token of its claim, and the stored credential stays with the server.

mod revoking;
mod streaming;
mod troubles;
mod upstream;

use std::path::Path;

use outwork_git::{CommitRef, Credentials, Git, Mirror, MirrorError, RepoUrl};
use outwork_server::GitGatewayConfig;
use outwork_test_postgres::shared;
use reqwest::Method;
use reqwest::header::AUTHORIZATION;
use serde_json::{Value, json};

use crate::rig::http::{Answer, Client, read};
use crate::rig::worker::{Claim, Worker};
use crate::rig::{Database, Rig, Setting, repository};
use upstream::{Mode, TOKEN, Upstream};

/// A server, a private repository, its environment `app`, its credential, and a worker.
struct Scene {
    rig: Rig,
    upstream: Upstream,
    worker: Worker,
}

impl Scene {
    async fn start() -> Self {
        Self::start_with(Setting::default()).await
    }

    async fn start_with(setting: Setting) -> Self {
        let rig = Rig::start_with(setting).await;
        let upstream = Upstream::start(rig.directory.path()).await;
        let scene = Self {
            worker: Worker::register(&rig, "one").await,
            rig,
            upstream,
        };
        scene.credential(TOKEN).await;
        let body = json!({"label": "app", "repository_url": scene.upstream.url(), "branch": "main",
            "agent": {"name": "command", "command": "cat"}});
        let user = scene.rig.user();
        user.post("/api/v1/environments", &body).await.expect(201);
        scene
    }

    async fn credential(&self, token: &str) {
        let secret = json!({"kind": "token", "username": "ada", "token": token});
        let body = json!({"scope": self.upstream.host, "secret": secret});
        let user = self.rig.user();
        let set = user.send(Method::PUT, "/api/v1/credentials", &body);
        set.await.expect(200);
    }

    /// Submits a task, which the worker takes.
    async fn claim(&self) -> Claim {
        self.rig.task("app", "p").await;
        self.upstream.seen();
        self.take().await
    }

    /// For a test that has seen the upstream misbehave: the server is asked for the branch as ever.
    async fn claim_again(&self) -> Claim {
        let mode = self.upstream.behave(Mode::Git);
        let claim = self.claim().await;
        self.upstream.behave(mode);
        claim
    }

    async fn take(&self) -> Claim {
        let mut claims = acquire(&self.worker.client, &self.worker.id, true).await;
        claims.pop().expect("an attempt waits")
    }

    /// What git asks first, with that token.
    async fn refs(&self, claim: &Claim, token: &str) -> Answer {
        let path = format!("{}/info/refs?service=git-upload-pack", at(claim));
        read(self.request(Method::GET, &path, token)).await
    }

    fn request(&self, method: Method, path: &str, token: &str) -> reqwest::RequestBuilder {
        let nobody = self.rig.nobody();
        let request = nobody.request(method, path);
        request.basic_auth("lease", Some(token))
    }

    /// The server's git, reading as a worker does.
    fn mirror(&self, claim: &Claim) -> Mirror {
        let directory = self.rig.directory.path();
        let path = std::env::var_os("PATH").expect("there is a PATH");
        let git = Git::isolated("git", &path, &directory.join("worker-git")).expect("a git");
        let address = format!("{}{}", self.rig.url, at(claim));
        let gateway = Credentials::gateway(&address, token(claim)).expect("a gateway");
        let url = RepoUrl::parse(&self.upstream.url()).expect("an address");
        Mirror::new(git, &directory.join("mirrors"), url, gateway)
    }

    async fn copied(&self, claim: &Claim) -> Result<(), MirrorError> {
        let commit = claim.assignment["repositories"][0]["commit"].as_str();
        let commit = CommitRef::parse(commit.expect("a commit")).expect("a commit");
        self.mirror(claim).ensure_commit(&commit).await.map(drop)
    }
}

/// Takes what waits, as a worker that knows the gateway or does not.
pub async fn acquire(client: &Client, worker: &str, git_gateway: bool) -> Vec<Claim> {
    let body = json!({"worker": worker, "max": 4, "wait_ms": 10_000, "git_gateway": git_gateway});
    let answer = client
        .post("/api/worker/v1/acquire", &body)
        .await
        .expect(200);
    let assignments = answer["assignments"].as_array().expect("a list").clone();
    let claim = |assignment: Value| Claim {
        attempt: assignment["attempt"].as_str().expect("an id").to_owned(),
        epoch: assignment["epoch"].as_i64().expect("a number"),
        assignment,
    };
    assignments.into_iter().map(claim).collect()
}

fn at(claim: &Claim) -> String {
    let name = claim.assignment["repositories"][0]["name"].as_str();
    let name = name.expect("a name");
    format!("/api/worker/v1/attempts/{}/git/{name}", claim.attempt)
}

fn token(claim: &Claim) -> &str {
    let token = &claim.assignment["repositories"][0]["lease_token"];
    token.as_str().expect("a lease token")
}

fn text(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.bytes).into_owned()
}

/// The files below a directory that hold a text.
fn files_with(directory: &Path, text: &str) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files_with(&path, text));
        } else {
            let bytes = std::fs::read(&path).expect("a file");
            let mut windows = bytes.windows(text.len());
            if windows.any(|window| window == text.as_bytes()) {
                found.push(path);
            }
        }
    }
    found
}

#[tokio::test]
async fn a_worker_copies_a_private_repository_without_its_credential() {
    copies(Database::Sqlite).await;
}

#[tokio::test]
async fn a_worker_copies_a_private_repository_without_its_credential_on_postgresql() {
    copies(Database::Postgres(shared().new_database())).await;
}

async fn copies(database: Database) {
    let scene = Scene::start_with(Setting {
        database,
        ..Setting::default()
    })
    .await;
    let claim = scene.claim().await;
    let assigned = &claim.assignment["repositories"][0];
    assert_eq!(assigned["credential"], Value::Null, "{assigned:#}");
    assert_eq!(assigned["url"], scene.upstream.url());
    assert!(!claim.assignment.to_string().contains(TOKEN));

    scene.copied(&claim).await.expect("copied");
    let seen = scene.upstream.seen();
    assert_eq!(seen[0].method, "GET", "{seen:#?}");
    assert!(seen.iter().any(|seen| seen.method == "POST"), "{seen:#?}");
    for seen in &seen {
        // The protocol of git that its client wants, the client's name, and nothing that names the worker.
        assert_eq!(seen.headers["git-protocol"], "version=2", "{seen:#?}");
        let agent = seen.headers["user-agent"].to_str().expect("text");
        assert!(agent.starts_with("git/"), "{agent}");
        assert!(seen.target.starts_with("/team/repo.git/"), "{seen:#?}");
        let printed = format!("{seen:?}");
        assert!(!printed.contains(&claim.attempt), "{printed}");
    }
    // Later commits come with a request that says what is there already.
    let clone = scene.rig.directory.path().join("repository");
    std::fs::write(clone.join("file"), "three\n").expect("a file");
    repository::commit(&clone, "three");
    let bare = scene.upstream.repository.display().to_string();
    repository::git(&clone, &["push", "--quiet", &bare, "main"]);
    let newest = scene.mirror(&claim).newest(None).await.expect("fetched");
    assert_eq!(newest.0.as_str(), repository::tip(&clone, "main"));

    let mirrors = scene.rig.directory.path().join("mirrors");
    for secret in [TOKEN, token(&claim), "/api/worker/v1"] {
        assert_eq!(
            files_with(&mirrors, secret),
            Vec::<std::path::PathBuf>::new()
        );
    }
    let log = crate::rig::log::text();
    for secret in [TOKEN, token(&claim)] {
        let line = log.lines().find(|line| line.contains(secret));
        assert!(line.is_none(), "{line:?}");
    }
    scene.rig.stop().await;
}

#[tokio::test]
async fn nobody_writes_through_the_gateway() {
    let scene = Scene::start().await;
    let claim = scene.claim().await;
    let base = at(&claim);
    for (method, path) in [
        (Method::GET, "/info/refs?service=git-receive-pack"),
        (Method::GET, "/info/refs"),
        (Method::GET, "/info/refs?service=git-upload-pack&x=1"),
        (Method::POST, "/git-receive-pack"),
    ] {
        let request = scene.request(method, &format!("{base}{path}"), token(&claim));
        let answer = read(request.body("0000")).await;
        assert_eq!(answer.status, 403, "{path}");
        assert!(text(&answer).starts_with("outwork[read-only]: "), "{path}");
    }
    for (method, path, status) in [
        (Method::GET, "/HEAD", 404),
        (Method::GET, "/objects/info/packs", 404),
        (Method::POST, "/git-upload-archive", 404),
        (Method::POST, "/info/refs?service=git-upload-pack", 405),
        (Method::GET, "/git-upload-pack", 405),
    ] {
        let request = scene.request(method, &format!("{base}{path}"), token(&claim));
        assert_eq!(read(request).await.status, status, "{path}");
    }
    assert_eq!(scene.upstream.seen().len(), 0);
    // And as git does it.
    let address = scene
        .rig
        .url
        .replace("://", &format!("://lease:{}@", token(&claim)));
    let pushed = tokio::process::Command::new("git")
        .current_dir(scene.rig.directory.path().join("repository"))
        .args(["push", &format!("{address}{base}"), "main:refs/heads/evil"])
        .env("GIT_TERMINAL_PROMPT", "0")
        .output()
        .await
        .expect("git starts");
    assert!(!pushed.status.success());
    let said = String::from_utf8_lossy(&pushed.stderr);
    assert!(said.contains("repositories are only read here"), "{said}");
    assert_eq!(scene.upstream.seen().len(), 0);
    scene.rig.stop().await;
}

/// It cannot know the gateway.
#[tokio::test]
async fn an_older_worker_is_given_the_credential_unless_the_operator_forbids_it() {
    let scene = Scene::start().await;
    scene.rig.task("app", "p").await;
    let old = acquire(&scene.worker.client, &scene.worker.id, false).await;
    let assigned = &old[0].assignment["repositories"][0];
    assert_eq!(assigned["credential"]["token"], TOKEN);
    assert_eq!(assigned["lease_token"], Value::Null);
    scene.rig.stop().await;

    let rig = Rig::start_with(Setting {
        git_gateway: GitGatewayConfig {
            required: true,
            ..GitGatewayConfig::default()
        },
        ..Setting::default()
    })
    .await;
    let client = rig.worker_client();
    let register = |version: u32| json!({"protocol_version": version, "name": "n", "slots": 1, "agents": ["command"], "isolation": "namespaces"});
    let refused = client.post("/api/worker/v1/register", &register(3)).await;
    let refused = refused.problem(422, "unprocessable");
    assert_eq!(refused["errors"][0]["pointer"], "/protocol_version");
    let registered = client.post("/api/worker/v1/register", &register(4)).await;
    let registered = registered.expect(200);
    let ask = |git_gateway: bool| json!({"worker": registered["worker"], "max": 1, "wait_ms": 0, "git_gateway": git_gateway});
    let refused = client.post("/api/worker/v1/acquire", &ask(false)).await;
    refused.problem(422, "unprocessable");
    let taken = client.post("/api/worker/v1/acquire", &ask(true)).await;
    taken.expect(200);
    rig.stop().await;
}

/// Git sends its password only after it was asked for one.
#[tokio::test]
async fn a_request_without_a_token_is_asked_for_one() {
    let scene = Scene::start().await;
    let claim = scene.claim().await;
    let path = format!("{}/info/refs?service=git-upload-pack", at(&claim));
    for authorization in [None, Some("Bearer x"), Some("Basic !")] {
        let mut request = scene.rig.nobody().request(Method::GET, &path);
        if let Some(value) = authorization {
            request = request.header(AUTHORIZATION, value);
        }
        let answer = read(request).await;
        assert_eq!(answer.status, 401);
        assert!(answer.header("www-authenticate").starts_with("Basic "));
    }
    // The workers' own token is for the rest of their protocol.
    let answer = scene.refs(&claim, &scene.rig.worker_token).await;
    assert_eq!(answer.status, 401);
    assert_eq!(scene.upstream.seen().len(), 0);
    scene.rig.stop().await;
}
