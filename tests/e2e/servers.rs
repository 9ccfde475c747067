//! Several servers on one PostgreSQL and one bucket: it does not matter which one is asked.

use std::fs;
use std::process::{Command, Stdio};

use outwork_test_s3::{ACCESS_KEY_ID, SECRET_ACCESS_KEY};
use serde_json::Value;

use crate::harness::{Done, Hold, Repository, Servers, credentials, outwork, scratch, until};

#[test]
fn what_one_server_was_given_another_hands_out() {
    let servers = Servers::start(2, &[]);
    let at = |server: usize, arguments: &[&str]| {
        Done::of(
            servers
                .command_at(server, arguments)
                .stdin(Stdio::null())
                .output(),
        )
        .success()
    };
    let repository = Repository::with(&[("a", "1\n")]);
    let agent = "cat >> a; echo >> a";
    servers
        .front()
        .command_environment("demo", &repository, agent);
    let task = at(1, &["exec", "--env", "demo", "--json", "one"]).last_json();
    let task = task["id"].as_str().expect("an id").to_owned();
    // The first worker hands in through the first server, the second takes up through the second.
    let diffs = [0, 1].map(|server| {
        let name = format!("worker-{server}");
        let mut worker = servers.front().worker_at(&name, &servers.url(server));
        if server == 1 {
            at(0, &["follow-up", &task, "two"]);
        }
        let ended = servers.front().ended(&task);
        assert_eq!(ended["outcome"], "succeeded", "{ended:#}\n{}", worker.log());
        assert!(worker.terminate().success(), "{}", worker.log());
        let [one, two] = [0, 1].map(|server| at(server, &["diff", &task]).text());
        assert_eq!(one, two);
        one
    });
    assert!(diffs[0].ends_with("+one\n"), "{diffs:?}");
    assert!(diffs[1].ends_with("+one\n+two\n"), "{diffs:?}");
    let objects = servers.bucket.objects("outwork");
    assert!(
        objects.iter().all(|key| key.starts_with("team/attempts/")),
        "{objects:?}"
    );
    assert_eq!(objects.len(), 2, "a diff for each turn: {objects:?}");
    for server in [0, 1] {
        assert!(!servers.data(server).join("objects").exists());
    }
}

#[test]
fn a_killed_server_takes_nothing_with_it() {
    let mut servers = Servers::start(2, &[]);
    servers.prefer(0);
    let repository = Repository::with(&[("a", "1\n")]);
    let hold = Hold::new();
    let agent = format!("echo before; {}; echo after; echo 2 >> a", hold.command());
    servers
        .front()
        .command_environment("demo", &repository, &agent);
    let workers = ["one", "two"].map(|name| servers.front().worker_with(name, &["--slots", "1"]));
    let tasks = ["a", "b"].map(|prompt| servers.front().submit("demo", prompt, &[]));
    hold.reached(2);
    let mut followers: Vec<_> = (0..4)
        .map(|number| {
            let path = servers
                .front()
                .dir
                .path()
                .join(format!("followed-{number}"));
            let follower = servers
                .front()
                .command(&["log", &tasks[number % 2], "--follow", "--json"])
                .stdout(fs::File::create(&path).expect("a file"))
                .spawn()
                .expect("outwork starts");
            (follower, path)
        })
        .collect();
    for (_, path) in &followers {
        until("the log has begun", || {
            let text = fs::read_to_string(path).ok()?;
            text.contains("before").then_some(())
        });
    }
    servers.kill(0);
    hold.release();
    for (follower, path) in &mut followers {
        let status = until("the log ends by itself", || {
            follower.try_wait().expect("ours")
        });
        assert!(status.success());
        let text = fs::read_to_string(path).expect("readable");
        let events: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        let numbers: Vec<i64> = events
            .iter()
            .filter_map(|event| event["seq"].as_i64())
            .collect();
        assert_eq!(numbers, (1..=numbers.len() as i64).collect::<Vec<_>>());
        assert!(text.contains("after"), "{text}");
    }
    for task in &tasks {
        let ended = servers.front().ended(task);
        assert_eq!(
            (
                &ended["outcome"],
                &ended["turns"][0]["attempts"][0]["tries"]
            ),
            (&"succeeded".into(), &1.into()),
            "{ended:#}\n{}\n{}",
            workers[0].log(),
            workers[1].log()
        );
        let diff = Done::of(servers.command_at(1, &["diff", task]).output()).success();
        assert!(diff.text().contains("+2\n"), "{}", diff.text());
    }
}

#[test]
fn a_bucket_that_does_not_answer_is_told_to_the_balancer() {
    let servers = Servers::start(1, &[]);
    assert_eq!(servers.readiness(0).0, 200);
    servers.bucket.fail(true);
    let (status, body) = servers.readiness(0);
    assert_eq!(status, 503, "{body}");
    let told: Value = serde_json::from_str(&body).expect("JSON");
    let checks = told["checks"].as_array().expect("a list");
    let failing: Vec<_> = checks
        .iter()
        .filter(|check| check["ok"] == false)
        .map(|check| &check["name"])
        .collect();
    assert_eq!(failing, ["objects"], "{body}");
    servers.bucket.fail(false);
    assert_eq!(servers.readiness(0).0, 200);
}

/// `outwork server` that is to keep its objects in a bucket.
fn with_bucket(data: &std::path::Path, objects: &str, endpoint: &str) -> Command {
    let mut command = outwork();
    command
        .args(["server", "--listen", "127.0.0.1:0", "--json", "--data-dir"])
        .arg(data)
        .args(["--objects", objects, "--objects-endpoint", endpoint])
        .env("HOME", data)
        .stdin(Stdio::null());
    command
}

#[test]
fn a_bucket_that_cannot_be_used_is_told_at_the_start() {
    let bucket = outwork_test_s3::Server::start(&["outwork"]);
    let dir = scratch();
    let data = dir.path().join("data");
    let start = |objects: &str, flags: &[&str], variables: &[(&str, &str)]| {
        let mut command = with_bucket(&data, objects, &bucket.endpoint());
        command.args(flags).envs(variables.iter().copied());
        Done::of(command.output()).code(1).stderr
    };
    let http = ["--objects-allow-http"];
    let said = start("s3://outwork", &http, &[]);
    assert!(said.contains("there are no credentials"), "{said}");
    assert!(said.contains("hint: set AWS_ACCESS_KEY_ID"), "{said}");
    let said = start("s3://outwork", &http, &credentials()[..1]);
    assert!(said.contains("only one is set"), "{said}");
    let said = start("s3://outwork", &[], &credentials());
    assert!(said.contains("is not encrypted"), "{said}");
    assert!(said.contains("--objects-allow-http"), "{said}");
    let said = start("s3://other", &http, &credentials());
    assert!(said.contains("the bucket does not exist"), "{said}");
    assert!(said.contains("aws s3 mb s3://other"), "{said}");
    let wrong = [credentials()[0], ("AWS_SECRET_ACCESS_KEY", "canary-1234")];
    let said = start("s3://outwork", &http, &wrong);
    assert!(said.contains("refused the credentials"), "{said}");
    assert!(said.contains("s3:PutObject"), "{said}");
    assert!(!said.contains("canary-1234"), "{said}");
    let said = start("outwork", &http, &credentials());
    assert!(said.contains("it looks like s3://BUCKET"), "{said}");
    assert_eq!(bucket.objects("outwork"), Vec::<String>::new());
}

#[test]
fn credentials_are_found_where_aws_keeps_them() {
    let bucket = outwork_test_s3::Server::start(&["outwork"]);
    let dir = scratch();
    let file = dir.path().join("credentials");
    let profile = format!(
        "[default]\naws_access_key_id = x\naws_secret_access_key = y\n\n[outwork]\n\
         aws_access_key_id = {ACCESS_KEY_ID}\naws_secret_access_key = {SECRET_ACCESS_KEY}\n"
    );
    fs::write(&file, profile).expect("a file");
    let start = |data: &str, profile: &str| {
        let mut command = with_bucket(&dir.path().join(data), "s3://outwork", &bucket.endpoint());
        command
            .env("OUTWORK_OBJECTS_ALLOW_HTTP", "true")
            .env("AWS_SHARED_CREDENTIALS_FILE", &file)
            .env("AWS_PROFILE", profile);
        command
    };
    let said = Done::of(start("first", "default").output()).code(1).stderr;
    assert!(said.contains("refused the credentials"), "{said}");
    let said = Done::of(start("second", "nobody").output()).code(1).stderr;
    assert!(said.contains("the profile `nobody`"), "{said}");
    let running = crate::harness::Outwork::from_command(start("third", "outwork"), dir);
    let log = running.process.log();
    assert!(log.contains("without TLS"), "{log}");
    assert!(log.contains("kept in a bucket"), "{log}");
    assert!(!log.contains(SECRET_ACCESS_KEY), "{log}");
    running.end();
}
