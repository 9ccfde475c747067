//! Which attempt of a turn is the best, by what speaks for each, and why; or that none can be told to be.
//!
//! Criteria come one after the other; each looks only at those that all criteria before found equal. Small differences of size, time and
//! cost do not count: two right answers of about the same size are a tie, and a tie is called one.

mod criteria;
mod scope;

use std::time::Duration;

use crate::evidence::{Evidence, VerificationState};
use criteria::{CRITERIA, Class, Seen};

/// An attempt as the ranking sees it.
#[derive(Clone, Debug)]
pub struct Candidate<'a> {
    /// Its number within the turn.
    pub number: u32,
    /// How it ended; `None`: it has not.
    pub ended: Option<Ended>,
    /// How many lines and files its diffs change; `None`: it has no diff.
    pub change: Option<Change>,
    /// What else is known.
    pub evidence: Option<&'a Evidence>,
    /// What the model counted.
    pub tokens: Option<u64>,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The agent finished its turn.
    Succeeded,
    /// It did not.
    Otherwise,
}

/// How much a diff changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Files.
    pub files: u64,
    /// Lines added and removed.
    pub lines: u64,
}

/// What can be said of the attempts of a turn as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// One passes the verification and is before all others.
    Decided,
    /// Several pass, and nothing that counts tells them apart.
    Tie,
    /// The verification ran, and none passed.
    NonePassed,
    /// Nothing was verified.
    Unverified,
    /// No attempt changed anything.
    NothingDone,
    /// Not all have ended.
    Pending,
}

impl Verdict {
    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Decided => "decided",
            Self::Tie => "tie",
            Self::NonePassed => "none_passed",
            Self::Unverified => "unverified",
            Self::NothingDone => "nothing_done",
            Self::Pending => "pending",
        }
    }
}

/// Something that speaks for an attempt or against it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// Stable, for programs: `verification`, `tests`, `own_tests`, `changed_tests`, `scope`, `size`, `time`, `cost` or `outcome`.
    pub kind: &'static str,
    /// For people.
    pub text: String,
    /// Whether it speaks for it.
    pub is_good: bool,
}

/// Where an attempt stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The attempt's number.
    pub attempt: u32,
    /// 1, 2, …; those that nothing tells apart have the same.
    pub place: u32,
    /// Why.
    pub reasons: Vec<Reason>,
}

/// The attempts of a turn in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ranking {
    /// What can be said as a whole.
    pub verdict: Verdict,
    /// The best one, only when it is [`Verdict::Decided`].
    pub best: Option<u32>,
    /// A sentence or two for people.
    pub summary: String,
    /// All attempts, the first first; nothing while some have not ended.
    pub places: Vec<Place>,
}

impl Ranking {
    /// The attempt whose diff is shown as long as no person chose another: the best; of several that nothing tells apart the one with the
    /// lowest number; `None` where nothing was verified or not all have ended.
    pub fn leading(&self) -> Option<u32> {
        match self.verdict {
            Verdict::Decided | Verdict::Tie | Verdict::NonePassed => {
                let first = self.places.iter().filter(|it| it.place == 1);
                first.map(|it| it.attempt).min()
            }
            Verdict::Unverified | Verdict::NothingDone | Verdict::Pending => None,
        }
    }
}

/// Puts the attempts of a turn in order.
pub fn rank(prompt: &str, candidates: &[Candidate<'_>]) -> Ranking {
    if candidates.is_empty() || candidates.iter().any(|it| it.ended.is_none()) {
        return Ranking {
            verdict: Verdict::Pending,
            best: None,
            summary: "Not all attempts have ended.".to_owned(),
            places: Vec::new(),
        };
    }
    let all_paths = candidates.iter().filter_map(|it| it.evidence);
    let scope = scope::of(prompt, all_paths.flat_map(|evidence| &evidence.paths));
    let seen: Vec<Seen<'_>> = candidates
        .iter()
        .map(|candidate| Seen::of(candidate, scope.as_ref()))
        .collect();
    let groups = groups(seen.iter().collect());
    let verdict = verdict(&groups);
    let best = match (verdict, groups[0].as_slice()) {
        (Verdict::Decided, [only]) => Some(only.number),
        (_, _) => None,
    };
    let mut places = Vec::with_capacity(seen.len());
    let mut place = 1;
    for group in &groups {
        places.extend(group.iter().map(|it| Place {
            attempt: it.number,
            place,
            reasons: it.reasons(),
        }));
        place += count(group);
    }
    Ranking {
        verdict,
        best,
        summary: summary(verdict, &groups),
        places,
    }
}

type Group<'s, 'e> = Vec<&'s Seen<'e>>;

/// Those that nothing tells apart together, the best first.
fn groups<'s, 'e>(all: Group<'s, 'e>) -> Vec<Group<'s, 'e>> {
    for criterion in CRITERIA {
        let Some((stay, go)) = criterion.part(&all) else {
            continue;
        };
        let mut groups = groups(stay);
        groups.extend(self::groups(go));
        return groups;
    }
    vec![all]
}

fn verdict(groups: &[Group<'_, '_>]) -> Verdict {
    let mut all = groups.iter().flatten();
    let first = &groups[0];
    if all.clone().all(|it| !it.has_changes()) {
        return Verdict::NothingDone;
    }
    if first[0].class == Class::Passed {
        return match first.len() {
            1 => Verdict::Decided,
            _ => Verdict::Tie,
        };
    }
    let ran = |it: &&Seen<'_>| -> bool {
        it.verification()
            .is_some_and(|run| run.state != VerificationState::NotRun)
    };
    match all.any(ran) {
        true => Verdict::NonePassed,
        false => Verdict::Unverified,
    }
}

fn summary(verdict: Verdict, groups: &[Group<'_, '_>]) -> String {
    let first = &groups[0];
    let total: usize = groups.iter().map(Vec::len).sum();
    let is_alone = total == 1;
    match verdict {
        Verdict::Pending => "Not all attempts have ended.".to_owned(),
        Verdict::NothingDone if is_alone => "The attempt changed nothing.".to_owned(),
        Verdict::NothingDone => "No attempt changed anything.".to_owned(),
        Verdict::Unverified if is_alone => "The attempt was not verified.".to_owned(),
        Verdict::Unverified => "No attempt was verified, so none is called the best.".to_owned(),
        Verdict::NonePassed => none_passed(groups, is_alone),
        Verdict::Tie => format!(
            "{} pass the verification, and nothing that counts tells them apart.",
            capital(&named(first))
        ),
        Verdict::Decided if is_alone => "The attempt passes the verification.".to_owned(),
        Verdict::Decided => decided(first[0], groups),
    }
}

fn none_passed(groups: &[Group<'_, '_>], is_alone: bool) -> String {
    let mut summary = match is_alone {
        true => "The attempt does not pass the verification.".to_owned(),
        false => "No attempt passes the verification.".to_owned(),
    };
    let own: Group<'_, '_> = groups
        .iter()
        .flatten()
        .filter(|it| it.class == Class::OnlyOwnTests)
        .copied()
        .collect();
    match own.len() {
        0 => {}
        1 => {
            summary += &format!(
                " {} passes only with tests that it changed itself.",
                capital(&named(&own))
            )
        }
        _ => {
            summary += &format!(
                " {} pass only with tests that they changed themselves.",
                capital(&named(&own))
            )
        }
    }
    summary
}

fn decided(best: &Seen<'_>, groups: &[Group<'_, '_>]) -> String {
    let others: Group<'_, '_> = groups[1..]
        .iter()
        .flatten()
        .filter(|it| it.class == Class::Passed)
        .copied()
        .collect();
    let number = best.number;
    if others.is_empty() {
        return format!("Attempt {number} passes the verification; no other does.");
    }
    let mut all = vec![best];
    all.extend(&others);
    let why = CRITERIA
        .iter()
        .find(|criterion| criterion.part(&all).is_some())
        .map_or("it is before the others", |criterion| criterion.praise());
    all.sort_by_key(|it| it.number);
    format!(
        "{} pass the verification. Attempt {number} comes first: {why}.",
        capital(&named(&all))
    )
}

/// `attempts 1, 2 and 4`.
fn named(group: &[&Seen<'_>]) -> String {
    let mut numbers: Vec<String> = group.iter().map(|it| it.number.to_string()).collect();
    let Some(last) = numbers.pop() else {
        return "no attempt".to_owned();
    };
    match numbers.is_empty() {
        true => format!("attempt {last}"),
        false => format!("attempts {} and {last}", numbers.join(", ")),
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(chars).collect()
}

fn count(group: &[&Seen<'_>]) -> u32 {
    u32::try_from(group.len()).unwrap_or(u32::MAX)
}

/// `1.5 s`, `3 min`.
fn duration(duration: Duration) -> String {
    match duration.as_secs() {
        0..10 => format!("{:.1} s", duration.as_secs_f64()),
        seconds @ 10..120 => format!("{seconds} s"),
        seconds => format!("{} min", seconds / 60),
    }
}

#[cfg(test)]
mod tests;
