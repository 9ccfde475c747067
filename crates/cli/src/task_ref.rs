//! From what people type to a task: the id, its beginning or its end, or the address of its page.

use outwork_api::client::{Client, TaskQuery};
use outwork_api::page::{MAX_LIMIT, PageQuery};
use outwork_domain::TaskId;

use crate::error::CliError;

/// The fewest digits that count as a part of an id.
const FEWEST_DIGITS: usize = 4;
/// How many pages of tasks are searched for a part.
const PAGES: usize = 20;

/// A task as somebody named it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskRef {
    /// All of the id.
    Id(TaskId),
    /// The first or the last of its hex digits. Ids made at one time begin alike; tables on a terminal
    /// show the end.
    Part(String),
}

impl std::str::FromStr for TaskRef {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name = match text.split_once("://") {
            Some((_, rest)) => rest
                .split(['?', '#'])
                .next()
                .and_then(|path| path.trim_end_matches('/').rsplit('/').next())
                .unwrap_or(""),
            None => text,
        };
        if let Ok(id) = name.parse() {
            return Ok(Self::Id(id));
        }
        let hex = name
            .strip_prefix("task_")
            .unwrap_or(name)
            .to_ascii_lowercase();
        let is_hex = hex.bytes().all(|b| b.is_ascii_hexdigit());
        if is_hex && hex.len() == 32 {
            return format!("task_{hex}")
                .parse()
                .map(Self::Id)
                .map_err(|_| refusal(text));
        }
        if is_hex && (FEWEST_DIGITS..32).contains(&hex.len()) && !text.contains("://") {
            return Ok(Self::Part(hex));
        }
        Err(refusal(text))
    }
}

fn refusal(text: &str) -> String {
    format!(
        "`{}` names no task; give its id (`outwork list` shows it), the first or last \
         {FEWEST_DIGITS} or more of its digits, or its address",
        text.chars().take(80).collect::<String>()
    )
}

impl TaskRef {
    /// Whether the id may be meant.
    pub fn may_be(&self, id: &str) -> bool {
        match self {
            Self::Id(whole) => whole.to_string() == id,
            Self::Part(part) => {
                let digits = id.strip_prefix("task_").unwrap_or(id);
                digits.starts_with(part) || digits.ends_with(part)
            }
        }
    }

    /// The id, looked up among the tasks if only a part was given.
    pub async fn resolve(&self, client: &Client) -> Result<String, CliError> {
        let part = match self {
            Self::Id(id) => return Ok(id.to_string()),
            Self::Part(part) => part,
        };
        let begins = format!("task_{part}");
        let mut found: Vec<(String, String)> = Vec::new();
        let mut query = TaskQuery {
            environment: None,
            kind: None,
            page: PageQuery {
                limit: Some(MAX_LIMIT),
                cursor: None,
            },
        };
        for _ in 0..PAGES {
            let page = client.tasks(&query).await?;
            let matching = page
                .items
                .into_iter()
                .filter(|task| task.id.starts_with(&begins) || task.id.ends_with(part));
            found.extend(matching.map(|task| (task.id, task.title)));
            match page.next_cursor {
                Some(cursor) => query.page.cursor = Some(cursor),
                None => break,
            }
        }
        match found.as_slice() {
            [] => Err(
                CliError::failed(format!("no task's id begins or ends with `{part}`"))
                    .code("not_found")
                    .hint("`outwork list` shows the recent tasks"),
            ),
            [(id, _)] => Ok(id.clone()),
            several => Err(CliError::failed(format!(
                "the ids of {} tasks begin or end with `{part}`",
                several.len()
            ))
            .code("ambiguous")
            .details(
                several
                    .iter()
                    .take(10)
                    .map(|(id, title)| format!("{id}  {title}")),
            )
            .hint("give more digits, or the whole id")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_named_in_many_ways() {
        let hex = "0192c3f0a1b27def8123456789abcdef";
        let id = TaskRef::Id(format!("task_{hex}").parse().expect("an id"));
        let prefix = |text: &str| Some(TaskRef::Part(text.to_owned()));
        for (text, expected) in [
            (format!("task_{hex}"), Some(id.clone())),
            (hex.to_owned(), Some(id.clone())),
            (hex.to_uppercase(), Some(id.clone())),
            (
                format!("http://127.0.0.1:80/codex/tasks/task_{hex}"),
                Some(id.clone()),
            ),
            (format!("https://h/p/tasks/task_{hex}/?turn=2#x"), Some(id)),
            ("0192".to_owned(), prefix("0192")),
            ("task_0192C3".to_owned(), prefix("0192c3")),
            ("019".to_owned(), None),
            ("att_0192c3f0a1b27def8123456789abcdef".to_owned(), None),
            ("fix the bug".to_owned(), None),
            ("https://h/0192".to_owned(), None),
            (format!("{hex}0"), None),
            (String::new(), None),
        ] {
            assert_eq!(text.parse::<TaskRef>().ok(), expected, "{text}");
        }
    }
}
