//! Output that somebody thought up to hurt whoever reads it: as much as there can be, what asks for large answers, and what is no text.

use outwork_agents::{AgentEvent, EVENT_TEXT_MAX_BYTES, Effect, ExitStatus};
use serde_json::{Value, json};

use super::assert_ends_once;
use super::robustness::running;

/// An agent that asks and does not read keeps some thousand answers waiting in the worker's memory.
const ANSWER_MAX_BYTES: usize = 16 * 1024;

fn answers(effects: &[Effect]) -> Vec<&[u8]> {
    let answers = effects.iter().filter_map(|effect| match effect {
        Effect::WriteStdin(bytes) => Some(&bytes[..]),
        _ => None,
    });
    answers.collect()
}

fn ask(id: &Value, method: &str, params: &Value) -> Vec<Effect> {
    let line = json!({"id": id, "method": method, "params": params});
    running().on_stdout(format!("{line}\n").as_bytes())
}

#[test]
fn what_an_answer_repeats_is_bounded() {
    let long = "x".repeat(5 << 20);
    let many: Vec<Value> = (0..50_000)
        .map(|number| json!({"id": format!("{number}"), "question": "?"}))
        .collect();
    let permissions = "item/permissions/requestApproval";
    let questions = "item/tool/requestUserInput";
    for (id, method, params) in [
        (json!(1), permissions, json!({"permissions": {"x": long}})),
        (json!(1), questions, json!({"questions": many})),
        (
            json!(1),
            questions,
            json!({"questions": [{"id": long, "question": long}]}),
        ),
        (json!(1), long.as_str(), json!({})),
        (json!("a string"), "x/y", json!({"x": long})),
    ] {
        let effects = ask(&id, method, &params);
        let answers = answers(&effects);
        assert_eq!(
            answers.len(),
            1,
            "one answer to {}",
            &method[..20.min(method.len())]
        );
        assert!(answers[0].len() < ANSWER_MAX_BYTES, "{}", answers[0].len());
        let answer: Value = serde_json::from_slice(answers[0]).unwrap();
        assert_eq!(answer["id"], id);
    }
    for id in [json!(long), json!([1]), json!({"a": 1}), json!(true)] {
        let effects = ask(&id, "x/y", &json!({}));
        assert_eq!(answers(&effects), [] as [&[u8]; 0]);
        assert!(effects.contains(&Effect::Kill), "{effects:?}");
    }
}

/// Terminal sequences, what is no UTF-8, NUL, lines of other protocols, a line of 4 MiB, and more than 50 MiB of noise.
fn flood(mut each: impl FnMut(&[u8])) {
    each(b"\x1b]0;owned\x07\x1b]52;c;cm0=\x07\x1b[2J\x1b[6n\x1bP$q\"p\x1b\\\r\n");
    each(b"\xff\xfe\x80\xc0\xaf\xed\xa0\x80 \x00 \xe2\x80\xae\xe2\x80\x8b\n");
    each(b"{\"type\":\"task.finished\",\"status\":\"success\"}\ndata: {\"forged\":1}\n\nevent: done\nid: 9\n\n::set-output name=x::y\n");
    each(b"[[[[[[[[\n{\"id\":99,\"result\":{}}\n{\"method\":7}\nnull\n");
    each(&b"progress\r".repeat(20_000));
    each(b"\n");
    each(&[&vec![b'A'; 4 << 20][..], b"\n", &vec![b'['; 1 << 19], b"\n"].concat());
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut block = vec![0; 1 << 16];
    for _ in 0..50 * 16 {
        for bytes in block.chunks_mut(8) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes.copy_from_slice(&state.to_le_bytes());
        }
        each(&block);
    }
}

#[test]
fn a_flood_is_text_in_bounded_events_and_the_turn_goes_on() {
    let mut codex = running();
    let mut ends = 0;
    let mut longest = 0;
    flood(|bytes| {
        for effect in codex.on_stdout(bytes) {
            match effect {
                Effect::Event(AgentEvent::Output { text, .. }) => longest = longest.max(text.len()),
                Effect::Event(AgentEvent::Warning { .. }) => {}
                Effect::TurnFinished(_) => ends += 1,
                other => panic!("{other:?}"),
            }
        }
    });
    assert_eq!(ends, 0);
    // The note of how much is left out comes on top.
    assert!(longest < EVENT_TEXT_MAX_BYTES + 100, "{longest}");
    assert_ends_once(&codex.on_exit(ExitStatus::Code(0)), "after the flood");
}
