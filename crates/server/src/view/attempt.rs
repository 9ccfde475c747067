//! Attempts.

use outwork_api::task::{Attempt as Wire, DiffStat, Tokens};
use outwork_domain::{Attempt, Desired, State, Timestamp};
use outwork_store::{AttemptRecord, AttemptResult, StoredDiff};

pub(crate) fn wire(record: AttemptRecord) -> Wire {
    let AttemptRecord {
        attempt,
        worker,
        result,
    } = record;
    let deadline_at = deadline(&attempt);
    let (ended_at, failure) = match &attempt.state {
        State::Queued { .. } | State::Held { .. } | State::AwaitingInput { .. } => (None, None),
        State::Succeeded { ended_at } | State::Cancelled { ended_at } => (Some(*ended_at), None),
        State::Failed { ended_at, failure } => (Some(*ended_at), Some(failure.clone())),
    };
    let (diff, message, tokens) = match result {
        Some(AttemptResult {
            epoch: _,
            diff,
            session: _,
            message,
            tokens,
        }) => (diff, message, tokens),
        None => (None, None, None),
    };
    Wire {
        id: attempt.id.to_string(),
        number: attempt.number.get(),
        state: attempt.state.as_str().to_owned(),
        cancelling: attempt.desired != Desired::Run && !attempt.state.is_final(),
        deadline_at: deadline_at.map(Into::into),
        tries: attempt.tries,
        worker: worker.map(|worker| worker.to_string()),
        ended_at: ended_at.map(Into::into),
        failure: failure.map(Into::into),
        diff: diff.map(
            |StoredDiff {
                 key: _,
                 stat,
                 size_bytes: _,
             }| wire_stat(stat),
        ),
        message,
        tokens: tokens.map(wire_tokens),
    }
}

/// Until when it may stay as it is; a lease that only has to be renewed is no deadline.
fn deadline(attempt: &Attempt) -> Option<Timestamp> {
    let deadline_at = match &attempt.state {
        State::Queued { deadline_at, .. }
        | State::Held { deadline_at, .. }
        | State::AwaitingInput { deadline_at, .. } => *deadline_at,
        State::Succeeded { .. } | State::Failed { .. } | State::Cancelled { .. } => return None,
    };
    match attempt.desired {
        Desired::Run => Some(deadline_at),
        Desired::Cancel { since } => Some(deadline_at.min(since + attempt.limits.cancelling)),
    }
}

pub(crate) fn wire_stat(stat: outwork_store::DiffStat) -> DiffStat {
    let outwork_store::DiffStat {
        files_changed,
        lines_added,
        lines_removed,
    } = stat;
    DiffStat {
        files_changed,
        lines_added,
        lines_removed,
    }
}

pub(crate) fn stat(stat: DiffStat) -> outwork_store::DiffStat {
    let DiffStat {
        files_changed,
        lines_added,
        lines_removed,
    } = stat;
    outwork_store::DiffStat {
        files_changed,
        lines_added,
        lines_removed,
    }
}

fn wire_tokens(tokens: outwork_store::Tokens) -> Tokens {
    let outwork_store::Tokens {
        input,
        cached_input,
        output,
        reasoning,
        uncounted_calls,
    } = tokens;
    Tokens {
        input,
        cached_input,
        output,
        reasoning,
        uncounted_calls,
    }
}

pub(crate) fn tokens(tokens: Tokens) -> outwork_store::Tokens {
    let Tokens {
        input,
        cached_input,
        output,
        reasoning,
        uncounted_calls,
    } = tokens;
    outwork_store::Tokens {
        input,
        cached_input,
        output,
        reasoning,
        uncounted_calls,
    }
}
