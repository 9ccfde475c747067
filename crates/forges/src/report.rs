//! The comments that we write: one for each request, written anew as it goes on.

use crate::words::{harmless, mark, shortened};

/// How much of what an agent said is in a comment.
const MESSAGE_CHARS: usize = 12_000;
const QUESTION_CHARS: usize = 4_000;
const REASON_CHARS: usize = 1_000;

/// Where a request stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress<'a> {
    /// It waits for a worker, and for what.
    Queued {
        waits_for: Option<&'a str>,
    },
    Running,
    NeedsInput {
        question: &'a str,
    },
    Succeeded {
        message: &'a str,
        change: Change,
        pull: Pull<'a>,
    },
    /// A review, which stands apart from this comment.
    Reviewed {
        comments: usize,
    },
    Failed {
        message: &'a str,
        hint: Option<&'a str>,
    },
    Cancelled,
}

/// How much a result changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    pub files: u64,
    pub added: u64,
    pub removed: u64,
}

/// What becomes of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pull<'a> {
    /// There is nothing to be published.
    Nothing,
    /// Only when somebody asks.
    WhenAsked,
    Approval,
    UnderWay,
    Open {
        number: u64,
        url: &'a str,
    },
    /// A branch, of a server without pull requests.
    Branch {
        name: &'a str,
    },
    Failed {
        message: &'a str,
    },
}

/// A comment on one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report<'a> {
    /// Names the post.
    pub key: &'a str,
    /// What we are called here.
    pub name: &'a str,
    /// Where people follow the task.
    pub link: &'a str,
    pub progress: Progress<'a>,
}

impl Report<'_> {
    /// The comment, in Markdown.
    pub fn text(&self) -> String {
        let Self {
            key,
            name,
            link,
            progress,
        } = self;
        let said = match progress {
            Progress::Queued { waits_for } => {
                let waits = waits_for.map(|it| format!(" {}", harmless(it)));
                format!(
                    "👀 Taken up; it waits for a worker.{}",
                    waits.unwrap_or_default()
                )
            }
            Progress::Running => "👀 Being worked on.".to_owned(),
            Progress::NeedsInput { question } => format!(
                "❓ **It has a question.** Answer with `@{name}` and your words.\n\n{}",
                quoted(&harmless(&shortened(question.trim(), QUESTION_CHARS)))
            ),
            Progress::Succeeded {
                message,
                change,
                pull,
            } => succeeded(name, message, *change, pull),
            Progress::Reviewed { comments } => match comments {
                0 => "✅ Reviewed.".to_owned(),
                1 => "✅ Reviewed, with one comment on a line.".to_owned(),
                many => format!("✅ Reviewed, with {many} comments on lines."),
            },
            Progress::Failed { message, hint } => {
                let hint = hint.map(|hint| format!(" {}", harmless(hint)));
                format!(
                    "❌ **It did not work.** {}{}\n\n`@{name} retry` tries it once more.",
                    harmless(&shortened(message, REASON_CHARS)),
                    hint.unwrap_or_default()
                )
            }
            Progress::Cancelled => {
                format!("⏹ Cancelled. `@{name} retry` begins it anew.")
            }
        };
        format!("{}\n{said}\n\n[Steps, log and diff]({link})\n", mark(key))
    }
}

fn succeeded(name: &str, message: &str, change: Change, pull: &Pull<'_>) -> String {
    let Change {
        files,
        added,
        removed,
    } = change;
    let size = match files {
        0 => "Nothing is changed".to_owned(),
        1 => format!("1 file changed, +{added} −{removed}"),
        _ => format!("{files} files changed, +{added} −{removed}"),
    };
    let becomes = match pull {
        Pull::Nothing => String::new(),
        Pull::WhenAsked => format!(" `@{name} pr` opens a pull request of it."),
        Pull::Approval => " It waits for approval; then it becomes a pull request.".to_owned(),
        Pull::UnderWay => " The pull request is being made.".to_owned(),
        Pull::Open { number, url } => format!(" Pull request: [#{number}]({url})."),
        Pull::Branch { name } => format!(" It is on the branch {}.", crate::words::code(name)),
        Pull::Failed { message } => format!(
            " It could not be published: {} `@{name} pr` tries it once more.",
            harmless(&shortened(message, REASON_CHARS))
        ),
    };
    let said = match message.trim() {
        "" => String::new(),
        said => format!("\n\n{}", quoted(&harmless(&shortened(said, MESSAGE_CHARS)))),
    };
    format!(
        "✅ **Done.** {size}.{becomes}{said}\n\n`@{name}` and what is still to be done goes on from there."
    )
}

/// As a quote, so that what an agent says looks like nothing that we say.
fn quoted(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| format!("> {line}")).collect();
    lines.join("\n")
}

/// A comment that says that nothing was begun, and what to do.
pub fn refusal(key: &str, why: &str, hint: Option<&str>) -> String {
    let hint = hint.map(|hint| format!("\n\n{hint}")).unwrap_or_default();
    // A branch may be called anything.
    format!("{}\n⚠️ {}{hint}\n", mark(key), harmless(why))
}

/// What a key of such a comment is found by in what others wrote.
pub fn is_marked(text: &str, key: &str) -> bool {
    text.starts_with(&mark(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(progress: Progress<'_>) -> String {
        let report = Report {
            key: "turn_1",
            name: "outwork",
            link: "https://outwork.example/tasks/task_1",
            progress,
        };
        let text = report.text();
        assert!(
            is_marked(&text, "turn_1") && !is_marked(&text, "turn_12"),
            "{text}"
        );
        text
    }

    #[test]
    fn a_result_says_what_became_of_it() {
        let done = text(Progress::Succeeded {
            message: "The sum is right, @ada.\n\nfixes #1",
            change: Change {
                files: 2,
                added: 3,
                removed: 1,
            },
            pull: Pull::Open {
                number: 17,
                url: "https://forge.example/team/repo/pull/17",
            },
        });
        assert_eq!(
            done,
            "<!-- outwork:post turn_1 -->\n✅ **Done.** 2 files changed, +3 −1. Pull request: [#17](https://forge.example/team/repo/pull/17).\n\n\
             > The sum is right, @\u{200b}ada.\n> \n> fixes #\u{200b}1\n\n`@outwork` and what is still to be done goes on from there.\n\n\
             [Steps, log and diff](https://outwork.example/tasks/task_1)\n"
        );
    }

    #[test]
    fn what_an_agent_says_is_a_quote() {
        let asked = text(Progress::NeedsInput {
            question: "Which one?\n/close\n<!-- outwork:post turn_9 -->",
        });
        assert!(
            asked.contains("> Which one?\n> \u{200b}/close\n> &lt;!-- outwork:post"),
            "{asked}"
        );
        let failed = text(Progress::Failed {
            message: "see @ada",
            hint: Some("Raise the limit."),
        });
        assert!(
            failed.contains("see @\u{200b}ada Raise the limit."),
            "{failed}"
        );
    }

    #[test]
    fn a_refusal_calls_nobody() {
        assert_eq!(
            refusal("k", "There is no branch `@ada`.", Some("Push it.")),
            "<!-- outwork:post k -->\n⚠️ There is no branch `@\u{200b}ada`.\n\nPush it.\n"
        );
    }

    #[test]
    fn our_own_words_do_not_call_us() {
        let all = [
            Progress::Queued {
                waits_for: Some("No worker is there."),
            },
            Progress::Running,
            Progress::Cancelled,
            Progress::Reviewed { comments: 2 },
            Progress::NeedsInput {
                question: "@outwork go?",
            },
            Progress::Failed {
                message: "@outwork go",
                hint: None,
            },
            Progress::Succeeded {
                message: "@outwork go",
                change: Change::default(),
                pull: Pull::WhenAsked,
            },
        ];
        for progress in all {
            assert_eq!(crate::mention::wish(&text(progress), "outwork"), None);
        }
    }
}
