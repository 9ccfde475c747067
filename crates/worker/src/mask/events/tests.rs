use outwork_api::event::{EventBody, PlanEntry};
use outwork_api::task::{DiffStat, Failure};

use super::*;
use crate::mask::tests::{Dice, assert_clean, masker, pieces, scene};

#[test]
fn whatever_comes_between_the_pieces_no_value_is_shown() {
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    for _ in 0..1000 {
        let (secrets, text) = scene(&mut dice);
        let masker = Masker::new(secrets.iter().map(|(name, value)| (name, value)));
        let mut events = EventMasker::new(masker);
        let (mut said, mut between) = (String::new(), 0);
        let mut told = Vec::new();
        for piece in pieces(&mut dice, &text) {
            told.extend(events.mask_event(output("stdout", piece)));
            match dice.below(4) {
                0 => told.extend(events.mask_event(output("stderr", "qqq"))),
                1 => told.extend(events.mask_event(warning("qqq"))),
                _ => continue,
            }
            between += 1;
            // In its place: whatever is said of the text so far is before it.
            assert!(matches!(
                told.last(),
                Some(EventBody::Warning { message: text } | EventBody::Output { text, .. }) if text == "qqq"
            ));
        }
        told.extend(events.finish());
        for body in told {
            match body {
                EventBody::Output { stream, text } if stream == "stdout" => said += &text,
                _ => between -= 1,
            }
        }
        assert_eq!(between, 0);
        assert_clean(&secrets, &said);
    }
}

fn output(stream: &str, text: &str) -> EventBody {
    EventBody::Output {
        stream: stream.to_owned(),
        text: text.to_owned(),
    }
}

fn warning(message: &str) -> EventBody {
    EventBody::Warning {
        message: message.to_owned(),
    }
}

fn delta(text: &str) -> EventBody {
    EventBody::MessageDelta {
        text: text.to_owned(),
    }
}

fn command_output(id: &str, text: &str) -> EventBody {
    EventBody::CommandOutput {
        id: id.to_owned(),
        text: text.to_owned(),
    }
}

fn command_finished(id: &str) -> EventBody {
    EventBody::CommandFinished {
        id: id.to_owned(),
        exit_code: Some(0),
        duration_ms: None,
    }
}

fn step_finished(detail: Option<&str>) -> EventBody {
    EventBody::StepFinished {
        step: "setup".to_owned(),
        duration_ms: 1,
        detail: detail.map(str::to_owned),
    }
}

fn told(bodies: impl IntoIterator<Item = EventBody>) -> Vec<EventBody> {
    let mut events = EventMasker::new(masker(&[("TOKEN", "hunter22")]));
    let mut told = Vec::new();
    for body in bodies {
        told.extend(events.mask_event(body));
    }
    told.extend(events.finish());
    told
}

#[test]
fn entries_keep_their_order_and_streams_their_ends() {
    assert_eq!(
        told([
            output("stdout", "a hunter"),
            output("stdout", "22 hu"),
            step_finished(Some("exit hunter22")),
            output("stdout", "nter22 hu"),
            output("stderr", "nter22 h"),
            warning("between"),
            output("stdout", "nter22"),
        ]),
        [
            output("stdout", "a "),
            output("stdout", "[secret TOKEN] "),
            output("stdout", "hu"),
            step_finished(Some("exit [secret TOKEN]")),
            output("stdout", "nter22 "),
            output("stdout", "hu"),
            output("stderr", "nter22 "),
            output("stderr", "h"),
            warning("between"),
            output("stdout", "[secret TOKEN]"),
        ]
    );
}

#[test]
fn commands_and_messages_end_on_their_own() {
    let message = |text: &str| EventBody::Message {
        text: text.to_owned(),
    };
    assert_eq!(
        told([
            command_output("1", "hunt"),
            command_output("2", "hunt"),
            command_finished("2"),
            command_output("1", "er22 hunter"),
            command_finished("1"),
            delta("hunter"),
            message("hunter22"),
            delta("22"),
        ]),
        [
            command_output("1", "[secret TOKEN]"),
            command_output("2", "hunt"),
            command_finished("2"),
            command_output("1", " "),
            command_output("1", "hunter"),
            command_finished("1"),
            delta("hunter"),
            message("[secret TOKEN]"),
            delta("22"),
        ]
    );
}

#[test]
fn a_stream_for_each_of_many_commands_is_not_kept() {
    let mut events = EventMasker::new(masker(&[("TOKEN", "hunter22")]));
    for number in 0..1000 {
        drop(events.mask_event(command_output(&number.to_string(), "hu")));
    }
    assert!(events.streams.len() <= 65);
    let said = events.mask_event(command_output("999", "nter22"));
    assert_eq!(said, [command_output("999", "[secret TOKEN]")]);
}

#[test]
fn every_text_that_somebody_chose_is_masked() {
    let text = || "x hunter22 y".to_owned();
    let some = || Some(text());
    let bodies = [
        EventBody::State {
            state: "failed".into(),
            question: None,
            worker: None,
            failure: Some(Failure {
                code: "setup_failed".into(),
                message: text(),
                hint: some(),
            }),
        },
        step_finished(Some(&text())),
        EventBody::Snapshot {
            key: "0".into(),
            state: "building".into(),
            reason: some(),
            age_seconds: None,
            size_bytes: None,
        },
        EventBody::NetworkRequest {
            host: text(),
            port: 443,
            method: some(),
            path: some(),
            verdict: "allowed".into(),
            code: None,
            reason: some(),
            rule: some(),
            hint: some(),
        },
        EventBody::LimitHit {
            limit: "memory".into(),
            message: text(),
        },
        output("stdout", &text()),
        delta(&text()),
        EventBody::Message { text: text() },
        EventBody::Reasoning { text: text() },
        EventBody::CommandStarted {
            id: text(),
            command: text(),
        },
        command_output(&text(), &text()),
        command_finished(&text()),
        EventBody::FileChanged {
            path: text(),
            kind: "add".into(),
        },
        EventBody::Plan {
            entries: vec![PlanEntry {
                text: text(),
                status: "pending".into(),
            }],
        },
        EventBody::Session {
            thread_id: text(),
            resumed: false,
        },
        EventBody::Retrying { message: text() },
        warning(&text()),
    ];
    for body in bodies {
        let before = serde_json::to_string(&body).unwrap();
        let after = serde_json::to_string(&told([body])[..]).unwrap();
        let expected = before.replace("hunter22", "[secret TOKEN]");
        assert_eq!(after, format!("[{expected}]"));
    }
}

#[test]
fn words_of_our_own_stay_even_if_a_secret_is_such_a_word() {
    let mut events = EventMasker::new(masker(&[
        ("A", "stdout"),
        ("B", "running"),
        ("C", "maintenance"),
    ]));
    for body in [
        output("stdout", "x"),
        EventBody::State {
            state: "running".into(),
            question: None,
            worker: Some("wkr_1".into()),
            failure: None,
        },
        EventBody::StepStarted {
            step: "maintenance".into(),
        },
        EventBody::CancelRequested {},
        EventBody::ModelCallStarted { number: 1 },
        EventBody::DiffReady {
            repository: None,
            summary: DiffStat::default(),
            size_bytes: 0,
        },
        EventBody::Unknown,
    ] {
        assert_eq!(events.mask_event(body.clone()), [body]);
    }
}
