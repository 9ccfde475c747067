//! The phases of an attempt: what setup leaves, what maintenance renews, what the agent finds, and
//! what is said when a script fails.

use crate::harness::{By, Engine, Hold, Outwork, Repository, by_both, on_both_stores};

by_both!(
    every_agent_finds_what_one_setup_left,
    maintenance_renews_what_others_set_up,
);

on_both_stores!(
    a_script_that_fails_says_where_to_mend_it,
    a_follow_up_sets_up_anew_where_nothing_is_kept,
    a_follow_up_whose_setup_fails_loses_nothing,
);

fn id(task: &serde_json::Value) -> &str {
    task["id"].as_str().expect("an id")
}

const SETUP: &str = r#"
    echo "setup by $(id -u) at $PWD" >> ~/times
    mkdir -p ~/.tool /opt/app /var/lib/app /usr/local/lib/app modules/dep
    for place in ~/.tool /opt/app /var/lib/app /usr/local/lib/app modules/dep; do
        echo "$place" | sed s,/home/agent,HOME, > $place/left
    done
    echo etc > /etc/app.conf
    printf '#!/bin/sh\necho tool\n' > /usr/local/bin/tool
    chmod +x /usr/local/bin/tool
"#;

/// What an agent finds, and that it is at home.
const LOOK: &str = r#"
    echo "agent $(id -u) $(id -un) at $PWD"
    cat ~/times ~/.tool/left /opt/app/left /var/lib/app/left /usr/local/lib/app/left modules/dep/left /etc/app.conf
    tool
    for place in / /usr /usr/bin /usr/local /usr/local/bin /opt/app /var/lib/app /etc; do
        { touch $place/mine; } 2> /dev/null && echo "can write $place"
    done
    { echo mine >> /usr/local/bin/tool; } 2> /dev/null && echo "can write a tool"
    find . ~ ! -user agent
    touch ~/mine modules/dep/mine ~/.tool/mine && rm modules/dep/left && mv ~/times ~/times.old
    echo "agent $OUTWORK_ATTEMPT" > result
"#;

const FOUND: &str = "agent 1000 agent at /workspace/REPOSITORY
setup by 0 at /workspace/REPOSITORY
HOME/.tool
/opt/app
/var/lib/app
/usr/local/lib/app
modules/dep
etc
tool
";

/// A worker without rights has one id for all files inside. What its agent changes there is only its
/// own all the same: the next one finds what this one found.
const OWN_LAYER: &str = "can write /
can write /usr/local
can write /usr/local/bin
can write /opt/app
can write /var/lib/app
can write /etc
can write a tool
";

fn every_agent_finds_what_one_setup_left(by: By) {
    let outwork = Outwork::run_by(by, &[]);
    let repository = Repository::with(&[("a", "1\n"), (".gitignore", "modules\n")]);
    let setup = outwork.file(SETUP);
    let more = ["--agent-command", LOOK, "--setup", &setup];
    outwork.environment("demo", &repository, &more);
    let mut found = FOUND.replace("REPOSITORY", repository.name());
    if by == By::Ordinary {
        found += OWN_LAYER;
    }
    for number in 1..=3 {
        let task = outwork.exec("demo", "look", &[]);
        let log = outwork.log(id(&task));
        assert_eq!(task["outcome"], "succeeded", "{log:#?}");
        assert_eq!(log.output(), found, "task {number}");
        let (states, steps): (&[&str], &[&str]) = match number {
            1 => (
                &["building", "built"],
                &["checkout", "setup", "agent", "diff"],
            ),
            _ => (&["cached"], &["checkout", "agent", "diff"]),
        };
        assert_eq!(log.snapshots(), states);
        assert_eq!(log.step_names(), steps);
        // What it changed in what setup left is its work only where git looks.
        let diff = String::from_utf8(outwork.diff(id(&task), &[])).expect("text");
        assert!(diff.ends_with("@@ -0,0 +1 @@\n+agent 1\n"), "{diff}");
        assert_eq!(diff.matches("diff --git").count(), 1, "{diff}");
    }
    outwork.end();
}

const MAINTENANCE: &str = r#"
    echo "maintenance by $(id -u) on $(cat a)" | tee -a ~/times
    echo "${TOKEN:0:4} $VAR ${HTTPS_PROXY:+proxy} ${http_proxy:+proxy}"
    touch fresh; mkdir -p modules; echo renewed > modules/left
    echo "${TOKEN:+changed}" > a; rm b; chmod +x c
"#;

const AGENT: &str = r#"
    cat ~/times; cat a b modules/left; test -x c && echo executable
    echo "${TOKEN-no token} $VAR ${HTTPS_PROXY-no proxy}"
    git status --porcelain
    echo done > result
"#;

fn maintenance_renews_what_others_set_up(by: By) {
    let outwork = Outwork::run_by(by, &[]);
    let files = [
        ("a", "main\n"),
        ("b", "b\n"),
        ("c", "c\n"),
        (".gitignore", "modules\n"),
    ];
    let repository = Repository::with(&files);
    repository.git(&["checkout", "-q", "-b", "other"]);
    repository.commit("other", &[("a", "other\n")]);
    repository.git(&["checkout", "-q", "main"]);
    let setup = outwork.file("echo setup > ~/times; mkdir modules; echo set up > modules/left");
    let maintenance = outwork.file(MAINTENANCE);
    let token = outwork.file("tokenvalue");
    let token = format!("TOKEN=@{token}");
    let more = [
        "--agent-command",
        AGENT,
        "--setup",
        &setup,
        "--maintenance",
        &maintenance,
        "--secret",
        &token,
        "--var",
        "VAR=variable",
    ];
    outwork.environment("demo", &repository, &more);
    let agent = "no token variable no proxy\n";

    // Its setup ran a moment ago: there is nothing to renew.
    let task = outwork.exec("demo", "first", &[]);
    let log = outwork.log(id(&task));
    assert_eq!(task["outcome"], "succeeded", "{log:#?}");
    let expected = format!("setup\nmain\nb\nset up\n{agent}");
    assert_eq!(log.output(), expected);
    assert_eq!(log.step_names(), ["checkout", "setup", "agent", "diff"]);

    for (branch, warned) in [("main", "a, b, c"), ("other", "a, b, c")] {
        let task = outwork.exec("demo", "again", &["--branch", branch]);
        let log = outwork.log(id(&task));
        assert_eq!(task["outcome"], "succeeded", "{log:#?}");
        let renewed = format!("maintenance by 0 on {branch}\n");
        // The first letters of a masked value are not the value.
        let expected = format!(
            "{renewed}toke variable proxy proxy\nsetup\n{renewed}{branch}\nb\nrenewed\n{agent}?? fresh\n"
        );
        assert_eq!(log.output(), expected);
        assert_eq!(log.snapshots(), ["cached"]);
        assert_eq!(
            log.step_names(),
            ["checkout", "maintenance", "agent", "diff"]
        );
        let warning = format!(
            "The maintenance script changed files that the repository tracks; they were put back: {warned}."
        );
        assert_eq!(log.warnings(), [warning]);
        let diff = String::from_utf8(outwork.diff(id(&task), &[])).expect("text");
        assert!(diff.ends_with("+done\n"), "{diff}");
        assert_eq!(diff.matches("diff --git").count(), 1, "{diff}");
    }
    outwork.end();
}

/// Runs a task that fails; its failure's code, the first line of its message, its hint.
#[track_caller]
fn failure(outwork: &Outwork, environment: &str) -> (String, String, String) {
    let task = outwork.exec(environment, "go", &[]);
    assert_eq!(task["status"], "failed", "{task:#}");
    let failure = outwork.failure(id(&task), 1);
    let text = |field: &str| failure[field].as_str().unwrap_or_default().to_owned();
    let first = text("message")
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned();
    (text("code"), first, text("hint"))
}

fn a_script_that_fails_says_where_to_mend_it(engine: Engine) {
    let outwork = Outwork::up(engine);
    let repository = Repository::with(&[("a", "1\n")]);
    let script = outwork.file("echo begun\nno-such-tool --install\necho never\n");
    let more = ["--agent-command", "true", "--setup", &script];
    outwork.environment("my demo", &repository, &more);
    let (code, message, hint) = failure(&outwork, "my demo");
    assert_eq!(code, "setup_failed");
    assert_eq!(
        message,
        "The setup script failed with exit code 127: /outwork/script.sh: line 2: no-such-tool: command not found"
    );
    assert!(
        hint.contains("`outwork env edit 'my demo' --setup FILE`"),
        "{hint}"
    );
    // What people see without asking for more.
    let shown = outwork
        .run(&["exec", "--env", "my demo", "--wait", "again"])
        .code(1);
    assert!(
        shown.stderr.contains("no-such-tool: command not found"),
        "{}",
        shown.stderr
    );
    assert!(
        shown.stderr.contains("outwork env edit"),
        "{}",
        shown.stderr
    );

    let script = outwork.file("echo begun; sleep 3131.5");
    let edit = [
        "env",
        "edit",
        "my demo",
        "--setup",
        &script,
        "--setup-timeout",
        "1s",
    ];
    outwork.run(&edit).success();
    let (code, message, hint) = failure(&outwork, "my demo");
    assert_eq!(code, "timed_out");
    assert_eq!(message, "The setup script took longer than 1 s.");
    assert!(hint.contains("time limit"), "{hint}");
    assert_eq!(
        crate::harness::processes_with("3131.5"),
        Vec::<String>::new()
    );

    let good = outwork.file("true");
    let script = outwork.file("echo begun; echo 'error: no disk' >&2; exit 3");
    let edit = [
        "env",
        "edit",
        "my demo",
        "--setup",
        &good,
        "--maintenance",
        &script,
    ];
    outwork.run(&edit).success();
    outwork
        .run(&["env", "edit", "my demo", "--setup-timeout", "1m"])
        .success();
    let task = outwork.exec("my demo", "build", &[]);
    assert_eq!(task["outcome"], "succeeded", "{task:#}");
    let (code, message, hint) = failure(&outwork, "my demo");
    assert_eq!(code, "maintenance_failed");
    assert_eq!(
        message,
        "The maintenance script failed with exit code 3: error: no disk"
    );
    assert!(
        hint.contains("`outwork env edit 'my demo' --maintenance FILE`"),
        "{hint}"
    );
    outwork.end();
}

const NOTES: &str = r#"echo "turn $OUTWORK_TURN" >> notes; cat ~/tool >> notes"#;

fn a_follow_up_sets_up_anew_where_nothing_is_kept(engine: Engine) {
    let outwork = Outwork::start("server", engine, &[]);
    let repository = Repository::with(&[("a", "1\n")]);
    let script = outwork.file("echo tool > ~/tool; echo untracked > left");
    let more = ["--agent-command", NOTES, "--setup", &script];
    outwork.environment("demo", &repository, &more);
    let mut first = outwork.worker("first");
    let task = outwork.exec("demo", "first", &[]);
    assert_eq!(task["outcome"], "succeeded", "{task:#}\n{}", first.log());
    assert!(first.terminate().success(), "{}", first.log());
    first.kept().assert_idle();
    let mut second = outwork.worker("second");
    let follow = ["follow-up", id(&task), "second", "--wait", "--json"];
    let task = outwork.run(&follow).success().last_json();
    assert_eq!(outwork.log(id(&task)).snapshots(), ["building", "built"]);
    let diff = String::from_utf8(outwork.diff(id(&task), &[])).expect("text");
    assert!(diff.ends_with("+turn 1\n+tool\n+turn 2\n+tool\n"), "{diff}");
    assert_eq!(diff.matches("diff --git").count(), 1, "{diff}");
    assert!(second.terminate().success(), "{}", second.log());
    second.kept().assert_idle();
}

fn a_follow_up_whose_setup_fails_loses_nothing(engine: Engine) {
    let outwork = Outwork::up(engine);
    let repository = Repository::with(&[("a", "1\n")]);
    let script = outwork.file("echo tool > ~/tool");
    let more = ["--agent-command", NOTES, "--setup", &script];
    outwork.environment("demo", &repository, &more);
    let task = outwork.exec("demo", "first", &[]);
    let id = id(&task);
    let diff = |turn: &str| String::from_utf8(outwork.diff(id, &["--turn", turn])).expect("text");

    let broken = outwork.file("exit 9");
    outwork
        .run(&["env", "edit", "demo", "--setup", &broken])
        .success();
    outwork
        .run(&["follow-up", id, "second", "--wait", "--json"])
        .code(1);
    assert_eq!(outwork.failure(id, 2)["code"], "setup_failed");
    assert_eq!(diff("2"), diff("1"));

    outwork
        .run(&["env", "edit", "demo", "--setup", &script])
        .success();
    let follow = ["follow-up", id, "third", "--wait", "--json"];
    outwork.run(&follow).success();
    assert!(
        diff("3").ends_with("+turn 1\n+tool\n+turn 3\n+tool\n"),
        "{}",
        diff("3")
    );

    // Cancelled before its agent began.
    let hold = Hold::new();
    let waiting = outwork.file(&hold.command());
    outwork
        .run(&["env", "edit", "demo", "--setup", &waiting])
        .success();
    outwork
        .run(&["follow-up", id, "fourth", "--json"])
        .success();
    hold.reached(1);
    outwork.run(&["cancel", id]).success();
    outwork.ended(id);
    hold.reached(0);
    assert_eq!(diff("4"), diff("3"));
    outwork.end();
}
