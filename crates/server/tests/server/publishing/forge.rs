//! A stand-in for the servers of repositories: the real `git http-backend`, and of GitHub, GitLab and Gitea the calls that opening a pull
//! request needs, as their documentation describes them. What it is sent is checked; what it does not know it refuses.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use outwork_test_github::git::{backend, password};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::rig::repository;

/// May write. Nothing but the server may ever have it.
pub const PUSH_TOKEN: &str = "canary-of-a-push-token";
/// May read.
pub const READ_TOKEN: &str = "canary-of-a-read-token";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    GitHub,
    GitLab,
    Gitea,
}

/// What goes wrong with the next call that opens or finds a pull request.
#[derive(Clone, Debug)]
pub enum Fault {
    /// That answer, and nothing is done.
    Answer(u16, Vec<(&'static str, String)>, Value),
    /// It is done, and this is the answer all the same.
    DoneBut(u16),
    /// It is done, and no answer ever comes.
    DoneAndSilent,
}

#[derive(Clone, Debug)]
pub struct Pull {
    pub number: u64,
    pub title: String,
    pub body: String,
    pub head: String,
    pub base: String,
    pub draft: bool,
    pub open: bool,
}

struct Shared {
    kind: Kind,
    root: PathBuf,
    pulls: Mutex<Vec<Pull>>,
    /// For calls with that method.
    faults: Mutex<VecDeque<(Method, Fault)>>,
    /// The method and path of each call, git's too.
    seen: Mutex<Vec<String>>,
    /// Comments of the issue 1, by their numbers.
    comments: Mutex<Vec<(u64, String)>>,
}

#[derive(Clone)]
pub struct Forge {
    pub host: String,
    pub repository: PathBuf,
    shared: Arc<Shared>,
}

impl Forge {
    /// Serves `team/repo.git` with the branch `main`.
    pub async fn start(kind: Kind, directory: &Path) -> Self {
        let made = repository::make(directory);
        let root = directory.join("served");
        let bare = root.join("team/repo.git");
        let target = bare.display().to_string();
        repository::git(&made, &["clone", "--quiet", "--bare", ".", &target]);
        repository::git(&bare, &["config", "http.receivepack", "true"]);
        let shared = Arc::new(Shared {
            kind,
            root,
            pulls: Mutex::default(),
            faults: Mutex::default(),
            seen: Mutex::default(),
            comments: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let host = listener.local_addr().expect("an address").to_string();
        let routes = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self {
            host,
            repository: bare,
            shared,
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}/team/repo.git", self.host)
    }

    /// How a credential for it says what it is.
    pub fn settings(&self) -> Value {
        let (forge, version) = match self.shared.kind {
            Kind::GitHub => ("github", "v3"),
            Kind::GitLab => ("gitlab", "v4"),
            Kind::Gitea => ("gitea", "v1"),
        };
        json!({"forge": forge, "api_url": format!("http://{}/api/{version}", self.host)})
    }

    pub fn fail(&self, method: Method, fault: Fault) {
        let mut faults = self.shared.faults.lock().expect("no panic");
        faults.push_back((method, fault));
    }

    pub fn pulls(&self) -> Vec<Pull> {
        self.shared.pulls.lock().expect("no panic").clone()
    }

    /// As a person edits it.
    pub fn edit(&self, change: impl FnOnce(&mut Pull)) {
        let mut pulls = self.shared.pulls.lock().expect("no panic");
        change(pulls.last_mut().expect("a pull request"));
    }

    /// How often it was pushed to.
    pub fn pushes(&self) -> usize {
        let seen = self.shared.seen.lock().expect("no panic");
        let packs = seen
            .iter()
            .filter(|line| line.ends_with("/git-receive-pack") && line.starts_with("POST"));
        packs.count()
    }

    /// Comments of the issue 1.
    pub fn comments(&self) -> Vec<(u64, String)> {
        self.shared.comments.lock().expect("no panic").clone()
    }

    /// Calls so far, as `METHOD path`.
    pub fn seen(&self) -> Vec<String> {
        self.shared.seen.lock().expect("no panic").clone()
    }

    pub fn git(&self, arguments: &[&str]) -> String {
        repository::git(&self.repository, arguments)
    }

    /// A rule of the server's: what its hook prints and how it ends.
    pub fn hook(&self, script: &str) {
        use std::os::unix::fs::PermissionsExt;
        let hooks = self.repository.join("hooks");
        std::fs::create_dir_all(&hooks).expect("a folder");
        let hook = hooks.join("pre-receive");
        std::fs::write(&hook, format!("#!/bin/sh\n{script}\n")).expect("a file");
        std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).expect("ours");
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let line = format!("{} {path}", parts.method);
    shared.seen.lock().expect("no panic").push(line);
    let body = to_bytes(body, usize::MAX).await.expect("a whole request");
    if path.starts_with("/team/repo.git/") {
        return git(&shared, &parts, &path, body.to_vec()).await;
    }
    let call = Call {
        shared: &shared,
        method: parts.method.clone(),
        query: parts.uri.query().unwrap_or("").to_owned(),
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
    };
    if let Some(wrong) = call.unauthorized(&parts.headers) {
        return wrong;
    }
    let fault = {
        let mut faults = shared.faults.lock().expect("no panic");
        let due = faults
            .front()
            .is_some_and(|(method, _)| *method == parts.method);
        due.then(|| faults.pop_front().expect("one").1)
    };
    if let Some(Fault::Answer(status, headers, body)) = &fault {
        let mut response = said(*status, body.clone());
        for (name, value) in headers {
            let value = value.parse().expect("a value");
            response.headers_mut().insert(*name, value);
        }
        return response;
    }
    let done = call.answer(&path);
    match fault {
        Some(Fault::DoneBut(status)) => said(status, json!({"message": "bad gateway"})),
        Some(Fault::DoneAndSilent) => std::future::pending().await,
        Some(Fault::Answer(..)) | None => done,
    }
}

fn said(status: u16, body: Value) -> Response {
    let status = StatusCode::from_u16(status).expect("a status");
    (status, axum::Json(body)).into_response()
}

struct Call<'a> {
    shared: &'a Shared,
    method: Method,
    query: String,
    body: Value,
}

impl Call<'_> {
    fn unauthorized(&self, headers: &HeaderMap) -> Option<Response> {
        let header =
            |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let scheme = match self.shared.kind {
            Kind::GitHub | Kind::GitLab => "Bearer",
            Kind::Gitea => "token",
        };
        if header(header::AUTHORIZATION) != Some(&format!("{scheme} {PUSH_TOKEN}")) {
            return Some(said(401, json!({"message": "Bad credentials"})));
        }
        // GitHub refuses requests without one.
        if header(header::USER_AGENT).is_none_or(str::is_empty) {
            return Some(said(
                403,
                json!({"message": "Request forbidden by administrative rules"}),
            ));
        }
        let version = headers.get("x-github-api-version");
        if self.shared.kind == Kind::GitHub && version.is_none_or(|it| it != "2022-11-28") {
            return Some(said(400, json!({"message": "no version"})));
        }
        None
    }

    fn answer(&self, path: &str) -> Response {
        let (repository, pulls) = match self.shared.kind {
            Kind::GitHub => ("/api/v3/repos/team/repo", "pulls"),
            Kind::GitLab => ("/api/v4/projects/team%2Frepo", "merge_requests"),
            Kind::Gitea => ("/api/v1/repos/team/repo", "pulls"),
        };
        let Some(rest) = path.strip_prefix(repository) else {
            return said(404, json!({"message": "Not Found"}));
        };
        let parts: Vec<&str> = rest.split('/').skip(1).collect();
        let change = match self.shared.kind {
            Kind::GitHub | Kind::Gitea => Method::PATCH,
            Kind::GitLab => Method::PUT,
        };
        match (&self.method, parts.as_slice()) {
            (&Method::GET, []) => said(200, json!({"default_branch": "main"})),
            (&Method::GET, [name]) if *name == pulls => self.list(),
            (&Method::POST, [name]) if *name == pulls => self.open(),
            (method, [name, number]) if *name == pulls && *method == change => self.change(number),
            _ => self.talk(&parts),
        }
    }

    /// The issue 1, of which people talk: ada, who is number 3, may write.
    fn talk(&self, parts: &[&str]) -> Response {
        let missing = || said(404, json!({"message": "Not Found"}));
        let person = json!({"id": 3, "username": "ada", "login": "ada"});
        let shown = |(id, body): &(u64, String)| json!({"id": id, "body": body, "author": person, "user": person, "system": false, "created_at": "2026-11-20T14:53:41Z"});
        let mut comments = self.shared.comments.lock().expect("no panic");
        match (self.shared.kind, self.method.as_str(), parts) {
            (Kind::GitLab, "GET", ["members", "all", "3"]) => {
                said(200, json!({"id": 3, "username": "ada", "access_level": 30}))
            }
            (Kind::Gitea, "GET", ["collaborators", "ada", "permission"]) => said(
                200,
                json!({"permission": "write", "role_name": "write", "user": person}),
            ),
            (Kind::GitLab, "POST", ["issues", "1", "notes", "55", "award_emoji"]) => {
                said(201, json!({"name": self.field("name")}))
            }
            (Kind::Gitea, "POST", ["issues", "comments", "55", "reactions"]) => {
                said(201, json!({"content": self.field("content")}))
            }
            (_, "GET", ["issues", "1"]) => said(
                200,
                json!({"iid": 1, "number": 1, "title": "The sum is off", "description": "By one.", "body": "By one.",
                "author": person, "user": person, "state": if self.shared.kind == Kind::GitLab { "opened" } else { "open" }, "created_at": "2026-11-20T14:53:41Z"}),
            ),
            (Kind::GitLab, "GET", ["issues", "1", "notes"])
            | (Kind::Gitea, "GET", ["issues", "1", "comments"]) => {
                said(200, comments.iter().rev().map(shown).collect())
            }
            (Kind::GitLab, "POST", ["issues", "1", "notes"])
            | (Kind::Gitea, "POST", ["issues", "1", "comments"]) => {
                let Some(body) = self.field("body") else {
                    return said(422, json!({"message": "no body"}));
                };
                let one = (100 + comments.len() as u64, body);
                comments.push(one.clone());
                said(201, shown(&one))
            }
            (Kind::GitLab, "PUT", ["issues", "1", "notes", id])
            | (Kind::Gitea, "PATCH", ["issues", "comments", id]) => {
                let Some(one) = comments
                    .iter_mut()
                    .find(|(number, _)| number.to_string() == *id)
                else {
                    return missing();
                };
                one.1 = self.field("body").unwrap_or_default();
                said(200, shown(one))
            }
            _ => missing(),
        }
    }

    fn list(&self) -> Response {
        let pulls = self.shared.pulls.lock().expect("no panic");
        let branch = self.parameter(match self.shared.kind {
            Kind::GitHub => "head",
            Kind::GitLab => "source_branch",
            Kind::Gitea => "page",
        });
        let found = pulls.iter().filter(|pull| {
            pull.open
                && match self.shared.kind {
                    Kind::GitHub => branch.as_deref() == Some(&format!("team:{}", pull.head)),
                    Kind::GitLab => branch.as_deref() == Some(&pull.head),
                    // It has no such filter; all are on the first page.
                    Kind::Gitea => branch.as_deref() == Some("1"),
                }
        });
        let found: Vec<Value> = found.map(|pull| self.shown(pull)).collect();
        said(200, json!(found))
    }

    fn parameter(&self, wanted: &str) -> Option<String> {
        let url = format!("http://x/?{}", self.query);
        let url = reqwest::Url::parse(&url).expect("a query");
        let mut pairs = url.query_pairs();
        pairs
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| value.into_owned())
    }

    fn field(&self, name: &str) -> Option<String> {
        self.body[name].as_str().map(str::to_owned)
    }

    fn open(&self) -> Response {
        let (head, base, body) = match self.shared.kind {
            Kind::GitHub | Kind::Gitea => ("head", "base", "body"),
            Kind::GitLab => ("source_branch", "target_branch", "description"),
        };
        let (Some(head), Some(base), Some(title)) =
            (self.field(head), self.field(base), self.field("title"))
        else {
            return said(422, json!({"message": "Validation Failed"}));
        };
        for branch in [&head, &base] {
            if !self.has(branch) {
                return self.invalid(&format!("{branch} is no branch"));
            }
        }
        let mut pulls = self.shared.pulls.lock().expect("no panic");
        if pulls
            .iter()
            .any(|pull| pull.open && pull.head == head && pull.base == base)
        {
            return match self.shared.kind {
                Kind::GitHub => said(
                    422,
                    json!({"message": "Validation Failed",
                    "errors": [{"resource": "PullRequest", "code": "custom",
                        "message": format!("A pull request already exists for team:{head}.")}]}),
                ),
                Kind::GitLab => said(
                    409,
                    json!({"message": ["Another open merge request already exists for this source branch: !1"]}),
                ),
                Kind::Gitea => said(
                    409,
                    json!({"message": "pull request already exists for these targets"}),
                ),
            };
        }
        let draft = match self.shared.kind {
            Kind::GitHub => self.body["draft"] == true,
            Kind::GitLab => title.starts_with("Draft: "),
            Kind::Gitea => title.starts_with("WIP: "),
        };
        let pull = Pull {
            number: 1 + pulls.len() as u64,
            title,
            body: self.field(body).unwrap_or_default(),
            head,
            base,
            draft,
            open: true,
        };
        pulls.push(pull.clone());
        said(201, self.shown(&pull))
    }

    fn invalid(&self, what: &str) -> Response {
        match self.shared.kind {
            Kind::GitHub => said(
                422,
                json!({"message": "Validation Failed", "errors": [{"message": what}]}),
            ),
            Kind::GitLab => said(400, json!({"message": {"base": [what]}})),
            Kind::Gitea => said(404, json!({"message": what})),
        }
    }

    fn change(&self, number: &str) -> Response {
        let mut pulls = self.shared.pulls.lock().expect("no panic");
        let Some(pull) = pulls
            .iter_mut()
            .find(|pull| pull.number.to_string() == number)
        else {
            return said(404, json!({"message": "Not Found"}));
        };
        let body = match self.shared.kind {
            Kind::GitHub | Kind::Gitea => "body",
            Kind::GitLab => "description",
        };
        let fields = self.body.as_object().expect("an object");
        assert!(
            fields.keys().all(|name| name == "title" || name == body),
            "{fields:?}"
        );
        pull.title = self.field("title").unwrap_or(pull.title.clone());
        pull.body = self.field(body).unwrap_or(pull.body.clone());
        said(200, self.shown(&pull.clone()))
    }

    fn shown(&self, pull: &Pull) -> Value {
        let Pull {
            number,
            title,
            body,
            head,
            base,
            draft,
            open,
        } = pull;
        let url = format!("https://forge.example/team/repo/pull/{number}");
        match self.shared.kind {
            Kind::GitHub => {
                json!({"number": number, "html_url": url, "title": title, "body": body, "draft": draft,
                "state": if *open { "open" } else { "closed" },
                "head": {"ref": head, "repo": {"full_name": "Team/Repo"}}, "base": {"ref": base}})
            }
            Kind::GitLab => {
                json!({"iid": number, "web_url": url, "title": title, "description": body, "draft": draft,
                "source_branch": head, "target_branch": base, "source_project_id": 7, "target_project_id": 7})
            }
            Kind::Gitea => {
                json!({"number": number, "html_url": url, "title": title, "body": body, "draft": draft,
                "head": {"ref": head, "repo_id": 7}, "base": {"ref": base, "repo_id": 7}})
            }
        }
    }

    fn has(&self, branch: &str) -> bool {
        let repository = self.shared.root.join("team/repo.git");
        let reference = format!("refs/heads/{branch}");
        let mut show = Command::new("git");
        show.arg("--git-dir")
            .arg(repository)
            .args(["show-ref", "--quiet", "--verify", &reference]);
        show.status().expect("git starts").success()
    }
}

/// RFC 3875. Reading takes either token, writing the one that may.
async fn git(
    shared: &Shared,
    parts: &axum::http::request::Parts,
    path: &str,
    body: Vec<u8>,
) -> Response {
    let query = parts.uri.query().unwrap_or("");
    let writes = path.ends_with("/git-receive-pack") || query.contains("git-receive-pack");
    let password = password(&parts.headers);
    let is_known = password.as_deref() == Some(PUSH_TOKEN)
        || (password.as_deref() == Some(READ_TOKEN) && !writes);
    if !is_known {
        let status = match password {
            Some(password) if password == READ_TOKEN => StatusCode::FORBIDDEN,
            Some(_) | None => StatusCode::UNAUTHORIZED,
        };
        return (
            status,
            [(header::WWW_AUTHENTICATE, "Basic realm=\"forge\"")],
        )
            .into_response();
    }
    backend(&shared.root, parts, body).await
}
