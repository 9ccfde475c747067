//! The interface.

use std::path::PathBuf;
use std::sync::{Arc, mpsc};

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::description::Description;
use crate::state::{Fault, Issue, Refs, Said, Shared, Stop, now};
use crate::{TOKEN, git};

pub async fn serve(root: PathBuf, tell: mpsc::Sender<Arc<Shared>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let host = listener.local_addr().expect("an address").to_string();
    let shared = Arc::new(Shared::new(host, root));
    let description = Arc::new(Description::read());
    let routes = Router::new()
        .fallback(answer)
        .with_state((Arc::clone(&shared), description));
    tell.send(shared).expect("somebody waits");
    axum::serve(listener, routes).await.expect("it serves");
}

async fn answer(
    State((shared, description)): State<(Arc<Shared>, Arc<Description>)>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let method = parts.method.as_str().to_owned();
    let body = to_bytes(body, usize::MAX).await.expect("a whole request");
    shared.state().seen.push(format!("{method} {path}"));
    let stop = take(&shared, &method, &path);
    if stop == Some(Stop::Before) {
        shared.stand().await;
    }
    let response = match path.strip_prefix("/api/v3/") {
        None => {
            let may_write = git::password(&parts.headers).is_some_and(|it| is_token(&shared, &it));
            git::answer(&shared.root, &parts, body.to_vec(), may_write).await
        }
        Some(rest) => {
            let call = Call {
                shared: &shared,
                description: &description,
                method: &method,
                path: rest.split('/').collect(),
                query: parts.uri.query().unwrap_or(""),
                body: serde_json::from_slice(&body).ok(),
            };
            call.run(&parts.headers).await
        }
    };
    if stop == Some(Stop::After) {
        shared.stand().await;
    }
    response
}

/// Of a PEM file as GitHub gives it.
pub fn public_key(pem: &str) -> Vec<u8> {
    let inside: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let der = base64::engine::general_purpose::STANDARD
        .decode(inside)
        .expect("base64");
    let pair = RsaKeyPair::from_der(&der).expect("a key");
    pair.public().as_ref().to_vec()
}

fn take(shared: &Shared, method: &str, path: &str) -> Option<Stop> {
    let mut state = shared.state();
    let (wanted, part, stop) = state.stops.front().cloned()?;
    if wanted != method || !path.contains(&part) {
        return None;
    }
    state.stops.pop_front();
    Some(stop)
}

fn is_token(shared: &Shared, token: &str) -> bool {
    token == TOKEN || shared.state().tokens.iter().any(|it| it == token)
}

struct Call<'a> {
    shared: &'a Shared,
    description: &'a Description,
    method: &'a str,
    path: Vec<&'a str>,
    query: &'a str,
    body: Option<Value>,
}

type Said2 = (u16, Value);

fn missing() -> Said2 {
    (
        404,
        json!({"message": "Not Found", "documentation_url": "https://docs.github.com/rest"}),
    )
}

fn invalid(why: &str) -> Said2 {
    (
        422,
        json!({"message": "Validation Failed", "errors": [{"resource": "X", "code": "custom", "message": why}]}),
    )
}

impl Call<'_> {
    async fn run(&self, headers: &HeaderMap) -> Response {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let token = header("authorization").and_then(|it| it.strip_prefix("Bearer "));
        let is_app = self.path[0] == "app" || self.path.last() == Some(&"installation");
        let is_known = match (is_app, token) {
            _ if self.path[0] == "app-manifests" => true,
            (true, Some(token)) => self.is_app(token),
            (false, Some(token)) => is_token(self.shared, token),
            (_, None) => false,
        };
        if !is_known {
            return said(401, &[], json!({"message": "Bad credentials"}));
        }
        // GitHub refuses requests without one.
        if header("user-agent").is_none_or(str::is_empty) {
            return said(
                403,
                &[],
                json!({"message": "Request forbidden by administrative rules"}),
            );
        }
        let names = self
            .query
            .split('&')
            .filter_map(|pair| pair.split('=').next());
        let names: Vec<&str> = names.filter(|it| !it.is_empty()).collect();
        let mut wrong =
            self.description
                .request(self.method, &self.path, &names, self.body.as_ref());
        if header("x-github-api-version") != Some("2022-11-28") {
            wrong.push("no version".to_owned());
        }
        if !wrong.is_empty() {
            let what = format!("{} {:?}: {wrong:?}", self.method, self.path);
            self.shared.state().wrong.push(what);
            return said(422, &[], json!({"message": "Validation Failed"}));
        }
        let fault = self.fault();
        if let Some(Fault::Answer(status, headers, body)) = &fault {
            return said(*status, headers, body.clone());
        }
        let (status, body) = self.act();
        let wrong = self
            .description
            .answer(self.method, &self.path, status, &body);
        if !wrong.is_empty() {
            let what = format!("answer to {} {:?}: {wrong:?}", self.method, self.path);
            self.shared.state().wrong.push(what);
        }
        match fault {
            Some(Fault::DoneBut(status)) => said(status, &[], json!({"message": "Server Error"})),
            Some(Fault::DoneAndSilent) => std::future::pending().await,
            Some(Fault::Answer(..)) | None => said(status, &[], body),
        }
    }

    fn fault(&self) -> Option<Fault> {
        let mut state = self.shared.state();
        let (method, part, fault) = state.faults.front().cloned()?;
        if method != self.method || !self.path.join("/").contains(&part) {
            return None;
        }
        state.faults.pop_front();
        Some(fault)
    }

    fn is_app(&self, token: &str) -> bool {
        let Some((id, key)) = self.shared.state().app.clone() else {
            return false;
        };
        let Some((signed, signature)) = token.rsplit_once('.') else {
            return false;
        };
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).ok();
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key);
        let holds = decode(signature).is_some_and(|it| key.verify(signed.as_bytes(), &it).is_ok());
        let claims = signed.split('.').nth(1).and_then(decode);
        let claims: Value = claims
            .and_then(|it| serde_json::from_slice(&it).ok())
            .unwrap_or_default();
        holds && claims["iss"].as_str() == Some(id.to_string().as_str())
    }

    fn text(&self, name: &str) -> Option<String> {
        self.body.as_ref()?[name].as_str().map(str::to_owned)
    }

    fn parameter(&self, name: &str) -> Option<String> {
        let mut pairs = self
            .query
            .split('&')
            .filter_map(|pair| pair.split_once('='));
        let value = pairs.find(|(it, _)| *it == name)?.1;
        Some(value.replace("%3A", ":").replace("%2F", "/"))
    }

    fn act(&self) -> Said2 {
        let path = &self.path[..];
        match (self.method, path) {
            ("GET", ["repos", "team", "repo", "installation"]) => (200, json!({"id": 5})),
            ("POST", ["app", "installations", "5", "access_tokens"]) => self.token(),
            ("POST", ["app-manifests", code, "conversions"]) => self.conversion(code),
            ("GET", ["repos", "team", "repo"]) => (
                200,
                json!({"id": 1, "name": "repo", "full_name": "team/repo", "default_branch": "main", "html_url": "x", "created_at": now()}),
            ),
            (_, ["repos", "team", "repo", rest @ ..]) => self.repository(rest),
            _ => missing(),
        }
    }

    fn token(&self) -> Said2 {
        let body = self.body.clone().unwrap_or_default();
        if body["repositories"] != json!(["repo"]) {
            return invalid(
                "There is at least one repository that does not exist or is not accessible",
            );
        }
        let mut state = self.shared.state();
        let token = format!("ghs_canary{}", state.tokens.len());
        state.tokens.push(token.clone());
        #[expect(clippy::disallowed_methods, reason = "GitHub has a clock of its own")]
        let now = jiff::Timestamp::now();
        let until = now + jiff::SignedDuration::from_secs(state.token_seconds);
        (
            201,
            json!({"token": token, "expires_at": format!("{until:.0}"), "permissions": body["permissions"]}),
        )
    }

    fn conversion(&self, code: &str) -> Said2 {
        if code != "a-code" {
            return missing();
        }
        (
            201,
            json!({"id": 77, "slug": "outwork-team", "name": "outwork-team", "pem": crate::APP_KEY,
            "webhook_secret": "secret-of-the-app", "html_url": "https://github.example/apps/outwork-team", "created_at": now()}),
        )
    }

    fn repository(&self, rest: &[&str]) -> Said2 {
        match (self.method, rest) {
            ("GET", ["collaborators", login, "permission"]) => self.permission(login),
            ("GET", ["issues", number]) => self.with(number, issue),
            ("GET", ["issues", number, "comments"]) => self.comments(number),
            ("POST", ["issues", number, "comments"]) => self.comment(number),
            ("PATCH", ["issues", "comments", id]) => self.edit(id),
            ("POST", [.., "reactions"]) => self.react(&rest[..rest.len() - 1].join("/")),
            ("GET", ["pulls"]) => self.pulls(),
            ("POST", ["pulls"]) => self.open(),
            ("GET", ["pulls", number]) => self.with(number, pull),
            ("PATCH", ["pulls", number]) => self.change(number),
            ("GET", ["pulls", number, "comments"]) => {
                self.with(number, |it, _| json!(it.line_comments))
            }
            ("GET", ["pulls", number, "reviews"]) => self.with(number, |it, _| json!(it.reviews)),
            ("POST", ["pulls", number, "reviews"]) => self.review(number),
            ("GET", ["pulls", number, "files"]) => self.files(number),
            ("GET", ["check-suites", suite, "check-runs"]) => {
                let runs = suite
                    .parse()
                    .ok()
                    .and_then(|it: u64| self.shared.state().suites.get(&it).cloned());
                runs.map_or_else(missing, |runs| {
                    let total = runs.as_array().map_or(0, Vec::len);
                    (200, json!({"total_count": total, "check_runs": runs}))
                })
            }
            ("GET", ["check-runs", _, "annotations"]) => (
                200,
                json!([{"path": "file", "start_line": 1, "message": "expected `two`", "title": null}]),
            ),
            _ => missing(),
        }
    }

    fn permission(&self, login: &str) -> Said2 {
        let state = self.shared.state();
        let Some((id, right)) = state.people.get(login) else {
            return missing();
        };
        let permission = match right.as_str() {
            "maintain" => "write",
            "triage" => "read",
            other => other,
        };
        (
            200,
            json!({"permission": permission, "role_name": right, "user": user(login, *id)}),
        )
    }

    /// What is shown of an issue.
    fn with(&self, number: &str, show: impl Fn(&Issue, &Shared) -> Value) -> Said2 {
        let found = number
            .parse()
            .ok()
            .and_then(|it: u64| self.shared.state().issues.get(&it).cloned());
        found.map_or_else(missing, |it| (200, show(&it, self.shared)))
    }

    fn page<T>(&self, all: Vec<T>) -> Vec<T> {
        let number = |name: &str, usual| {
            self.parameter(name)
                .and_then(|it| it.parse().ok())
                .unwrap_or(usual)
        };
        let (page, size): (usize, usize) = (number("page", 1), number("per_page", 30));
        all.into_iter().skip((page - 1) * size).take(size).collect()
    }

    fn comments(&self, number: &str) -> Said2 {
        let since = self.parameter("since").unwrap_or_default();
        let mut said = match number
            .parse()
            .ok()
            .and_then(|it: u64| self.shared.state().issues.get(&it).cloned())
        {
            Some(issue) => issue.comments,
            None => return missing(),
        };
        said.retain(|it| since.is_empty() || it.at >= since);
        let shown: Vec<Value> = self
            .page(said)
            .iter()
            .map(|it| comment(it, self.shared))
            .collect();
        (200, json!(shown))
    }

    fn comment(&self, number: &str) -> Said2 {
        let body = self.text("body").unwrap_or_default();
        if body.is_empty() || body.chars().count() > 65_536 {
            return invalid("Body is too long (maximum is 65536 characters)");
        }
        let Some(number) = number
            .parse()
            .ok()
            .filter(|it: &u64| self.shared.state().issues.contains_key(it))
        else {
            return missing();
        };
        let id = self.shared.state().say(number, "robo", &body);
        let said = self.shared.state().issues[&number]
            .comments
            .last()
            .cloned()
            .expect("one");
        assert_eq!(said.id, id);
        (201, comment(&said, self.shared))
    }

    fn edit(&self, id: &str) -> Said2 {
        let mut state = self.shared.state();
        let mut all = state
            .issues
            .values_mut()
            .flat_map(|it| it.comments.iter_mut());
        let Some(found) = all.find(|it| it.id.to_string() == id) else {
            return missing();
        };
        found.body = self.text("body").unwrap_or_default();
        found.edits += 1;
        let found = found.clone();
        drop(state);
        (200, comment(&found, self.shared))
    }

    fn react(&self, place: &str) -> Said2 {
        let content = self.text("content").unwrap_or_default();
        let reaction = format!("{place}/{content}");
        let mut state = self.shared.state();
        let is_there = state.reactions.contains(&reaction);
        if !is_there {
            state.reactions.push(reaction);
        }
        let status = if is_there { 200 } else { 201 };
        (
            status,
            json!({"id": 1, "content": content, "user": user("robo", 1), "created_at": now()}),
        )
    }

    fn pulls(&self) -> Said2 {
        let head = self.parameter("head").unwrap_or_default();
        let state = self.shared.state();
        let found: Vec<Issue> = state
            .issues
            .values()
            .filter(|it| {
                let branch = it.pull.as_ref().map(|it| format!("team:{}", it.head));
                it.open && branch.is_some_and(|it| head.is_empty() || it == head)
            })
            .cloned()
            .collect();
        drop(state);
        let found: Vec<Value> = found.iter().map(|it| pull(it, self.shared)).collect();
        (200, json!(found))
    }

    fn commit(&self, branch: &str) -> Option<String> {
        let bare = self.shared.root.join("team/repo.git");
        let reference = format!("refs/heads/{branch}");
        let mut git = std::process::Command::new("git");
        git.arg("--git-dir")
            .arg(bare)
            .args(["rev-parse", "--verify", "--quiet", &reference]);
        let output = git.output().expect("git starts");
        let commit = String::from_utf8(output.stdout).expect("text");
        output.status.success().then(|| commit.trim().to_owned())
    }

    fn open(&self) -> Said2 {
        let field = |name: &str| self.text(name).unwrap_or_default();
        let (head, base) = (field("head"), field("base"));
        let (Some(commit), Some(_)) = (self.commit(&head), self.commit(&base)) else {
            return invalid("head or base is no branch");
        };
        let mut state = self.shared.state();
        let same = |it: &Issue| {
            it.open
                && it
                    .pull
                    .as_ref()
                    .is_some_and(|it| it.head == head && it.base == base)
        };
        if state.issues.values().any(same) {
            return invalid(&format!("A pull request already exists for team:{head}."));
        }
        let draft = self.body.as_ref().is_some_and(|it| it["draft"] == true);
        let refs = Refs {
            head,
            commit,
            base,
            draft,
        };
        let number = state.open("robo", &field("title"), &field("body"), Some(refs));
        let opened = state.issues[&number].clone();
        drop(state);
        (201, pull(&opened, self.shared))
    }

    fn change(&self, number: &str) -> Said2 {
        let mut state = self.shared.state();
        let Some(found) = number
            .parse()
            .ok()
            .and_then(|it: u64| state.issues.get_mut(&it))
        else {
            return missing();
        };
        found.title = self.text("title").unwrap_or(found.title.clone());
        found.body = self.text("body").unwrap_or(found.body.clone());
        let found = found.clone();
        drop(state);
        (200, pull(&found, self.shared))
    }

    /// As GitHub: the head of a pull request is where its branch is.
    fn patches(&self, refs: &Refs) -> Vec<(String, String)> {
        let bare = self.shared.root.join("team/repo.git");
        let range = format!("{}...{}", refs.base, refs.head);
        let diff = git::run(&bare, &["diff", &range]);
        let files = diff.split("diff --git ").skip(1).map(|one| {
            let path = one
                .lines()
                .next()
                .and_then(|it| it.split(" b/").nth(1))
                .unwrap_or_default();
            let patch = one.find("@@").map_or("", |at| &one[at..]);
            (path.to_owned(), patch.trim_end().to_owned())
        });
        files.collect()
    }

    fn files(&self, number: &str) -> Said2 {
        let issue = number
            .parse()
            .ok()
            .and_then(|it: u64| self.shared.state().issues.get(&it).cloned());
        let Some(refs) = issue.and_then(|it| it.pull) else {
            return missing();
        };
        let files: Vec<Value> = self.patches(&refs).into_iter()
            .map(|(path, patch)| json!({"sha": refs.commit, "filename": path, "status": "modified", "patch": patch}))
            .collect();
        (200, json!(self.page(files)))
    }

    /// Comments on lines that the diff does not show are refused, all of them, as GitHub does.
    fn review(&self, number: &str) -> Said2 {
        let body = self.body.clone().unwrap_or_default();
        let issue = number
            .parse()
            .ok()
            .and_then(|it: u64| self.shared.state().issues.get(&it).cloned());
        let Some((number, refs)) = issue.and_then(|it| Some((it.number, it.pull?))) else {
            return missing();
        };
        let patches = self.patches(&refs);
        for one in body["comments"].as_array().into_iter().flatten() {
            let patch = patches
                .iter()
                .find(|(path, _)| one["path"] == path.as_str());
            let line = one["line"].as_u64().unwrap_or(0);
            let is_left = one["side"] == "LEFT";
            if !patch.is_some_and(|(_, patch)| shows(patch, line, is_left)) {
                return invalid("Line could not be resolved");
            }
        }
        if body["event"] == "COMMENT" && body["body"].as_str().is_none_or(str::is_empty) {
            return invalid("Body can't be blank");
        }
        let mut state = self.shared.state();
        let id = state.id();
        let review = json!({"id": id, "user": user("robo", 1), "body": body["body"], "state": "COMMENTED", "html_url": "x",
            "comments": body["comments"], "commit_id": body["commit_id"]});
        let issue = state.issues.get_mut(&number).expect("an issue");
        issue.reviews.push(review.clone());
        (200, review)
    }
}

/// Whether a patch shows that line of the new side, or of the old.
fn shows(patch: &str, line: u64, is_left: bool) -> bool {
    let (mut old, mut new) = (0, 0);
    for text in patch.lines() {
        if let Some(rest) = text.strip_prefix("@@ -") {
            let number = |it: &str| {
                it.split([',', ' '])
                    .next()
                    .and_then(|it| it.parse().ok())
                    .unwrap_or(0)
            };
            old = number(rest);
            new = number(rest.split('+').nth(1).unwrap_or_default());
            continue;
        }
        let (in_old, in_new) = (!text.starts_with('+'), !text.starts_with('-'));
        if (is_left && in_old && old == line) || (!is_left && in_new && new == line) {
            return true;
        }
        old += u64::from(in_old);
        new += u64::from(in_new);
    }
    false
}

fn user(login: &str, id: u64) -> Value {
    json!({"login": login, "id": id, "html_url": "x", "role_name": "write"})
}

fn of(shared: &Shared, login: &str) -> Value {
    let id = shared.state().people.get(login).map_or(1, |it| it.0);
    user(login, id)
}

fn comment(it: &Said, shared: &Shared) -> Value {
    let Said {
        id,
        by,
        body,
        at,
        edits: _,
    } = it;
    json!({"id": id, "body": body, "created_at": at, "html_url": "x", "user": of(shared, by)})
}

fn issue(it: &Issue, shared: &Shared) -> Value {
    json!({"id": it.number, "number": it.number, "title": it.title, "body": it.body, "state": state(it), "comments": it.comments.len(),
        "created_at": it.at, "html_url": "x", "user": of(shared, &it.by), "draft": false})
}

fn state(it: &Issue) -> &'static str {
    if it.open { "open" } else { "closed" }
}

fn pull(it: &Issue, shared: &Shared) -> Value {
    let refs = it.pull.clone().unwrap_or(Refs {
        head: String::new(),
        commit: String::new(),
        base: String::new(),
        draft: false,
    });
    let repository = json!({"id": 1, "name": "repo", "full_name": "team/repo", "html_url": "x", "default_branch": "main", "created_at": it.at});
    let place = |name: &str, commit: &str| json!({"ref": name, "sha": commit, "repo": repository, "user": of(shared, "robo")});
    json!({"id": it.number, "number": it.number, "title": it.title, "body": it.body, "state": state(it), "draft": refs.draft,
        "comments": it.comments.len(), "created_at": it.at, "html_url": format!("http://{}/team/repo/pull/{}", shared.host, it.number),
        "user": of(shared, &it.by), "head": place(&refs.head, &refs.commit), "base": place(&refs.base, &refs.commit)})
}

fn said(status: u16, headers: &[(&'static str, String)], body: Value) -> Response {
    let status = StatusCode::from_u16(status).expect("a status");
    let mut response = (status, axum::Json(body)).into_response();
    for (name, value) in headers {
        response
            .headers_mut()
            .insert(*name, value.parse().expect("a value"));
    }
    response
}
