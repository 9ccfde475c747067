//! Workers that break one rule each, made from the small worker in Python: the check that is there for the rule has to fail.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use outwork_conformance::check::{self, Outcome};
use outwork_conformance::worker::{self, Scene, Template};

const WORKER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/worker.py");

/// What stands in the worker and what stands there instead, and who finds it.
const MUTANTS: &[(&[(&str, &str)], &str)] = &[
    // It says nothing of how it isolates.
    (
        &[(r#""isolation": "none""#, r#""isolation": """#)],
        "registers",
    ),
    // It is another worker after each restart.
    (&[("if known.exists():", "if False:")], "keeps_its_id"),
    // It takes one more than it has slots.
    (
        &[(
            r#"self.orders.get("slots", self.options.slots) - len(self.runs)"#,
            r#"self.orders.get("slots", self.options.slots) + 1 - len(self.runs)"#,
        )],
        "keeps_to_its_slots",
    ),
    // It keeps what it was given too much.
    (
        &[("if self.ending or index >= free:", "if self.ending:")],
        "gives_surplus_back",
    ),
    // It asks again at once.
    (
        &[(
            "            except (Away, Refused):\n                time.sleep(pause)\n                pause = min(2 * pause, 5)",
            "            except (Away, Refused):\n                pass",
        )],
        "does_not_storm",
    ),
    // It takes every message for an interrupt.
    (
        &[(
            r#"if message["kind"] == "interrupt":"#,
            r#"if message["kind"] != "steer":"#,
        )],
        "passes_over_what_it_does_not_know",
    ),
    // Its events are numbered from 0.
    (
        &[(
            r#""first_seq": first + 1, "events""#,
            r#""first_seq": first, "events""#,
        )],
        "numbers_its_events",
    ),
    // What got no answer is not sent again.
    (
        &[(
            "            except Away:\n                pass\n            except Refused as refused:\n                if refused.code",
            "            except Away:\n                del self.events[first:first + len(events)]\n            except Refused as refused:\n                if refused.code",
        )],
        "repeats_events_after_errors",
    ),
    // What got no answer is sent again under new numbers.
    (
        &[(
            "            except Away:\n                pass\n            except Refused as refused:\n                if refused.code",
            "            except Away:\n                self.acknowledged = first + len(events)\n                self.events[self.acknowledged:self.acknowledged] = events\n            except Refused as refused:\n                if refused.code",
        )],
        "repeats_events_after_lost_answers",
    ),
    // It does not look at what was acknowledged.
    (
        &[
            (
                r#"self.acknowledged = max(first, answer["acknowledged_seq"])"#,
                "self.acknowledged = first + len(events)",
            ),
            ("self.acknowledged = 0  # from", "pass  # from"),
        ],
        "repeats_events_that_were_not_acknowledged",
    ),
    // A gap is sent again and again.
    (
        &[("self.acknowledged = 0  # from", "pass  # from")],
        "fills_gaps",
    ),
    // The end does not wait for what comes before it.
    (
        &[(
            "first, end = self.acknowledged, control[0] if control else len(self.events)\n                events = self.events",
            "first, end = self.acknowledged, control[0] if control else len(self.events)\n                events = [] if control else self.events",
        )],
        "finishes_last",
    ),
    // The end is said once, whether it was heard or not.
    (
        &[(
            r#"                    answer = self.verb(method, path, body, **query)
                    self.controls.pop(0)"#,
            r#"                    self.controls.pop(0)
                    answer = self.verb(method, path, body, **query)"#,
        )],
        "repeats_its_finish",
    ),
    // Heartbeats are rare.
    (
        &[(
            r#"answer["heartbeat_interval_ms"] / 1000"#,
            r#"answer["heartbeat_interval_ms"] / 200"#,
        )],
        "renews_in_time",
    ),
    // A claim that is lost is finished all the same.
    (
        &[
            (r#"elif self.wish != "abandon":"#, "else:"),
            (
                " or self.wish == \"abandon\")\n                if self.wish == \"abandon\":\n                    return\n",
                ")\n",
            ),
        ],
        "stops_what_is_abandoned",
    ),
    // It does not mind being refused.
    (
        &[(
            "time.monotonic() - run.renewed_at >= run.lease * 2 / 3",
            "False",
        )],
        "stops_when_refused",
    ),
    // It stops when the server is away.
    (
        &[(
            "                pass  # agents go on: nothing that they do counts until the server takes it",
            r#"                [run.stop("abandon") for run in runs if time.monotonic() - run.renewed_at >= run.lease * 2 / 3]"#,
        )],
        "outlives_an_outage",
    ),
    // Agents outlive it.
    (
        &[("read _; kill -9 -$0", "read _")],
        "leaves_nothing_when_killed",
    ),
    // A cancel is not heard.
    (
        &[(
            r#"if answer["desired"] in ("cancel", "abandon"):"#,
            r#"if answer["desired"] == "abandon":"#,
        )],
        "cancels_by_heartbeat",
    ),
    // A cancelled attempt is said to have failed.
    (
        &[(r#""cancel": {"result": "cancelled"}"#, "")],
        "cancels_by_answer",
    ),
    // Messages are not acknowledged.
    (
        &[(r#", "message_seq": run.message_seq}"#, "}")],
        "acknowledges_messages",
    ),
    // It asks though nobody answers.
    (
        &[(
            r#"if code == ASKS and given.get("interactive"):"#,
            "if code == ASKS:",
        )],
        "does_not_ask_when_nobody_answers",
    ),
    // New files are not in the diff.
    (
        &[(r#"ours("add", "-A", ".")"#, r#"ours("add", "-u", ".")"#)],
        "makes_an_exact_diff",
    ),
    // Binary files are not in the diff.
    (
        &[(
            r#"ours(*changes, "--binary", "--full-index")"#,
            "ours(*changes)",
        )],
        "makes_an_exact_diff",
    ),
    // The diff is made with the agent's own git.
    (
        &[(
            r#"ours = lambda *arguments: git(self.git, "-C""#,
            r#"ours = lambda *arguments: git(self.tree / ".git", "-C""#,
        )],
        "does_not_believe_the_agents_git",
    ),
    // Lines are counted twice.
    (
        &[(
            r#""lines_added": total(0)"#,
            r#""lines_added": 2 * total(0)"#,
        )],
        "says_how_large_it_is",
    ),
    // The person's changes are handed in as the agent's.
    (
        &[(
            r#"            if starting:
                git(self.git, "apply""#,
            r#"            if False:
                git(self.git, "apply""#,
        )],
        "starts_from_both_diffs",
    ),
    // Who fails has no diff.
    (
        &[(
            "for patch, size in [repository.diff() for repository in self.repositories]:",
            r#"for patch, size in [] if outcome["result"] == "failed" else [repository.diff() for repository in self.repositories]:"#,
        )],
        "hands_in_what_a_failed_agent_did",
    ),
    // What the agent left running is left.
    (
        &[
            (
                "        self.kill()  # what it left running\n",
                "        agent.pid = 2**22 + 1\n",
            ),
            ("        watchdog.communicate()\n", ""),
        ],
        "leaves_no_process_behind",
    ),
    // Secrets are variables.
    (
        &[(
            r#"**given.get("variables", {}), "HOME": home,"#,
            r#"**given.get("variables", {}), **{one["name"]: one["value"] for one in given.get("secrets", [])}, "HOME": home,"#,
        )],
        "gives_variables_and_no_secrets",
    ),
    // After SIGTERM it asks for more.
    (
        &[("if drains or free <= 0:", "if free <= 0:")],
        "takes_nothing_more_and_ends_what_runs",
    ),
    // What lasts is not given back.
    (
        &[(
            r#"                self.verb("POST", "/release", {"epoch": self.epoch})"#,
            "                pass",
        )],
        "gives_back_what_lasts",
    ),
    // It leaves without a word.
    (
        &[(
            r#"            self.server.call("POST", "/deregister", {"worker": self.id}, timeout=5)"#,
            "            pass",
        )],
        "signs_off",
    ),
    // A claim that is lost runs on, unheard.
    (
        &[(
            "return self.stop(\"abandon\")  # stale",
            "return None  # stale",
        )],
        "stops_after_stale_lease",
    ),
    // It ends its stream at what it does not know.
    (
        &[(
            "elif (name, kind) == (b\"data\", b\"command\"):",
            "elif name == b\"data\":",
        )],
        "cancels_by_stream",
    ),
    // An interrupt stops nothing.
    (
        &[("self.stop(\"interrupt\")", "pass")],
        "ends_its_turn_when_interrupted",
    ),
    // The question is all that was said.
    (&[(r#".split("\n\n")[-1]"#, "")], "asks"),
    // Time is no limit.
    (
        &[(
            r#"self.limits["running_ms"] / 1000, self.stop"#,
            r#"self.limits["running_ms"], self.stop"#,
        )],
        "keeps_the_time_limit",
    ),
    // A checkpoint names what was not uploaded.
    (
        &[(
            r#""/objects/checkpoint_diff""#,
            r#""/objects/checkpoint_session""#,
        )],
        "saves_what_was_done",
    ),
];

/// What came of that check for a worker whose text is `text`.
async fn outcome(text: &str, id: &str) -> Outcome {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("worker.py");
    fs::write(&path, text).expect("a file");
    let path = path.display().to_string();
    let words = [
        "python3",
        &path,
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
    ];
    let words = words.into_iter().map(str::to_owned).collect();
    let scene = Scene {
        template: Template::new(words).expect("a command"),
        listen: ([127, 0, 0, 1], 0).into(),
        lease: Duration::from_secs(3),
        patience: Duration::from_secs(20),
    };
    let checks = worker::checks()
        .into_iter()
        .filter(|check| check.id == id)
        .collect();
    let mut done = check::run(Arc::new(scene), checks, 1, |_| {}).await;
    assert_eq!(done.len(), 1, "there is one check `{id}`");
    done.remove(0).outcome
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_broken_rule_is_found_by_its_check() {
    let text = fs::read_to_string(Path::new(WORKER)).expect("the worker");
    let mut missed = Vec::new();
    let mutants = MUTANTS.iter().map(|(edits, id)| {
        let mut text = text.clone();
        for (from, to) in *edits {
            assert_eq!(
                text.matches(from).count(),
                1,
                "{from:?} is in the worker once"
            );
            text = text.replace(from, to);
        }
        async move { (edits, *id, outcome(&text, id).await) }
    });
    let mut running =
        futures_util::StreamExt::buffer_unordered(futures_util::stream::iter(mutants), 4);
    while let Some((edits, id, outcome)) = futures_util::StreamExt::next(&mut running).await {
        if !matches!(outcome, Outcome::Failed(_)) {
            missed.push(format!("{id} was {outcome:?} with {edits:?}"));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}
