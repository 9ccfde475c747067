//! What people tell an attempt.

use outwork_domain::attempt::{Outcome, Refused};
use outwork_domain::{State, WorkerId};
use outwork_store::{Change, Message, MessageBody, StoreError, Submitted, Telling};

use crate::bed::{Bed, at, result};
use crate::changes::told;

async fn an_answer_sends_the_attempt_back_to_its_own_work(bed: Bed) {
    let held = bed.held(at(0)).await.attempt;
    let asks = Outcome::AwaitingInput {
        question: "which?".into(),
    };
    bed.store
        .finish(
            bed.workspace,
            held.id,
            held.epoch,
            asks,
            result(&held),
            0,
            at(1),
        )
        .await
        .expect("held");
    let answer = async |key: Option<&str>, now| {
        bed.store
            .tell(
                bed.workspace,
                held.id,
                bed.principal,
                Telling::Answer("this".into()),
                key.map(|key| bed.idempotency(key, 1)),
                at(now),
            )
            .await
    };
    assert_eq!(answer(Some("k"), 2).await.expect("it asks"), Submitted::New);
    let task_id = held.task_id;
    assert_eq!(
        answer(Some("k"), 3).await.expect("the same request"),
        Submitted::Replayed { task_id }
    );
    let again = answer(None, 4).await;
    let Err(StoreError::Refused(Refused::WrongState { state, wanted })) = again else {
        panic!("{again:?}");
    };
    assert_eq!((state, wanted), ("queued", "answered"));

    let claimed = bed.claim(bed.worker(), at(5)).await;
    assert_eq!(claimed.attempt.id, held.id);
    let own = claimed.continues.expect("its own work");
    assert_eq!(own.attempt.id, held.id);
    assert_eq!(own.result, Some(result(&held)));
    let body = MessageBody::Answer {
        question: "which?".into(),
        text: "this".into(),
    };
    assert_eq!(claimed.messages, [Message { number: 1, body }]);
    let log = bed.log(held.id).await.join("\n");
    for part in [
        r#""question":"which?""#,
        r#"{"text":"this","type":"answered"}"#,
    ] {
        assert!(log.contains(part), "{part} in {log}");
    }
}

async fn a_worker_hears_of_messages_and_interrupts(bed: Bed) {
    let submitted = bed.submit(1, at(0)).await.attempts[0].id;
    let tell = async |what, now| {
        let (ws, by) = (bed.workspace, bed.principal);
        bed.store.tell(ws, submitted, by, what, None, at(now)).await
    };
    // Before a worker has it.
    tell(Telling::Steer("first".into()), 1)
        .await
        .expect("it waits");
    let early = tell(Telling::Interrupt, 1).await;
    assert!(matches!(early, Err(StoreError::Refused(_))), "{early:?}");
    let worker: WorkerId = bed.worker();
    let held = bed.claim(worker, at(2)).await;
    let first = Message {
        number: 1,
        body: MessageBody::Steer("first".into()),
    };
    assert_eq!(held.messages, std::slice::from_ref(&first));

    let mut changes = bed.store.changes();
    tell(Telling::Interrupt, 3).await.expect("it is held");
    let command = Change::Command(submitted, held.attempt.epoch, worker);
    assert_eq!(told(&mut changes), [Change::Attempt(submitted), command]);
    let second = Message {
        number: 2,
        body: MessageBody::Interrupt,
    };
    let ids = std::iter::once(submitted);
    let messages = bed.store.messages(ids).await.expect("works");
    assert_eq!(messages[&submitted], [first, second]);

    bed.store
        .cancel(bed.workspace, submitted, at(4))
        .await
        .expect("held");
    for what in [Telling::Steer("late".into()), Telling::Interrupt] {
        let late = tell(what, 5).await;
        assert!(matches!(late, Err(StoreError::Refused(_))), "{late:?}");
    }
    let state = bed.state(submitted).await.state;
    assert!(matches!(state, State::Held { .. }), "nothing was changed");
}

async fn there_is_an_end_to_what_can_be_said(bed: Bed) {
    let held = bed.held(at(0)).await.attempt.id;
    let say = async |text: String| {
        let (ws, by) = (bed.workspace, bed.principal);
        let what = Telling::Steer(text);
        bed.store.tell(ws, held, by, what, None, at(1)).await
    };
    for number in 0..200 {
        say(number.to_string()).await.expect("it is held");
    }
    let more = say("more".into()).await;
    assert!(
        matches!(more, Err(StoreError::TooMany { most: 200 })),
        "{more:?}"
    );
}

on_both!(
    an_answer_sends_the_attempt_back_to_its_own_work,
    a_worker_hears_of_messages_and_interrupts,
    there_is_an_end_to_what_can_be_said,
);
