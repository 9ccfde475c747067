//! Webhooks of a real server that is killed again and again, and the verifier of the page as it stands.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::harness::{Engine, Outwork, Repository, until};

const PAGE: &str = include_str!("../../docs/webhooks.md");

/// What came.
#[derive(Clone, Debug)]
struct Got {
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Got {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    fn kind(&self) -> String {
        self.json()["type"].as_str().expect("a type").to_owned()
    }
}

/// Takes what comes; on every fifth event it hangs up without a word when it first comes.
struct Receiver {
    url: String,
    got: Arc<Mutex<Vec<Got>>>,
}

impl Receiver {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}/hook", listener.local_addr().expect("bound"));
        let got: Arc<Mutex<Vec<Got>>> = Arc::default();
        let kept = Arc::clone(&got);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || while let Some(()) = receive(&stream, &kept) {});
            }
        });
        Self { url, got }
    }

    fn got(&self) -> Vec<Got> {
        self.got.lock().expect("no panic").clone()
    }
}

/// `None`: the connection is over.
fn receive(stream: &TcpStream, kept: &Mutex<Vec<Got>>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end().split_once(": ") {
            Some((name, value)) => drop(headers.insert(name.to_lowercase(), value.to_owned())),
            None if line.trim().is_empty() => break,
            None => {}
        }
    }
    let length = headers.get("content-length")?.parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let hangs_up = {
        let mut kept = kept.lock().expect("no panic");
        let of = |got: &Got| got.headers.get("webhook-id").cloned();
        let got = Got { headers, body };
        let seen: BTreeSet<_> = kept.iter().map(of).collect();
        let is_new = !seen.contains(&of(&got));
        kept.push(got);
        is_new && seen.len() % 5 == 4
    };
    let mut stream = stream;
    match hangs_up {
        true => None,
        false => stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").ok(),
    }
}

fn by_id(got: &[Got]) -> BTreeMap<String, Got> {
    let named = got.iter().rev();
    named
        .map(|got| (got.headers["webhook-id"].clone(), got.clone()))
        .collect()
}

/// Of each task, once, in the order in which it came first.
fn of_tasks(got: &[Got]) -> BTreeMap<String, Vec<(String, String)>> {
    let mut seen = BTreeSet::new();
    let mut of_task: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for got in got {
        let id = got.headers["webhook-id"].clone();
        if seen.insert(id.clone()) {
            let task = got.json()["data"]["task"]["id"].clone();
            let task = task.as_str().expect("an id").to_owned();
            of_task.entry(task).or_default().push((id, got.kind()));
        }
    }
    of_task
}

#[test]
fn each_event_comes_with_one_name_however_often_the_server_dies() {
    let variables = [("OUTWORK_WEBHOOK_ADDRESS", "127.0.0.1")];
    let mut outwork = Outwork::start("server", Engine::Sqlite, &variables);
    let address = outwork.url.trim_start_matches("http://").to_owned();
    outwork.listen_on(&address);
    let _worker = outwork.worker("steady");
    let receiver = Receiver::start();
    let add = ["webhook", "add", &receiver.url, "--json"];
    let made = outwork.run(&add).success().json();
    let repository = Repository::with(&[("a", "1\n")]);
    outwork.command_environment("demo", &repository, "echo 2 >> a");
    let mut tasks = Vec::new();
    for round in 0..4 {
        let before = receiver.got().len();
        for number in 0..3 {
            let prompt = format!("task {round} {number}");
            tasks.push(outwork.submit("demo", &prompt, &[]));
        }
        // In the midst of telling it, each time a little later.
        until("some of it was told", || {
            (receiver.got().len() > before + round * 3).then_some(())
        });
        outwork.process.kill();
        outwork.restart();
    }
    for task in &tasks {
        let ended = outwork.ended(task);
        assert_eq!(ended["outcome"], "succeeded", "{ended:#}");
    }
    let told = until("all tasks were told to their end", || {
        let of_task = of_tasks(&receiver.got());
        let is_whole = |task| {
            let told: Option<&Vec<(String, String)>> = of_task.get(task);
            told.is_some_and(|told| told.iter().any(|(_, kind)| kind == "task.finished"))
        };
        tasks.iter().all(is_whole).then_some(of_task)
    });
    for (task, told) in &told {
        let kinds: Vec<&str> = told.iter().map(|(_, kind)| kind.as_str()).collect();
        assert_eq!(kinds[..2], ["task.created", "turn.created"], "{task}");
        assert_eq!(kinds[kinds.len() - 2..], ["task.updated", "task.finished"]);
        let ids: Vec<&String> = told.iter().map(|(id, _)| id).collect();
        assert!(ids.is_sorted(), "{told:#?}");
        // As the log has them, none left out.
        let states = outwork.events(task, 1);
        let states = states.iter().filter(|event| event["type"] == "state");
        let moved = kinds
            .iter()
            .filter(|kind| **kind == "attempt.state_changed");
        assert_eq!(moved.count(), states.count(), "{told:#?}");
    }
    let got = receiver.got();
    let first = by_id(&got);
    assert!(got.len() > first.len(), "nothing was told twice");
    for one in &got {
        assert_eq!(one.body, first[&one.headers["webhook-id"]].body);
    }
    check(&outwork, &got, made["secret"].as_str().expect("a secret"));
}

/// The page's own verifier, and the command.
fn check(outwork: &Outwork, got: &[Got], secret: &str) {
    let (_, code) = PAGE.split_once("\n```python\n").expect("the page has code");
    let (code, _) = code.split_once("\n```").expect("it ends");
    let script = outwork.file(code);
    let last = got.last().expect("it was told");
    let header = |name: &str| last.headers[name].as_str();
    let verified = |secret: &str, body: &[u8]| {
        let mut python = Command::new("python3")
            .arg(&script)
            .env("secret", secret)
            .env("webhook_id", header("webhook-id"))
            .env("webhook_timestamp", header("webhook-timestamp"))
            .env("webhook_signature", header("webhook-signature"))
            .stdin(Stdio::piped())
            .spawn()
            .expect("python3 is there");
        let mut stdin = python.stdin.take().expect("piped");
        stdin.write_all(body).expect("it reads");
        drop(stdin);
        let python = python.wait().expect("ours").success();
        let file = outwork.file(secret);
        let line = [
            "webhook",
            "verify",
            "--secret-file",
            &file,
            "--id",
            header("webhook-id"),
            "--timestamp",
            header("webhook-timestamp"),
            "--signature",
            header("webhook-signature"),
        ];
        let done = outwork.run_with_input(&line, body);
        let code = if python { 0 } else { 1 };
        done.code(code);
        python
    };
    assert!(verified(secret, &last.body));
    assert!(!verified(secret, b"{}"));
    assert!(!verified(
        "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        &last.body
    ));
}
