//! What speaks for attempts, and their order.

use std::time::Duration;

use outwork_api::task::{
    Chosen, RankedAttempt, Ranking as Wire, RankingReason, TestCounts as WireCounts,
    Verification as WireVerification, WithOriginalTests as WireOriginal,
};
use outwork_domain::State;
use outwork_domain::choice::{Choice, Standing, shown};
use outwork_domain::evidence::{TestCounts, Verification, VerificationState, WithOriginalTests};
use outwork_domain::limits::{CHANGED_TESTS, VERIFICATION_TAIL_BYTES};
use outwork_domain::ranking::{Candidate, Change, Ended, Place, Ranking, Reason, rank};
use outwork_store::{AttemptRecord, TurnRecord};

use super::attempt::stat;

/// The order of the turn's attempts, from what is stored of them: it is the same wherever it is shown.
pub(crate) fn ranking(turn: &TurnRecord) -> Ranking {
    let candidates: Vec<_> = turn.attempts.iter().map(candidate).collect();
    rank(&turn.turn.prompt, &candidates)
}

fn candidate(record: &AttemptRecord) -> Candidate<'_> {
    let result = record.result.as_ref();
    let ended = match &record.attempt.state {
        State::Queued { .. } | State::Held { .. } | State::AwaitingInput { .. } => None,
        State::Succeeded { .. } => Some(Ended::Succeeded),
        State::Failed { .. } | State::Cancelled { .. } => Some(Ended::Otherwise),
    };
    Candidate {
        number: record.attempt.number.get(),
        ended,
        change: stat(record).map(|stat| Change {
            files: stat.files_changed,
            lines: stat.lines_added.saturating_add(stat.lines_removed),
        }),
        evidence: result.map(|result| &result.evidence),
        tokens: result
            .and_then(|result| result.tokens)
            .map(|tokens| tokens.input.saturating_add(tokens.output)),
    }
}

/// The number of the attempt that stands for the turn.
pub(crate) fn shown_of(turn: &TurnRecord, ranking: &Ranking) -> Option<u32> {
    let standing = |record: &AttemptRecord| Standing {
        number: record.attempt.number.get(),
        has_succeeded: matches!(record.attempt.state, State::Succeeded { .. }),
        has_diff: stat(record).is_some(),
    };
    let attempts: Vec<_> = turn.attempts.iter().map(standing).collect();
    let chosen = turn.turn.chosen.map(|choice| choice.attempt);
    shown(chosen, ranking.leading(), &attempts)
}

pub(crate) fn wire_ranking(ranking: Ranking) -> Wire {
    let Ranking {
        verdict,
        best,
        summary,
        places,
    } = ranking;
    Wire {
        verdict: verdict.as_str().to_owned(),
        best,
        summary,
        places: places.into_iter().map(wire_place).collect(),
    }
}

fn wire_place(place: Place) -> RankedAttempt {
    let Place {
        attempt,
        place,
        reasons,
    } = place;
    let reason = |Reason {
                      kind,
                      text,
                      is_good,
                  }| RankingReason {
        kind: kind.to_owned(),
        text,
        good: is_good,
    };
    RankedAttempt {
        attempt,
        place,
        reasons: reasons.into_iter().map(reason).collect(),
    }
}

pub(crate) fn wire_choice(choice: Choice) -> Chosen {
    let Choice { attempt, by, at } = choice;
    Chosen {
        attempt,
        by: by.to_string(),
        at: at.into(),
    }
}

pub(crate) fn wire(verification: Verification) -> WireVerification {
    let Verification {
        state,
        command,
        exit_code,
        duration,
        tests,
        tail,
        with_original_tests,
    } = verification;
    let counts = |TestCounts {
                      runner,
                      passed,
                      failed,
                      skipped,
                  }| WireCounts {
        runner,
        passed,
        failed,
        skipped,
    };
    let original = |WithOriginalTests {
                        state,
                        exit_code,
                        changed,
                    }| WireOriginal {
        state: state.as_str().to_owned(),
        exit_code,
        changed,
    };
    WireVerification {
        state: state.as_str().to_owned(),
        command,
        exit_code,
        duration_ms: u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
        tests: tests.map(counts),
        tail,
        with_original_tests: with_original_tests.map(original),
    }
}

/// As a worker says it, within bounds. A state that is not known is one that says nothing.
pub(crate) fn stored(verification: WireVerification) -> Verification {
    let WireVerification {
        state,
        command,
        exit_code,
        duration_ms,
        tests,
        tail,
        with_original_tests,
    } = verification;
    let parse = |name: &str| VerificationState::parse(name).unwrap_or(VerificationState::NotRun);
    let counts = |WireCounts {
                      runner,
                      passed,
                      failed,
                      skipped,
                  }| TestCounts {
        runner: short(runner),
        passed,
        failed,
        skipped,
    };
    let original = |WireOriginal {
                        state,
                        exit_code,
                        changed,
                    }| WithOriginalTests {
        state: parse(&state),
        exit_code,
        changed: kept(changed, CHANGED_TESTS),
    };
    let start = tail.len().saturating_sub(VERIFICATION_TAIL_BYTES);
    Verification {
        state: parse(&state),
        command,
        exit_code,
        duration: Duration::from_millis(duration_ms),
        tests: tests.map(counts),
        tail: tail[tail.ceil_char_boundary(start)..].to_owned(),
        with_original_tests: with_original_tests.map(original),
    }
}

/// At most so many of them.
pub(crate) fn kept(mut paths: Vec<String>, most: usize) -> Vec<String> {
    paths.truncate(most);
    paths
}

fn short(text: String) -> String {
    text.chars().take(40).collect()
}
