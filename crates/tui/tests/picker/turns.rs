//! A task with follow-ups.

use outwork_api::task::{Task, Turn};
use outwork_tui::{Answer, DiffKey, Effect, Said};

use crate::made::{Picker, attempt, loaded, summary, task, tasks, time};

/// With so many turns; each goes on from attempt 2 of the one before.
fn with_turns(count: u32) -> Task {
    let mut whole = task(summary(3, "completed", "Make b three"), Vec::new());
    whole.turns = (1..=count)
        .map(|number| {
            let mut attempts = vec![attempt(1, "failed"), attempt(2, "succeeded")];
            for attempt in &mut attempts {
                attempt.id = format!("att_{number}_{}", attempt.number);
                attempt.message = Some(format!("Said in turn {number} by {}.", attempt.number));
            }
            Turn {
                id: format!("turn_{number}"),
                number,
                prompt: format!("Prompt {number}"),
                output_schema: None,
                kind: Default::default(),
                composed_from: Vec::new(),
                continues: (number > 1).then(|| format!("att_{}_2", number - 1)),
                created_at: time(0),
                ranking: None,
                chosen: None,
                shown: None,
                attempts,
            }
        })
        .collect();
    whole
}

fn opened(turns: u32) -> Picker {
    let mut picker = Picker::new(80, 26);
    let whole = with_turns(turns);
    let row = whole.summary.clone();
    picker.answer(tasks(0, vec![row])).press("<Enter>");
    picker.answer(loaded(whole));
    picker
}

fn key(turn: u32, attempt: u32) -> DiffKey {
    DiffKey {
        task: summary(3, "completed", "").id,
        turn,
        attempt,
        repository: None,
    }
}

#[test]
fn follow_ups_are_a_conversation_and_each_turn_can_be_gone_to() {
    let mut picker = opened(3);
    insta::assert_snapshot!("conversation", picker.screen());
    picker.press("<").wanted();
    insta::assert_snapshot!("conversation_of_an_older_turn", picker.screen());
    picker.press("d");
    assert_eq!(picker.wanted(), [Effect::LoadDiff(key(2, 1))]);
    picker.press("]");
    let followed = Effect::FollowLog {
        attempt: Some("att_2_2".to_owned()),
    };
    assert_eq!(picker.wanted(), [followed, Effect::LoadDiff(key(2, 2))]);
    // An older diff can be applied, too.
    picker.press("a");
    assert_eq!(picker.wanted(), [Effect::Preflight(key(2, 2))]);
    picker.press("<Esc><<<").wanted();
    assert!(picker.screen().contains("turn 1/3"), "{}", picker.screen());
    picker.press(">>>>");
    assert!(picker.screen().contains("turn 3/3"), "{}", picker.screen());
}

#[test]
fn an_older_turn_stays_seen_until_somebody_follows_up() {
    let mut picker = opened(2);
    picker.press("<").answer(loaded(with_turns(3)));
    assert!(picker.screen().contains("turn 1/3"), "{}", picker.screen());
    // From the newest turn, whatever is seen.
    picker.press("fmore<Enter>");
    let sent = picker.wanted().into_iter().find_map(|effect| match effect {
        Effect::Send { draft, said } => Some((draft, said)),
        _ => None,
    });
    let (draft, said) = sent.expect("it is sent");
    assert!(
        matches!(said, Said::FollowUp { attempt: None, .. }),
        "{said:?}"
    );
    picker.answer(Answer::Sent {
        draft,
        result: Ok(Box::new(with_turns(4))),
    });
    assert!(picker.screen().contains("turn 4/4"), "{}", picker.screen());
    // Whoever sees the newest goes on to what comes after it.
    picker.answer(loaded(with_turns(5)));
    assert!(picker.screen().contains("turn 5/5"), "{}", picker.screen());
}

#[test]
fn a_question_of_the_newest_turn_is_answered_from_any() {
    let mut whole = with_turns(2);
    whole.turns[1].attempts[0].question = Some("Which?".to_owned());
    let mut picker = opened(2);
    picker.answer(loaded(whole)).press("<i");
    assert!(picker.screen().contains("Which?"), "{}", picker.screen());
}
