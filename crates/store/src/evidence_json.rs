//! What speaks for an attempt as the JSON text of one column.

use std::time::Duration;

use outwork_domain::evidence::{
    Evidence, TestCounts, Verification, VerificationState, WithOriginalTests,
};
use serde::{Deserialize, Serialize};

use crate::error::StoreError;

#[derive(Serialize, Deserialize)]
struct Stored {
    #[serde(skip_serializing_if = "Option::is_none")]
    verification: Option<Run>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    paths: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    changed_tests: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Run {
    state: String,
    command: String,
    exit_code: Option<i32>,
    duration_ms: u64,
    tests: Option<Tests>,
    tail: String,
    with_original_tests: Option<Original>,
}

#[derive(Serialize, Deserialize)]
struct Tests {
    runner: String,
    passed: u64,
    failed: u64,
    skipped: u64,
}

#[derive(Serialize, Deserialize)]
struct Original {
    state: String,
    exit_code: Option<i32>,
    changed: Vec<String>,
}

pub(crate) fn to_json(evidence: &Evidence) -> String {
    let Evidence {
        verification,
        agent_time,
        paths,
        changed_tests,
    } = evidence;
    let stored = Stored {
        verification: verification.as_ref().map(run),
        agent_ms: agent_time.map(millis),
        paths: paths.clone(),
        changed_tests: changed_tests.clone(),
    };
    serde_json::to_string(&stored).expect("texts and numbers are JSON")
}

fn run(verification: &Verification) -> Run {
    let Verification {
        state,
        command,
        exit_code,
        duration,
        tests,
        tail,
        with_original_tests,
    } = verification;
    let tests = tests.as_ref().map(|counts| {
        let TestCounts {
            runner,
            passed,
            failed,
            skipped,
        } = counts.clone();
        Tests {
            runner,
            passed,
            failed,
            skipped,
        }
    });
    let original = |run: &WithOriginalTests| Original {
        state: run.state.as_str().to_owned(),
        exit_code: run.exit_code,
        changed: run.changed.clone(),
    };
    Run {
        state: state.as_str().to_owned(),
        command: command.clone(),
        exit_code: *exit_code,
        duration_ms: millis(*duration),
        tests,
        tail: tail.clone(),
        with_original_tests: with_original_tests.as_ref().map(original),
    }
}

pub(crate) fn from_json(text: &str) -> Result<Evidence, StoreError> {
    let stored: Stored = serde_json::from_str(text).map_err(|_| corrupt())?;
    let Stored {
        verification,
        agent_ms,
        paths,
        changed_tests,
    } = stored;
    Ok(Evidence {
        verification: verification.map(read_run).transpose()?,
        agent_time: agent_ms.map(Duration::from_millis),
        paths,
        changed_tests,
    })
}

fn read_run(run: Run) -> Result<Verification, StoreError> {
    let Run {
        state,
        command,
        exit_code,
        duration_ms,
        tests,
        tail,
        with_original_tests,
    } = run;
    let tests = tests.map(|counts| {
        let Tests {
            runner,
            passed,
            failed,
            skipped,
        } = counts;
        TestCounts {
            runner,
            passed,
            failed,
            skipped,
        }
    });
    let with_original_tests = match with_original_tests {
        None => None,
        Some(Original {
            state,
            exit_code,
            changed,
        }) => Some(WithOriginalTests {
            state: read_state(&state)?,
            exit_code,
            changed,
        }),
    };
    Ok(Verification {
        state: read_state(&state)?,
        command,
        exit_code,
        duration: Duration::from_millis(duration_ms),
        tests,
        tail,
        with_original_tests,
    })
}

fn read_state(name: &str) -> Result<VerificationState, StoreError> {
    VerificationState::parse(name).ok_or_else(corrupt)
}

fn corrupt() -> StoreError {
    StoreError::corrupt("evidence")
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
