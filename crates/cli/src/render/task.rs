//! Tasks as text.

use outwork_api::task::{
    Attempt, AttemptAgent, Cost, DiffStat, Failure, Priority, Task, TaskSummary, Tokens, Turn,
    Verification,
};
use outwork_domain::Timestamp;

use crate::command::approve;
use crate::duration;
use crate::phrase;
use crate::terminal::plain::plain;
use crate::terminal::style::{Paint, Style};

/// How many digits after the point people are shown.
const COST_DIGITS: usize = 4;

/// `completed`, or with how it came out where that says more: `failed (timed_out)`.
pub(crate) fn status(task: &TaskSummary, style: Style) -> String {
    let outcome = task.outcome.as_deref();
    let told = match outcome {
        Some(outcome) if outcome != task.status && outcome != "succeeded" => {
            format!("{} ({outcome})", task.status)
        }
        Some(_) | None => task.status.clone(),
    };
    let waits = task.waiting_for.as_ref();
    let told = match waits.and_then(|waits| missing(&waits.reason)) {
        Some(missing) if task.status == "pending" => format!("{told} ({missing})"),
        Some(_) | None => told,
    };
    style.paint(paint_of(&task.status), &plain(&told))
}

/// What it waits for, in two words; nothing where it waits for nothing but its turn.
fn missing(reason: &str) -> Option<&'static str> {
    match reason {
        "worker" => Some("no worker"),
        "agent" => Some("no such agent"),
        "labels" => Some("no such label"),
        "environment" => Some("environment full"),
        "free_worker" => Some("workers busy"),
        _ => None,
    }
}

fn paint_of(status: &str) -> Paint {
    match status {
        "completed" | "succeeded" => Paint::Green,
        "failed" => Paint::Red,
        "needs_input" | "awaiting_input" | "cancelled" => Paint::Yellow,
        "pending" | "queued" => Paint::Dim,
        _ => Paint::Cyan,
    }
}

/// `2 files, +3 -1`, or `no changes`.
pub(crate) fn diff_stat(stat: &DiffStat) -> String {
    let DiffStat {
        files_changed,
        lines_added,
        lines_removed,
    } = stat;
    match files_changed {
        0 => "no changes".to_owned(),
        1 => format!("1 file, +{lines_added} -{lines_removed}"),
        files => format!("{files} files, +{lines_added} -{lines_removed}"),
    }
}

/// The size of a task's diff, and how many others are about the same files.
pub(crate) fn changes(task: &TaskSummary) -> String {
    let stat = diff_stat(&task.summary);
    match task.overlap_count {
        0 => stat,
        count => format!("{stat} (overlaps {count})"),
    }
}

/// `1200 tokens in (1000 cached), 40 out`; says when the true sum is higher.
pub(crate) fn tokens(tokens: &Tokens) -> String {
    let Tokens {
        input,
        cached_input,
        output,
        reasoning: _,
        uncounted_calls,
    } = tokens;
    let mut text = format!("{input} tokens in");
    if *cached_input > 0 {
        text.push_str(&format!(" ({cached_input} cached)"));
    }
    text.push_str(&format!(", {output} out"));
    if *uncounted_calls > 0 {
        text.push_str(&format!(
            ", and {uncounted_calls} calls that were not counted"
        ));
    }
    text
}

/// `0.0123 USD`, and whether it was more.
pub(crate) fn cost(cost: &Cost) -> String {
    let Cost {
        currency,
        amount,
        is_lower_bound,
    } = cost;
    let digits = amount.split_once('.').map_or(0, |(_, digits)| digits.len());
    let shown = match amount.parse::<f64>() {
        // Exact is what `--json` has.
        Ok(number) if digits > COST_DIGITS && number < 0.0001 => "less than 0.0001".to_owned(),
        Ok(number) if digits > COST_DIGITS => format!("{number:.COST_DIGITS$}"),
        Ok(_) | Err(_) => plain(amount),
    };
    let more = if *is_lower_bound { " or more" } else { "" };
    format!("{shown} {}{more}", plain(currency))
}

/// How long ago.
pub(crate) fn age(at: outwork_api::Time, now: Timestamp) -> String {
    duration::ago(now.since(at.timestamp()))
}

/// A task with its turns and attempts, several lines.
pub(crate) fn task(task: &Task, style: Style, now: Timestamp) -> Vec<String> {
    let summary = &task.summary;
    let label = |name: &str| style.paint(Paint::Dim, &format!("{name:<14}"));
    let start = start_of(task.branch.as_deref(), &task.commit);
    let mut lines = vec![
        style.paint(Paint::Bold, &plain(&summary.title)),
        format!("{}{}", label("status"), status(summary, style)),
    ];
    let waiting = summary.waiting_for.iter();
    lines.extend(waiting.map(|it| format!("{}{}", label("waits"), plain(&it.text))));
    if task.priority != Priority::Normal {
        let priority = match task.priority {
            Priority::Low => "low",
            Priority::Normal => "normal",
            Priority::High => "high",
        };
        lines.push(format!("{}{priority}", label("priority")));
    }
    lines.extend([
        format!("{}{}", label("id"), plain(&summary.id)),
        format!("{}{}", label("url"), plain(&summary.url)),
        format!(
            "{}{}",
            label("environment"),
            plain(&summary.environment_label)
        ),
        format!("{}{start}", label("started from")),
    ]);
    lines.extend(task.further_repositories.iter().map(|one| {
        let start = start_of(one.branch.as_deref(), &one.commit);
        format!("{}{} {start}", label(""), plain(&one.name))
    }));
    lines.extend([
        format!("{}{}", label("changes"), diff_stat(&summary.summary)),
        format!("{}{}", label("updated"), age(summary.updated_at, now)),
    ]);
    if summary.overlap_count > 0 {
        lines.push(format!(
            "{}{} open tasks are about the same files; `outwork conflicts {}` shows them",
            label("overlaps"),
            summary.overlap_count,
            plain(&summary.id)
        ));
    }
    lines.extend(task.pull_request.iter().map(|it| {
        let (url, state) = (plain(&it.url), plain(&it.state));
        format!("{}{url} ({state})", label("pull request"))
    }));
    let approval = task.approval.iter().filter(|it| {
        let is_asked = it.state != "not_needed";
        is_asked || !it.given.is_empty()
    });
    lines.extend(approval.map(|it| format!("{}{}", label("approval"), approve::words(it))));
    for turn in &task.turns {
        let first_line = turn.prompt.lines().next().unwrap_or("");
        let heading = format!("turn {}", turn.number);
        lines.push(String::new());
        lines.push(format!(
            "{}  {}",
            style.paint(Paint::Bold, &heading),
            plain(first_line)
        ));
        if turn.attempts.len() > 1 || turn.chosen.is_some() {
            lines.extend(standing(turn));
        }
        for attempt in &turn.attempts {
            lines.extend(attempt_lines(attempt, style));
            lines.extend(reasons(turn, attempt.number, style));
        }
    }
    lines
}

/// Which attempt stands for the turn, and why.
pub(crate) fn standing(turn: &Turn) -> Vec<String> {
    let ranking = turn.ranking.iter();
    let ranking = ranking.filter(|ranking| ranking.verdict != "pending");
    let mut lines: Vec<_> = ranking
        .map(|ranking| format!("  {}", plain(&ranking.summary)))
        .collect();
    if let Some(chosen) = &turn.chosen {
        lines.push(format!("  Attempt {} was chosen.", chosen.attempt));
    }
    lines
}

/// The place of an attempt among several, and what speaks for it and against it. Of a single one its line says enough.
fn reasons(turn: &Turn, attempt: u32, style: Style) -> Vec<String> {
    let places = turn.ranking.iter().flat_map(|ranking| &ranking.places);
    let mut place = places.filter(|place| place.attempt == attempt);
    let Some(place) = place.next().filter(|_| turn.attempts.len() > 1) else {
        return Vec::new();
    };
    let mut lines = vec![format!("    place {}", place.place)];
    lines.extend(place.reasons.iter().map(|reason| {
        let (mark, paint) = match reason.good {
            true => ("+", Paint::Green),
            false => ("-", Paint::Red),
        };
        format!("    {} {}", style.paint(paint, mark), plain(&reason.text))
    }));
    lines
}

/// `verification passed (12 tests)`.
fn verification(run: &Verification) -> String {
    let state = match run.state.as_str() {
        "passed" => "passed",
        "failed" => "failed",
        "timed_out" => "timed out",
        "not_run" => "not run",
        other => other,
    };
    let counts = run.tests.as_ref().map(|tests| match tests.failed {
        0 => format!(" ({} passed)", tests.passed),
        failed => format!(" ({} passed, {failed} failed)", tests.passed),
    });
    let own = match &run.with_original_tests {
        Some(original) if run.exit_code == Some(0) && original.state != "passed" => {
            ", passed only with tests that it changed"
        }
        Some(_) | None => "",
    };
    format!(
        "verification {}{}{own}",
        plain(state),
        counts.unwrap_or_default()
    )
}

fn start_of(branch: Option<&str>, commit: &str) -> String {
    match branch {
        Some(branch) => format!("{} ({})", plain(branch), short_commit(commit)),
        None => short_commit(commit),
    }
}

fn attempt_lines(attempt: &Attempt, style: Style) -> Vec<String> {
    let mut facts = vec![style.paint(paint_of(&attempt.state), &plain(&attempt.state))];
    if attempt.cancelling {
        facts.push("cancelling".to_owned());
    }
    facts.extend(attempt.diff.as_ref().map(diff_stat));
    facts.extend(attempt.verification.as_ref().map(verification));
    facts.extend(attempt.tokens.as_ref().map(tokens));
    facts.extend(attempt.cost.as_ref().map(cost));
    if attempt.tries > 1 {
        facts.push(format!("{} tries", attempt.tries));
    }
    facts.extend(attempt.agent.as_ref().map(agent));
    let isolation = attempt.isolation.iter();
    facts.extend(isolation.map(|isolation| format!("isolated by {}", plain(isolation))));
    let mut lines = vec![format!(
        "  attempt {}  {}",
        attempt.number,
        facts.join(", ")
    )];
    if attempt.diffs.len() > 1 {
        lines.extend(attempt.diffs.iter().map(|diff| {
            format!(
                "    {}: {}",
                plain(&diff.repository),
                diff_stat(&diff.summary)
            )
        }));
    }
    let question = attempt
        .question
        .iter()
        .flat_map(|question| question.lines());
    lines.extend(question.map(|line| format!("    asks: {}", plain(line))));
    if let Some(failure) = &attempt.failure {
        lines.extend(
            failure_lines(failure)
                .into_iter()
                .map(|line| format!("    {line}")),
        );
    }
    if let Some(message) = &attempt.message {
        lines.extend(message.lines().map(|line| format!("    {}", plain(line))));
    }
    lines
}

fn agent(agent: &AttemptAgent) -> String {
    match &agent.model {
        Some(model) => format!("{} ({})", plain(&agent.name), plain(model)),
        None => plain(&agent.name),
    }
}

/// Why it failed, and what to do.
pub(crate) fn failure_lines(failure: &Failure) -> Vec<String> {
    let Failure {
        code,
        message,
        hint,
    } = failure;
    let message = phrase::after_colon(message);
    let mut lines = message.lines();
    let first = lines.next().unwrap_or("");
    let mut shown = vec![format!("{}: {}", plain(code), plain(first))];
    shown.extend(lines.map(|line| format!("  {}", plain(line))));
    shown.extend(
        hint.iter()
            .map(|hint| format!("hint: {}", plain(&phrase::after_colon(hint)))),
    );
    shown
}

fn short_commit(commit: &str) -> String {
    plain(commit).chars().take(10).collect()
}
