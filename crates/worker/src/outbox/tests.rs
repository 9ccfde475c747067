use std::sync::Arc;

use futures_util::FutureExt;
use outwork_api::worker::Outcome;
use outwork_domain::{Step, Timestamp};
use tokio_util::sync::CancellationToken;

use super::delivery::{Portion, Position};
use super::*;

fn clock() -> Clock {
    Arc::new(|| Timestamp::from_millis(0))
}

fn output(text: &str) -> EventBody {
    EventBody::Output {
        stream: "stdout".to_owned(),
        text: text.to_owned(),
    }
}

fn finish() -> Finish {
    Finish {
        epoch: 1,
        outcome: Outcome::Succeeded {},
        diffs: Vec::new(),
        has_session: false,
        message: None,
        tokens: None,
        verification: None,
        agent_ms: None,
        paths: Vec::new(),
        changed_tests: Vec::new(),
        last_seq: 0,
    }
}

fn all(outbox: &Outbox) -> Vec<Entry> {
    let mut offset = 0;
    let mut entries = Vec::new();
    loop {
        let batch = outbox.read(offset).unwrap();
        let Some((_, end)) = batch.last() else {
            return entries;
        };
        offset = *end;
        entries.extend(batch.into_iter().map(|(entry, _)| entry));
    }
}

#[test]
fn pieces_of_one_stream_are_joined_and_numbered_without_gaps() {
    let directory = tempfile::tempdir().unwrap();
    let outbox = Outbox::create(
        directory.path(),
        1 << 20,
        clock(),
        Masker::new([] as [(&str, &str); 0]),
    );
    outbox.step(Step::Running);
    outbox.event(Source::Inside, output("a"));
    outbox.event(Source::Inside, output("b"));
    outbox.event(
        Source::Inside,
        EventBody::Output {
            stream: "stderr".to_owned(),
            text: "c".to_owned(),
        },
    );
    outbox.step(Step::Collecting);
    outbox.event(Source::Inside, output(&"d".repeat(JOINED_BYTES)));
    outbox.event(Source::Inside, output("e"));
    outbox.finish(finish());
    outbox.event(Source::Worker, output("too late"));
    let seen: Vec<String> = all(&outbox)
        .into_iter()
        .map(|entry| match entry {
            Entry::Event {
                seq,
                event:
                    NewEvent {
                        at: _,
                        body: EventBody::Output { stream, text },
                    },
            } => {
                format!("{seq} {stream} {}", text.len())
            }
            Entry::Event { seq, event: _ } => format!("{seq} other"),
            Entry::Step { step } => step,
            Entry::Upload {
                kind,
                repository: _,
            } => kind.as_str().to_owned(),
            Entry::Finish(finish) => format!("finish after {}", finish.last_seq),
        })
        .collect();
    assert_eq!(
        seen,
        [
            "running",
            "1 stdout 2",
            "2 stderr 1",
            "collecting",
            "3 stdout 32768",
            "4 stdout 1",
            "finish after 4"
        ]
    );
}

#[test]
fn a_flood_is_bounded_and_said_once() {
    let directory = tempfile::tempdir().unwrap();
    let outbox = Outbox::create(
        directory.path(),
        1 << 20,
        clock(),
        Masker::new([] as [(&str, &str); 0]),
    );
    for _ in 0..100_000 {
        outbox.event(Source::Inside, output(&"x".repeat(1000)));
    }
    outbox.event(
        Source::Worker,
        EventBody::StepFinished {
            step: "agent".to_owned(),
            duration_ms: 1,
            detail: None,
        },
    );
    outbox.finish(finish());
    let entries = all(&outbox);
    let warnings = entries.iter().filter(|entry| {
        matches!(
            entry,
            Entry::Event {
                event: NewEvent {
                    body: EventBody::Warning { .. },
                    ..
                },
                ..
            }
        )
    });
    assert_eq!(warnings.count(), 1);
    assert!(
        std::fs::metadata(directory.path().join("entries"))
            .unwrap()
            .len()
            < 2 << 20
    );
    assert!(matches!(
        &entries[entries.len() - 2],
        Entry::Event {
            event: NewEvent {
                body: EventBody::StepFinished { .. },
                ..
            },
            ..
        }
    ));
}

#[test]
fn an_outbox_is_reopened_only_with_its_end() {
    let directory = tempfile::tempdir().unwrap();
    let outbox = Outbox::create(
        directory.path(),
        1 << 20,
        clock(),
        Masker::new([] as [(&str, &str); 0]),
    );
    outbox.event(Source::Worker, output("a"));
    outbox.result(OutputKind::Diff, None, b"patch").unwrap();
    assert!(Outbox::reopen(directory.path(), clock()).unwrap().is_none());
    outbox.finish(finish());
    let before = all(&outbox);
    drop(outbox);
    let again = Outbox::reopen(directory.path(), clock()).unwrap().unwrap();
    assert_eq!(all(&again), before);
}

#[test]
fn what_the_disk_refuses_is_kept_in_memory() {
    // A directory that is not there refuses as a full disk does: at the first write.
    let outbox = Outbox::create(
        Path::new("/nonexistent"),
        1 << 20,
        clock(),
        Masker::new([] as [(&str, &str); 0]),
    );
    outbox.event(Source::Worker, output("a"));
    outbox.finish(finish());
    assert!(outbox.is_broken());
    assert_eq!(all(&outbox).len(), 2);
}

#[test]
fn what_was_written_before_the_end_is_sent() {
    // Whether it looks at what was written or at the end first is chance.
    for _ in 0..40 {
        let directory = tempfile::tempdir().unwrap();
        let masker = Masker::new([] as [(&str, &str); 0]);
        let outbox = Outbox::create(directory.path(), 1 << 20, clock(), masker);
        let last = CancellationToken::new();
        let mut position = Position::default();
        let mut next = Box::pin(position.next_or_end(&outbox, &last));
        assert!((&mut next).now_or_never().is_none(), "nothing is there");
        outbox.step(Step::Running);
        last.cancel();
        let found = next.now_or_never().expect("it waits no more").unwrap();
        let (portion, end) = found.expect("the step");
        assert!(matches!(portion, Portion::Step(_)), "{portion:?}");
        position.delivered(&portion, end, None);
        let over = position.next_or_end(&outbox, &last).now_or_never();
        assert!(matches!(over, Some(Ok(None))), "{over:?}");
    }
}
