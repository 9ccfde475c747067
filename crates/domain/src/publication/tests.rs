use uuid::Uuid;

use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

fn new() -> Publication {
    Publication {
        id: PublicationId::from_uuid(Uuid::from_u128(1)),
        workspace_id: WorkspaceId::from_uuid(Uuid::from_u128(2)),
        task_id: TaskId::from_uuid(Uuid::from_u128(3)),
        attempt_id: AttemptId::from_uuid(Uuid::from_u128(4)),
        repository: "app".to_owned(),
        asked: Asked {
            branch: "outwork/x".to_owned(),
            base: None,
            title: None,
            body: None,
            draft: false,
            author: None,
        },
        created_by: PrincipalId::from_uuid(Uuid::from_u128(5)),
        created_at: at(0),
        deadline_at: at(0) + DEADLINE,
        epoch: Epoch::ZERO,
        tries: 0,
        commit: None,
        state: State::Queued {
            visible_at: at(0),
            trouble: None,
        },
    }
}

fn trouble(epoch: i64) -> Command {
    Command::PutOff {
        epoch: Epoch::new(epoch),
        trouble: Some("It is down.".to_owned()),
        wait: Duration::from_secs(2),
    }
}

#[test]
fn one_server_has_it_until_its_lease_runs_out() {
    let held = new().apply(Command::Claim, at(1)).expect("it waits");
    let early = held.clone().apply(Command::Claim, at(30));
    assert_eq!(early, Err(Refused::NotDue));
    let renew = Command::Renew {
        epoch: Epoch::new(1),
    };
    let renewed = held.clone().apply(renew.clone(), at(20)).expect("held");
    let early = renewed.apply(Command::Claim, at(49));
    assert_eq!(early, Err(Refused::NotDue));
    let other = held.apply(Command::Claim, at(31)).expect("it ran out");
    assert_eq!(other.epoch, Epoch::new(2));
    assert_eq!(other.clone().apply(renew, at(32)), Err(Refused::Stale));
    assert_eq!(other.apply(trouble(1), at(32)), Err(Refused::Stale));
}

#[test]
fn trouble_is_tried_again_and_then_given_up() {
    let mut it = new();
    let mut now = 1;
    for tries in 1..TRIES {
        it = it.apply(Command::Claim, at(now)).expect("due");
        it = it.apply(trouble(i64::from(tries)), at(now)).expect("held");
        assert!(matches!(it.state, State::Queued { .. }), "{it:?}");
        now += 2;
    }
    it = it.apply(Command::Claim, at(now)).expect("due");
    it = it.apply(trouble(i64::from(TRIES)), at(now)).expect("held");
    let State::Failed { failure, .. } = &it.state else {
        panic!("{it:?}");
    };
    assert_eq!(failure.message, "Given up after 8 tries. It is down.");
    assert_eq!(it.apply(Command::Claim, at(now)), Err(Refused::Ended));
}

#[test]
fn nothing_waits_for_ever() {
    let late = at(0) + DEADLINE;
    let failed = new().apply(Command::Claim, late).expect("due");
    assert!(matches!(failed.state, State::Failed { .. }), "{failed:?}");
    let held = new().apply(Command::Claim, at(1)).expect("it waits");
    let failed = held.apply(Command::Claim, late).expect("due");
    assert!(matches!(failed.state, State::Failed { .. }), "{failed:?}");
}

#[test]
fn a_branch_is_named_after_the_task() {
    let task = TaskId::from_uuid(Uuid::from_u128(0x1234_5678));
    for (title, expected) in [
        ("Fix the bug!", "outwork/12345678-fix-the-bug"),
        ("", "outwork/12345678"),
        ("ÄÖ — …", "outwork/12345678"),
        ("../../x.lock", "outwork/12345678-x-lock"),
        (
            "one two three four five six seven eight nine ten",
            "outwork/12345678-one-two-three-four-five-six-seven-eight",
        ),
    ] {
        assert_eq!(branch(task, title), expected, "{title}");
    }
}
