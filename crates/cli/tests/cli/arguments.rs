//! What the command line takes, and how it explains itself.

use clap::{CommandFactory, Parser};

use crate::harness::Program;
use crate::server::TASK;

#[test]
fn command_lines_are_taken_or_refused() {
    for (line, is_good) in [
        ("exec --env demo -- fix", true),
        ("comments", false),
        ("comments resolve", false),
        ("comments edit task_1 x", false),
        ("schedule add @daily --overlap never x", false),
        ("schedule edit 1234 --pr --no-pr", false),
        ("token create --scope everything x", false),
        ("exec fix", true),
        ("exec", true),
        ("exec --env demo -", true),
        (
            "exec -e demo --attempts 3 --branch b --commit c0ffee --wait --timeout 10m --json fix",
            true,
        ),
        ("exec --output-schema schema.json --wait fix", true),
        ("exec --attempts 0 fix", false),
        ("exec --timeout 10m fix", false),
        ("exec --wait --timeout soon fix", false),
        ("exec fix the bug", false),
        ("list", true),
        ("list --limit 20 --cursor x --env demo --json", true),
        ("list --limit 0", false),
        ("list --limit 21", false),
        ("status TASK", true),
        ("status 0192", true),
        ("status 019", false),
        ("status", false),
        ("log TASK --attempt 1 --turn 2 -f --json", true),
        ("diff TASK --attempt 2 --turn 1", true),
        ("diff TASK --attempt 0", false),
        ("apply TASK --3way", true),
        ("a TASK --check", true),
        ("apply TASK --3way --check", false),
        ("apply TASK --paths src docs --hunks 1,3-5 --check", true),
        ("apply TASK --hunks 3-1", false),
        ("apply TASK --hunks 0", false),
        ("apply TASK -p", true),
        ("apply TASK --branch fix/one", true),
        ("apply TASK --branch fix..one", false),
        ("apply TASK --branch fix --3way", false),
        ("apply --undo", true),
        ("exec --apply --timeout 5m --context a --context b do", true),
        ("exec --timeout 5m do", false),
        ("open TASK", true),
        (
            "pr TASK --attempt 2 -d -t T -F notes.md -H a/b -B main --timeout 2m --json",
            true,
        ),
        (
            "pr TASK --head a --body-file - --author A --web --repo r --turn 1",
            true,
        ),
        ("pr", false),
        ("pr TASK --attempt 0", false),
        (
            "credential set h --push --forge forgejo --api-url u --token-file f",
            true,
        ),
        ("credential set h --push --ssh-key-file f", true),
        ("credential set h --forge github --token-file f", false),
        (
            "credential set h --push --forge sourcehut --token-file f",
            false,
        ),
        ("apply --undo TASK", true),
        ("apply --undo TASK --branch x", false),
        ("cancel http://h/codex/tasks/TASK", true),
        ("choose TASK --attempt 2 --turn 1", true),
        ("choose TASK --none", true),
        ("choose TASK", false),
        ("choose TASK --attempt 0", false),
        ("choose TASK --attempt 1 --none", false),
        (
            "exec --agent codex:m --agent command --agent-command x p",
            true,
        ),
        ("exec --agent claude p", false),
        (
            "follow-up TASK more --attempt 1 --attempts 2 --wait --json",
            true,
        ),
        (
            "env create demo --repo u --agent codex --var A=1 --var B= --timeout 1h --json",
            true,
        ),
        ("env create demo", false),
        ("env create demo --repo u --var A", false),
        ("env create demo --repo u --agent telepathy", false),
        ("env edit demo --setup s --no-setup", false),
        ("env edit demo --image i --no-image", false),
        ("env edit demo --verify v --no-verify", false),
        ("env edit demo --maintenance - --no-maintenance", false),
        (
            "env create demo --repo u --secret A --secret B=@f --secret C=- --also n=u#b --also u",
            true,
        ),
        (
            "env create demo --repo u --runtime node=22 --runtime go=1.24",
            true,
        ),
        ("env create demo --repo u --runtime perl=5", false),
        ("env create demo --repo u --also n=", false),
        ("env rm demo", true),
        ("env init", true),
        ("env init web -y --no-check --agent codex --json", true),
        ("env init --keep --no-check", false),
        (
            "env init --verify v --setup - --image i --no-runtimes --secret A --write --branch b",
            true,
        ),
        ("env sync", true),
        ("env sync demo --yes --json", true),
        ("env secret set demo A", true),
        ("env secret set demo A --from-env", true),
        ("env secret set demo A --from-env=B", true),
        ("env secret set demo A --from-env B", false),
        ("env secret set demo A --from-env --from-file f", false),
        ("env secret list demo --json", true),
        ("env secret rm demo A", true),
        ("env secret rm demo", false),
        ("env cache list", true),
        ("env cache list demo --json", true),
        ("env cache reset demo --yes", true),
        ("env cache reset -y", true),
        ("credential set h/team --token-file -", true),
        (
            "credential set h --token-file f --username ada --json",
            true,
        ),
        ("credential set h --ssh-key-file f --known-hosts k", true),
        ("credential set h", false),
        ("credential set h --token-file f --ssh-key-file f", false),
        ("credential set h --token-file f --known-hosts k", false),
        ("credential set h --ssh-key-file f --username ada", false),
        ("credential set https://h --token-file f", false),
        ("credential list --json", true),
        ("credential rm h", true),
        ("model set --base-url u --name n --key-file -", true),
        ("model set --key-file f", true),
        ("model rm", true),
        ("workers --json", true),
        ("workers enrol --uses 3 --expires 1h --name x --json", true),
        ("workers enroll", true),
        ("workers enrol --uses 0", false),
        ("workers --json tokens", false),
        ("workers tokens --json", true),
        ("workers revoke w", true),
        ("workers drain w --deadline 30m", true),
        ("workers drain w --deadline 0s", true),
        ("workers drain", false),
        ("workers undrain w", true),
        ("workers retire w --deadline 1h", true),
        ("workers retire w --force", true),
        ("workers retire w --force --deadline 1h", false),
        ("workers set-slots w 8", true),
        ("workers set-slots w --reset", true),
        ("workers set-slots w 8 --reset", false),
        ("workers set-slots w 0", false),
        ("workers set-slots w", false),
        ("login --url http://h --token t", true),
        ("login --token t --token-file f", false),
        ("completion zsh", true),
        ("completion cmd.exe", false),
        ("doctor --json", true),
        ("cloud exec --env demo fix", true),
        ("cloud-tasks list --json", true),
        ("cloud status TASK", true),
        ("cloud diff TASK", true),
        ("cloud apply TASK --attempt 2", true),
        ("cloud login", false),
        ("--url http://h --color never -q list", true),
        ("list --color sometimes", false),
        ("sing", false),
    ] {
        let line = line.replace("TASK", TASK);
        let words = std::iter::once("outwork").chain(line.split(' '));
        let parsed = Program::try_parse_from(words);
        assert_eq!(
            parsed.is_ok(),
            is_good,
            "{line}: {:?}",
            parsed.err().map(|e| e.to_string())
        );
    }
}

#[test]
fn the_command_line_is_sound() {
    Program::command().debug_assert();
}

#[test]
fn help_reads_as_it_should() {
    let mut help = String::new();
    let paths: [&[&str]; 19] = [
        &[],
        &["exec"],
        &["list"],
        &["log"],
        &["apply"],
        &["follow-up"],
        &["env"],
        &["env", "init"],
        &["env", "sync"],
        &["env", "create"],
        &["env", "edit"],
        &["env", "secret", "set"],
        &["env", "cache", "reset"],
        &["credential"],
        &["credential", "set"],
        &["model", "set"],
        &["login"],
        &["cloud"],
        &["exit-codes"],
    ];
    for path in paths {
        let mut command = Program::command();
        command.build();
        let mut command = &mut command;
        for name in path {
            command = command.find_subcommand_mut(name).expect("a subcommand");
        }
        help.push_str(&format!(
            "$ outwork help {}\n{}\n",
            path.join(" "),
            command.render_long_help()
        ));
    }
    insta::assert_snapshot!(help);
}
