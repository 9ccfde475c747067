//! What a fuzzer throws bytes at, and what must hold whatever they are. The tests below do the same with the seeds.

use crate::codex::rollout::Rollout;
use crate::{
    AbsolutePath, Adapter, Agent, EVENT_TEXT_MAX_BYTES, Effect, ExitStatus, LaunchContext, Model,
    Prepared,
};

/// Nothing that Codex says makes a longer answer.
const ANSWER_MAX_BYTES: usize = 64 * 1024;

fn adapter(agent: &Agent) -> Box<dyn Adapter> {
    let path = |text| AbsolutePath::parse(text).expect("an absolute path");
    let context = LaunchContext {
        home: path("/home/agent"),
        cwd: path("/workspace"),
        model: Some(Model {
            name: "model".to_owned(),
            base_url: "http://127.0.0.1:1/v1".to_owned(),
            context_window_tokens: 1000,
        }),
        prompt: "do it".to_owned(),
        question: None,
        interactive: false,
        output_schema: None,
        turn_number: 1,
        session: None,
        model_idle_timeout_ms: 1000,
    };
    let Prepared { adapter, .. } = agent.prepare(context).expect("everything is there");
    adapter
}

/// All that comes of an output that arrives in pieces, and of the exit.
fn effects_of(mut adapter: Box<dyn Adapter>, output: &[u8], piece_bytes: usize) -> Vec<Effect> {
    let mut effects = adapter.start();
    for piece in output.chunks(piece_bytes) {
        effects.extend(adapter.on_stdout(piece));
    }
    effects.extend(adapter.on_exit(ExitStatus::Code(0)));
    effects
}

fn ends_once(effects: &[Effect]) {
    let end = |effect: &Effect| matches!(effect, Effect::TurnFinished(_));
    let at = effects.iter().position(end).expect("the turn ends");
    let after = &effects[at + 1..];
    assert!(
        !after
            .iter()
            .any(|effect| end(effect) || matches!(effect, Effect::Event(_)))
    );
}

/// The first byte says how the rest is cut. Before it, a Codex has begun its turn as it should; in a line of its own, the bytes may be the
/// protocol.
pub fn codex(bytes: &[u8]) {
    const BEGUN: &str = concat!(
        r#"{"id":1,"result":{"userAgent":"outwork/0.169.0 (x) y"}}"#,
        "\n",
        r#"{"id":2,"result":{"thread":{"id":"t","path":"/home/agent/.codex/sessions/x.jsonl"}}}"#,
        "\n",
        r#"{"id":3,"result":{"turn":{"id":"u","status":"inProgress"}}}"#,
        "\n",
        r#"{"method":"turn/started","params":{"threadId":"t","turn":{"id":"u","status":"inProgress"}}}"#,
        "\n",
    );
    let Some((cut, said)) = bytes.split_first() else {
        return;
    };
    let agent = Agent::Codex {
        binary_root: AbsolutePath::parse("/opt/codex").expect("an absolute path"),
    };
    for output in [said.to_vec(), [BEGUN.as_bytes(), said, b"\n"].concat()] {
        let effects = effects_of(adapter(&agent), &output, usize::from(*cut) + 1);
        ends_once(&effects);
        assert_eq!(
            effects,
            effects_of(adapter(&agent), &output, output.len().max(1))
        );
        for effect in &effects {
            if let Effect::WriteStdin(answer) = effect {
                assert!(answer.len() <= ANSWER_MAX_BYTES && answer.ends_with(b"\n"));
                assert_eq!(answer.iter().filter(|&&byte| byte == b'\n').count(), 1);
            }
        }
    }
}

/// Whatever a program writes is text, in the same words however it was cut.
pub fn command(bytes: &[u8]) {
    let Some((cut, said)) = bytes.split_first() else {
        return;
    };
    let agent = Agent::Command {
        command_line: "x".to_owned(),
    };
    let effects = effects_of(adapter(&agent), said, usize::from(*cut) + 1);
    ends_once(&effects);
    let mut text = String::new();
    for effect in &effects {
        if let Effect::Event(crate::AgentEvent::Output { text: portion, .. }) = effect {
            assert!(portion.len() <= EVENT_TEXT_MAX_BYTES);
            text.push_str(portion);
        }
    }
    assert_eq!(text, String::from_utf8_lossy(said));
    assert!(!effects.contains(&Effect::Kill));
}

/// What is carried of a rollout is one again, of the same conversation, and has no setting.
pub fn rollout(bytes: &[u8]) {
    let Ok(rollout) = Rollout::read(bytes) else {
        return;
    };
    let Ok(carried) = rollout.carried("/c", Some("new")) else {
        return;
    };
    assert!(
        carried
            .path
            .split('/')
            .all(|part| !matches!(part, "" | "." | ".."))
    );
    let text = std::str::from_utf8(&carried.contents).expect("JSON");
    for line in text.lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let kind = line["type"].as_str().expect("a kind");
        assert!(["session_meta", "response_item", "compacted", "event_msg"].contains(&kind));
        assert_ne!(line["payload"]["type"], "thread_settings_applied");
        assert!(kind != "session_meta" || line["payload"]["cwd"] == "/c");
        assert!(kind != "session_meta" || line["payload"]["model_provider"].is_null());
    }
    let again = Rollout::read(&carried.contents).expect("it was carried");
    assert_eq!(again.carried("/c", Some("new")), Ok(carried));
}

#[cfg(test)]
mod tests {
    use outwork_test_seeds::each;

    #[test]
    fn seeds() {
        each("agents_codex", super::codex);
        each("agents_command", super::command);
        each("agents_rollout", super::rollout);
    }
}
