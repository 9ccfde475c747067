//! Workers come and go: enrolled, restarted, revoked, drained, retired, and with other slots.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::harness::{Engine, Hold, Outwork, Repository, on_both_stores, until};

on_both_stores!(
    a_worker_enrols_once_restarts_and_is_revoked,
    a_drain_hands_over_at_its_deadline,
    a_retired_worker_hands_in_and_ends,
    slots_are_set_without_a_restart,
);

fn shown(outwork: &Outwork, name: &str) -> Option<Value> {
    let listed = outwork.run(&["workers", "--json"]).success().json();
    let workers = listed["workers"].as_array().expect("a list").clone();
    workers.into_iter().find(|worker| worker["name"] == name)
}

fn shown_until(outwork: &Outwork, name: &str, holds: impl Fn(&Value) -> bool) -> Value {
    until("the worker is shown so", || {
        shown(outwork, name).filter(|worker| holds(worker))
    })
}

fn attempt(task: &Value) -> &Value {
    &task["turns"][0]["attempts"][0]
}

/// The flags with which a worker enrols.
fn enrolment(outwork: &Outwork) -> String {
    let token = outwork.run(&["workers", "enrol"]).success().text();
    assert!(
        token.starts_with("ow_e") && token.lines().count() == 1,
        "{token}"
    );
    outwork.file(&token)
}

fn a_worker_enrols_once_restarts_and_is_revoked(engine: Engine) {
    let outwork = Outwork::start("server", engine, &[]);
    let repository = Repository::with(&[("a", "1\n")]);
    let hold = Hold::new();
    let agent = format!("{}; cat >> a", hold.command());
    outwork.command_environment("demo", &repository, &agent);
    let token = enrolment(&outwork);
    let flags = ["--enrolment-token-file", token.as_str()];
    let mut own = outwork.own_worker("own", &flags);
    let first = shown_until(&outwork, "own", |worker| worker["state"] == "online");
    assert_eq!(
        (&first["enrolled"], &first["slots"]),
        (&true.into(), &4.into())
    );
    assert_eq!(first["version"], env!("CARGO_PKG_VERSION"));
    let kept = outwork.dir.path().join("own/worker/token");
    let mode = fs::metadata(&kept)
        .expect("it is kept")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(own.terminate().success(), "{}", own.log());

    // The token that it enrolled with is used up, and not needed any more.
    let mut own = outwork.own_worker("own", &flags);
    let again = shown_until(&outwork, "own", |worker| worker["state"] == "online");
    assert_eq!(first["id"], again["id"]);
    let used = outwork.run(&["workers", "tokens"]).success().text();
    assert!(
        used.contains("used 1/1") && used.contains("valid"),
        "{used}"
    );

    let id = outwork.submit("demo", "moved", &[]);
    hold.reached(1);
    let _other = outwork.worker("other");
    outwork.run(&["workers", "revoke", "other"]).code(1);
    outwork.run(&["workers", "revoke", "own"]).success();
    let ended = own.ended();
    assert_eq!(ended.code(), Some(4), "{}", own.log());
    assert!(
        own.log().contains("the worker's token was revoked"),
        "{}",
        own.log()
    );
    own.kept().assert_idle();
    // The other one has it now.
    hold.reached(1);
    hold.release();
    let task = outwork.ended(&id);
    assert_eq!(task["outcome"], "succeeded", "{task:#}");
    assert_eq!(attempt(&task)["tries"], 1, "{task:#}");
    assert!(shown(&outwork, "own").is_none());
    let tokens = outwork.run(&["workers", "tokens"]).success().text();
    assert!(tokens.contains("revoked"), "{tokens}");
}

fn a_drain_hands_over_at_its_deadline(engine: Engine) {
    let outwork = Outwork::start("server", engine, &[]);
    let repository = Repository::with(&[("a", "1\n")]);
    let hold = Hold::new();
    let agent = format!(
        "if grep -q half a; then cat $OUTWORK_SESSION_DIR/n >> a; exit; fi; \
         echo half >> a; echo remembered > $OUTWORK_SESSION_DIR/n; {}; echo never >> a",
        hold.command()
    );
    outwork.command_environment("demo", &repository, &agent);
    let mut first = outwork.worker("first");
    let id = outwork.submit("demo", "go on", &[]);
    hold.reached(1);
    outwork.run(&["workers", "drain", "first"]).success();
    shown_until(&outwork, "first", |worker| {
        worker["state"] == "draining" && worker["free_slots"] == 0
    });
    let waits = outwork.submit("demo", "waits", &[]);
    outwork
        .run(&["workers", "drain", "first", "--deadline", "1s"])
        .success();
    shown_until(&outwork, "first", |worker| worker["state"] == "drained");
    let events = outwork.events(&id, 1);
    let saved = events.iter().any(|event| event["type"] == "checkpoint");
    assert!(saved, "{events:#?}\n{}", first.log());
    assert_eq!(attempt(&outwork.task(&id))["state"], "queued");

    let mut second = outwork.worker("second");
    let task = outwork.ended(&id);
    assert_eq!(task["outcome"], "succeeded", "{task:#}\n{}", second.log());
    assert_eq!(attempt(&task)["tries"], 1, "{task:#}");
    let diff = String::from_utf8(outwork.diff(&id, &[])).expect("a text");
    assert!(diff.contains("+half\n+remembered\n"), "{diff}");
    hold.reached(1);
    // The first takes up what the second hands over.
    outwork.run(&["workers", "undrain", "first"]).success();
    assert!(second.terminate().success(), "{}", second.log());
    let task = outwork.ended(&waits);
    assert_eq!(task["outcome"], "succeeded", "{task:#}\n{}", first.log());
    assert_eq!(attempt(&task)["tries"], 1, "{task:#}");
    assert!(first.terminate().success(), "{}", first.log());
    first.kept().assert_idle();
}

fn a_retired_worker_hands_in_and_ends(engine: Engine) {
    let outwork = Outwork::start("server", engine, &[]);
    let repository = Repository::with(&[("a", "1\n")]);
    let hold = Hold::new();
    let agent = format!("{}; cat >> a", hold.command());
    outwork.command_environment("demo", &repository, &agent);
    let token = enrolment(&outwork);
    let flags = ["--enrolment-token-file", token.as_str()];
    let mut own = outwork.own_worker("own", &flags);
    let id = outwork.submit("demo", "last", &[]);
    hold.reached(1);
    outwork.run(&["workers", "retire", "own"]).success();
    shown_until(&outwork, "own", |worker| worker["state"] == "draining");
    let shown_to_people = outwork.run(&["workers"]).success().text();
    assert!(
        shown_to_people.contains("draining, retiring"),
        "{shown_to_people}"
    );
    hold.release();
    assert!(own.ended().success(), "{}", own.log());
    assert_eq!(outwork.ended(&id)["outcome"], "succeeded");
    own.kept().assert_idle();
    assert!(shown(&outwork, "own").is_none());
    let tokens = outwork
        .run(&["workers", "tokens", "--json"])
        .success()
        .json();
    assert!(
        tokens["worker_tokens"][0]["revoked_at"].is_string(),
        "{tokens:#}"
    );

    // One whose machine is gone.
    let mut gone = outwork.worker("gone");
    let id = outwork.submit("demo", "left behind", &[]);
    hold.reached(1);
    gone.kill();
    outwork
        .run(&["workers", "retire", "gone", "--force"])
        .success();
    assert_eq!(attempt(&outwork.task(&id))["state"], "queued");
    assert!(shown(&outwork, "gone").is_none());
}

fn slots_are_set_without_a_restart(engine: Engine) {
    let outwork = Outwork::start("server", engine, &[]);
    let repository = Repository::with(&[("a", "1\n")]);
    let hold = Hold::new();
    let agent = format!("{}; cat >> a", hold.command());
    outwork.command_environment("demo", &repository, &agent);
    let mut worker = outwork.worker_with("one", &["--slots", "1"]);
    let tasks = ["a", "b"].map(|prompt| outwork.submit("demo", prompt, &[]));
    hold.reached(1);
    outwork.run(&["workers", "set-slots", "one", "2"]).success();
    hold.reached(2);
    outwork.run(&["workers", "set-slots", "one", "1"]).success();
    let now = shown_until(&outwork, "one", |worker| worker["slots"] == 1);
    assert_eq!(now["attempts"].as_array().map(Vec::len), Some(2), "{now:#}");
    hold.release();
    for task in &tasks {
        assert_eq!(outwork.ended(task)["outcome"], "succeeded");
    }
    outwork
        .run(&["workers", "set-slots", "one", "--reset"])
        .success();
    shown_until(&outwork, "one", |worker| {
        worker["slots"] == 1 && worker["desired_slots"].is_null()
    });
    assert!(worker.terminate().success(), "{}", worker.log());
}
