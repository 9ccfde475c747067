//! Attempts.

use outwork_api::task::{Attempt as Wire, AttemptAgent, Cost, DiffStat, RepositoryDiff, Tokens};
use outwork_domain::agent::AgentName;
use outwork_domain::cost::{self, Used};
use outwork_domain::evidence::Evidence;
use outwork_domain::{Attempt, Desired, Epoch, ObjectKey, State, Timestamp};
use outwork_store::{AttemptRecord, AttemptResult, FurtherDiff, StoredDiff};

/// The diff of that repository.
pub(crate) fn diff<'a>(record: &'a AttemptRecord, repository: &str) -> Option<&'a StoredDiff> {
    let result = record.result.as_ref()?;
    if repository == record.repository {
        return result.diff.as_ref();
    }
    let further = result.further_diffs.iter();
    let mut found = further.filter(|further| further.repository == repository);
    found.next().map(|further| &further.diff)
}

/// The agent's session as it was after the attempt.
pub(crate) fn session(record: &AttemptRecord) -> Option<&ObjectKey> {
    record.result.as_ref()?.session.as_ref()
}

/// The agent that runs it.
pub(crate) fn agent_of(record: &AttemptRecord) -> AgentName {
    let own = record.attempt.agent.as_ref();
    own.map_or(record.environment_agent, |own| own.agent.kind())
}

/// Whether a turn can go on from what it handed in.
pub(crate) fn has_work(record: &AttemptRecord) -> bool {
    record.result.as_ref().is_some_and(|result| {
        result.diff.is_some() || !result.further_diffs.is_empty() || result.session.is_some()
    })
}

/// The size of its diffs, over all repositories.
pub(crate) fn stat(record: &AttemptRecord) -> Option<DiffStat> {
    sum(&diffs(record))
}

/// The size of each repository's diff, the first repository's first.
fn diffs(record: &AttemptRecord) -> Vec<RepositoryDiff> {
    let Some(result) = &record.result else {
        return Vec::new();
    };
    let first = result.diff.iter().map(|diff| (&record.repository, diff));
    let further = result
        .further_diffs
        .iter()
        .map(|FurtherDiff { repository, diff }| (repository, diff));
    first
        .chain(further)
        .map(|(repository, diff)| RepositoryDiff {
            repository: repository.clone(),
            summary: wire_stat(diff.stat),
        })
        .collect()
}

fn sum(diffs: &[RepositoryDiff]) -> Option<DiffStat> {
    diffs
        .iter()
        .map(|diff| diff.summary)
        .reduce(|one, next| DiffStat {
            files_changed: one.files_changed.saturating_add(next.files_changed),
            lines_added: one.lines_added.saturating_add(next.lines_added),
            lines_removed: one.lines_removed.saturating_add(next.lines_removed),
        })
}

pub(crate) fn wire(record: AttemptRecord) -> Wire {
    let diffs = diffs(&record);
    let agent = AttemptAgent {
        name: agent_of(&record).as_str().to_owned(),
        model: record
            .attempt
            .agent
            .as_ref()
            .and_then(|own| own.model.clone()),
    };
    let AttemptRecord {
        attempt,
        worker,
        isolation,
        result,
        prices,
        repository: _,
        environment_agent: _,
    } = record;
    let deadline_at = deadline(&attempt);
    let question = match &attempt.state {
        State::AwaitingInput { question, .. } => Some(question.clone()),
        State::Queued { .. }
        | State::Held { .. }
        | State::Succeeded { .. }
        | State::Failed { .. }
        | State::Cancelled { .. } => None,
    };
    let (ended_at, failure) = match &attempt.state {
        State::Queued { .. } | State::Held { .. } | State::AwaitingInput { .. } => (None, None),
        State::Succeeded { ended_at } | State::Cancelled { ended_at } => (Some(*ended_at), None),
        State::Failed { ended_at, failure } => (Some(*ended_at), Some(failure.clone())),
    };
    let (message, tokens, evidence, epoch) = match result {
        Some(AttemptResult {
            epoch,
            diff: _,
            further_diffs: _,
            session: _,
            message,
            tokens,
            evidence,
        }) => (message, tokens, evidence, epoch),
        None => (None, None, Evidence::default(), Epoch::ZERO),
    };
    let cost = tokens
        .filter(|_| attempt.state.is_final())
        .zip(prices)
        .and_then(|(tokens, prices)| prices.cost(used(tokens, epoch)));
    Wire {
        id: attempt.id.to_string(),
        number: attempt.number.get(),
        state: attempt.state.as_str().to_owned(),
        agent: Some(agent),
        cancelling: attempt.desired != Desired::Run && !attempt.state.is_final(),
        deadline_at: deadline_at.map(Into::into),
        tries: attempt.tries,
        worker: worker.map(|worker| worker.to_string()),
        isolation,
        ended_at: ended_at.map(Into::into),
        failure: failure.map(Into::into),
        question,
        diff: sum(&diffs),
        diffs,
        message,
        output: None,
        tokens: tokens.map(wire_tokens),
        verification: evidence.verification.map(super::evidence::wire),
        cost: cost.map(wire_cost),
    }
}

/// Of a turn with a schema: with what it said, as JSON.
pub(crate) fn answered(record: AttemptRecord) -> Wire {
    let has_succeeded = matches!(record.attempt.state, State::Succeeded { .. });
    let mut attempt = wire(record);
    let answer = attempt.message.as_deref().filter(|_| has_succeeded);
    // The worker checked it.
    attempt.output = answer.and_then(|answer| serde_json::from_str(answer).ok());
    attempt
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

fn wire_stat(stat: outwork_store::DiffStat) -> DiffStat {
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

pub(crate) fn stored_stat(stat: DiffStat) -> outwork_store::DiffStat {
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

/// What a result says that was used: only by its own claim, and an endpoint does not count every call.
pub(crate) fn used(tokens: outwork_store::Tokens, epoch: Epoch) -> Used {
    let outwork_store::Tokens {
        input,
        cached_input,
        output,
        reasoning: _,
        uncounted_calls,
    } = tokens;
    Used {
        input,
        cached_input,
        output,
        is_more: uncounted_calls > 0 || epoch.get() > 1,
    }
}

pub(crate) fn wire_cost(cost: cost::Cost) -> Cost {
    let cost::Cost {
        currency,
        amount,
        is_lower_bound,
    } = cost;
    Cost {
        currency: currency.to_string(),
        amount: amount.to_string(),
        is_lower_bound,
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
