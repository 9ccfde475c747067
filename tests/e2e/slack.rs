//! Slack and the real binary, which is killed at each point where something was done and nobody was told.

use std::process::Command;

use outwork_test_slack::{BOT_TOKEN, CHANNEL, Fault, SIGNING_SECRET, Slack};

use crate::harness::{Engine, Outwork, Repository, until};

fn now() -> i64 {
    let said = Command::new("date").arg("+%s").output().expect("date runs");
    let text = String::from_utf8(said.stdout).expect("digits");
    text.trim().parse().expect("a number")
}

#[test]
fn a_killed_server_tells_once() {
    let repository = Repository::with(&[("a", "1\n")]);
    let slack = Slack::start(now());
    let mut outwork = Outwork::start("server", Engine::Sqlite, &[]);
    let _worker = outwork.worker("one");
    outwork.command_environment("demo", &repository, "echo 2 >> a");
    let (secret, token) = (outwork.file(SIGNING_SECRET), outwork.file(BOT_TOKEN));
    let api = slack.api_url();
    let add = [
        "integration",
        "add",
        "slack",
        "team",
        "--signing-secret-file",
        &secret,
        "--bot-token-file",
        &token,
        "--api-url",
        &api,
        "--json",
    ];
    let added = outwork.run(&add).success().json();
    assert!(!added.to_string().contains("canary"), "{added}");
    let members = outwork.run(&["member", "list", "--json"]).success().json();
    let all = members["members"].as_array().expect("a list");
    let person = all.iter().find(|one| one["kind"] == "user").expect("one");
    let id = person["id"].as_str().expect("an id");
    outwork
        .run(&["integration", "link", "team", "U1ADA", id])
        .success();
    slack.add_user("U1ADA", "ada", None);

    let address = outwork.url.trim_start_matches("http://").to_owned();
    outwork.listen_on(&address);
    let hook = format!(
        "{}/hooks/{}",
        outwork.url,
        added["id"].as_str().expect("an id")
    );
    let (event, root) = slack.say("U1ADA", CHANNEL, None, "<@U0BOT> make it two");
    // Killed with the message kept and nothing done; with the first message posted and no answer; with the result posted and no answer.
    slack.fail("chat.postMessage", Fault::DoneAndSilent);
    let taken = slack.signed(&event, now()).blocking(&hook);
    assert_eq!((taken.status, taken.body.as_str()), (200, ""));
    outwork.process.kill();
    outwork.restart();
    until("the first message", || slack.told(CHANNEL, &root).pop());
    slack.fail("chat.postMessage", Fault::DoneAndSilent);
    outwork.process.kill();
    outwork.restart();
    until("the result", || {
        slack.told(CHANNEL, &root).into_iter().nth(1)
    });
    outwork.process.kill();
    outwork.restart();
    // Slack sends it again, since it is not sure.
    let again = slack.signed(&event, now()).blocking(&hook);
    assert_eq!(again.status, 200);
    until("all is told", || {
        let progress = slack.told(CHANNEL, &root).swap_remove(0);
        let is_over = progress.buttons().is_empty();
        (is_over && slack.reactions(CHANNEL, &root).is_empty()).then_some(())
    });
    let told = slack.told(CHANNEL, &root);
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(told[1].shown().contains("1 file, +1 −0"), "{told:#?}");
    assert_eq!(told[1].buttons(), ["open", "follow_up", "pull_request"]);
    let tasks = outwork.run(&["list", "--json"]).success().json();
    assert_eq!(tasks["tasks"].as_array().expect("a list").len(), 1);
    assert_eq!(slack.complaints(), Vec::<String>::new());
    let log = outwork.process.log();
    assert!(!log.contains("canary"), "{log}");
}
