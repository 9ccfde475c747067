//! Every state × every command, printed: the state machine as a table that a person can read.

use std::num::NonZeroU32;

use outwork_domain::attempt::Outcome;
use outwork_domain::limits::AttemptLimits;
use outwork_domain::{
    Attempt, AttemptEvent, AttemptId, Command, Desired, Epoch, Failure, FailureCode, Lease, State,
    Step, TaskId, Timestamp, TurnId, WorkerId, WorkspaceId,
};
use uuid::Uuid;

const NOW: Timestamp = Timestamp::from_millis(1_000_000);
const LATER: Timestamp = Timestamp::from_millis(1_010_000);
const EARLIER: Timestamp = Timestamp::from_millis(990_000);
const CURRENT: Epoch = Epoch::new(5);
const STALE: Epoch = Epoch::new(4);

fn worker(number: u128) -> WorkerId {
    WorkerId::from_uuid(Uuid::from_u128(number))
}

fn attempt(state: State, desired: Desired, tries: u32) -> Attempt {
    Attempt {
        id: AttemptId::from_uuid(Uuid::from_u128(1)),
        workspace_id: WorkspaceId::from_uuid(Uuid::from_u128(2)),
        task_id: TaskId::from_uuid(Uuid::from_u128(3)),
        turn_id: TurnId::from_uuid(Uuid::from_u128(4)),
        number: NonZeroU32::MIN,
        agent: None,
        created_at: EARLIER,
        limits: AttemptLimits::default(),
        epoch: CURRENT,
        tries,
        desired,
        state,
    }
}

fn held(step: Step, until: Timestamp, deadline_at: Timestamp) -> State {
    let lease = Lease {
        worker: worker(7),
        epoch: CURRENT,
        until,
    };
    State::Held {
        lease,
        step,
        deadline_at,
    }
}

fn queued(visible_at: Timestamp, deadline_at: Timestamp) -> State {
    State::Queued {
        visible_at,
        deadline_at,
    }
}

fn asking(deadline_at: Timestamp) -> State {
    State::AwaitingInput {
        question: "which database?".into(),
        deadline_at,
    }
}

fn attempts() -> Vec<(String, Attempt)> {
    let run = Desired::Run;
    let stop = |since| Desired::Cancel { since };
    let mut rows = vec![
        ("queued", attempt(queued(EARLIER, LATER), run, 0)),
        (
            "queued, not yet visible",
            attempt(queued(LATER, LATER), run, 1),
        ),
        ("queued, overdue", attempt(queued(EARLIER, NOW), run, 0)),
        (
            "lease ended",
            attempt(held(Step::Running, NOW, LATER), run, 1),
        ),
        (
            "lease ended, last try",
            attempt(held(Step::Running, NOW, LATER), run, 3),
        ),
        (
            "deadline passed",
            attempt(held(Step::Running, LATER, NOW), run, 1),
        ),
        (
            "stop wanted",
            attempt(held(Step::Running, LATER, LATER), stop(EARLIER), 1),
        ),
        (
            "stop wanted, deadline passed",
            attempt(held(Step::Running, LATER, NOW), stop(EARLIER), 1),
        ),
        (
            "stop wanted long ago",
            attempt(
                held(Step::Running, LATER, LATER),
                stop(Timestamp::from_millis(0)),
                1,
            ),
        ),
        (
            "stop wanted, lease ended",
            attempt(held(Step::Running, NOW, LATER), stop(EARLIER), 1),
        ),
        ("awaiting_input", attempt(asking(LATER), run, 1)),
        ("awaiting_input, overdue", attempt(asking(NOW), run, 1)),
        (
            "succeeded",
            attempt(State::Succeeded { ended_at: EARLIER }, run, 1),
        ),
        (
            "failed",
            attempt(
                State::Failed {
                    ended_at: EARLIER,
                    failure: Failure::new(FailureCode::AgentFailed, "exit 1"),
                },
                run,
                1,
            ),
        ),
        (
            "cancelled",
            attempt(State::Cancelled { ended_at: EARLIER }, stop(EARLIER), 1),
        ),
    ]
    .into_iter()
    .map(|(name, attempt)| (name.to_owned(), attempt))
    .collect::<Vec<_>>();
    for (index, step) in Step::ALL.into_iter().enumerate() {
        let name = step.as_str().to_owned();
        rows.insert(3 + index, (name, attempt(held(step, LATER, LATER), run, 1)));
    }
    rows
}

fn commands() -> Vec<(&'static str, Command)> {
    let fail = Failure::new(FailureCode::AgentFailed, "exit 1");
    let finish = |epoch, outcome| Command::Finish { epoch, outcome };
    let asks = Outcome::AwaitingInput {
        question: "which?".into(),
    };
    vec![
        ("claim", Command::Claim { worker: worker(8) }),
        (
            "to preparing",
            Command::Advance {
                epoch: CURRENT,
                step: Step::Preparing,
            },
        ),
        (
            "to collecting",
            Command::Advance {
                epoch: CURRENT,
                step: Step::Collecting,
            },
        ),
        (
            "to collecting, stale",
            Command::Advance {
                epoch: STALE,
                step: Step::Collecting,
            },
        ),
        ("renew", Command::Renew { epoch: CURRENT }),
        ("renew, stale", Command::Renew { epoch: STALE }),
        ("release", Command::Release { epoch: CURRENT }),
        ("release, stale", Command::Release { epoch: STALE }),
        ("evict", Command::Evict { at_once: false }),
        ("evict at once", Command::Evict { at_once: true }),
        ("finish succeeded", finish(CURRENT, Outcome::Succeeded)),
        ("finish failed", finish(CURRENT, Outcome::Failed(fail))),
        ("finish cancelled", finish(CURRENT, Outcome::Cancelled)),
        ("finish asking", finish(CURRENT, asks)),
        ("finish succeeded, stale", finish(STALE, Outcome::Succeeded)),
        ("cancel", Command::Cancel),
        (
            "answer",
            Command::Answer {
                text: "this".into(),
            },
        ),
        (
            "steer",
            Command::Steer {
                number: 1,
                text: "not there".into(),
            },
        ),
        ("interrupt", Command::Interrupt),
        ("reap", Command::Reap),
    ]
}

fn describe(attempt: &Attempt) -> String {
    let at = |time: Timestamp| format!("{:+}s", (time.as_millis() - NOW.as_millis()) / 1000);
    let state = match &attempt.state {
        State::Queued {
            visible_at,
            deadline_at,
        } => {
            format!("visible {} deadline {}", at(*visible_at), at(*deadline_at))
        }
        State::Held {
            lease, deadline_at, ..
        } => {
            format!("lease {} deadline {}", at(lease.until), at(*deadline_at))
        }
        State::AwaitingInput { deadline_at, .. } => format!("deadline {}", at(*deadline_at)),
        State::Failed { failure, .. } => failure.code.as_str().to_owned(),
        State::Succeeded { .. } | State::Cancelled { .. } => String::new(),
    };
    let desired = match attempt.desired {
        Desired::Run => "",
        Desired::Cancel { .. } => ", stop wanted",
    };
    format!(
        "{} [epoch {} tries {}{desired}] {state}",
        attempt.state.as_str(),
        attempt.epoch.get(),
        attempt.tries,
    )
}

fn log(events: &[AttemptEvent]) -> String {
    let names: Vec<&str> = events
        .iter()
        .map(|event| match event {
            AttemptEvent::StateChanged { state, .. } => state,
            AttemptEvent::CancelRequested => "cancel_requested",
            AttemptEvent::Answered { .. } => "answered",
            AttemptEvent::Steered { .. } => "steered",
            AttemptEvent::InterruptRequested => "interrupt_requested",
            AttemptEvent::WorkerLost { .. } => "worker_lost",
        })
        .collect();
    names.join(", ")
}

#[test]
fn every_state_and_command() {
    let mut table = String::new();
    for (name, attempt) in attempts() {
        table += &format!("## {name}: {}\n", describe(&attempt));
        for (what, command) in commands() {
            let result = match attempt.clone().apply(command, NOW) {
                Ok((after, events)) => format!("{}   log: {}", describe(&after), log(&events)),
                Err(refused) => format!("refused: {refused}"),
            };
            table += &format!("{what:<24} {}\n", result.trim_end());
        }
        table.push('\n');
    }
    insta::assert_snapshot!(table);
}

#[test]
fn an_ended_attempt_never_changes() {
    for (name, attempt) in attempts().into_iter().filter(|(_, a)| a.state.is_final()) {
        for (what, command) in commands() {
            assert!(
                attempt.clone().apply(command, NOW).is_err(),
                "{name} was changed by {what}"
            );
        }
    }
}

#[test]
fn every_unfinished_state_is_due_and_then_moves() {
    for (name, attempt) in attempts().into_iter().filter(|(_, a)| !a.state.is_final()) {
        let due = attempt
            .due_at()
            .expect("an unfinished state is due some time");
        let (after, _) = attempt
            .clone()
            .apply(Command::Reap, due)
            .unwrap_or_else(|refused| panic!("{name} is stuck: {refused}"));
        assert_ne!(after.state, attempt.state, "{name} stays as it is");
    }
}
