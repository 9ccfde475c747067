//! Tasks from GitHub with the real binary: a server that is killed at each step, and texts that want more than they may.

mod injection;

use std::time::{Duration, Instant};

use outwork_test_github::{GitHub, Said, Stop, TOKEN};

use crate::harness::{Engine, Outwork, Repository};

const SECRET: &str = "canary-of-a-webhook-secret";

/// GitHub with a clone of the repository, an environment `demo` of it, and an integration. Answers where deliveries go.
fn connect(
    outwork: &Outwork,
    repository: &Repository,
    agent: &str,
    more: &[&str],
) -> (GitHub, String) {
    let root = repository.path().join("served");
    std::fs::create_dir_all(&root).expect("a folder");
    let github = GitHub::start(repository.path(), &root);
    github.person("ada", 3, "write");
    github.person("eve", 4, "read");
    let url = github.url();
    let create = [
        "env",
        "create",
        "demo",
        "--repo",
        &url,
        "--branch",
        "main",
        "--agent-command",
        agent,
    ];
    outwork.run(&[&create, more].concat()).success();
    let (secret, token) = (outwork.file(SECRET), outwork.file(TOKEN));
    let api = github.api_url();
    let add = [
        "integration",
        "add",
        "github",
        "hub",
        "--api-url",
        &api,
        "--webhook-secret-file",
        &secret,
        "--token-file",
        &token,
        "--json",
    ];
    let added = outwork.run(&add).success().json();
    let id = added["id"].as_str().expect("an id").to_owned();
    (github, id)
}

/// The machine may be slow.
const PATIENCE: Duration = Duration::from_secs(180);

/// Waits for a pull request, and answers what people were told.
fn told(github: &GitHub, issue: u64, outwork: &Outwork) -> Vec<Said> {
    let begun = Instant::now();
    loop {
        let ours = github.ours(issue);
        if ours.iter().any(|it| it.body.contains("Pull request: [#")) {
            return ours;
        }
        if begun.elapsed() > PATIENCE {
            let log = outwork.process.log();
            panic!(
                "{ours:#?}\n{:#?}\n{:#?}\n{log}",
                github.seen(),
                github.wrong()
            );
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

#[test]
fn a_killed_server_does_each_thing_once() {
    let repository = Repository::with(&[("a", "1\n")]);
    let mut outwork = Outwork::start("server", Engine::Sqlite, &[]);
    let _worker = outwork.worker("one");
    let (github, id) = connect(&outwork, &repository, "echo 2 >> a; echo Done.", &[]);
    let address = outwork.url.trim_start_matches("http://").to_owned();
    outwork.listen_on(&address);
    let issue = github.issue("eve", "One is missing", "There should be a 2.");
    let stops = [
        // Kept and answered, and nothing else was done.
        ("GET", "/permission", Stop::Before),
        // Begun: the conversation is being read.
        ("GET", "/issues/1/comments", Stop::Before),
        // The comment is there, and nobody knows its number.
        ("POST", "/issues/1/comments", Stop::After),
        // It was written anew.
        ("PATCH", "/issues/comments", Stop::After),
        ("POST", "/pulls", Stop::After),
    ];
    for (method, part, stop) in stops {
        github.stop_at(method, part, stop);
    }
    let delivery = github.mention(issue, "ada", "@outwork add it");
    let hook = format!("{}/hooks/{id}", outwork.url);
    assert_eq!(delivery.send(&hook, SECRET), 202);
    for _ in stops {
        github.reached();
        outwork.process.kill();
        github.go_on();
        outwork.restart();
    }
    let ours = told(&github, issue, &outwork);
    // Sent again for good measure.
    assert_eq!(delivery.send(&hook, SECRET), 202);
    assert_eq!(ours.len(), 1, "{ours:#?}");
    assert_eq!(github.pulls().len(), 1);
    let tasks = outwork.run(&["list", "--json"]).success().json();
    assert_eq!(
        tasks["tasks"].as_array().map(Vec::len),
        Some(1),
        "{tasks:#}"
    );
    assert_eq!(github.wrong(), Vec::<String>::new());
    let log = outwork.process.log();
    assert!(!log.contains(SECRET) && !log.contains(TOKEN), "{log}");
    let told = outwork.run(&["integration", "deliveries", "hub"]).success();
    assert!(!told.text().contains("canary"), "{}", told.text());
}
