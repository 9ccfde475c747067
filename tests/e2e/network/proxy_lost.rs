//! The process that stands between a sandbox and the network, when it or its worker is killed.

use std::fs;
use std::process::Command;

use super::World;
use crate::harness::{By, Engine, Hold, Outwork, Repository, until};

/// The proxies that a worker started, by process id.
fn proxies(worker: u32) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").expect("/proc is there").flatten() {
        let read = |name: &str| fs::read_to_string(entry.path().join(name)).unwrap_or_default();
        let parent = format!("PPid:\t{worker}\n");
        if read("status").contains(&parent) && read("cmdline").contains("egress-proxy") {
            found.push(entry.file_name().into_string().expect("a number"));
        }
    }
    found
}

fn kill(process: &str) {
    let killed = Command::new("sh")
        .args(["-c", "kill -9 $0", process])
        .status();
    assert!(killed.expect("sh runs").success());
}

#[test]
fn an_attempt_ends_with_its_proxy() {
    let world = World::new(By::Tester);
    let hold = Hold::new();
    let agent = format!("echo kept >> a\n{}", hold.command());
    world.environment("demo", &["api.example"], &agent, &[]);
    let id = world.outwork.submit("demo", "go", &[]);
    hold.reached(1);
    let proxies = proxies(world.outwork.process.id());
    let [proxy] = proxies.as_slice() else {
        panic!("{proxies:?}");
    };
    kill(proxy);
    let task = world.outwork.ended(&id);
    assert_eq!(task["outcome"], "failed", "{task:#}");
    let failure = world.outwork.failure(&id, 1);
    assert_eq!(failure["code"], "network_unavailable", "{failure}");
    assert!(failure["hint"].is_string(), "{failure}");
    hold.reached(0);
    let diff = String::from_utf8(world.outwork.diff(&id, &[])).expect("text");
    assert!(diff.contains("+kept\n"), "{diff}");
    world.outwork.end();
}

#[test]
fn a_proxy_ends_with_its_worker() {
    let outwork = Outwork::start("server", Engine::Sqlite, &[]);
    let mut worker = outwork.worker("apart");
    let repository = Repository::with(&[("a", "1\n")]);
    let hold = Hold::new();
    let agent = hold.command();
    let flags = ["--network", "on", "--agent-command", &agent];
    outwork.environment("demo", &repository, &flags);
    outwork.submit("demo", "go", &[]);
    hold.reached(1);
    let proxies = proxies(worker.id());
    assert_eq!(proxies.len(), 1);
    worker.kill();
    hold.reached(0);
    until("the proxy is gone", || {
        let there = |process: &String| {
            let line = fs::read_to_string(format!("/proc/{process}/cmdline"));
            line.is_ok_and(|line| line.contains("egress-proxy"))
        };
        (!proxies.iter().any(there)).then_some(())
    });
}
