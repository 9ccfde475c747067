//! From a mention on GitHub to the answer of the webhook, and to the task in the queue. GitHub is a stand-in on this machine, so that its own
//! time is next to nothing: what is measured is ours, with the four questions that are asked of it.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use outwork_test_github::{GitHub, TOKEN};
use serde_json::Value;

use crate::Bench;
use crate::server::{Server, repository};
use crate::stats::Series;

const SECRET: &str = "secret-of-the-webhook";
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn run(bench: &Bench) -> Result<()> {
    let server = Server::up_with(bench, &[], &["--slots", "1"])?;
    let dir = tempfile::tempdir_in(&bench.scratch)?;
    repository(&dir.path().join("repository"))?;
    let served = dir.path().join("served");
    fs::create_dir_all(&served)?;
    let github = GitHub::start(&dir.path().join("repository"), &served);
    github.person("ada", 3, "write");
    let hook = connect(bench, &server, &github, dir.path())?;

    let (mut answered, mut queued) = (Series::default(), Series::default());
    for number in 1..=bench.runs as u64 {
        let issue = github.issue("ada", "The sum is off", "It is off by one.");
        ensure!(issue == number, "one issue for each run");
        let delivery = github.mention(issue, "ada", "@outwork fix the sum");
        let begun = Instant::now();
        ensure!(
            delivery.send(&hook, SECRET) == 202,
            "the delivery was not taken"
        );
        answered.push(begun.elapsed());
        while tasks(&server)? < number {
            ensure!(begun.elapsed() < PATIENCE, "no task: {:#?}", github.wrong());
        }
        queued.push(begun.elapsed());
    }
    println!("mention on GitHub");
    println!("{}", answered.row("delivery kept and answered"));
    println!("{}\n", queued.row("task in the queue, as its list shows"));
    Ok(())
}

/// An environment and an integration; answers where deliveries go.
fn connect(
    bench: &Bench,
    server: &Server,
    github: &GitHub,
    dir: &std::path::Path,
) -> Result<String> {
    let file = |name: &str, text: &str| -> Result<String> {
        let path = dir.join(name);
        fs::write(&path, text)?;
        Ok(path.display().to_string())
    };
    let (secret, token) = (file("secret", SECRET)?, file("token", TOKEN)?);
    let (url, api) = (github.url(), github.api_url());
    let create = [
        "env",
        "create",
        "demo",
        "--repo",
        &url,
        "--agent-command",
        "true",
    ];
    server.run(bench, &create)?;
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
    let added = server.run(bench, &add)?;
    let added: Value = serde_json::from_slice(&added.stdout)?;
    let id = added["id"].as_str().context("an id")?;
    Ok(format!("{}/hooks/{id}", server.url()))
}

/// How many tasks the first page of the list shows.
fn tasks(server: &Server) -> Result<u64> {
    let host = server.url().trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(&host)?;
    let token = server.token();
    write!(
        stream,
        "GET /api/v1/tasks?limit=100 HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.matches("\"environment_label\"").count() as u64)
}
