//! Messages: what they look like, and that they are within what Slack takes whatever is in them.

use outwork_slack::Place;
use outwork_slack::blocks::{
    Button, Card, Outcome, Post, Progress, choice, form, note, progress, question, result,
};
use serde_json::Value;

fn card() -> Card<'static> {
    Card {
        task: "task_1",
        title: "Fix the <sum> & more",
        url: "https://outwork.example/tasks/task_1",
        environment: "web app",
        why: Some("the message names it"),
        turn: 1,
        link_only: false,
    }
}

fn outcome() -> Outcome<'static> {
    Outcome {
        outcome: "succeeded",
        message: Some("**Done.** See `sum.rs`, <@U1>."),
        failure: None,
        diff: Some((2, 10, 3)),
        verification: Some("passed"),
        pull_request: None,
        approval: None,
    }
}

/// Every text of a message, and every length that Slack bounds: see `@slack/types`, `block-kit/*.d.ts`.
fn within_limits(post: &Post) {
    let length = |value: &Value| value.as_str().expect("a text").encode_utf16().count();
    assert!(!post.text.is_empty() && post.text.encode_utf16().count() <= 4000);
    let blocks = post.blocks.as_array().expect("blocks");
    assert!((1..=50).contains(&blocks.len()));
    for block in blocks {
        match block["type"].as_str().expect("a type") {
            "section" => assert!((1..=3000).contains(&length(&block["text"]["text"]))),
            "context" => {
                let elements = block["elements"].as_array().expect("elements");
                assert!((1..=10).contains(&elements.len()));
                for element in elements {
                    assert!((1..=3000).contains(&length(&element["text"])));
                }
            }
            "actions" => {
                let elements = block["elements"].as_array().expect("elements");
                assert!((1..=25).contains(&elements.len()));
                let mut ids: Vec<&Value> = elements.iter().map(|it| &it["action_id"]).collect();
                ids.dedup();
                assert_eq!(ids.len(), elements.len());
                for element in elements {
                    assert!((1..=75).contains(&length(&element["text"]["text"])));
                    assert!(length(&element["value"]) <= 2000);
                }
            }
            other => panic!("{other} is not expected"),
        }
    }
}

#[test]
fn progress_is_one_short_message() {
    let post = progress(
        &card(),
        &Progress::Running {
            step: "the agent works",
        },
    );
    within_limits(&post);
    insta::assert_json_snapshot!(post.blocks);
    let lines: Vec<String> = [
        Progress::Waiting { why: None },
        Progress::Waiting {
            why: Some("all workers are busy"),
        },
        Progress::Asks,
        Progress::Stopping,
        Progress::Ended {
            outcome: "timed_out",
        },
    ]
    .iter()
    .map(|state| progress(&Card { turn: 3, ..card() }, state).text)
    .collect();
    insta::assert_json_snapshot!(lines);
}

#[test]
fn a_result_has_what_can_be_done_with_it() {
    let post = result(&card(), &outcome(), Some("U1ADA"));
    within_limits(&post);
    insta::assert_json_snapshot!(post.blocks);
    let buttons = |it: &Outcome<'_>| -> String {
        let post = result(&card(), it, None);
        within_limits(&post);
        let blocks = post.blocks.as_array().expect("blocks").clone();
        let last = blocks.last().expect("one")["elements"].clone();
        let names = last.as_array().expect("buttons").iter();
        let names =
            names.map(|it| it["action_id"].as_str().expect("an id")["outwork.".len()..].to_owned());
        names.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(buttons(&outcome()), "open follow_up pull_request");
    let waiting = Outcome {
        approval: Some("waiting"),
        ..outcome()
    };
    assert_eq!(buttons(&waiting), "open follow_up approve reject");
    let rejected = Outcome {
        approval: Some("rejected"),
        ..outcome()
    };
    assert_eq!(buttons(&rejected), "open follow_up");
    let failed = Outcome {
        outcome: "failed",
        diff: None,
        failure: Some(("The setup failed.", Some("See the log."))),
        ..outcome()
    };
    assert_eq!(buttons(&failed), "open follow_up retry");
    insta::assert_snapshot!(result(&card(), &failed, None).text);
}

#[test]
fn link_only_says_nothing_of_the_work() {
    let card = Card {
        link_only: true,
        ..card()
    };
    for post in [
        result(&card, &outcome(), None),
        question(&card, "Which secret?", None),
        progress(&card, &Progress::Asks),
    ] {
        within_limits(&post);
        let all = format!("{}{}", post.text, post.blocks);
        for word in ["sum", "Done", "secret", "10"] {
            assert!(!all.contains(word), "{all}");
        }
        assert!(all.contains("tasks/task_1"));
    }
}

#[test]
fn a_question_can_be_answered() {
    let post = question(&card(), "Which of\n- `a`\n- `b`?", Some("U1ADA"));
    within_limits(&post);
    insta::assert_json_snapshot!(post.blocks);
}

#[test]
fn a_choice_has_a_button_for_each() {
    let choices: Vec<(String, String)> = (0..30)
        .map(|n| (format!("environment {n}\n<x>"), format!("{{\"n\":{n}}}")))
        .collect();
    let post = choice("The message does not say in which environment.", &choices);
    within_limits(&post);
    let all = post.blocks.to_string();
    assert!(all.contains("… and 10 more."), "{all}");
    within_limits(&choice("None.", &[]));
}

/// Whatever an agent says: long lines, long code, nothing but signs that become longer.
#[test]
fn nothing_is_longer_than_slack_takes() {
    let code = format!("```\n{}\n```\nafter", "let x = a < b && c;\n".repeat(2000));
    let texts = [
        "&".repeat(20_000),
        "<>\n".repeat(9_000),
        "😀".repeat(9_000),
        "word ".repeat(9_000),
        code.clone(),
        format!("```{}", "\n".repeat(9_000)),
        "\u{0}\u{202e}".repeat(3_000),
    ];
    for text in &texts {
        let long = Outcome {
            message: Some(text),
            failure: Some((text, Some(text))),
            ..outcome()
        };
        let card = Card {
            title: text,
            environment: text,
            why: Some(text),
            ..card()
        };
        within_limits(&result(&card, &long, Some("U1ADA")));
        within_limits(&question(&card, text, None));
        within_limits(&progress(&card, &Progress::Running { step: text }));
        within_limits(&choice(text, &[(text.clone(), text.clone())]));
        within_limits(&note(text));
    }
    // Code that is cut is code on both sides.
    let long = Outcome {
        message: Some(&code),
        ..outcome()
    };
    let post = result(&card(), &long, None);
    for block in post.blocks.as_array().expect("blocks") {
        let text = block["text"]["text"].as_str().unwrap_or_default();
        assert_eq!(text.matches("```").count() % 2, 0, "{text}");
    }
    assert!(post.blocks.to_string().contains("… the rest is"));
}

#[test]
fn an_address_ends_nowhere_early() {
    let card = Card {
        title: "a|b> <!channel> <@U1>",
        ..card()
    };
    let post = progress(&card, &Progress::Asks);
    assert!(
        post.text.contains(
            "<https://outwork.example/tasks/task_1|a¦b&gt; &lt;!channel&gt; &lt;@U1&gt;>"
        ),
        "{}",
        post.text
    );
}

#[test]
fn a_form_is_within_limits() {
    let place = Place {
        team: "T1".to_owned(),
        channel: "C1".to_owned(),
        thread: "1.2".to_owned(),
    };
    let view = form(&place, Button::FollowUp, "task_1", Some(&"x".repeat(9000)));
    // `@slack/types`, `views.d.ts`: 24 characters in the title, 3,000 in the metadata.
    for field in ["title", "submit", "close"] {
        assert!(view[field]["text"].as_str().expect("a text").len() <= 24);
    }
    assert!(view["private_metadata"].as_str().expect("a text").len() <= 3000);
    assert_eq!(view["blocks"].as_array().expect("blocks").len(), 2);
}

#[test]
fn every_button_has_a_name() {
    for name in [
        "open",
        "follow_up",
        "answer",
        "pull_request",
        "cancel",
        "approve",
        "reject",
        "retry",
        "environment",
    ] {
        assert_eq!(Button::of(name).map(Button::name), Some(name));
    }
    assert_eq!(Button::of("other"), None);
}
