//! Long lists, long diffs, long logs.

use outwork_tui::Answer;

use crate::made::{Picker, page, summary};

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
    // What is asked for again is what is seen, not all of it.
    picker.wanted();
    assert!(picker.at(5000).wanted().len() <= 3);
}
