//! Long lists, long diffs, long logs.

use std::time::{Duration, Instant};

use outwork_tui::{Answer, DiffKey, Theme};

use crate::made::{Picker, attempt, loaded, page, summary, task, tasks};

/// Far more than a frame takes where only what is seen is looked at, also unoptimised and on a busy machine; and far
/// less than all of a hundred thousand lines would.
const FRAME: Duration = Duration::from_millis(100);

/// How long the key and the drawing after it take, most often.
fn frame(picker: &mut Picker, key: &str) -> Duration {
    let mut times: Vec<Duration> = (0..21)
        .map(|_| {
            let start = Instant::now();
            picker.press(key).screen();
            start.elapsed()
        })
        .collect();
    times.sort();
    times[times.len() / 2]
}

/// A picker in which the diff is seen.
fn with_diff(theme: Theme, bytes: Vec<u8>) -> Picker {
    let mut picker = Picker::with_theme(theme, 120, 40);
    let row = summary(3, "completed", "x");
    picker.answer(tasks(0, vec![row.clone()])).press("d");
    picker.answer(loaded(task(row.clone(), vec![attempt(1, "succeeded")])));
    picker.answer(Answer::Diff {
        key: DiffKey {
            task: row.id,
            turn: 1,
            attempt: 1,
            repository: None,
        },
        result: Ok(bytes),
    });
    picker
}

#[test]
fn ten_thousand_tasks_are_loaded_page_by_page_as_one_goes_down() {
    let mut picker = Picker::new(80, 24);
    picker.wanted();
    let name = |page: u32| (page > 0).then(|| format!("page {page}"));
    for number in 0..100 {
        let items = (0..100).map(|row| summary(number * 100 + row, "completed", "x"));
        let next = name(number + 1).filter(|_| number < 99);
        picker.answer(Answer::Tasks {
            list: 0,
            cursor: name(number),
            page: Ok(page(items.collect(), next.as_deref())),
        });
        picker.press("G");
    }
    assert!(
        picker.screen().contains("10000/10000"),
        "{}",
        picker.screen()
    );
    for key in ["k", "<PgUp>", "g", "j", "<PgDn>", "G"] {
        let took = frame(&mut picker, key);
        assert!(took < FRAME, "{key} took {took:?}");
    }
    // What is asked for again is what is seen, not all of it.
    picker.press("G").wanted();
    assert!(picker.at(5000).wanted().len() <= 3);
}

#[test]
fn a_frame_of_a_hundred_thousand_lines_of_diff_takes_no_longer_than_one_of_few() {
    let mut text =
        "diff --git a/a.rs b/a.rs\n--- a/a.rs\n+++ b/a.rs\n@@ -1,50000 +1,50000 @@\n".to_owned();
    for at in 0..50_000 {
        text += &format!("-\tlet old = \"{at}\"; // was\n+\tlet new = call({at}, \"x\");\n");
    }
    for theme in [Theme::Coloured, Theme::TrueColour, Theme::Plain] {
        let mut picker = with_diff(theme, text.clone().into_bytes());
        for key in ["j", "<PgDn>", "G", "<PgUp>", "k", "g"] {
            let took = frame(&mut picker, key);
            assert!(took < FRAME, "{key} took {took:?}");
        }
        picker.press("G");
        let screen = picker.screen();
        assert!(screen.contains("call(49999"), "{screen}");
        assert!(screen.contains("100004/100004"), "{screen}");
    }
}

#[test]
fn a_line_of_a_megabyte_and_bytes_that_are_no_text_do_no_harm() {
    let mut bytes =
        b"diff --git a/a.rs b/a.rs\n--- a/a.rs\n+++ b/a.rs\n@@ -0,0 +1,4 @@\n+".to_vec();
    bytes.extend(b"let \xff\x1b[2J\x9b31m\xc3 = \"".repeat(60_000));
    bytes.extend(b"\n+\xf0\x9f\x99 \x00 /* \n+fn last() {}\n+*/\n");
    for theme in [Theme::Coloured, Theme::TrueColour, Theme::Plain] {
        let mut picker = with_diff(theme, bytes.clone());
        let screen = picker.screen();
        assert!(screen.contains("+fn last() {}"), "{screen}");
        assert!(!screen.contains("[2J"), "{screen}");
        let took = frame(&mut picker, "<Right>");
        assert!(took < FRAME, "sideways took {took:?}");
    }
}
