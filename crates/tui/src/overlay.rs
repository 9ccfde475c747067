//! What lies above the screen: help, questions, the composer.

use crate::event::{Applied, ApplyPlan, DiffKey, Effect, EnvironmentRow, Said, Trouble};
use crate::input::Input;

/// The most attempts that can be asked for.
pub(crate) const MOST_ATTEMPTS: u32 = 4;

/// Something above the screen. Several can lie above each other; the last takes the keys.
#[derive(Debug)]
pub(crate) enum Overlay {
    Help,
    Environments(EnvironmentSearch),
    Composer(Composer),
    Confirm { question: String, effect: Effect },
    Apply(Apply),
}

/// Searching for an environment.
#[derive(Debug, Default)]
pub(crate) struct EnvironmentSearch {
    pub input: Input,
    pub selected: usize,
    /// Whether it chooses for the composer: "All" is no answer then.
    pub for_composer: bool,
}

impl EnvironmentSearch {
    /// What matches, best first; `None` is the row for all.
    pub fn matches<'a>(&self, all: &'a [EnvironmentRow]) -> Vec<Option<&'a EnvironmentRow>> {
        let wanted = self.input.text().trim().to_lowercase();
        let mut found: Vec<(u32, &EnvironmentRow)> = all
            .iter()
            .filter_map(|row| Some((rank(row, &wanted)?, row)))
            .collect();
        found.sort_by_key(|(rank, row)| (*rank, !row.is_here));
        let all_row = (!self.for_composer && rank_of("all", &wanted).is_some()).then_some(None);
        let found = found.into_iter().map(|(_, row)| Some(row));
        all_row.into_iter().chain(found).collect()
    }
}

fn rank(row: &EnvironmentRow, wanted: &str) -> Option<u32> {
    let EnvironmentRow {
        id,
        label,
        repository,
        is_here: _,
    } = row;
    let label = rank_of(label, wanted);
    let others = [id, repository].map(|text| rank_of(text, wanted).map(|rank| rank + 1000));
    [label, others[0], others[1]].into_iter().flatten().min()
}

/// How well the characters of `wanted` are found in a text, in their order; 0 is best.
fn rank_of(text: &str, wanted: &str) -> Option<u32> {
    let text = text.to_lowercase();
    if let Some(at) = text.find(wanted) {
        return Some(at.min(99) as u32);
    }
    let mut rest = text.char_indices();
    let (mut first, mut last) = (None, 0);
    for c in wanted.chars().filter(|c| !c.is_whitespace()) {
        let (at, _) = rest.find(|(_, other)| *other == c)?;
        first.get_or_insert(at);
        last = at;
    }
    Some(100 + (last - first.unwrap_or(0)).min(899) as u32)
}

/// Who is written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Recipient {
    /// A new task of that environment.
    New(Option<EnvironmentRow>),
    FollowUp {
        task: String,
        attempt: Option<u32>,
    },
    Answer {
        task: String,
        attempt: u32,
        question: String,
    },
}

/// Something that is being written.
#[derive(Debug)]
pub(crate) struct Composer {
    pub recipient: Recipient,
    pub attempts: u32,
    pub input: Input,
    /// Names what is written; another one after each change.
    pub draft: u64,
    pub is_sending: bool,
    pub trouble: Option<Trouble>,
}

impl Composer {
    pub fn new(recipient: Recipient, draft: u64) -> Self {
        Self {
            recipient,
            attempts: 1,
            input: Input::default(),
            draft,
            is_sending: false,
            trouble: None,
        }
    }

    /// Whether a number of attempts can be chosen.
    pub fn has_attempts(&self) -> bool {
        !matches!(self.recipient, Recipient::Answer { .. })
    }

    /// What is to be sent, or what is missing.
    pub fn said(&self) -> Result<Said, &'static str> {
        if self.input.is_blank() {
            return Err("write something first");
        }
        let text = self.input.text().to_owned();
        Ok(match self.recipient.clone() {
            Recipient::New(None) => return Err("choose an environment first, with Ctrl+O"),
            Recipient::New(Some(environment)) => Said::Submit {
                environment: environment.id,
                prompt: text,
                attempts: self.attempts,
            },
            Recipient::FollowUp { task, attempt } => Said::FollowUp {
                task,
                attempt,
                prompt: text,
                attempts: self.attempts,
            },
            Recipient::Answer { task, attempt, .. } => Said::Answer {
                task,
                attempt,
                text,
            },
        })
    }
}

/// Applying a diff.
#[derive(Debug)]
pub(crate) struct Apply {
    pub key: DiffKey,
    pub state: ApplyState,
    /// The first line seen.
    pub top: usize,
}

/// How far applying is.
#[derive(Debug)]
pub(crate) enum ApplyState {
    Checking,
    Asking(ApplyPlan),
    Applying,
    Done(Applied),
    Failed(Trouble),
}

impl Apply {
    /// What there is to read, fit to be shown.
    pub fn lines(&self) -> Vec<String> {
        use crate::wrap::shown;
        let listed = |lines: &[String]| {
            let lines = lines.iter().map(|line| format!("  {}", shown(line)));
            lines.collect::<Vec<_>>()
        };
        match &self.state {
            ApplyState::Checking => vec!["looking whether it fits…".to_owned()],
            ApplyState::Applying => vec!["applying…".to_owned()],
            ApplyState::Asking(plan) => {
                let of = plan.repository.as_deref().map(shown);
                let of = of.map(|name| format!(", the clone of {name}"));
                let mut lines = vec![format!(
                    "to {}{}",
                    shown(&plan.folder),
                    of.unwrap_or_default()
                )];
                if !plan.conflicts.is_empty() {
                    lines.push(counted(plan.conflicts.len(), "conflict", ":"));
                    lines.extend(listed(&plan.conflicts));
                }
                if !plan.files.is_empty() {
                    lines.push(counted(plan.files.len(), "file", " would change:"));
                    lines.extend(listed(&plan.files));
                }
                if !plan.skipped.is_empty() {
                    lines.push("left out:".to_owned());
                    lines.extend(listed(&plan.skipped));
                }
                lines
            }
            ApplyState::Done(applied) => {
                let mut lines = vec![counted(applied.files.len(), "file", " changed:")];
                lines.extend(listed(&applied.files));
                if !applied.conflicted.is_empty() {
                    lines.push("resolve the conflict markers in:".to_owned());
                    lines.extend(listed(&applied.conflicted));
                }
                lines
            }
            ApplyState::Failed(trouble) => {
                let mut lines = vec![shown(&trouble.message)];
                lines.extend(listed(&trouble.details));
                lines.extend(trouble.hint.as_deref().map(shown));
                lines
            }
        }
    }
}

/// `1 file changed:`, `2 files changed:`.
fn counted(count: usize, noun: &str, rest: &str) -> String {
    match count {
        1 => format!("1 {noun}{rest}"),
        _ => format!("{count} {noun}s{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(label: &str, id: &str, repository: &str) -> EnvironmentRow {
        EnvironmentRow {
            id: id.to_owned(),
            label: label.to_owned(),
            repository: repository.to_owned(),
            is_here: label == "here",
        }
    }

    #[test]
    fn environments_are_found_by_label_id_and_repository() {
        let all = [
            row("backend", "env_01", "https://h/ada/engine"),
            row("here", "env_02", "https://h/ada/web"),
            row("web-frontend", "env_03", "https://h/x/y"),
        ];
        let found = |text: &str| {
            let mut search = EnvironmentSearch::default();
            search.input.insert(text);
            let found = search.matches(&all).into_iter();
            found
                .map(|row| row.map_or("All", |row| row.label.as_str()))
                .collect::<Vec<_>>()
        };
        assert_eq!(found(""), ["All", "here", "backend", "web-frontend"]);
        assert_eq!(found("web"), ["web-frontend", "here"]);
        assert_eq!(found("bkd"), ["backend"]);
        assert_eq!(found("env_03"), ["web-frontend"]);
        assert_eq!(found("engine"), ["backend"]);
        assert_eq!(found("ALL"), ["All"]);
        assert_eq!(found("nothing like it"), [""; 0]);
    }
}
