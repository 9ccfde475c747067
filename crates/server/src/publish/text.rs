//! What is written into commits and descriptions. What the agent says is a stranger's text: it must neither call people nor close issues.

use outwork_domain::task;
use outwork_forges::words::{cell, code, harmless, shortened};
use outwork_git::{ChangeKind, FileChange, Prepared};

use super::branch::{Subject, base};

/// Between these the description is the server's, and written anew by each publication; what people write around it stays.
const BEGIN: &str = "<!-- outwork:begin -->";
const END: &str = "<!-- outwork:end -->";

const PROMPT_CHARS: usize = 1_500;
const MESSAGE_CHARS: usize = 12_000;
const FILES: usize = 200;
const WHY_CHARS: usize = 160;

/// Title of the pull request and first line of the commit.
pub(super) fn title(it: &Subject<'_>) -> String {
    let asked = it.publication.asked.title.as_deref();
    let title = task::title(asked.unwrap_or(&it.task.task.title));
    match title.is_empty() {
        true => "Changes by Outwork".to_owned(),
        false => title,
    }
}

/// The commit's message.
pub(super) fn commit(it: &Subject<'_>) -> String {
    let id = it.task.task.id;
    let attempt = it.attempt.attempt.id;
    let prompt = it.task.turns.iter().find(|turn| is_of(it, turn));
    let prompt = prompt.map_or("", |turn| turn.turn.prompt.as_str());
    // A line that begins with `#` is kept: the message is not edited.
    let prompt = shortened(prompt.trim(), PROMPT_CHARS);
    format!(
        "{}\n\n{prompt}\n\n{}\n\nOutwork-Task: {id}\nOutwork-Attempt: {attempt}\n",
        title(it),
        link(it)
    )
}

fn is_of(it: &Subject<'_>, turn: &outwork_store::TurnRecord) -> bool {
    let id = it.attempt.attempt.id;
    turn.attempts.iter().any(|one| one.attempt.id == id)
}

fn link(it: &Subject<'_>) -> String {
    format!("{}/tasks/{}", it.plane.public_url, it.task.task.id)
}

/// The whole description.
pub(super) fn description(it: &Subject<'_>, prepared: &Prepared) -> String {
    let asked = it.publication.asked.body.as_deref();
    let own = own(it, prepared.files(), asked.is_none());
    match asked {
        Some(asked) => format!("{}\n\n{own}", asked.trim_end()),
        None => own,
    }
}

/// The description that is there, brought up to date; `None` where somebody took the server's part out.
pub(super) fn updated(it: &Subject<'_>, prepared: &Prepared, before: &str) -> Option<String> {
    if it.publication.asked.body.is_some() {
        return Some(description(it, prepared));
    }
    let (head, rest) = before.split_once(BEGIN)?;
    let (_, tail) = rest.split_once(END)?;
    let own = own(it, prepared.files(), true);
    Some(format!("{head}{own}{tail}"))
}

fn own(it: &Subject<'_>, files: &[FileChange], with_message: bool) -> String {
    let result = it.attempt.result.as_ref();
    let message = result.and_then(|result| result.message.as_deref());
    let message = message.unwrap_or("").trim();
    let mut text = format!("{BEGIN}\n");
    if with_message && !message.is_empty() {
        text += &harmless(&shortened(message, MESSAGE_CHARS));
        text += "\n\n";
    }
    text += &table(files, message);
    let (commit, _) = base(it);
    let attempt = &it.attempt.attempt;
    let turn = it.task.turns.iter().find(|turn| is_of(it, turn));
    let turn = turn.map_or(1, |turn| turn.turn.number.get());
    text += &format!(
        "\nMade by [Outwork]({}): turn {turn}, attempt {}, on commit `{}`.\n{END}",
        link(it),
        attempt.number,
        &commit[..commit.len().min(12)]
    );
    text
}

/// Every file, what happened to it, and what the agent said about it.
fn table(files: &[FileChange], message: &str) -> String {
    let mut text = String::from("| File | Change | Lines | Why |\n| --- | --- | --- | --- |\n");
    for file in files.iter().take(FILES) {
        let path = String::from_utf8_lossy(&file.path);
        let lines = match (file.added, file.removed) {
            (Some(added), Some(removed)) => format!("+{added} −{removed}"),
            (Some(_) | None, Some(_) | None) => "binary".to_owned(),
        };
        let why = cell(&harmless(&why(message, &path)));
        text += &format!("| {} | {} | {lines} | {why} |\n", code(&path), kind(file));
    }
    if files.len() > FILES {
        text += &format!("\n… and {} more files.\n", files.len() - FILES);
    }
    text
}

fn kind(file: &FileChange) -> String {
    match file.kind {
        ChangeKind::Added(_) => "added".to_owned(),
        ChangeKind::Deleted(_) => "deleted".to_owned(),
        ChangeKind::Modified(_) => "changed".to_owned(),
        ChangeKind::ModeChanged { from, to } => format!("{} → {}", from.as_str(), to.as_str()),
        ChangeKind::Renamed { .. } => {
            let old = file.old_path.as_deref().unwrap_or_default();
            format!("renamed from {}", code(&String::from_utf8_lossy(old)))
        }
    }
}

/// The first line of the message that names the file, by its path, else by its name.
fn why(message: &str, path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    let lines = || {
        message
            .lines()
            .map(str::trim)
            .filter(|line| !line.starts_with("```"))
    };
    let found = lines().find(|line| names(line, path));
    let found = found.or_else(|| lines().find(|line| name.len() > 2 && names(line, name)));
    let line = found
        .unwrap_or("")
        .trim_start_matches(['-', '*', '#', '>', ' ', '|']);
    shortened(line, WHY_CHARS)
}

/// Whether the line has the name as a word of its own.
fn names(line: &str, name: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || "_-./".contains(c);
    line.match_indices(name).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let mut after = line[at + name.len()..].chars();
        let (next, further) = (after.next(), after.next());
        // A full stop ends a sentence unless something follows it.
        let ends = match next {
            Some('.') => !further.is_some_and(is_part),
            next => !next.is_some_and(is_part),
        };
        !before.is_some_and(is_part) && ends
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_is_the_line_that_names_the_file() {
        let message = "Done.\n- `src/lib.rs`: the sum was wrong\n* tests for it in main.rs.\n";
        assert_eq!(
            why(message, "src/lib.rs"),
            "`src/lib.rs`: the sum was wrong"
        );
        assert_eq!(why(message, "src/main.rs"), "tests for it in main.rs.");
        assert_eq!(why(message, "src/domain.rs"), "");
        assert_eq!(why(message, "other/lib.rs.orig"), "");
    }
}
