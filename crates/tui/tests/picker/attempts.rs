//! The attempts of a turn, side by side.

use outwork_api::task::{Chosen, DiffStat, Failure, RankedAttempt, Ranking, RankingReason, Tokens};
use outwork_tui::{Answer, DiffKey, Effect, Trouble};

use crate::made::{Picker, attempt, loaded, summary, task, tasks, time};

const FIRST: &str = "diff --git a/src/main.rs b/src/main.rs\nindex 1..2 100644\n--- a/src/main.rs\n\
    +++ b/src/main.rs\n@@ -1,3 +1,3 @@ fn main() {\n \tlet a = 1;\n-\tlet b = 2;\n+\tlet b = 3;\n }\n";
const SECOND: &str = "diff --git a/docs/a.md b/docs/a.md\n--- a/docs/a.md\n+++ b/docs/a.md\n@@ -0,0 +1,2 @@\n\
    +# About b\n+It is four.\ndiff --git a/src/main.rs b/src/main.rs\n--- a/src/main.rs\n+++ b/src/main.rs\n\
    @@ -2 +2,2 @@ fn main() {\n-\tlet b = 2;\n+\t// Not two.\n+\tlet b = 4;\n";

fn key(attempt: u32) -> DiffKey {
    DiffKey {
        task: summary(3, "completed", "").id,
        turn: 1,
        attempt,
        repository: None,
    }
}

fn diff(attempt: u32, text: &str) -> Answer {
    Answer::Diff {
        key: key(attempt),
        result: Ok(text.as_bytes().to_vec()),
    }
}

/// A picker in which three attempts of a task are compared, and nothing of their diffs is there yet.
fn compared(columns: u16, rows: u16) -> Picker {
    let mut picker = Picker::new(columns, rows);
    let row = summary(3, "completed", "Make b something else");
    picker.answer(tasks(0, vec![row.clone()])).press("<Enter>");
    let mut first = attempt(1, "succeeded");
    first.tokens = Some(Tokens {
        input: 12_345,
        output: 678,
        ..Tokens::default()
    });
    let mut second = attempt(2, "succeeded");
    second.ended_at = Some(time(100_000));
    second.diff = Some(DiffStat {
        files_changed: 2,
        lines_added: 4,
        lines_removed: 1,
    });
    let mut third = attempt(3, "failed");
    third.message = None;
    third.diff = None;
    third.failure = Some(Failure {
        code: "timed_out".to_owned(),
        message: "it took longer than an hour".to_owned(),
        hint: None,
    });
    picker
        .answer(loaded(task(row, vec![first, second, third])))
        .wanted();
    picker.press("s");
    assert_eq!(
        picker.wanted(),
        [1, 2, 3].map(|it| Effect::LoadDiff(key(it)))
    );
    picker
}

#[test]
fn two_attempts_stand_beside_each_other_file_by_file() {
    let mut picker = compared(120, 34);
    assert!(picker.screen().contains("loading its diff"));
    picker.answer(diff(2, SECOND)).answer(diff(1, FIRST));
    picker.answer(Answer::Diff {
        key: key(3),
        result: Err(Trouble {
            message: "the attempt has no diff".to_owned(),
            ..Trouble::default()
        }),
    });
    insta::assert_snapshot!("side_by_side", picker.screen());
    // Another one on the right, then round again; another one on the left.
    picker.press("s");
    let screen = picker.screen();
    assert!(screen.contains("Attempt 3: failed"), "{screen}");
    assert!(screen.contains("the attempt has no diff"), "{screen}");
    assert!(!screen.contains("Attempt 2:"), "{screen}");
    picker.press("s");
    assert!(picker.screen().contains("  Attempt 2: succeeded"));
    picker.press("]");
    assert!(picker.screen().contains("> Attempt 2: succeeded"));
    // What is there is not loaded once more, and what is applied is the left one.
    let follows = |effect: &Effect| matches!(effect, Effect::FollowLog { .. });
    assert!(picker.wanted().iter().all(follows));
    picker.press("a");
    assert_eq!(picker.wanted(), [Effect::Preflight(key(2))]);
}

#[test]
fn without_room_they_stand_one_after_the_other() {
    let mut picker = compared(80, 48);
    picker.answer(diff(2, SECOND)).answer(diff(1, FIRST));
    insta::assert_snapshot!("one_after_the_other", picker.screen());
    picker.resize(119, 48);
    assert!(!picker.screen().contains('│'));
    picker.resize(120, 12);
    assert!(picker.screen().contains('│'));
    picker.press("}");
    let file = |screen: &str| screen.lines().nth(2).unwrap_or_default().to_owned();
    assert!(file(&picker.screen()).contains("docs/a.md"));
}

#[test]
fn an_attempt_that_ends_has_its_diff_loaded_again() {
    let mut picker = Picker::new(130, 30);
    let row = summary(3, "running", "Two");
    picker.answer(tasks(0, vec![row.clone()])).press("<Enter>");
    let attempts = |second: &str| vec![attempt(1, "succeeded"), attempt(2, second)];
    picker.answer(loaded(task(row.clone(), attempts("running"))));
    picker
        .press("s")
        .answer(diff(1, FIRST))
        .answer(diff(2, FIRST));
    picker.wanted();
    picker.answer(loaded(task(row.clone(), attempts("running"))));
    assert_eq!(picker.wanted(), []);
    picker.answer(loaded(task(row, attempts("succeeded"))));
    assert_eq!(picker.wanted(), [Effect::LoadDiff(key(2))]);
    // One attempt is beside nothing.
    let row = summary(4, "completed", "One");
    picker
        .press("q")
        .answer(tasks(0, vec![row.clone()]))
        .press("G<Enter>");
    picker.answer(loaded(task(row, vec![attempt(1, "succeeded")])));
    picker.press("s");
    assert!(
        picker.screen().contains("there is but one attempt"),
        "{}",
        picker.screen()
    );
}

/// The order of the attempts, with what speaks for the one that is seen: the one that stands for the turn.
#[test]
fn the_picker_says_which_attempt_is_first_and_why() {
    let mut picker = Picker::new(100, 30);
    let row = summary(3, "completed", "Make b something else");
    picker.answer(tasks(0, vec![row.clone()])).press("<Enter>");
    let mut whole = task(row, vec![attempt(1, "succeeded"), attempt(2, "succeeded")]);
    let place = |attempt, place, good, text: &str| RankedAttempt {
        attempt,
        place,
        reasons: vec![RankingReason {
            kind: "verification".to_owned(),
            text: text.to_owned(),
            good,
        }],
    };
    let turn = &mut whole.turns[0];
    turn.shown = Some(2);
    turn.ranking = Some(Ranking {
        verdict: "decided".to_owned(),
        best: Some(2),
        summary: "Attempt 2 passes the verification; no other does.".to_owned(),
        places: vec![
            place(2, 1, true, "it passes the verification"),
            place(
                1,
                2,
                false,
                "it does not pass the verification (exit code 1)",
            ),
        ],
    });
    picker.answer(loaded(whole.clone()));
    insta::assert_snapshot!("the_best_is_seen_first", picker.screen());
    // A person chose the other one.
    whole.turns[0].chosen = Some(Chosen {
        attempt: 1,
        by: "prn_1".to_owned(),
        at: time(0),
    });
    picker.answer(loaded(whole)).press("[");
    insta::assert_snapshot!("the_other_was_chosen", picker.screen());
}
