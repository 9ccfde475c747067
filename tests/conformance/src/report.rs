//! What came of all checks, for people and for programs.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::check::{Done, Outcome};

/// What came of all checks.
#[derive(Clone, Debug)]
pub struct Report(pub Vec<Done>);

impl Report {
    /// Whether no check failed.
    pub fn is_success(&self) -> bool {
        self.count("fail") == 0
    }

    /// The ids of the checks that failed.
    pub fn failed(&self) -> Vec<&'static str> {
        self.with("fail")
    }

    /// The ids of the checks that were skipped.
    pub fn skipped(&self) -> Vec<&'static str> {
        self.with("skip")
    }

    fn with(&self, verdict: &str) -> Vec<&'static str> {
        let done = self.0.iter();
        let with = done.filter(|done| word(&done.outcome).0 == verdict);
        with.map(|done| done.id).collect()
    }

    fn count(&self, verdict: &str) -> usize {
        self.with(verdict).len()
    }

    /// How many there were of each.
    pub fn sum(&self) -> String {
        let count = |verdict| self.count(verdict);
        format!(
            "{} passed, {} failed, {} skipped",
            count("pass"),
            count("fail"),
            count("skip")
        )
    }

    /// A line for each check, and the sum.
    pub fn text(&self) -> String {
        let lines: String = self.0.iter().map(line).collect();
        lines + &self.sum()
    }

    /// One object.
    pub fn json(&self) -> Value {
        let checks = self.0.iter().map(|done| {
            let (verdict, detail) = word(&done.outcome);
            json!({
                "id": done.id,
                "title": done.title,
                "section": done.section,
                "verdict": verdict,
                "detail": detail,
                "duration_ms": u64::try_from(done.took.as_millis()).unwrap_or(u64::MAX),
            })
        });
        json!({
            "passed": self.count("pass"),
            "failed": self.count("fail"),
            "skipped": self.count("skip"),
            "checks": checks.collect::<Vec<_>>(),
        })
    }
}

/// One check, as people read it.
pub fn line(done: &Done) -> String {
    let (verdict, detail) = word(&done.outcome);
    let mut line = format!(
        "{verdict:4}  {:36} {:6.1} s  {} [{}]\n",
        done.id,
        done.took.as_secs_f64(),
        done.title,
        done.section
    );
    for detail in detail.into_iter().flat_map(str::lines) {
        let _ = writeln!(line, "        {detail}");
    }
    line
}

fn word(outcome: &Outcome) -> (&'static str, Option<&str>) {
    match outcome {
        Outcome::Passed => ("pass", None),
        Outcome::Failed(how) => ("fail", Some(how)),
        Outcome::Skipped(why) => ("skip", Some(why)),
    }
}
