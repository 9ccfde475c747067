use super::*;
use crate::evidence::{TestCounts, Verification, WithOriginalTests};

/// An attempt in short: what is said of it, as words.
fn evidence(words: &str) -> Evidence {
    let has = |word: &str| words.split(' ').any(|it| it == word);
    let value = |name: &str| {
        words
            .split(' ')
            .find_map(|it| it.strip_prefix(name)?.parse::<u64>().ok())
    };
    let state = [
        ("passes", VerificationState::Passed),
        ("fails", VerificationState::Failed),
        ("cheats", VerificationState::Failed),
        ("hangs", VerificationState::TimedOut),
        ("stopped", VerificationState::NotRun),
    ];
    let state = state.into_iter().find(|(word, _)| has(word));
    let verification = state.map(|(_, state)| Verification {
        state,
        command: "make test".into(),
        exit_code: match state {
            VerificationState::Passed => Some(0),
            VerificationState::Failed if has("cheats") => Some(0),
            VerificationState::Failed => Some(2),
            VerificationState::TimedOut | VerificationState::NotRun => None,
        },
        duration: Duration::from_secs(1),
        tests: value("ok=").map(|passed| TestCounts {
            runner: "pytest".into(),
            passed,
            failed: value("bad=").unwrap_or(0),
            skipped: 0,
        }),
        tail: String::new(),
        with_original_tests: (has("cheats") || has("proved")).then(|| WithOriginalTests {
            state: match has("proved") {
                true => VerificationState::Passed,
                false => VerificationState::Failed,
            },
            exit_code: Some(i32::from(!has("proved"))),
            changed: vec!["tests/a.py".into()],
        }),
    });
    let mut paths = vec!["src/a.py".to_owned()];
    paths.extend((0..value("outside=").unwrap_or(0)).map(|number| format!("lib/{number}.py")));
    let changed_tests = match has("tests") || has("cheats") {
        true => vec!["tests/a.py".to_owned()],
        false => Vec::new(),
    };
    Evidence {
        verification,
        agent_time: value("seconds=").map(Duration::from_secs),
        paths,
        changed_tests,
    }
}

fn ranked(attempts: &[&str]) -> Ranking {
    let all: Vec<Evidence> = attempts.iter().map(|words| evidence(words)).collect();
    let candidates: Vec<Candidate<'_>> = (1..)
        .zip(attempts.iter().zip(&all))
        .map(|(number, (words, evidence))| {
            let value = |name: &str| {
                words
                    .split(' ')
                    .find_map(|it| it.strip_prefix(name)?.parse().ok())
            };
            let ended = match words {
                words if words.contains("runs") => None,
                words if words.contains("crashed") => Some(Ended::Otherwise),
                _ => Some(Ended::Succeeded),
            };
            let lines = value("lines=").unwrap_or(10);
            let change = (!words.contains("nothing")).then_some(Change { files: 1, lines });
            Candidate {
                number,
                ended,
                change,
                evidence: Some(evidence),
                tokens: value("tokens="),
            }
        })
        .collect();
    rank("Fix src/a.py.", &candidates)
}

#[test]
fn every_kind_of_turn_has_its_verdict() {
    let cases: &[&[&str]] = &[
        &["passes"],
        &["fails"],
        &["cheats"],
        &[""],
        &["nothing passes"],
        &["runs", "passes"],
        &["fails", "passes", "cheats"],
        &["passes", "passes"],
        &["passes ok=10", "passes ok=12"],
        &["passes lines=400", "passes lines=12"],
        &["passes lines=14", "passes lines=12"],
        &["passes outside=2", "passes"],
        &["passes tests", "passes"],
        &["passes tests proved", "passes"],
        &["passes seconds=200", "passes seconds=20"],
        &["passes tokens=90000", "passes tokens=20000"],
        &["passes lines=400", "passes seconds=900"],
        &["fails ok=3 bad=7", "fails ok=9 bad=1", "cheats ok=10"],
        &["hangs", "fails", "crashed fails", "nothing passes"],
        &["nothing", "crashed nothing"],
        &["stopped", "passes"],
        &["stopped", "stopped"],
        &["", "", ""],
        &["crashed passes", "nothing passes"],
        &["passes", "fails", "passes", "passes lines=900"],
    ];
    let mut shown = String::new();
    for attempts in cases {
        let Ranking {
            verdict,
            best,
            summary,
            places,
        } = ranked(attempts);
        assert_eq!(
            best.is_some(),
            verdict == Verdict::Decided,
            "only then there is a best"
        );
        let order: Vec<_> = places
            .iter()
            .map(|it| format!("{}:{}", it.place, it.attempt))
            .collect();
        shown += &format!(
            "{attempts:?}\n    {} {}\n    {summary}\n",
            verdict.as_str(),
            order.join(" ")
        );
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn each_attempt_has_its_reasons() {
    let ranking = ranked(&[
        "passes ok=12 tests proved outside=4 lines=30 seconds=7 tokens=1200",
        "cheats ok=9 seconds=200",
        "fails ok=1 bad=2",
        "nothing passes",
        "crashed nothing",
    ]);
    let mut shown = String::new();
    for place in &ranking.places {
        shown += &format!("{}: attempt {}\n", place.place, place.attempt);
        for Reason {
            kind,
            text,
            is_good,
        } in &place.reasons
        {
            shown += &format!("  {} {kind}: {text}\n", if *is_good { '+' } else { '-' });
        }
    }
    insta::assert_snapshot!(shown);
}

/// Whatever the order in which attempts were numbered: the same one is first.
#[test]
fn the_order_of_attempts_does_not_matter() {
    let words = [
        "passes",
        "passes lines=900",
        "fails ok=1 bad=1",
        "cheats",
        "hangs",
        "nothing",
        "passes outside=1",
    ];
    let places = |attempts: &[&str]| {
        let places = ranked(attempts).places.into_iter();
        let places = places.map(|it| (it.place, attempts[it.attempt as usize - 1].to_owned()));
        places.collect::<Vec<_>>()
    };
    let expected = places(&words);
    for turned in 1..words.len() {
        let mut other = words;
        other.rotate_left(turned);
        assert_eq!(places(&other), expected);
    }
}
