//! `outwork pr`: a result in a pull request, with a server that is killed at each point where something was done and nobody was told.

pub mod github;

use std::process::Stdio;

use crate::harness::{Done, Engine, Outwork, Repository, on_both_stores};
use github::{GitHub, Stage, TOKEN};

on_both_stores!(a_killed_server_opens_one_pull_request);

fn a_killed_server_opens_one_pull_request(engine: Engine) {
    let repository = Repository::with(&[("a", "1\n")]);
    let github = GitHub::start(&repository);
    let mut outwork = Outwork::start("server", engine, &[]);
    let worker = outwork.worker("one");
    let create = [
        "env",
        "create",
        "demo",
        "--repo",
        &github.url(),
        "--branch",
        "main",
        "--agent-command",
        "echo 2 >> a; echo new > b",
    ];
    outwork.run(&create).success();
    let task = outwork.exec("demo", "Add a line", &[]);
    assert_eq!(task["outcome"], "succeeded", "{task:#}");
    let id = task["id"].as_str().expect("an id").to_owned();
    let refused = outwork.run(&["pr", &id]).code(1);
    let how = format!(
        "outwork credential set {} --push --token-file FILE",
        github.host
    );
    assert!(refused.stderr.contains(&how), "{}", refused.stderr);
    let token = outwork.file(TOKEN);
    let api = format!("http://{}/api/v3", github.host);
    let set = [
        "credential",
        "set",
        &github.host,
        "--push",
        "--forge",
        "github",
        "--api-url",
        &api,
        "--token-file",
        &token,
    ];
    outwork.run(&set).success();

    let address = outwork.url.trim_start_matches("http://").to_owned();
    outwork.listen_on(&address);
    let mut asking = outwork.command(&["pr", &id, "--title", "Add it"]);
    asking.stdin(Stdio::null());
    asking.stdout(Stdio::piped()).stderr(Stdio::piped());
    github.stop_at(&[Stage::Pushing, Stage::Pushed, Stage::Opened]);
    let asking = asking.spawn().expect("it starts");
    for stage in [Stage::Pushing, Stage::Pushed, Stage::Opened] {
        github.reached(stage);
        outwork.process.kill();
        github.go_on();
        outwork.restart();
    }
    let done = Done::of(asking.wait_with_output()).success();
    assert_eq!(
        done.text(),
        format!("http://{}/team/repo/pull/1\n", github.host)
    );
    let pulls = github.pulls();
    assert_eq!(pulls.len(), 1, "{pulls:#?}");
    assert_eq!(pulls[0]["title"], "Add it");
    let branch = pulls[0]["head"].as_str().expect("a branch");
    assert_eq!(github.git(&["show", &format!("{branch}:a")]), "1\n2\n");
    assert_eq!(
        github.git(&["rev-list", "--count", &format!("main..{branch}")]),
        "1\n"
    );

    // Once more, as JSON: the same one.
    let again = outwork.run(&["pr", &id, "--json"]).success();
    assert_eq!(again.json()["pull_request"]["number"], 1);
    assert_eq!(github.pulls().len(), 1);
    assert_eq!(outwork.task(&id)["pull_request"]["branch"], branch);
    let said = again.text() + &again.stderr + &done.text() + &done.stderr + &worker.log();
    let told = outwork.run(&["log", &id]).success().text();
    assert!(told.contains("pull/1 published"), "{told}");
    assert!(!(said + &told + &outwork.process.log()).contains(TOKEN));
}
