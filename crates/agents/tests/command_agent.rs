//! The `command` agent with real programs.

#![allow(
    clippy::unwrap_used,
    reason = "the lint only knows test functions, not what they call"
)]

use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};

use outwork_agents::{
    AbsolutePath, Adapter, Agent, AgentCommand, AgentEvent, EVENT_TEXT_MAX_BYTES, Effect,
    ExitStatus, FailureClass, HomePath, LaunchContext, OutputStream, Prepared, SessionEntry,
    SteerId, TurnOutcome,
};

struct Turn {
    stdout: String,
    stderr: String,
    outcome: TurnOutcome,
}

fn prepared(command_line: &str, home: &Path) -> Prepared {
    let home = AbsolutePath::parse(home.to_str().unwrap()).unwrap();
    let agent = Agent::Command {
        command_line: command_line.to_owned(),
    };
    let context = LaunchContext {
        cwd: home.clone(),
        home,
        model: None,
        prompt: "fix the réadme\n".to_owned(),
        turn_number: 3,
        session: None,
        model_idle_timeout_ms: 1000,
    };
    agent.prepare(context).unwrap()
}

fn run(command_line: &str, home: &Path) -> Turn {
    let Prepared {
        launch,
        mut adapter,
    } = prepared(command_line, home);
    for directory in &launch.directories {
        fs::create_dir_all(home.join(directory.as_str())).unwrap();
    }
    let mut child = Command::new(&launch.argv[0])
        .args(&launch.argv[1..])
        .current_dir(home)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .envs(launch.env)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let [Effect::WriteStdin(prompt), Effect::CloseStdin] = &adapter.start()[..] else {
        panic!("the prompt, then the end");
    };
    // A program need not read its prompt.
    match child.stdin.take().unwrap().write_all(prompt) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => panic!("{error}"),
        Ok(()) | Err(_) => {}
    }
    let output = child.wait_with_output().unwrap();
    let mut effects = Vec::new();
    output
        .stdout
        .chunks(7)
        .for_each(|piece| effects.extend(adapter.on_stdout(piece)));
    output
        .stderr
        .chunks(7)
        .for_each(|piece| effects.extend(adapter.on_stderr(piece)));
    let status = output.status.code().map_or_else(
        || ExitStatus::Signal(output.status.signal().unwrap()),
        ExitStatus::Code,
    );
    effects.extend(adapter.on_exit(status));
    turn(effects)
}

fn turn(effects: Vec<Effect>) -> Turn {
    let mut turn = Turn {
        stdout: String::new(),
        stderr: String::new(),
        outcome: TurnOutcome::Interrupted,
    };
    let mut ends = 0;
    for effect in effects {
        match effect {
            Effect::Event(AgentEvent::Output {
                stream: OutputStream::Stdout,
                text,
            }) => turn.stdout += &text,
            Effect::Event(AgentEvent::Output {
                stream: OutputStream::Stderr,
                text,
            }) => turn.stderr += &text,
            Effect::TurnFinished(outcome) => {
                turn.outcome = outcome;
                ends += 1;
            }
            other => panic!("unexpected {other:?}"),
        }
    }
    assert_eq!(ends, 1);
    turn
}

#[test]
fn the_prompt_comes_on_standard_input() {
    let home = tempfile::tempdir().unwrap();
    let turn = run(
        "cat; printf 'turn %s in %s\\n' $OUTWORK_TURN \"$PWD\" >&2",
        home.path(),
    );
    assert_eq!(turn.stdout, "fix the réadme\n");
    assert_eq!(
        turn.stderr,
        format!("turn 3 in {}\n", home.path().display())
    );
    assert_eq!(turn.outcome, TurnOutcome::Completed { last_message: None });
}

#[test]
fn invalid_bytes_are_shown_and_nothing_else_is_lost() {
    let home = tempfile::tempdir().unwrap();
    let turn = run("printf 'a\\377\\303\\244\\303'", home.path());
    assert_eq!(turn.stdout, "a\u{fffd}ä\u{fffd}");
}

#[test]
fn failures_name_the_exit() {
    let home = tempfile::tempdir().unwrap();
    assert_eq!(
        run("exit 3", home.path()).outcome,
        TurnOutcome::Failed {
            class: FailureClass::CommandFailed { exit_code: Some(3) },
            message: "the agent's command failed with exit code 3".to_owned(),
        }
    );
    assert_eq!(
        run("kill -9 $$", home.path()).outcome,
        TurnOutcome::Failed {
            class: FailureClass::CommandFailed { exit_code: None },
            message: "the agent's command was ended by signal 9".to_owned(),
        }
    );
}

#[test]
fn the_session_directory_is_kept() {
    let home = tempfile::tempdir().unwrap();
    run("echo remembered > $OUTWORK_SESSION_DIR/notes", home.path());
    let spec = prepared("true", home.path())
        .adapter
        .session_files()
        .unwrap();
    let directory = HomePath::parse(".session").unwrap();
    assert_eq!(spec.entries, [SessionEntry::Directory(directory)]);
    assert_eq!(
        fs::read_to_string(home.path().join(".session/notes")).unwrap(),
        "remembered\n"
    );
}

fn adapter() -> Box<dyn Adapter> {
    prepared("true", Path::new("/home/agent")).adapter
}

#[test]
fn stopping_means_killing() {
    let mut adapter = adapter();
    adapter.start();
    assert_eq!(adapter.command(AgentCommand::Interrupt), [Effect::Kill]);
    assert_eq!(
        adapter.on_exit(ExitStatus::Signal(9)),
        [Effect::TurnFinished(TurnOutcome::Interrupted)]
    );
    assert_eq!(adapter.command(AgentCommand::Shutdown), []);
}

#[test]
fn steering_is_refused() {
    let steer = AgentCommand::Steer {
        steer: SteerId(5),
        text: "x".to_owned(),
    };
    assert_eq!(
        adapter().command(steer),
        [Effect::SteerAnswered {
            steer: SteerId(5),
            accepted: false
        }]
    );
}

#[test]
fn a_flood_comes_in_bounded_events() {
    let effects = adapter().on_stdout(&vec![b'x'; 3 * EVENT_TEXT_MAX_BYTES + 1]);
    assert_eq!(effects.len(), 4);
}
