//! What a broken, newer or hostile Codex may send.

use outwork_agents::{
    AgentCommand, AgentEvent, EVENT_TEXT_MAX_BYTES, Effect, ExitStatus, FailureClass, SteerId,
    TokenCount, TurnOutcome,
};
use serde_json::{Value, json};

use super::assert_ends_once;
use super::transcript::{Transcript, adapter, all_transcripts};

const THREAD: &str = "01a1f988-9e0a-7500-856d-99de13ea5167";

/// Any line may come out damaged; the turn still ends once, and nothing panics.
#[test]
fn one_damaged_line_never_confuses_the_end_of_the_turn() {
    let damages: [fn(&str) -> String; 7] = [
        |_| String::new(),
        |_| "not JSON".to_owned(),
        |_| "[]".to_owned(),
        |line| line[..line.floor_char_boundary(line.len() / 2)].to_owned(),
        |line| changed(line, "params", Value::Null),
        |line| {
            changed(
                line,
                "params",
                json!({"item": {"type": "commandExecution"}, "turn": 1, "delta": []}),
            )
        },
        |line| {
            changed(
                line,
                "result",
                json!({"thread": {"id": "../../x", "path": "/etc/passwd"}}),
            )
        },
    ];
    for transcript in all_transcripts() {
        for line in 0..transcript.output_lines() {
            for (number, damage) in damages.iter().enumerate() {
                let effects = transcript.replay_with(line, damage);
                assert_ends_once(
                    &effects,
                    &format!("{}, line {line}, damage {number}", transcript.name),
                );
            }
        }
    }
}

fn changed(line: &str, member: &str, value: Value) -> String {
    let mut message: Value = serde_json::from_str(line).unwrap();
    message[member] = value;
    message.to_string()
}

/// The opened thread with a session file at `path`.
fn opened_with(path: &str) -> Vec<Effect> {
    Transcript::load("edit").replay_with(2, |line| {
        let mut message: Value = serde_json::from_str(line).unwrap();
        if message.get("id") == Some(&json!(2)) {
            message["result"]["thread"]["path"] = json!(path);
        }
        message.to_string()
    })
}

#[test]
fn a_session_file_outside_its_directory_is_not_believed() {
    let files = |path: &str| -> Vec<Option<String>> {
        opened_with(path)
            .into_iter()
            .filter_map(|effect| match effect {
                Effect::Event(AgentEvent::SessionStarted { file, .. }) => {
                    Some(file.map(|file| file.as_str().to_owned()))
                }
                _ => None,
            })
            .collect()
    };
    let good = "/home/agent/.codex/sessions/2026/x.jsonl";
    assert_eq!(
        files(good),
        [Some(".codex/sessions/2026/x.jsonl".to_owned())]
    );
    for bad in [
        "/etc/passwd",
        "/home/agent/.codex/sessions/../auth.jsonl",
        "/home/agent/.codex/sessions",
        "/home/agent/.codex/config.toml",
        "/home/agent/.codex/sessions/x.sqlite",
        "/home/agent/x.jsonl",
        "/home/agent2/.codex/sessions/x.jsonl",
        ".codex/sessions/x.jsonl",
        "",
    ] {
        assert_eq!(files(bad), [None], "{bad:?}");
    }
}

/// A Codex that has opened its thread and runs a turn; `line` is what it says next.
pub fn running() -> Box<dyn outwork_agents::Adapter> {
    let mut codex = adapter("do it", None);
    codex.start();
    for line in [
        json!({"id": 1, "result": {"userAgent": "outwork/0.169.0 (x) y"}}),
        json!({"id": 2, "result": {"thread": {"id": THREAD, "path": "/home/agent/.codex/sessions/x.jsonl"}}}),
        json!({"id": 3, "result": {"turn": {"id": "t", "status": "inProgress"}}}),
        json!({"method": "turn/started", "params": {"threadId": THREAD, "turn": {"id": "t", "status": "inProgress"}}}),
    ] {
        codex.on_stdout(format!("{line}\n").as_bytes());
    }
    codex
}

fn said(line: &Value) -> Vec<Effect> {
    running().on_stdout(format!("{line}\n").as_bytes())
}

fn answer(effects: &[Effect]) -> Value {
    let [Effect::WriteStdin(bytes)] = effects
        .iter()
        .filter(|effect| matches!(effect, Effect::WriteStdin(_)))
        .collect::<Vec<_>>()[..]
    else {
        panic!("not exactly one answer: {effects:?}");
    };
    serde_json::from_slice(bytes).unwrap()
}

/// Shapes from the app-server's own schema.
#[test]
fn every_request_of_codex_is_answered() {
    let permissions = json!({"network": {"enabled": true}});
    for (method, params, result) in [
        (
            "item/commandExecution/requestApproval",
            json!({"itemId": "c", "command": "ls"}),
            json!({"decision": "accept"}),
        ),
        (
            "item/fileChange/requestApproval",
            json!({"itemId": "c", "reason": "?"}),
            json!({"decision": "accept"}),
        ),
        (
            "item/permissions/requestApproval",
            json!({"itemId": "c", "permissions": permissions}),
            json!({"permissions": permissions, "scope": "turn"}),
        ),
        (
            "item/commandExecution/requestApproval",
            json!("nonsense"),
            json!({"decision": "accept"}),
        ),
        (
            "mcpServer/elicitation/request",
            json!({}),
            json!({"action": "decline", "content": null}),
        ),
        (
            "item/tool/requestUserInput",
            json!({}),
            json!({"answers": {}}),
        ),
    ] {
        for id in [json!(0), json!("a string")] {
            let effects = said(&json!({"id": id, "method": method, "params": params}));
            assert_eq!(
                answer(&effects),
                json!({"id": id, "result": result}),
                "{method}"
            );
            assert!(
                matches!(effects[0], Effect::Event(AgentEvent::DecisionTaken { .. })),
                "{effects:?}"
            );
        }
    }
    let unknown = answer(&said(
        &json!({"id": 7, "method": "attestation/generate", "params": {}}),
    ));
    assert_eq!(
        (&unknown["id"], &unknown["error"]["code"]),
        (&json!(7), &json!(-32601))
    );
}

#[test]
fn an_endless_line_ends_the_turn() {
    let mut codex = running();
    let piece = vec![b'x'; 1024 * 1024];
    let effects = (0..65)
        .map(|_| codex.on_stdout(&piece))
        .find(|effects| !effects.is_empty())
        .unwrap();
    assert_eq!(
        effects,
        [
            Effect::TurnFinished(TurnOutcome::Failed {
                class: FailureClass::ProtocolError,
                message: "Codex sent a line of more than 64 MiB".to_owned(),
            }),
            Effect::Kill,
        ]
    );
}

/// In memory each value takes up to thirty times its place in the line.
#[test]
fn a_message_of_countless_values_ends_the_turn_unread() {
    let line = |values: usize| {
        let text = "[0,{}],\\\"".repeat(values / 3);
        let filler = "0,".repeat(values);
        let line = format!("{{\"method\":\"x/y\",\"params\":[{filler}\"{text}\"]}}\n");
        running().on_stdout(line.as_bytes())
    };
    assert_eq!(
        line(1_100_000),
        [
            Effect::TurnFinished(TurnOutcome::Failed {
                class: FailureClass::ProtocolError,
                message: "Codex sent a message of more than a million values".to_owned(),
            }),
            Effect::Kill,
        ]
    );
    // What a text holds is no value.
    assert_eq!(line(900_000), []);
}

/// The output of a quick command comes in one line of more than a megabyte.
#[test]
fn large_output_comes_whole_and_in_bounded_events() {
    let output = "0123456789abcde\n".repeat(65_536);
    let item = json!({"type": "commandExecution", "id": "c", "command": "x", "cwd": "/", "status": "completed",
        "aggregatedOutput": output, "exitCode": 0});
    let effects = said(&json!({"method": "item/completed", "params": {"item": item}}));
    let mut text = String::new();
    for effect in &effects {
        if let Effect::Event(AgentEvent::CommandOutput { text: portion, .. }) = effect {
            assert!(portion.len() <= EVENT_TEXT_MAX_BYTES);
            text.push_str(portion);
        }
    }
    assert_eq!(text.len(), output.len());
    assert_eq!(text, output);
}

#[test]
fn messages_of_another_thread_or_turn_are_not_ours() {
    for params in [
        json!({"threadId": "other", "turn": {"id": "t", "status": "completed"}}),
        json!({"threadId": THREAD, "turn": {"id": "other", "status": "completed"}}),
    ] {
        assert_eq!(
            said(&json!({"method": "turn/completed", "params": params})),
            []
        );
    }
}

#[test]
fn only_the_calls_of_this_turn_are_counted() {
    let usage = json!({"last": {"inputTokens": 7, "outputTokens": 2}, "modelContextWindow": 100});
    let told = |turn| {
        let params = json!({"threadId": THREAD, "turnId": turn, "tokenUsage": usage});
        said(&json!({"method": "thread/tokenUsage/updated", "params": params}))
    };
    assert_eq!(told("the turn before"), []);
    let last = TokenCount {
        input: 7,
        output: 2,
        ..TokenCount::default()
    };
    assert_eq!(
        told("t"),
        [Effect::Event(AgentEvent::Tokens {
            last,
            context_window: Some(100)
        })]
    );
}

#[test]
fn another_version_is_named() {
    let mut codex = adapter("do it", None);
    codex.start();
    let effects =
        codex.on_stdout(b"{\"id\":1,\"result\":{\"userAgent\":\"outwork/0.170.1 (x)\"}}\n");
    let message =
        "this is Codex 0.170.1; Outwork was made for 0.169.0, so some things may not work"
            .to_owned();
    assert_eq!(effects[0], Effect::Event(AgentEvent::Warning { message }));
}

#[test]
fn a_turn_can_be_interrupted_before_it_begins() {
    let mut codex = adapter("do it", None);
    codex.start();
    assert_eq!(
        codex.command(AgentCommand::Interrupt),
        [Effect::TurnFinished(TurnOutcome::Interrupted)]
    );
    let late = codex.on_stdout(b"{\"id\":1,\"result\":{\"userAgent\":\"outwork/0.169.0 (x)\"}}\n");
    assert!(
        !late.iter().any(|effect| matches!(effect, Effect::Event(_))),
        "{late:?}"
    );
    assert_eq!(codex.on_exit(ExitStatus::Code(0)), []);
}

/// A text that the agent did not take must come back, or it would be lost.
#[test]
fn no_steering_text_is_lost() {
    let refused = |steer| Effect::SteerAnswered {
        steer,
        accepted: false,
    };
    let steer = |number| AgentCommand::Steer {
        steer: SteerId(number),
        text: "only the unit tests".to_owned(),
    };

    let mut ended_before_the_turn = adapter("do it", None);
    ended_before_the_turn.start();
    assert_eq!(ended_before_the_turn.command(steer(1)), []);
    assert!(
        ended_before_the_turn
            .on_exit(ExitStatus::Code(1))
            .contains(&refused(SteerId(1)))
    );
    assert_eq!(
        ended_before_the_turn.command(steer(2)),
        [refused(SteerId(2))]
    );

    let mut ended_without_an_answer = running();
    assert!(matches!(
        ended_without_an_answer.command(steer(3))[..],
        [Effect::WriteStdin(_)]
    ));
    assert!(
        ended_without_an_answer
            .on_exit(ExitStatus::Signal(9))
            .contains(&refused(SteerId(3)))
    );

    let mut refused_by_codex = running();
    refused_by_codex.command(steer(4));
    let effects = refused_by_codex
        .on_stdout(b"{\"id\":4,\"error\":{\"code\":-32600,\"message\":\"no turn\"}}\n");
    assert_eq!(effects, [refused(SteerId(4))]);
}

#[test]
fn a_crash_tells_the_last_words() {
    let mut codex = running();
    codex.on_stderr(b"thread 'main' panicked at ");
    codex.on_stderr("größe\n".as_bytes());
    assert_eq!(
        codex.on_exit(ExitStatus::Code(101)),
        [Effect::TurnFinished(TurnOutcome::Failed {
            class: FailureClass::AgentCrashed,
            message: "Codex ended with exit code 101 before its turn was over; it last wrote: thread 'main' panicked at größe"
                .to_owned(),
        })]
    );
}
