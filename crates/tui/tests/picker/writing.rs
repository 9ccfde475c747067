//! New tasks, follow-ups, answers, stopping.

use outwork_tui::{Answer, Effect, EnvironmentRow, Event, Said, Trouble};

use crate::made::{Picker, attempt, loaded, summary, task, tasks};

fn environments() -> Answer {
    let row = |label: &str, id: &str| EnvironmentRow {
        id: id.to_owned(),
        label: label.to_owned(),
        repository: format!("https://h/ada/{label}"),
        is_here: label == "demo",
    };
    Answer::Environments(Ok(vec![row("demo", "env_1"), row("engine", "env_2")]))
}

fn sent(picker: &mut Picker) -> (u64, Said) {
    let wanted = picker.wanted();
    let found = wanted.into_iter().find_map(|effect| match effect {
        Effect::Send { draft, said } => Some((draft, said)),
        _ => None,
    });
    found.expect("something was sent")
}

#[test]
fn a_task_is_written_and_sent_once() {
    let mut picker = Picker::new(80, 16);
    picker.answer(tasks(0, Vec::new())).answer(environments());
    picker
        .press("nFix the ")
        .event(Event::Paste("login\r\nand the logout".to_owned()));
    picker.press("^n^n");
    insta::assert_snapshot!("composer", picker.screen());
    picker.press("<Enter>");
    let (draft, said) = sent(&mut picker);
    let submit = |environment: &str| Said::Submit {
        environment: environment.to_owned(),
        prompt: "Fix the login\nand the logout".to_owned(),
        attempts: 3,
    };
    assert_eq!(said, submit("env_1"));
    // While it is on its way, keys do nothing.
    picker.press("x<Enter>");
    assert_eq!(picker.wanted(), []);
    let refused = |draft| Answer::Sent {
        draft,
        result: Err(Trouble {
            message: "the server at http://127.0.0.1:7420 cannot be reached".to_owned(),
            ..Trouble::default()
        }),
    };
    picker.answer(refused(draft));
    assert!(
        picker.screen().contains("cannot be reached"),
        "{}",
        picker.screen()
    );
    // The same again has the same name, so that it is done once.
    picker.press("<Enter>");
    assert_eq!(sent(&mut picker), (draft, submit("env_1")));
    picker.answer(refused(draft));
    // Another environment makes another one of it.
    picker.press("^oeng<Enter><Enter>");
    let (other, said) = sent(&mut picker);
    assert_eq!(said, submit("env_2"));
    assert_ne!(other, draft);
    let made = task(
        summary(9, "pending", "Fix the login"),
        vec![attempt(1, "queued")],
    );
    picker.answer(Answer::Sent {
        draft: other,
        result: Ok(Box::new(made)),
    });
    let screen = picker.screen();
    assert!(screen.contains("sent: task 00000009"), "{screen}");
    assert!(picker.selected().contains("Fix the login"), "{screen}");
}

#[test]
fn what_was_written_is_there_again() {
    let mut picker = Picker::new(80, 16);
    picker
        .answer(environments())
        .press("nhalf a thought<Esc>jn");
    assert!(picker.screen().contains("half a thought"));
    picker.press("<Esc>");
    assert!(!picker.screen().contains("half a thought"));
}

#[test]
fn nothing_is_sent_without_words_or_an_environment() {
    let mut picker = Picker::new(80, 16);
    picker.wanted();
    picker.press("n<Enter>");
    assert!(picker.screen().contains("write something first"));
    picker.press("x<Enter>");
    assert!(picker.screen().contains("choose an environment first"));
    assert_eq!(picker.wanted(), []);
}

#[test]
fn a_question_is_seen_and_answered() {
    let mut picker = Picker::new(80, 20);
    let row = summary(3, "needs_input", "Ask me");
    picker.answer(tasks(0, vec![row.clone()])).press("<Enter>");
    let mut asks = attempt(2, "awaiting_input");
    asks.question = Some("Which database:\nPostgreSQL or SQLite?".to_owned());
    picker.answer(loaded(task(row.clone(), vec![attempt(1, "running"), asks])));
    insta::assert_snapshot!("task_asks", picker.screen());
    picker.press("i");
    insta::assert_snapshot!("answering", picker.screen());
    picker.wanted();
    picker.press("SQLite<Enter>");
    let (_, said) = sent(&mut picker);
    let expected = Said::Answer {
        task: row.id,
        attempt: 2,
        text: "SQLite".to_owned(),
    };
    assert_eq!(said, expected);
}

#[test]
fn a_finished_task_is_followed_up_and_a_running_one_is_stopped() {
    let mut picker = Picker::new(80, 20);
    let row = summary(3, "running", "x");
    picker.answer(tasks(0, vec![row.clone()])).press("<Enter>");
    picker.answer(loaded(task(row.clone(), vec![attempt(1, "running")])));
    picker.press("f");
    assert!(picker.screen().contains("once the task has ended"));
    picker.wanted();
    picker.press("cx");
    insta::assert_snapshot!("stopping", picker.screen());
    picker.press("n");
    assert_eq!(picker.wanted(), []);
    picker.press("cy");
    let cancel = Effect::Cancel {
        task: row.id.clone(),
    };
    assert_eq!(picker.wanted(), [cancel]);
    let ended = task(summary(3, "completed", "x"), vec![attempt(1, "succeeded")]);
    picker.answer(Answer::Cancelled(Ok(Box::new(ended))));
    picker.press("c");
    assert!(picker.screen().contains("ended already"));
    picker.press("fNow the tests<Enter>");
    let (_, said) = sent(&mut picker);
    let expected = Said::FollowUp {
        task: row.id,
        attempt: Some(1),
        prompt: "Now the tests".to_owned(),
        attempts: 1,
    };
    assert_eq!(said, expected);
}
