//! A stand-in for GitHub: the real `git http-backend`, and the calls of its REST interface that Outwork sends, at `/api/v3` as Enterprise
//! Server has it. Every request and every answer is held against GitHub's own description of its interface; what that does not know is
//! refused, and [`GitHub::wrong`] says it. Deliveries of webhooks are made from GitHub's own examples.

mod api;
mod delivery;
mod description;
pub mod git;
mod state;

use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};

pub use delivery::{Delivery, sign};
pub use description::Description;
pub use state::{Fault, Issue, Said, Stop};

/// GitHub's examples of deliveries; `published/README.md` says which.
pub const EXAMPLES: &str = include_str!("../published/deliveries.json");

/// The private key of an app, made for tests; it opens nothing.
pub const APP_KEY: &str = include_str!("app.pem");

/// What the integration and those who publish send.
pub const TOKEN: &str = "canary-of-a-github-token";

/// The stand-in, with one repository: `team/repo`.
#[derive(Clone)]
pub struct GitHub {
    /// With the port.
    pub host: String,
    pub bare: PathBuf,
    shared: Arc<state::Shared>,
}

impl GitHub {
    /// Serves a clone of `repository` from `root`, on a thread of its own.
    pub fn start(repository: &Path, root: &Path) -> Self {
        let bare = root.join("team/repo.git");
        let (source, target) = (repository.display().to_string(), bare.display().to_string());
        git::run(root, &["clone", "--quiet", "--bare", &source, &target]);
        git::run(&bare, &["config", "http.receivepack", "true"]);
        let (tell, told) = mpsc::channel();
        let root = root.to_owned();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(api::serve(root, tell));
        });
        let shared: Arc<state::Shared> = told.recv().expect("it starts");
        Self {
            host: shared.host.clone(),
            bare,
            shared,
        }
    }

    /// Where the repository is cloned from.
    pub fn url(&self) -> String {
        format!("http://{}/team/repo.git", self.host)
    }

    /// The address of the interface.
    pub fn api_url(&self) -> String {
        format!("http://{}/api/v3", self.host)
    }

    /// Runs git in the repository.
    pub fn git(&self, arguments: &[&str]) -> String {
        git::run(&self.bare, arguments)
    }

    /// A person with an id, and the right that it has in the repository; no right: a stranger.
    pub fn person(&self, login: &str, id: u64, right: &str) {
        self.shared
            .state()
            .people
            .insert(login.to_owned(), (id, right.to_owned()));
    }

    /// An issue that somebody opens; answers its number.
    pub fn issue(&self, by: &str, title: &str, body: &str) -> u64 {
        self.shared.state().open(by, title, body, None)
    }

    /// A pull request that somebody opens of a branch that is there.
    pub fn pull(&self, by: &str, title: &str, branch: &str) -> u64 {
        let commit = self.git(&["rev-parse", branch]).trim().to_owned();
        let refs = state::Refs {
            head: branch.to_owned(),
            commit,
            base: "main".to_owned(),
            draft: false,
        };
        self.shared.state().open(by, title, "", Some(refs))
    }

    /// What is there of that number.
    pub fn of(&self, number: u64) -> Issue {
        self.shared.state().issues[&number].clone()
    }

    /// Pull requests, by number.
    pub fn pulls(&self) -> Vec<Issue> {
        let state = self.shared.state();
        let pulls = state.issues.values().filter(|it| it.pull.is_some());
        pulls.cloned().collect()
    }

    /// Comments of ours on an issue or pull request: with our mark, and by nobody else.
    pub fn ours(&self, number: u64) -> Vec<Said> {
        let mut said = self.of(number).comments;
        said.retain(|it| it.body.starts_with("<!-- outwork:post ") && it.by == "robo");
        said
    }

    /// Somebody writes a comment; answers its id.
    pub fn say(&self, number: u64, by: &str, body: &str) -> u64 {
        self.shared.state().say(number, by, body)
    }

    /// Takes a comment away.
    pub fn take_away(&self, comment: u64) {
        let mut state = self.shared.state();
        for issue in state.issues.values_mut() {
            issue.comments.retain(|it| it.id != comment);
        }
    }

    /// Reactions, as `place/content`.
    pub fn reactions(&self) -> Vec<String> {
        self.shared.state().reactions.clone()
    }

    /// What a group of checks says.
    pub fn checks(&self, suite: u64, runs: serde_json::Value) {
        self.shared.state().suites.insert(suite, runs);
    }

    /// What goes wrong with the next request of that method whose path contains `part`.
    pub fn fail(&self, method: &str, part: &str, fault: Fault) {
        let fault = (method.to_owned(), part.to_owned(), fault);
        self.shared.state().faults.push_back(fault);
    }

    /// The next request of that method whose path contains `part` waits, before or after it is done.
    pub fn stop_at(&self, method: &str, part: &str, stop: Stop) {
        let stop = (method.to_owned(), part.to_owned(), stop);
        self.shared.state().stops.push_back(stop);
    }

    /// Waits until a request stands at a stop.
    pub fn reached(&self) {
        self.shared.reached();
    }

    /// Lets it go.
    pub fn go_on(&self) {
        self.shared.go_on();
    }

    /// Requests so far, as `METHOD path`.
    pub fn seen(&self) -> Vec<String> {
        self.shared.state().seen.clone()
    }

    /// What was not as GitHub's description has it.
    pub fn wrong(&self) -> Vec<String> {
        self.shared.state().wrong.clone()
    }

    /// An app with [`APP_KEY`]: `team/repo` is in its installation 5.
    pub fn app(&self, id: u64) {
        self.shared.state().app = Some((id, api::public_key(APP_KEY)));
    }

    /// How many tokens of installations were given out.
    pub fn tokens(&self) -> usize {
        self.shared.state().tokens.len()
    }

    /// Tokens of installations are not taken any more.
    pub fn revoke_tokens(&self) {
        self.shared.state().tokens.clear();
    }

    /// How long a token of an installation lives; an hour at first.
    pub fn tokens_live(&self, seconds: i64) {
        self.shared.state().token_seconds = seconds;
    }

    /// Somebody writes a comment: what the webhook delivers.
    pub fn mention(&self, number: u64, by: &str, body: &str) -> Delivery {
        let comment = self.say(number, by, body);
        delivery::comment(self, number, by, comment, body)
    }

    /// A delivery of another kind.
    pub fn delivery(&self, event: &str, payload: serde_json::Value) -> Delivery {
        Delivery::new(event, payload)
    }

    /// GitHub's example of a delivery, as if it were of this repository and by that person.
    pub fn example(&self, event: &str, action: &str, by: &str) -> serde_json::Value {
        delivery::example(self, event, action, by)
    }
}
