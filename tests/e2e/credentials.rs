//! Private repositories: the server finds their commits, workers copy them, and no sandbox learns how.

mod http;
mod ssh;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::harness::{Done, Engine, Outwork, Repository, Servers, on_both_stores, until};
use crate::secrets::canary::Canaries;
use crate::secrets::places::{Places, Process};
use crate::secrets::{self, LOOK};

on_both_stores!(
    a_repository_with_a_token_is_read_and_the_token_is_nowhere,
    a_repository_with_a_key_is_read_and_the_key_is_nowhere,
);

/// What the log says of a repository that was read through the server.
const THROUGH: &str = "through the server's git gateway";

const TOKEN: &str = "TOKEN";

/// `team/repo.git` below a directory, with a program that looks for secrets in it.
fn served() -> (Repository, PathBuf) {
    let repository = Repository::with(&[("look.py", LOOK), ("a", "1\n")]);
    let bare = repository.path().join("served/team/repo.git");
    let target = bare.display().to_string();
    repository.git(&["clone", "-q", "--bare", ".", &target]);
    (repository, bare)
}

/// An environment whose setup and agent look for what is secret.
fn environment(outwork: &Outwork, url: &str) {
    let setup = outwork.file("python3 look.py <<<\"$NEEDLES\"\n");
    let create = [
        "env",
        "create",
        "private",
        "--repo",
        url,
        "--setup",
        &setup,
        "--agent-command",
        "python3 look.py",
    ];
    outwork.run(&create).success();
}

/// Gives scripts and agents what to look for, backwards; the agent as its prompt.
fn needles(outwork: &Outwork, canaries: &Canaries) -> String {
    let prompt = secrets::prompt(canaries);
    let variable = format!("NEEDLES={prompt}");
    let edit = ["env", "edit", "private", "--var", &variable];
    outwork.run(&edit).success();
    prompt
}

/// What scripts and agents found.
fn found(outwork: &Outwork, task: &Value) -> Vec<Value> {
    let log = outwork.log(task["id"].as_str().expect("an id"));
    assert_eq!(task["outcome"], "succeeded", "{log:#?}");
    let output = log.output();
    let reports = output
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect(line));
    reports.map(|report| report["found"].clone()).collect()
}

fn is_refused(outwork: &Outwork, hint: &str) {
    let done = outwork.run(&["exec", "--env", "private", "go"]).code(1);
    assert!(done.stderr.contains(hint), "{}", done.stderr);
}

/// Nothing of it in files, tables, and what commands say.
fn assert_nowhere(outwork: &Outwork, canaries: &Canaries, said: &str) {
    let mut answers = outwork.process.log() + said;
    for command in [
        &["credential", "list", "--json"][..],
        &["credential", "list"],
        &["env", "show", "private", "--json"],
        &["list", "--json"],
    ] {
        answers += &outwork.run(command).success().text();
    }
    assert_eq!(canaries.places_in(answers.as_bytes()), []);
    assert_eq!(secrets::left(outwork, canaries), Places::new());
}

fn set(outwork: &Outwork, scope: &str, flags: &[&str]) -> Done {
    let set = [&["credential", "set", scope, "--json"], flags].concat();
    outwork.run(&set).success()
}

/// A file outside of what is searched afterwards.
fn file(repository: &Repository, name: &str, text: &str) -> String {
    let path = repository.path().join(name);
    fs::write(&path, text).expect("written");
    path.display().to_string()
}

fn a_repository_with_a_token_is_read_and_the_token_is_nowhere(engine: Engine) {
    let (repository, bare) = served();
    let outwork = Outwork::start("server", engine, &[]);
    let canaries = Canaries::new(&outwork.dir.path().display().to_string());
    let canaries = Canaries::of(vec![(TOKEN, canaries.value("PLAIN").to_owned())]);
    let token = canaries.value(TOKEN).to_owned();
    let root = bare.ancestors().nth(2).expect("served");
    let server = http::Server::start(root, Canaries::of(canaries.values.clone()));
    let scope = format!("127.0.0.1:{}", server.port);
    let worker = outwork.worker("apart");
    environment(&outwork, &format!("http://{scope}/team/repo.git"));
    let prompt = needles(&outwork, &canaries);
    let how = format!("outwork credential set {scope} --token-file FILE");

    server.take(Some(&token));
    is_refused(&outwork, &how);
    let wrong = file(&repository, "wrong", "not-the-token");
    set(&outwork, &scope, &["--token-file", &wrong]);
    is_refused(
        &outwork,
        &format!("refuses the stored credential for {scope}"),
    );
    is_refused(&outwork, &how);
    let right = file(&repository, "right", &format!("{token}\n"));
    let kept = set(&outwork, &scope, &["--token-file", &right]);
    let mut said = kept.text();
    // The server finds the commit, its worker copies it; setup runs, and later it does not.
    for reports in [2, 1] {
        let task = outwork.exec("private", &prompt, &[]);
        for found in found(&outwork, &task) {
            assert_eq!(found, serde_json::json!([]));
        }
        assert_eq!(found_count(&outwork, &task), reports);
        let told = secrets::told(&outwork, task["id"].as_str().expect("an id"));
        assert!(told.contains(THROUGH), "{told}");
        said += &told;
    }
    let seen = server.seen();
    assert!(seen.logins >= 4, "{}", seen.logins);
    assert_eq!(seen.by_command_line, []);
    // The server's git asks for the branch, and has it meanwhile; what copies the repository has a lease token.
    for Process { command_line, .. } in &seen.by_environment {
        let is_copying = [" clone ", " fetch "]
            .iter()
            .any(|verb| command_line.contains(verb));
        assert!(
            command_line.contains("git") && !is_copying,
            "{command_line}"
        );
    }
    assert!(!seen.by_environment.is_empty());
    assert_eq!(seen.leases_by_command_line, [""; 0]);
    let copying = seen.leases_by_environment.iter();
    assert!(
        copying.filter(|line| line.contains(" clone ")).count() > 0,
        "{seen:?}"
    );
    assert!(
        seen.leases_by_environment
            .iter()
            .all(|line| line.contains("git")),
        "{seen:?}"
    );
    assert_eq!(files_with(outwork.dir.path(), http::LEASE_TOKEN), [""; 0]);
    said += &worker.log();
    assert_nowhere(&outwork, &canaries, &said);

    outwork.run(&["credential", "rm", &scope]).success();
    is_refused(&outwork, &how);
    let listed = outwork
        .run(&["credential", "list", "--json"])
        .success()
        .json();
    assert_eq!(listed["credentials"], serde_json::json!([]));
}

/// The files below a directory that hold a text.
fn files_with(directory: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    // A running worker removes what it has finished.
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if fs::symlink_metadata(&path).is_ok_and(|file| file.is_dir()) {
            found.extend(files_with(&path, text));
        } else {
            let bytes = fs::read(&path).unwrap_or_default();
            if bytes
                .windows(text.len())
                .any(|part| part == text.as_bytes())
            {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

/// An environment on a repository, with nothing that takes time.
fn plain_environment(outwork: &Outwork, url: &str) {
    let create = [
        "env",
        "create",
        "private",
        "--repo",
        url,
        "--agent-command",
        "true",
    ];
    outwork.run(&create).success();
}

/// The worker of `outwork up` has no shorter way.
#[test]
fn up_reads_a_private_repository_through_its_own_server() {
    let (repository, bare) = served();
    let outwork = Outwork::up(Engine::Sqlite);
    let root = bare.ancestors().nth(2).expect("served");
    let server = http::Server::start(root, Canaries::of(vec![(TOKEN, TOKEN_OF_UP.to_owned())]));
    server.take(Some(TOKEN_OF_UP));
    let scope = format!("127.0.0.1:{}", server.port);
    let token = file(&repository, "token", TOKEN_OF_UP);
    set(&outwork, &scope, &["--token-file", &token]);
    plain_environment(&outwork, &format!("http://{scope}/team/repo.git"));
    let task = outwork.exec("private", "go", &[]);
    assert_eq!(
        task["outcome"],
        "succeeded",
        "{task:#}\n{}",
        outwork.process.log()
    );
    let told = secrets::told(&outwork, task["id"].as_str().expect("an id"));
    assert!(told.contains(THROUGH), "{told}");
    assert_eq!(server.seen().by_command_line, []);
}

const TOKEN_OF_UP: &str = "the-token-of-up-4711";

/// Either server can be asked, and a copy that breaks off with one is made by the other.
#[test]
fn a_server_that_dies_in_the_middle_of_a_copy_does_not_end_the_attempt() {
    const TOKEN_OF_TWO: &str = "the-token-of-two-4711";
    let mut servers = Servers::start(2, &[]);
    servers.prefer(0);
    let (repository, bare) = served();
    let root = bare.ancestors().nth(2).expect("served");
    let server = http::Server::start(root, Canaries::of(vec![(TOKEN, TOKEN_OF_TWO.to_owned())]));
    server.take(Some(TOKEN_OF_TWO));
    let scope = format!("127.0.0.1:{}", server.port);
    let token = file(&repository, "token", TOKEN_OF_TWO);
    set(servers.front(), &scope, &["--token-file", &token]);
    plain_environment(servers.front(), &format!("http://{scope}/team/repo.git"));
    let task = servers.front().submit("private", "go", &[]);
    server.hold();
    let worker = servers.front().worker("apart");
    until("the worker waits for the pack", || {
        (server.waiting() > 0).then_some(())
    });
    servers.kill(0);
    // Git itself asks again where nothing of an answer has come yet, else the worker does.
    server.let_go();
    let ended = servers.front().ended(&task);
    let tries = &ended["turns"][0]["attempts"][0]["tries"];
    assert_eq!(
        (&ended["outcome"], tries),
        (&"succeeded".into(), &1.into()),
        "{ended:#}\n{}",
        worker.log()
    );
}

fn found_count(outwork: &Outwork, task: &Value) -> usize {
    found(outwork, task).len()
}

/// The server still gave the commit; when a worker comes to copy it, the token is not taken any more.
#[test]
fn a_token_that_ends_before_the_worker_comes_is_told() {
    let (repository, bare) = served();
    let outwork = Outwork::start("server", Engine::Sqlite, &[]);
    let root = bare.ancestors().nth(2).expect("served");
    let server = http::Server::start(
        root,
        Canaries::of(vec![(TOKEN, "ends-before-it-comes".to_owned())]),
    );
    let scope = format!("127.0.0.1:{}", server.port);
    server.take(Some("ends-before-it-comes"));
    let right = file(&repository, "right", "ends-before-it-comes");
    set(&outwork, &scope, &["--token-file", &right]);
    environment(&outwork, &format!("http://{scope}/team/repo.git"));
    let task = outwork.submit("private", "go", &[]);
    server.take(None);
    let _worker = outwork.worker("late");
    outwork.ended(&task);
    let failure = outwork.failure(&task, 1);
    assert_eq!(failure["code"], "repository_unavailable", "{failure}");
    let text = failure.to_string();
    assert!(
        text.contains(&format!("refuses the stored credential for {scope}")),
        "{text}"
    );
    assert!(
        text.contains(&format!("outwork credential set {scope} --token-file")),
        "{text}"
    );
    assert!(!text.contains("ends-before"), "{text}");
}

fn a_repository_with_a_key_is_read_and_the_key_is_nowhere(engine: Engine) {
    let (repository, bare) = served();
    let outwork = Outwork::start("server", engine, &[]);
    let worker = outwork.worker("apart");
    let server = ssh::Server::start();
    let key = server.authorize("first");
    let canaries = Canaries::of(vec![("KEY", private_part(&key))]);
    let scope = format!("127.0.0.1:{}", server.port);
    environment(&outwork, &server.url(&bare));
    let prompt = needles(&outwork, &canaries);
    let known = file(&repository, "known", &server.known_host());
    let path = key.display().to_string();
    let kept = set(
        &outwork,
        &scope,
        &["--ssh-key-file", &path, "--known-hosts", &known],
    );
    let mut said = kept.text();
    for reports in [2, 1] {
        let task = outwork.exec("private", &prompt, &[]);
        for found in found(&outwork, &task) {
            assert_eq!(found, serde_json::json!([]));
        }
        assert_eq!(found_count(&outwork, &task), reports);
        said += &secrets::told(&outwork, task["id"].as_str().expect("an id"));
    }
    said += &worker.log();
    assert_nowhere(&outwork, &canaries, &said);

    // Another key is let in now.
    server.authorize("second");
    let how = format!("outwork credential set {scope} --ssh-key-file FILE");
    is_refused(&outwork, &how);
}

/// What is its own in a key's file: the rest is the same in all.
fn private_part(key: &Path) -> String {
    let text = fs::read_to_string(key).expect("a key");
    text.lines().nth(3).expect("a line").to_owned()
}
