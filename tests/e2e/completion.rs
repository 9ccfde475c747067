//! What a shell offers for the word that is typed.

use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::harness::{Done, Engine, Hold, Outwork, Repository};
use crate::scripts::Shell;
use crate::terminal::Terminal;

/// Asks as Bash does when somebody presses the tabulator after its arguments; prints what it may be.
const ASK: &str = r#"
set -euo pipefail
source <(outwork completion bash)
ask=$(complete -p outwork | sed 's/.*-F \([^ ]*\).*/\1/')
COMP_WORDS=(outwork "$@")
COMP_CWORD=$#
COMP_TYPE=9
COMPREPLY=()
"$ask" outwork "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
printf '%s\n' "${COMPREPLY[@]}"
"#;

fn ask(shell: &Shell<'_>, words: &[&str]) -> Command {
    let mut command = shell.script(ASK, shell.outwork.dir.path());
    command.args(words);
    command
}

#[track_caller]
fn offered(mut command: Command) -> Vec<String> {
    let done = Done::of(command.output()).success();
    assert_eq!(done.stderr, "", "a shell's line is no place for it");
    let text = done.text();
    let lines = text.lines().map(|line| line.trim_end().to_owned());
    // Flags are offered anywhere.
    let values = lines.filter(|line| !line.is_empty() && !line.starts_with('-'));
    values.collect()
}

#[test]
fn ids_and_labels_are_those_of_the_server() {
    let outwork = Outwork::up(Engine::Sqlite);
    let repository = Repository::with(&[("a", "1\n")]);
    let hold = Hold::new();
    outwork.command_environment("web", &repository, "echo 2 >> a");
    outwork.command_environment("website", &repository, &hold.command());
    let done = outwork.exec("web", "first", &[]);
    let done = done["id"].as_str().expect("an id");
    let open = outwork.submit("website", "second", &[]);
    let shell = Shell::new(&outwork);
    let offered = |words: &[&str]| offered(ask(&shell, words));

    assert_eq!(offered(&["status", ""]), [open.as_str(), done]);
    assert_eq!(offered(&["cloud", "diff", &done[..30]]), [done]);
    assert_eq!(offered(&["cancel", ""]), [open.as_str()]);
    assert_eq!(offered(&["answer", ""]), Vec::<String>::new());
    let mut labels = offered(&["exec", "--env", "we"]);
    labels.sort();
    assert_eq!(labels, ["web", "website"]);
    assert_eq!(offered(&["env", "show", "webs"]), ["website"]);
    let worker = outwork.run(&["workers", "--json"]).success().json();
    let worker = worker["workers"][0]["name"]
        .as_str()
        .expect("a name")
        .to_owned();
    assert_eq!(offered(&["workers", "drain", ""]), [worker]);
    let token = outwork.file("token");
    let scope = "git.example.com/team";
    let set = ["credential", "set", scope, "--token-file", &token];
    outwork.run(&set).success();
    assert_eq!(offered(&["credential", "rm", "git"]), [scope]);
    // What stands in the command line itself needs no server.
    assert!(offered(&["cred"]).contains(&"credential".to_owned()));
    hold.release();
    outwork.ended(&open);
}

#[test]
fn contexts_are_those_signed_in_to() {
    let outwork = Outwork::up(Engine::Sqlite);
    let shell = Shell::new(&outwork);
    let config = outwork.dir.path().join("contexts");
    let token = outwork.file(&outwork.token);
    let login = [
        "login",
        "--url",
        &outwork.url,
        "--name",
        "work",
        "--token-file",
        &token,
    ];
    let login = outwork
        .command(&login)
        .env("OUTWORK_CONFIG_DIR", &config)
        .output();
    Done::of(login).success();
    for words in [["context", "use", ""], ["list", "--url", "wo"]] {
        let mut command = ask(&shell, &words);
        command.env("OUTWORK_CONFIG_DIR", &config);
        assert_eq!(offered(command), ["work"], "{words:?}");
    }
    // The context that the line names is the server that is asked.
    let repository = Repository::with(&[("a", "1\n")]);
    outwork.command_environment("web", &repository, "true");
    let mut command = ask(&shell, &["--url", "work", "exec", "--env", ""]);
    command
        .env("OUTWORK_CONFIG_DIR", &config)
        .env("OUTWORK_URL", "http://127.0.0.1:9")
        .env_remove("OUTWORK_TOKEN");
    assert_eq!(offered(command), ["web"]);
}

#[test]
fn whatever_goes_wrong_offers_nothing_soon_and_says_nothing() {
    let outwork = Outwork::up(Engine::Sqlite);
    let shell = Shell::new(&outwork);
    // It takes connections, and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let silent = format!("http://{}", silent.local_addr().expect("bound"));
    for (url, token) in [
        (silent.as_str(), outwork.token.as_str()),
        ("http://127.0.0.1:9", &outwork.token),
        (&outwork.url, "ow_wrong"),
        ("not an address", ""),
    ] {
        let mut command = ask(&shell, &["status", ""]);
        command.env("OUTWORK_URL", url).env("OUTWORK_TOKEN", token);
        let start = Instant::now();
        assert_eq!(offered(command), Vec::<String>::new(), "{url}");
        // 0.3 s, on a machine that has nothing else to do.
        assert!(
            start.elapsed() < Duration::from_secs(8),
            "{:?}",
            start.elapsed()
        );
    }
    drop(silent);
}

#[test]
fn the_tabulator_completes_in_a_real_shell() {
    let outwork = Outwork::up(Engine::Sqlite);
    let repository = Repository::with(&[("a", "1\n")]);
    outwork.command_environment("my-backend-env", &repository, "true");
    let shell = Shell::new(&outwork);
    let programs = shell.programs.display();
    let line = format!("PATH='{programs}':\"$PATH\" PS1='> ' bash --norc --noprofile -i");
    let mut terminal = Terminal::run(&outwork, 120, &line);
    terminal.until("> ");
    terminal.press("source <(outwork completion bash) && echo rea''dy\n");
    terminal.until("ready");
    terminal.press("outwork exec --env my-b\t");
    terminal.until("my-backend-env");
    terminal.press("\u{15}exit\n");
    terminal.ended(0);
}

#[test]
fn each_shell_has_its_script() {
    let outwork = Outwork::up(Engine::Sqlite);
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = outwork.run(&["completion", shell]).success().text();
        assert!(script.contains("OUTWORK_COMPLETE"), "{shell}: {script}");
    }
}
