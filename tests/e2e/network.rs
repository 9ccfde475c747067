//! What agents reach: what their environment allows and nothing else, and how they and people are told.

mod injections;
mod origin;
mod packages;
mod proxy_lost;
mod rules;
mod trust;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};
use tempfile::TempDir;

use self::origin::Origin;
use crate::harness::{By, Log, Machine, Outwork, Repository, open_scratch};

/// Where the origin is, as the worker's machine resolves names.
const NAMES: [&str; 3] = ["api.example", "git.example", "other.example"];

/// A server that agents are let to reach, and a worker that may reach it.
struct World {
    outwork: Outwork,
    origin: Origin,
    /// What tasks are about, unless it matters.
    repository: Repository,
    /// With what both were given.
    directory: TempDir,
}

impl World {
    fn new(who: By) -> Self {
        let directory = open_scratch();
        origin::repository(directory.path());
        let origin = Origin::start(&NAMES, directory.path());
        let file = |name: &str, text: &str| {
            let path = directory.path().join(name);
            fs::write(&path, text).expect("a file");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("ours");
            path
        };
        let hosts = format!("127.0.0.1 localhost {}\n", NAMES.join(" "));
        let machine = Machine {
            hosts: Some(file("hosts", &hosts)),
            ..Machine::default()
        };
        let bundle = file("bundle.pem", &origin.certificate);
        let outwork = Outwork::run_on(
            machine,
            who,
            &[
                "--ca-bundle",
                &bundle.display().to_string(),
                "--agent-allow-address",
                "127.0.0.1",
                "--setup-allow-address",
                "127.0.0.1",
                "--setup-allow-port",
                &origin.port.to_string(),
            ],
        );
        Self {
            outwork,
            origin,
            repository: Repository::with(&[("a", "1\n")]),
            directory,
        }
    }

    /// An environment whose agent may reach the origin by these names.
    fn environment(&self, label: &str, names: &[&str], agent: &str, more: &[&str]) {
        self.environment_of(&self.repository, label, names, agent, more);
    }

    fn environment_of(
        &self,
        repository: &Repository,
        label: &str,
        names: &[&str],
        agent: &str,
        more: &[&str],
    ) {
        let port = self.origin.port.to_string();
        let agent = agent.replace("PORT", &port);
        let mut flags = vec![
            "--network",
            "on",
            "--agent-command",
            &agent,
            "--port",
            &port,
        ];
        for name in names {
            flags.extend(["--allow", name]);
        }
        flags.extend(more);
        self.outwork.environment(label, repository, &flags);
    }

    /// Runs a task, which must succeed.
    #[track_caller]
    fn run(&self, label: &str) -> Log {
        let task = self.outwork.exec(label, "go", &[]);
        let log = self.outwork.log(task["id"].as_str().expect("an id"));
        assert_eq!(task["outcome"], "succeeded", "{log:#?}");
        log
    }
}

/// A request of the log, without what differs from run to run.
fn told(request: &Value) -> Value {
    let fields = ["host", "method", "path", "verdict", "code", "rule"];
    fields.iter().map(|field| request[*field].clone()).collect()
}

#[track_caller]
fn assert_allowed(request: &Value, rule: &str) {
    assert_eq!(request["verdict"], "allowed", "{request}");
    assert_eq!(request["rule"], rule, "{request}");
    for field in ["method", "path"] {
        assert!(request[field].is_string(), "{request}");
    }
}

/// Refused with that code, and a hint with that in it.
#[track_caller]
fn assert_refused(request: &Value, code: &str, rule: &str, hint: &str) {
    assert_eq!(request["verdict"], "refused", "{request}");
    assert_eq!(request["code"], code, "{request}");
    assert_eq!(request["rule"], json!(rule), "{request}");
    let told = request["hint"].as_str().unwrap_or_default();
    assert!(told.contains(hint), "{hint:?} is not in {told:?}");
}
