//! What attempts are compared by, one after the other.

use std::time::Duration;

use super::scope::Scope;
use super::{Candidate, Change, Ended, Group, Reason, duration};
use crate::evidence::{TestCounts, Verification, VerificationState};

/// A diff counts as larger when it has more than twice the lines, and more than so many more.
const LINES_MORE: u64 = 20;
/// An agent counts as slower when it took more than twice as long, and more than so much longer.
const LONGER: Duration = Duration::from_secs(30);
/// It counts as dearer when it used more than half as many tokens again, and more than so many more.
const TOKENS_MORE: u64 = 10_000;
/// Paths that are named in a reason.
const NAMED: usize = 3;

/// What came of an attempt, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// It changed something and passes the verification.
    Passed,
    /// It changed something; there was no verification, or it did not come to an end.
    Unverified,
    /// It does not pass.
    Failed,
    /// The verification did not end in time.
    TimedOut,
    /// It has changes, but its agent did not finish.
    Unfinished,
    /// It passes only with tests that it changed itself.
    OnlyOwnTests,
    /// It finished and changed nothing. That the verification passes then says nothing of it.
    NothingDone,
    /// It has nothing to show.
    NoResult,
}

/// A candidate with what is computed of it.
pub(super) struct Seen<'e> {
    pub(super) number: u32,
    pub(super) class: Class,
    change: Option<Change>,
    verification: Option<&'e Verification>,
    changed_tests: &'e [String],
    outside: Vec<&'e str>,
    agent_time: Option<Duration>,
    tokens: Option<u64>,
}

impl<'e> Seen<'e> {
    pub(super) fn of(candidate: &Candidate<'e>, scope: Option<&Scope>) -> Self {
        let Candidate {
            number,
            ended,
            change,
            evidence,
            tokens,
        } = candidate;
        let change = change.filter(|change| change.files > 0);
        let verification = evidence.and_then(|it| it.verification.as_ref());
        let paths = evidence.map_or(&[][..], |it| &it.paths);
        let outside = |path: &&str| scope.is_some_and(|scope| !scope.has(path));
        Self {
            number: *number,
            class: class(*ended, change.is_some(), verification),
            change,
            verification,
            changed_tests: evidence.map_or(&[], |it| &it.changed_tests),
            outside: paths.iter().map(String::as_str).filter(outside).collect(),
            agent_time: evidence.and_then(|it| it.agent_time),
            tokens: *tokens,
        }
    }

    pub(super) fn has_changes(&self) -> bool {
        self.change.is_some()
    }

    pub(super) fn verification(&self) -> Option<&'e Verification> {
        self.verification
    }

    fn tests(&self) -> Option<&'e TestCounts> {
        self.verification?.tests.as_ref()
    }

    /// Whether it changed tests that were there, and nobody knows that these pass, too.
    fn changed_tests_count(&self) -> bool {
        let original = self
            .verification
            .and_then(|run| run.with_original_tests.as_ref());
        let is_proved = original.is_some_and(|run| run.state == VerificationState::Passed);
        !self.changed_tests.is_empty() && !is_proved
    }

    pub(super) fn reasons(&self) -> Vec<Reason> {
        let mut reasons = vec![self.of_class()];
        if let Some(tests) = self.tests().filter(|_| self.has_changes()) {
            reasons.push(of_tests(tests));
        }
        if self.changed_tests_count() && self.class != Class::OnlyOwnTests {
            let text = format!(
                "it changed tests that were there: {}",
                list(self.changed_tests)
            );
            reasons.push(bad("changed_tests", text));
        }
        if !self.outside.is_empty() {
            let text = format!(
                "it changed what the prompt does not name: {}",
                list(&self.outside)
            );
            reasons.push(bad("scope", text));
        }
        if let Some(Change { files, lines }) = self.change {
            let text = format!("{} in {}", counted(lines, "line"), counted(files, "file"));
            reasons.push(good("size", text));
        }
        if let Some(time) = self.agent_time {
            reasons.push(good("time", format!("the agent took {}", duration(time))));
        }
        if let Some(tokens) = self.tokens {
            reasons.push(good("cost", format!("{tokens} tokens")));
        }
        reasons
    }

    fn of_class(&self) -> Reason {
        let exit = || {
            let code = self.verification.and_then(|run| run.exit_code);
            code.map_or(String::new(), |code| format!(" (exit code {code})"))
        };
        match self.class {
            Class::Passed => {
                let original = self
                    .verification
                    .and_then(|run| run.with_original_tests.as_ref());
                let with = original.map_or("", |_| ", also with the tests as they were");
                good("verification", format!("it passes the verification{with}"))
            }
            Class::Unverified => bad("verification", "it was not verified".to_owned()),
            Class::TimedOut => bad(
                "verification",
                "its verification did not end in time".to_owned(),
            ),
            Class::Failed => bad(
                "verification",
                format!("it does not pass the verification{}", exit()),
            ),
            Class::Unfinished => bad("outcome", "its agent did not finish".to_owned()),
            Class::OnlyOwnTests => {
                let run = self
                    .verification
                    .and_then(|run| run.with_original_tests.as_ref());
                let changed = run.map_or(self.changed_tests, |run| &run.changed);
                let text = format!(
                    "it passes only with tests that it changed itself: {}",
                    list(changed)
                );
                bad("own_tests", text)
            }
            Class::NothingDone => bad("outcome", "it changed nothing".to_owned()),
            Class::NoResult => bad("outcome", "it has no result".to_owned()),
        }
    }
}

fn class(ended: Option<Ended>, has_changes: bool, verification: Option<&Verification>) -> Class {
    match (ended, has_changes, verification) {
        (Some(Ended::Succeeded), false, _) => Class::NothingDone,
        (Some(Ended::Otherwise) | None, false, _) => Class::NoResult,
        (Some(Ended::Otherwise) | None, true, _) => Class::Unfinished,
        (Some(Ended::Succeeded), true, None) => Class::Unverified,
        (Some(Ended::Succeeded), true, Some(run)) if run.passes_only_with_own_tests() => {
            Class::OnlyOwnTests
        }
        (Some(Ended::Succeeded), true, Some(run)) => match run.state {
            VerificationState::Passed => Class::Passed,
            VerificationState::Failed => Class::Failed,
            VerificationState::TimedOut => Class::TimedOut,
            VerificationState::NotRun => Class::Unverified,
        },
    }
}

fn of_tests(tests: &TestCounts) -> Reason {
    let TestCounts {
        runner: _,
        passed,
        failed,
        skipped,
    } = tests;
    let mut text = format!("{} passed", counted(*passed, "test"));
    if *failed > 0 {
        text += &format!(", {failed} failed");
    }
    if *skipped > 0 {
        text += &format!(", {skipped} skipped");
    }
    Reason {
        kind: "tests",
        text,
        is_good: *failed == 0,
    }
}

fn good(kind: &'static str, text: String) -> Reason {
    Reason {
        kind,
        text,
        is_good: true,
    }
}

fn bad(kind: &'static str, text: String) -> Reason {
    Reason {
        kind,
        text,
        is_good: false,
    }
}

fn counted(number: u64, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    }
}

fn list<T: AsRef<str>>(paths: &[T]) -> String {
    let shown: Vec<&str> = paths.iter().take(NAMED).map(AsRef::as_ref).collect();
    match paths.len().saturating_sub(NAMED) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// What attempts are compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Criterion {
    Class,
    TestsFailed,
    TestsPassed,
    ChangedTests,
    Scope,
    Size,
    Time,
    Cost,
}

/// All, in the order in which they count.
pub(super) const CRITERIA: [Criterion; 8] = [
    Criterion::Class,
    Criterion::TestsFailed,
    Criterion::TestsPassed,
    Criterion::ChangedTests,
    Criterion::Scope,
    Criterion::Size,
    Criterion::Time,
    Criterion::Cost,
];

impl Criterion {
    /// Those that are as good as the best, and the others; `None` if it does not tell them apart.
    pub(super) fn part<'s, 'e>(
        self,
        all: &[&'s Seen<'e>],
    ) -> Option<(Group<'s, 'e>, Group<'s, 'e>)> {
        // What is not known of one is not held against the others.
        let values: Option<Vec<u64>> = all.iter().map(|it| self.badness(it)).collect();
        let values = values?;
        let best = values.iter().copied().min()?;
        let (mut stay, mut go) = (Vec::new(), Vec::new());
        for (seen, value) in all.iter().zip(values) {
            match self.is_worse(value, best) {
                true => go.push(*seen),
                false => stay.push(*seen),
            }
        }
        (!go.is_empty()).then_some((stay, go))
    }

    /// The lower the better; `None`: not known.
    fn badness(self, seen: &Seen<'_>) -> Option<u64> {
        match self {
            Self::Class => Some(seen.class as u64),
            Self::TestsFailed => seen.tests().map(|tests| tests.failed),
            Self::TestsPassed => seen.tests().map(|tests| u64::MAX - tests.passed),
            Self::ChangedTests => Some(u64::from(seen.changed_tests_count())),
            Self::Scope => Some(seen.outside.len() as u64),
            Self::Size => seen.change.map(|change| change.lines),
            Self::Time => {
                let millis = seen.agent_time?.as_millis();
                u64::try_from(millis).ok()
            }
            Self::Cost => seen.tokens,
        }
    }

    fn is_worse(self, value: u64, best: u64) -> bool {
        let more = value - best;
        match self {
            Self::Class
            | Self::TestsFailed
            | Self::TestsPassed
            | Self::ChangedTests
            | Self::Scope => more > 0,
            Self::Size => more > best && more > LINES_MORE,
            Self::Time => more > best && u128::from(more) > LONGER.as_millis(),
            Self::Cost => more > best / 2 && more > TOKENS_MORE,
        }
    }

    /// What is said of the best one by it.
    pub(super) fn praise(self) -> &'static str {
        match self {
            Self::Class => "it passes",
            Self::TestsFailed => "fewer of its tests fail",
            Self::TestsPassed => "more of its tests pass",
            Self::ChangedTests => "it left the tests that were there as they are",
            Self::Scope => "it changed less that the prompt does not name",
            Self::Size => "its diff is much smaller",
            Self::Time => "its agent was much faster",
            Self::Cost => "it used far fewer tokens",
        }
    }
}
