//! The flags that say what an agent may reach and use, and what a person is told of it.

use clap::Parser;
use outwork_cli::ExitStatus;
use serde_json::{Value, json};

use crate::harness::{Program, Ran, Setup};
use crate::server::{Server, world};

async fn server() -> Server {
    Server::start(world("completed", Some("succeeded"), "succeeded")).await
}

async fn run(server: &Server, line: &str, expected: ExitStatus) -> Ran {
    let home = tempfile::tempdir().expect("a folder");
    std::fs::write(home.path().join("header"), "Bearer canary\n").expect("written");
    let arguments: Vec<&str> = line.split(' ').collect();
    let setup = Setup::new(server).dir(home.path()).stdin("from stdin\n");
    setup.run(&arguments).await.expect(expected)
}

/// The body of the newest request that changes something.
fn sent(server: &Server) -> Value {
    let requests = server.requests().into_iter().rev();
    let mut changing = requests.filter(|(line, _)| !line.starts_with("GET"));
    changing.next().expect("a change").1
}

#[tokio::test]
async fn rules_and_limits_are_sent_as_they_were_typed() {
    let server = server().await;
    let made = run(
        &server,
        "env create api --repo https://h/r --preset common --allow *.Example.com --allow b.example \
         --read-only-methods --port 443 --port 8443 --allow-git-push --allow-websocket --tls inspect \
         --memory 2G --cpus 0.5 --pids 64 --disk 1.5GiB --open-files 1024 --nested-namespaces \
         --max-tokens 100000 --inject api.example.com:Authorization=@header \
         --inject b.example:x-key=- --json",
        ExitStatus::Ok,
    )
    .await;
    let mut sent_now = sent(&server);
    let rest = ["label", "repository_url", "agent"];
    let fields = sent_now.as_object_mut().expect("an object");
    fields.retain(|name, _| !rest.contains(&name.as_str()));
    assert_eq!(
        sent_now,
        json!({"network": {"mode": "on", "preset": "common", "allow": ["b.example", "example.com"],
                "ports": [443, 8443], "methods": "read_only", "git_push": true, "websocket": true,
                "tls": "inspect"},
            "resources": {"memory_bytes": 2_147_483_648_u64, "cpu_millis": 500, "processes": 64,
                "disk_bytes": 1_610_612_736_u64, "open_files": 1024},
            "nested_namespaces": true, "max_tokens": 100_000,
            "injections": [
                {"host": "api.example.com", "header": "authorization", "value": "Bearer canary"},
                {"host": "b.example", "header": "x-key", "value": "from stdin"}]})
    );
    // The risk is told apart from the result.
    assert_eq!(made.stdout.lines().count(), 1, "{}", made.stdout);
    assert_eq!(made.json()["injections"][0]["host"], "api.example.com");
    assert!(made.stderr.starts_with("warning: "), "{}", made.stderr);
    let all = format!("{}{}", made.stdout, made.stderr);
    assert!(!all.contains("canary"), "{all}");

    let id = made.json()["id"].as_str().expect("an id").to_owned();
    let shown = run(&server, &format!("env show {id}"), ExitStatus::Ok).await;
    insta::assert_snapshot!(shown.stdout);
    let listed = run(&server, "env list", ExitStatus::Ok).await;
    assert!(listed.stdout.contains("\tcommon+2\n"), "{}", listed.stdout);
    assert!(listed.stdout.contains("\toff\n"), "{}", listed.stdout);
}

#[tokio::test]
async fn an_edit_names_what_changes() {
    let server = server().await;
    let said = async |line: &str| {
        let ran = run(&server, &format!("env edit demo {line}"), ExitStatus::Ok).await;
        (sent(&server), ran.stderr)
    };
    let (patch, told) = said("--network on").await;
    assert_eq!(patch["network"]["preset"], "none");
    assert!(told.contains("warning: the agent can reach"), "{told}");
    assert!(told.contains("note: no host is allowed yet"), "{told}");

    let (patch, told) = said("--allow a.example --allow b.example").await;
    let rules = |allow: Value| {
        json!({"mode": "on", "preset": "none", "allow": allow, "ports": [80, 443],
            "methods": "all", "git_push": false, "websocket": false, "tls": "inspect"})
    };
    let expected = json!({"network": rules(json!(["a.example", "b.example"]))});
    assert_eq!(patch, expected);
    assert_eq!(told, "");
    let (patch, _) = said("--disallow a.example").await;
    assert_eq!(patch, json!({"network": rules(json!(["b.example"]))}));
    let (_, told) = said("--preset all").await;
    assert!(told.contains("warning: the agent can reach"), "{told}");
    said("--preset none").await;

    let (patch, told) = said("--inject a.example:x=@header --inject a.example:y=v").await;
    assert_eq!(patch["injections"][0]["value"], "Bearer canary");
    assert!(told.contains("see --allow a.example"), "{told}");
    let (patch, told) = said("--remove-injection A.example:X --inject a.example:y=w").await;
    assert_eq!(
        patch["injections"],
        json!([{"host": "a.example", "header": "x", "value": null},
            {"host": "a.example", "header": "y", "value": "w"}])
    );
    assert!(!told.contains("warning"), "{told}");

    let (patch, _) = said("--memory 1G --cpus 2").await;
    let limits = json!({"memory_bytes": 1 << 30, "cpu_millis": 2000});
    assert_eq!(patch, json!({"resources": limits}));
    let (patch, _) = said("--memory default --max-tokens none --no-nested-namespaces").await;
    assert_eq!(
        patch,
        json!({"resources": {"cpu_millis": 2000}, "max_tokens": 0, "nested_namespaces": false})
    );
    let (patch, told) = said("--network off").await;
    assert_eq!(patch, json!({"network": {"mode": "off"}}));
    assert!(told.contains("while the network is off"), "{told}");
}

#[tokio::test]
async fn what_contradicts_itself_is_not_sent() {
    let server = server().await;
    let refused = async |line: &str, says: &str, expected| {
        let before = server.requests().len();
        let ran = run(&server, &format!("env edit demo {line}"), expected).await;
        assert!(ran.stderr.contains(says), "{line}: {}", ran.stderr);
        let changes = server.requests().split_off(before).into_iter();
        let changes: Vec<_> = changes
            .filter(|(line, _)| !line.starts_with("GET"))
            .collect();
        assert_eq!(changes, [], "{line}");
    };
    refused("--allow a.example", "--network on", ExitStatus::Usage).await;
    let both = "--network off --preset all";
    refused(both, "--network off", ExitStatus::Usage).await;
    let unknown = "--network on --disallow a.example";
    refused(unknown, "no allowed domain `a.example`", ExitStatus::Failed).await;
    let unknown = "--remove-injection a.example";
    refused(unknown, "no injection `a.example`", ExitStatus::Failed).await;
    let missing = "--inject a.example:x=@none";
    refused(missing, "header x for a.example", ExitStatus::Usage).await;

    let parse = |line: &str| Program::try_parse_from(line.split(' ')).map(drop);
    for line in [
        "--allow https://a.example",
        "--allow 10.0.0.1",
        "--disallow a_b",
        "--port 65536",
        "--memory lots",
        "--cpus 0",
        "--processes -1",
        "--max-tokens 0",
        "--preset some",
        "--inject a.example:Content-Length=1",
        "--inject a.example:x",
        "--read-only-methods --all-methods",
        "--allow-git-push --no-git-push",
        "--nested-namespaces --no-nested-namespaces",
    ] {
        assert!(
            parse(&format!("outwork env edit demo {line}")).is_err(),
            "{line}"
        );
    }
}
