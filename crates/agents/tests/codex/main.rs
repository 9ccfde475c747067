//! Replays what a real Codex 0.169.0 said (`transcripts/`, recorded with `examples/drive` against a scripted model)
//! through the adapter.
//!
//! A transcript begins with the turn's prompt and the thread it continues; then one object a line: `in` and `out` (standard
//! input and output), `err`, `command` (what the host asked for), `exit`. Paths were made neutral, nothing else was changed.

#![allow(
    clippy::unwrap_used,
    reason = "the lint only knows test functions, not what they call"
)]

mod hostile;
mod robustness;
mod transcript;

use outwork_agents::{AgentEvent, Effect, SessionEntry, TurnOutcome};
use serde_json::Value;
use transcript::{Transcript, all_transcripts};

/// Which events come of it, in which order, is reviewed in the snapshots.
#[test]
fn effects_are_as_reviewed() {
    for transcript in all_transcripts() {
        let effects: Vec<String> = transcript.replay_lines().iter().map(shown).collect();
        insta::assert_snapshot!(transcript.name.as_str(), effects.join("\n"));
    }
}

fn shown(effect: &Effect) -> String {
    match effect {
        Effect::WriteStdin(bytes) => format!("→ {}", String::from_utf8_lossy(bytes).trim_end()),
        Effect::Event(event) => format!("{event:?}"),
        Effect::TurnFinished(outcome) => format!("finished: {outcome:?}"),
        Effect::CloseStdin | Effect::SteerAnswered { .. } | Effect::Kill => format!("{effect:?}"),
    }
}

/// What the adapter says today is what the real Codex answered to.
#[test]
fn the_adapter_still_says_what_was_recorded() {
    for transcript in all_transcripts() {
        let said: Vec<Value> = transcript
            .replay_lines()
            .iter()
            .filter_map(|effect| match effect {
                Effect::WriteStdin(bytes) => Some(serde_json::from_slice(bytes).unwrap()),
                Effect::CloseStdin
                | Effect::Event(_)
                | Effect::SteerAnswered { .. }
                | Effect::TurnFinished(_)
                | Effect::Kill => None,
            })
            .collect();
        assert_eq!(said, transcript.recorded_input(), "{}", transcript.name);
    }
}

#[test]
fn the_effects_do_not_depend_on_how_the_output_was_cut() {
    for transcript in all_transcripts() {
        let whole = transcript.replay_lines();
        for size in (1..=16).chain([61, 1000, 4096, usize::MAX]) {
            assert_eq!(
                transcript.replay_in_pieces(size),
                whole,
                "{} in pieces of {size} bytes",
                transcript.name
            );
        }
    }
}

#[test]
fn the_effects_do_not_depend_on_where_the_output_was_cut_in_two() {
    let transcript = Transcript::load("session-lost");
    let whole = transcript.replay_lines();
    for at in 0..=transcript.output_bytes() {
        assert_eq!(transcript.replay_cut_at(at), whole, "cut at byte {at}");
    }
}

#[test]
fn every_turn_ends_once_and_says_nothing_afterwards() {
    for transcript in all_transcripts() {
        assert_ends_once(&transcript.replay_lines(), &transcript.name);
    }
}

fn assert_ends_once(effects: &[Effect], context: &str) {
    let ends: Vec<usize> = (0..effects.len())
        .filter(|at| matches!(effects[*at], Effect::TurnFinished(_)))
        .collect();
    let [end] = ends[..] else {
        panic!("{context}: {} ends", ends.len());
    };
    let after: Vec<&Effect> = effects[end..]
        .iter()
        .filter(|effect| matches!(effect, Effect::Event(_)))
        .collect();
    assert!(after.is_empty(), "{context}: {after:?}");
}

/// On resume Codex repeats the count of the turn before; two model calls followed.
#[test]
fn tokens_of_the_turn_before_are_not_counted_again() {
    let effects = Transcript::load("resume").replay_lines();
    let counts = effects
        .iter()
        .filter(|effect| matches!(effect, Effect::Event(AgentEvent::Tokens { .. })));
    assert_eq!(counts.count(), 2);
}

#[test]
fn the_session_is_the_rollout_file() {
    let edit = Transcript::load("edit");
    let opened = edit
        .replay_lines()
        .into_iter()
        .find_map(|effect| match effect {
            Effect::Event(AgentEvent::SessionStarted { thread_id, file }) => {
                Some((thread_id, file.unwrap()))
            }
            _ => None,
        });
    let (thread_id, file) = opened.unwrap();
    assert!(
        file.as_str().starts_with(".codex/sessions/2026/") && file.as_str().contains(&thread_id),
        "{file:?}"
    );
    let spec = edit.replayed_adapter().session_files().unwrap();
    assert_eq!(
        (spec.thread_id, spec.entries),
        (thread_id, vec![SessionEntry::File(file)])
    );
    assert_eq!(
        Transcript::load("session-lost")
            .replayed_adapter()
            .session_files(),
        None
    );
}

/// Nothing of the repository or of the turn before may change what the turn was ordered to be.
#[test]
fn model_policy_and_sandbox_are_named_on_start_and_on_resume() {
    for (name, method) in [("edit", "thread/start"), ("resume", "thread/resume")] {
        let input = Transcript::load(name).recorded_input();
        let opened = input
            .iter()
            .find(|message| message["method"] == method)
            .unwrap();
        for (parameter, value) in [
            ("model", "scripted-1"),
            ("modelProvider", "outwork"),
            ("approvalPolicy", "never"),
            ("sandbox", "danger-full-access"),
            ("cwd", "/workspace"),
        ] {
            assert_eq!(opened["params"][parameter], value, "{name}");
        }
    }
}

/// The process may go at any moment; what was begun must still come to an end.
#[test]
fn a_turn_that_is_cut_off_ends_once_as_a_crash() {
    for transcript in all_transcripts() {
        let lines = transcript.lines_before_the_end();
        for kept in 0..=lines {
            let effects = transcript.replay_then_kill(kept);
            assert_ends_once(&effects, &format!("{} after {kept} lines", transcript.name));
            let crashed = effects.iter().any(|effect| {
                matches!(
                    effect,
                    Effect::TurnFinished(TurnOutcome::Failed { .. } | TurnOutcome::Interrupted)
                )
            });
            assert!(
                crashed || kept == lines,
                "{} after {kept} lines: {effects:?}",
                transcript.name
            );
        }
    }
}
