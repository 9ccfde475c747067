//! The worker protocol as a third party would try it: the conformance suite against our server, our worker, and the small worker in
//! Python; and that worker at work for our server.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use outwork_conformance::check::{self, Check};
use outwork_conformance::relay::{Fault, Relay};
use outwork_conformance::{Report, server, worker};
use tokio::runtime::Runtime;

use crate::harness::{Engine, OUTWORK, Outwork, Repository, on_both_stores, scratch};

/// The small worker.
pub const PYTHON_WORKER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/worker.py");

on_both_stores!(the_server_conforms);

/// Orders and enrolment are newer than the rest of version 4.
fn knows_orders() -> bool {
    include_str!("../../openapi/worker.json").contains("/enroll\"")
}

/// What is to be skipped: nothing, once there are orders.
fn before_orders<S>(checks: Vec<Check<S>>) -> Vec<&'static str> {
    let mut checks = checks;
    checks.retain(|check| !knows_orders() && matches!(check.section, "Orders" | "Enrol"));
    checks.into_iter().map(|check| check.id).collect()
}

fn runtime() -> Runtime {
    // An error means that it was done before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Runtime::new().expect("a runtime")
}

/// None may fail.
fn run<S: Send + Sync>(
    runtime: &Runtime,
    scene: Arc<S>,
    checks: Vec<Check<S>>,
    jobs: usize,
) -> Report {
    let checked = check::run(scene, checks, jobs, |_| {});
    let report = Report(runtime.block_on(checked));
    assert!(report.is_success(), "{}", report.text());
    report
}

/// With a model, so that agents that hear messages can be had; nobody calls it.
/// The lease is longer than any check is slow on a busy machine.
fn server_to_be_checked(engine: Engine, lease: &str) -> Outwork {
    let variables = [
        ("OUTWORK_MODEL_BASE_URL", "http://127.0.0.1:1/v1"),
        ("OUTWORK_MODEL_NAME", "none"),
        ("OUTWORK_LEASE", lease),
    ];
    Outwork::start("server", engine, &variables)
}

fn options(outwork: &Outwork, url: &str) -> server::Options {
    let worker_token = outwork.dir.path().join("data/worker.token");
    let worker_token = std::fs::read_to_string(worker_token).expect("a token");
    server::Options {
        url: url.to_owned(),
        worker_token: worker_token.trim().to_owned(),
        admin_token: outwork.token.clone(),
        listen: ([127, 0, 0, 1], 0).into(),
        patience: Duration::from_secs(120),
    }
}

fn the_server_conforms(engine: Engine) {
    let outwork = server_to_be_checked(engine, "15s");
    let options = options(&outwork, &outwork.url);
    // Which serves the repository, too.
    let runtime = runtime();
    let scene = runtime.block_on(server::Scene::new(options));
    let scene = Arc::new(scene.expect("the server answers"));
    let report = run(&runtime, scene, server::checks(), 6);
    assert_eq!(report.skipped(), before_orders(server::checks()));
}

/// What came of these checks behind a relay.
async fn relayed(outwork: &Outwork, fault: Option<Fault>, ids: &[&str]) -> Report {
    let options = options(outwork, &outwork.url);
    let relay = Relay::start(&outwork.url, &options.worker_token, fault).await;
    let relay = relay.expect("it listens");
    let options = server::Options {
        url: relay.url(),
        ..options
    };
    let scene = server::Scene::new(options).await.expect("it answers");
    let mut checks = server::checks();
    checks.retain(|check| ids.contains(&check.id));
    assert_eq!(checks.len(), ids.len(), "{ids:?}");
    Report(check::run(Arc::new(scene), checks, 4, |_| {}).await)
}

/// A check that cannot fail shows nothing.
#[test]
fn each_rule_that_a_server_breaks_is_found_by_its_check() {
    let outwork = server_to_be_checked(Engine::Sqlite, "8s");
    let runtime = runtime();
    let all = Fault::ALL.map(|(_, id)| id);
    // It is the fault that they find, not the relay.
    let report = runtime.block_on(relayed(&outwork, None, &all));
    assert!(report.is_success(), "{}", report.text());
    let missed = Fault::ALL.into_iter().filter_map(|(fault, id)| {
        let report = runtime.block_on(relayed(&outwork, Some(fault), &[id]));
        (report.failed() != [id]).then(|| format!("{fault:?}: {}", report.text()))
    });
    let missed: Vec<String> = missed.collect();
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

fn worker_conforms(command: &[&str]) -> Report {
    let words = command.iter().map(|word| (*word).to_owned()).collect();
    let scene = worker::Scene {
        template: worker::Template::new(words).expect("a command"),
        listen: ([127, 0, 0, 1], 0).into(),
        lease: Duration::from_secs(6),
        patience: Duration::from_secs(120),
    };
    run(&runtime(), Arc::new(scene), worker::checks(), 3)
}

#[test]
fn the_worker_conforms() {
    let report = worker_conforms(&[
        OUTWORK,
        "worker",
        "--url",
        "{url}",
        "--token-file",
        "{token_file}",
        "--data-dir",
        "{dir}",
        "--slots",
        "2",
        "--checkpoint-every",
        "1s",
    ]);
    assert_eq!(report.skipped(), before_orders(worker::checks()));
}

#[test]
fn the_worker_in_python_conforms() {
    let report = worker_conforms(&[
        "python3",
        PYTHON_WORKER,
        "--url",
        "{url}",
        "--token-file",
        "{token_file}",
        "--data-dir",
        "{dir}",
        "--slots",
        "2",
        "--checkpoint-every",
        "1",
        "--no-isolation",
    ]);
    assert_eq!(report.skipped(), ["speaks_the_version_before"]);
}

/// The same commands as with our own worker.
#[test]
fn the_worker_in_python_works_for_our_server() {
    let outwork = Outwork::start("server", Engine::Sqlite, &[]);
    let home = scratch();
    let refused = python_worker(&outwork, home.path(), &[])
        .output()
        .expect("python3 runs");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && said.contains("--no-isolation"),
        "{said}"
    );
    let mut running = python_worker(&outwork, home.path(), &["--no-isolation"])
        .spawn()
        .expect("python3 runs");
    let repository = Repository::with(&[("a", "1\n"), ("b", "2\n")]);
    let agent =
        "cat >> a; rm b; printf '\\0\\1' > binary; if [ $OUTWORK_TURN = 2 ]; then exit 75; fi";
    outwork.command_environment("demo", &repository, agent);
    let task = outwork.exec("demo", "once", &[]);
    assert_eq!(task["outcome"], "succeeded", "{task:#}");
    let id = task["id"].as_str().expect("an id");
    let attempt = &task["turns"][0]["attempts"][0];
    assert_eq!(attempt["isolation"], "none", "{attempt:#}");
    let diff = outwork.diff(id, &[]);
    let clone = repository.clone_here();
    std::fs::write(clone.path().join("patch"), diff).expect("a file");
    clone.git(&["apply", "patch"]);
    let read = |name: &str| std::fs::read(clone.path().join(name)).ok();
    assert_eq!(read("a"), Some(b"1\nonce".to_vec()));
    assert_eq!(read("b"), None);
    assert_eq!(read("binary"), Some(vec![0, 1]));

    // A turn that goes on from there, asks, and is cancelled.
    outwork
        .run(&["follow-up", id, "and again", "--json"])
        .success();
    outwork.task_until(id, "it asks", |task| task["status"] == "needs_input");
    let text = String::from_utf8_lossy(&outwork.diff(id, &[])).into_owned();
    assert!(text.contains("+onceand again"), "{text}");
    outwork.run(&["cancel", id]).success();

    rustix::process::kill_process(
        rustix::process::Pid::from_child(&running),
        rustix::process::Signal::TERM,
    )
    .expect("ours");
    assert!(running.wait().expect("ours").success());
    let workers = outwork.run(&["workers", "--json"]).success().text();
    assert!(!workers.contains("wkr_"), "it did not sign off: {workers}");
    outwork.end();
}

fn python_worker(outwork: &Outwork, home: &Path, more: &[&str]) -> std::process::Command {
    let mut command = crate::harness::clean("python3");
    command
        .args([PYTHON_WORKER, "--url", &outwork.url, "--token-file"])
        .arg(outwork.dir.path().join("data/worker.token"))
        .arg("--data-dir")
        .arg(home.join("worker"))
        .args(more)
        .stderr(std::process::Stdio::piped());
    command
}
