//! Every command, with arguments that are right.

use std::collections::BTreeSet;
use std::process::Command;

use clap::Subcommand;
use outwork_cli::ClientCommand;

pub const TASK: &str = "task_0192c3f0a1b27def8123456789abcdef";
const COMMENT: &str = "com_0192c3f0a1b27def8123456789abcde2";
const SCHEDULE: &str = "sch_0192c3f0a1b27def8123456789abcde3";
const ENVIRONMENT: &str = "env_0192c3f0a1b27def8123456789abcde1";

const WEBHOOK: &[&str] = &[
    "--secret-file",
    "token",
    "--id",
    "evt_1",
    "--timestamp",
    "1",
    "--signature",
    "v1,AAAA",
];

/// What a command has to do with the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Talk {
    /// It asks, and needs the answer.
    Reads,
    /// It asks for something to be done; that the answer says yes is enough.
    Tells,
    /// It asks, and says what came of it as its result.
    Reports,
    /// It asks nothing.
    Never,
}

/// One way of calling a command.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its words, as in the command line.
    pub path: &'static str,
    pub arguments: &'static [&'static str],
    pub talk: Talk,
}

const fn row(path: &'static str, arguments: &'static [&'static str], talk: Talk) -> Row {
    Row {
        path,
        arguments,
        talk,
    }
}

/// At least one row for each command that there is; `every_command_has_a_row` says which one is missing.
pub const ROWS: &[Row] = &[
    row("exec", &["--env", ENVIRONMENT, "fix it"], Talk::Reads),
    row(
        "exec",
        &["--env", ENVIRONMENT, "--wait", "fix it"],
        Talk::Reads,
    ),
    row("list", &[], Talk::Reads),
    row("list", &["--env", "demo"], Talk::Reads),
    row("status", &[TASK], Talk::Reads),
    row("status", &["cdef"], Talk::Reads),
    row("log", &[TASK], Talk::Reads),
    row("log", &["--follow", TASK], Talk::Reads),
    row("diff", &[TASK], Talk::Reads),
    row("diff", &["--list", TASK], Talk::Reads),
    row("apply", &[TASK], Talk::Reads),
    row("pr", &[TASK, "--timeout", "1s"], Talk::Reads),
    row("comment", &[TASK, "a.rs:1", "why"], Talk::Reads),
    row("comments", &[TASK], Talk::Reads),
    row("comments resolve", &[COMMENT], Talk::Reads),
    row("comments edit", &[COMMENT, "why"], Talk::Reads),
    row("comments remove", &[COMMENT], Talk::Tells),
    row("approve", &[TASK], Talk::Reads),
    row("open", &[TASK], Talk::Reads),
    row("follow-up", &[TASK, "more"], Talk::Reads),
    row("answer", &[TASK, "yes"], Talk::Reads),
    row("steer", &[TASK, "faster"], Talk::Reads),
    row("interrupt", &[TASK], Talk::Reads),
    row("retry", &[TASK], Talk::Reads),
    row("compose", &[TASK, "--take", "1"], Talk::Reads),
    row("compose", &[TASK, "--list"], Talk::Reads),
    row("cancel", &[TASK], Talk::Reads),
    row("choose", &[TASK, "--attempt", "1"], Talk::Reads),
    row("conflicts", &[TASK], Talk::Reads),
    row(
        "conflicts",
        &["--merge", TASK, "task_0192c3f0a1b27def8123456789abcd00"],
        Talk::Reads,
    ),
    row(
        "session export",
        &[TASK, "--output", "rollout"],
        Talk::Reads,
    ),
    row("env init", &["--yes", "--no-check"], Talk::Reads),
    row(
        "env create",
        &["demo", "--repo", "https://h/x"],
        Talk::Reads,
    ),
    row("env list", &[], Talk::Reads),
    row("env show", &[ENVIRONMENT], Talk::Reads),
    row("env edit", &[ENVIRONMENT, "--timeout", "1h"], Talk::Reads),
    row("env rm", &[ENVIRONMENT], Talk::Reads),
    row("env sync", &["--yes", ENVIRONMENT], Talk::Reads),
    row(
        "env secret set",
        &[ENVIRONMENT, "NAME", "--from-file", "token"],
        Talk::Reads,
    ),
    row("env secret list", &[ENVIRONMENT], Talk::Reads),
    row("env secret rm", &[ENVIRONMENT, "demo"], Talk::Reads),
    row("env cache list", &[], Talk::Reads),
    row("env cache reset", &[ENVIRONMENT, "--yes"], Talk::Reads),
    row(
        "credential set",
        &["h/team", "--token-file", "token"],
        Talk::Reads,
    ),
    row("credential list", &[], Talk::Reads),
    row("credential rm", &["demo"], Talk::Reads),
    row(
        "model set",
        &["--base-url", "http://h", "--name", "m", "--no-key"],
        Talk::Reads,
    ),
    row("model show", &[], Talk::Reads),
    row("model rm", &[], Talk::Tells),
    row(
        "schedule add",
        &["@daily", "--env", ENVIRONMENT, "tidy up"],
        Talk::Reads,
    ),
    row("schedule list", &[], Talk::Reads),
    row("schedule show", &[SCHEDULE], Talk::Reads),
    row("schedule edit", &[SCHEDULE, "--pr"], Talk::Reads),
    row("schedule pause", &[SCHEDULE], Talk::Reads),
    row("schedule resume", &[SCHEDULE], Talk::Reads),
    row("schedule run", &[SCHEDULE], Talk::Reads),
    row("schedule remove", &[SCHEDULE], Talk::Tells),
    row("schedule history", &[SCHEDULE], Talk::Reads),
    row("audit", &[], Talk::Reads),
    row("usage", &[], Talk::Reads),
    row("workers", &[], Talk::Reads),
    row("workers enrol", &[], Talk::Reads),
    row("workers tokens", &[], Talk::Reads),
    row("workers revoke", &["demo"], Talk::Reads),
    row("workers drain", &["demo"], Talk::Reads),
    row("workers undrain", &["demo"], Talk::Reads),
    row("workers retire", &["demo"], Talk::Reads),
    row("workers set-slots", &["demo", "2"], Talk::Reads),
    row("member list", &[], Talk::Reads),
    row("member add", &["ada", "--role", "viewer"], Talk::Reads),
    row("member set", &["demo", "--role", "member"], Talk::Reads),
    row("member remove", &["demo"], Talk::Reads),
    row("token create", &["laptop"], Talk::Reads),
    row("token list", &[], Talk::Reads),
    row(
        "token revoke",
        &["tok_0192c3f0a1b27def8123456789abcd01"],
        Talk::Tells,
    ),
    row(
        "integration add github",
        &[
            "hub",
            "--webhook-secret-file",
            "token",
            "--token-file",
            "token",
        ],
        Talk::Reads,
    ),
    row(
        "integration add gitlab",
        &[
            "lab",
            "--webhook-secret-file",
            "token",
            "--token-file",
            "token",
        ],
        Talk::Reads,
    ),
    row(
        "integration add gitea",
        &[
            "tea",
            "--webhook-secret-file",
            "token",
            "--token-file",
            "token",
        ],
        Talk::Reads,
    ),
    row(
        "integration add slack",
        &[
            "chat",
            "--signing-secret-file",
            "token",
            "--bot-token-file",
            "token",
        ],
        Talk::Reads,
    ),
    row("integration list", &[], Talk::Reads),
    row("integration show", &["demo"], Talk::Reads),
    row("integration edit", &["demo", "--off"], Talk::Reads),
    row("integration remove", &["demo"], Talk::Reads),
    row("integration deliveries", &["demo"], Talk::Reads),
    row(
        "integration replay",
        &["demo", "job_0192c3f0a1b27def8123456789abcd01"],
        Talk::Reads,
    ),
    row("integration link", &["demo", "U1", "demo"], Talk::Reads),
    row("integration unlink", &["demo", "U1"], Talk::Reads),
    row("integration links", &["demo"], Talk::Reads),
    row("notify show", &[], Talk::Reads),
    row(
        "notify add",
        &[
            "--on",
            "failed",
            "--webhook",
            "whk_0192c3f0a1b27def8123456789abcd02",
        ],
        Talk::Reads,
    ),
    row("notify clear", &["--env", "demo"], Talk::Reads),
    row("notify quiet", &["--off"], Talk::Reads),
    row("webhook add", &["https://h/hook"], Talk::Reads),
    row("webhook list", &[], Talk::Reads),
    row("webhook show", &["demo"], Talk::Reads),
    row("webhook edit", &["demo", "--pause"], Talk::Reads),
    row("webhook remove", &["demo"], Talk::Reads),
    row("webhook deliveries", &["demo"], Talk::Reads),
    row("webhook replay", &["demo", "--since", "2h"], Talk::Reads),
    row("webhook test", &["demo"], Talk::Reads),
    row("webhook rotate", &["demo"], Talk::Reads),
    row("webhook verify", WEBHOOK, Talk::Never),
    row("login", &["--token", "ow_good"], Talk::Reads),
    row("login", &["--codex"], Talk::Reads),
    row("login", &["--approve", "CODE"], Talk::Tells),
    row("logout", &[], Talk::Never),
    row("logout", &["--codex", "--all"], Talk::Tells),
    row("context list", &[], Talk::Never),
    row("context use", &["demo"], Talk::Never),
    row("context rename", &["demo", "other"], Talk::Never),
    row("context rm", &["demo"], Talk::Never),
    row("codex", &["--", "cloud"], Talk::Never),
    row("shim install", &["--dir", "shims"], Talk::Never),
    row("shim uninstall", &["--dir", "shims"], Talk::Never),
    row("shim run", &["cloud", "list"], Talk::Reads),
    row("doctor", &[], Talk::Reports),
    row("completion", &["bash"], Talk::Never),
    row("man", &["pages"], Talk::Never),
    row("cloud", &[], Talk::Never),
    row("cloud exec", &["--env", ENVIRONMENT, "fix it"], Talk::Reads),
    row("cloud list", &[], Talk::Reads),
    row("cloud status", &[TASK], Talk::Reads),
    row("cloud diff", &[TASK], Talk::Reads),
    row("cloud apply", &[TASK], Talk::Reads),
    row("exit-codes", &[], Talk::Never),
    // What stays up or works on data here: called so that it ends at once.
    row("up", &["--listen", "nonsense"], Talk::Never),
    row("run", &["--timeout", "nonsense", "fix it"], Talk::Never),
    row("server", &["--listen", "nonsense"], Talk::Never),
    row("worker", &["--slots", "none"], Talk::Never),
    row("agent install", &["nope"], Talk::Never),
    row("agent list", &[], Talk::Never),
    row("backup", &["backup", "--data-dir", "gone"], Talk::Never),
    row("restore", &["gone", "--data-dir", "restored"], Talk::Never),
];

impl Row {
    /// All words after the program's name.
    pub fn words(&self) -> Vec<&'static str> {
        self.path
            .split(' ')
            .chain(self.arguments.iter().copied())
            .collect()
    }

    /// Whether it looks for something in the answers that they do not have: a session, an address, this clone's repository.
    pub fn may_fail_with_made_up_answers(&self) -> bool {
        let looks = [
            "session export",
            "open",
            "env init",
            "env sync",
            "env secret rm",
            "doctor",
            "apply",
            "cloud apply",
        ];
        let is_part_of_an_id = self.arguments == ["cdef"];
        looks.contains(&self.path) || is_part_of_an_id || self.may_tell_of_failure()
    }

    /// Whether that it failed is what came of it: of the task, of what was published, or of what was looked at.
    pub fn may_tell_of_failure(&self) -> bool {
        self.talk == Talk::Reports
            || ["pr", "schedule run"].contains(&self.path)
            || self.arguments.contains(&"--wait")
    }

    /// Whether it reads an agent's settings or a worker's orders, in which nothing may be that is not known: of a server that has more, it says
    /// that the versions do not go together.
    pub fn may_refuse_a_newer_server(&self) -> bool {
        let reads_them = ["env ", "workers"];
        reads_them.iter().any(|path| self.path.starts_with(path))
            || self.arguments == ["--env", "demo"]
    }

    /// Whether it goes on when it is called without its arguments.
    pub fn stays_up(&self) -> bool {
        ["up", "server", "worker"].contains(&self.path)
    }
}

/// Every command that can be called, of the binary itself and of clap's tree, which has the hidden ones.
pub fn all() -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    leaves(
        &ClientCommand::augment_subcommands(clap::Command::new("outwork")),
        "",
        &mut all,
    );
    listed("", &mut all);
    all
}

fn leaves(command: &clap::Command, path: &str, all: &mut BTreeSet<String>) {
    for inner in command.get_subcommands() {
        leaves(inner, format!("{path} {}", inner.get_name()).trim(), all);
    }
    if !path.is_empty() && !command.is_subcommand_required_set() {
        all.insert(path.to_owned());
    }
}

/// Those that `--help` lists.
fn listed(path: &str, all: &mut BTreeSet<String>) {
    let words = path.split(' ').filter(|word| !word.is_empty());
    let output = Command::new(crate::harness::OUTWORK)
        .args(words)
        .arg("--help")
        .output();
    let help = String::from_utf8(output.expect("it runs").stdout).expect("text");
    let Some((usage, list)) = help.split_once("\nCommands:\n") else {
        all.insert(path.to_owned());
        return;
    };
    if usage.contains("[COMMAND]") && !path.is_empty() {
        all.insert(path.to_owned());
    }
    let list = list.lines().take_while(|line| !line.is_empty());
    for name in list
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
    {
        if name != "help" {
            listed(format!("{path} {name}").trim(), all);
        }
    }
}
