//! The result, as a page of Markdown.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::record::{Finding, Row};
use crate::scenario::Shown;
use crate::scenario::storm::Outcome;
use crate::site::Engine;

const KINDS: [&str; 4] = ["stuck", "lost", "run twice", "left behind"];

/// The rows of single failure points are put together in the short table.
const POINT: &str = "point ";

pub(crate) fn page(
    seed: u64,
    outcomes: &[Outcome],
    scenarios: &[(Engine, Vec<Shown>)],
    command: &str,
) -> String {
    let mut page = format!("Made by `{command}`, seed {seed}.\n");
    for outcome in outcomes {
        let _ = write!(page, "\n{}\n\n{}", summary(outcome), short(outcome));
    }
    if !scenarios.is_empty() {
        page.push_str("\n| scenario | store | what was seen |\n|---|---|---|\n");
    }
    for (engine, shown) in scenarios {
        for Shown { scenario, seen } in shown {
            let _ = writeln!(page, "| {scenario} | {} | {seen} |", engine.name());
        }
    }
    for outcome in outcomes {
        let _ = write!(
            page,
            "\nFailure points on {}:\n\n{}",
            outcome.engine.name(),
            points(outcome)
        );
    }
    page
}

fn summary(outcome: &Outcome) -> String {
    let counts = &outcome.counts;
    let ended: Vec<_> = counts
        .ended
        .iter()
        .map(|(state, times)| format!("{times} {state}"))
        .collect();
    format!(
        "{}: {} tasks, {} turns, {} attempts ({}), {} of them run again, {} events; {} s, the last ended {} s after the last fault.",
        outcome.engine.name(),
        counts.tasks,
        counts.turns,
        counts.attempts,
        ended.join(", "),
        counts.run_again,
        counts.events,
        outcome.took.as_secs(),
        outcome.settled_in.as_secs()
    )
}

fn short(outcome: &Outcome) -> String {
    let mut rows: Vec<(String, Row)> = Vec::new();
    for (kind, row) in &outcome.rows {
        let kind = match kind.strip_prefix(POINT) {
            None => kind.clone(),
            Some(point) => {
                let role = point.split('.').next().unwrap_or_default();
                let role = if role == "worker" {
                    "worker"
                } else {
                    "server and store"
                };
                let done = match point.rsplit(' ').next() {
                    Some("kill") => "dies",
                    Some("delay") => "stands still",
                    _ => "is refused",
                };
                format!("failure points: {role} {done}")
            }
        };
        match rows.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, known)) => {
                known.times += row.times;
                known.affected.extend(row.affected.iter().cloned());
            }
            None => rows.push((kind, row.clone())),
        }
    }
    table(outcome, rows, true)
}

fn points(outcome: &Outcome) -> String {
    let rows = outcome.rows.iter();
    let rows =
        rows.filter_map(|(kind, row)| Some((kind.strip_prefix(POINT)?.to_owned(), row.clone())));
    table(outcome, rows.collect(), false)
}

fn table(outcome: &Outcome, rows: Vec<(String, Row)>, with_sum: bool) -> String {
    let mut text = format!(
        "| on {} | times | tasks under way | {} |\n|---|---:|---:|---:|---:|---:|---:|\n",
        outcome.engine.name(),
        KINDS.join(" | ")
    );
    let mut times = 0;
    for (kind, row) in rows {
        times += row.times;
        let tasks = tasks(outcome, &row);
        let of_row = |finding: &Finding| {
            let of = finding.of.as_ref();
            of.is_some_and(|of| tasks.contains(task(outcome, of)))
        };
        let _ = writeln!(
            text,
            "| {kind} | {} | {} | {} |",
            row.times,
            tasks.len(),
            found(outcome, of_row)
        );
    }
    if with_sum {
        let all = found(outcome, |_| true);
        let _ = writeln!(
            text,
            "| **all** | **{times}** | **{}** | {all} |",
            outcome.counts.tasks
        );
    }
    text
}

/// The tasks that a fault concerned.
fn tasks<'a>(outcome: &'a Outcome, row: &'a Row) -> BTreeSet<&'a str> {
    row.affected.iter().map(|id| task(outcome, id)).collect()
}

fn task<'a>(outcome: &'a Outcome, id: &'a str) -> &'a str {
    outcome.tasks_of.get(id).map_or(id, String::as_str)
}

/// How many findings of each kind there are; "wrong" ones count as lost.
fn found(outcome: &Outcome, counts: impl Fn(&Finding) -> bool) -> String {
    let number = |kind: &str| {
        let findings = outcome.findings.iter().filter(|finding| counts(finding));
        let of_kind = findings.filter(|finding| {
            finding.kind == kind || (kind == "lost" && !KINDS.contains(&finding.kind))
        });
        of_kind.count().to_string()
    };
    KINDS.map(number).join(" | ")
}
