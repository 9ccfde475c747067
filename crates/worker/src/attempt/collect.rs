//! What came of it: the exact diff and the agent's session. Also after a failure or a wish to stop: work is never lost.

use std::io;
use std::sync::Arc;

use outwork_api::event::EventBody;
use outwork_api::task::{DiffStat, RepositoryDiff};
use outwork_api::worker::{Finish, Outcome, OutputKind};
use outwork_domain::limits::{DIFF_BYTES, SESSION_BYTES};
use outwork_domain::{Failure, FailureCode};
use outwork_git::{Diff, DiffLimits};

use super::Run;
use super::step::StepName;
use crate::failure;
use crate::hostile_file::ReadError;
use crate::lease::Wish;
use crate::outbox::Source;
use crate::session;

/// Warnings about single files that are told.
const WARNINGS: usize = 20;

/// The claim is not ours any more.
pub(super) struct Abandoned;

pub(super) async fn run(run: &Run, finish: &mut Finish) -> Result<(), Abandoned> {
    let mut stop = run.stop.clone();
    tokio::select! {
        wish = stop.above(Wish::Cancel) => {
            tracing::info!(claim = %run.claim, ?wish, "the claim was lost while its diff was computed");
            Err(Abandoned)
        }
        () = collect(run, finish) => Ok(()),
    }
}

async fn collect(run: &Run, finish: &mut Finish) {
    if run.checkout.is_none() {
        return;
    }
    let timer = run.begin(StepName::Diff);
    let limit = StepName::Diff.limit(&run.assignment);
    let diff = match tokio::time::timeout(limit, diff(run)).await {
        Ok(diff) => diff,
        Err(_) => Err(failure::timed_out(StepName::Diff.sentence(), limit)),
    };
    let detail = match diff {
        Ok(diff) => hand_in(run, finish, diff).await,
        Err(failure) => Err(failure),
    };
    match detail {
        Ok(detail) => run.end(timer, Some(detail)),
        Err(failure) => {
            run.end(timer, Some(failure.code.as_str().to_owned()));
            fail(run, finish, failure);
        }
    }
    save_session(run, finish).await;
}

/// The first failure is the one that people are told; a later one is a warning beside it.
fn fail(run: &Run, finish: &mut Finish, failure: Failure) {
    match &finish.outcome {
        Outcome::Succeeded {} | Outcome::AwaitingInput { question: _ } => {
            finish.outcome = Outcome::Failed {
                failure: failure::clipped(failure).into(),
            };
        }
        Outcome::Failed { failure: _ } | Outcome::Cancelled {} => run.warn(failure.message),
    }
}

async fn diff(run: &Run) -> Result<Diff, Failure> {
    let checkout = run.checkout.as_ref().expect("the caller looked");
    let limits = DiffLimits {
        max_patch_bytes: DIFF_BYTES,
        ..DiffLimits::default()
    };
    checkout
        .diff(&limits)
        .await
        .map_err(|error| failure::diff(&error))
}

async fn hand_in(run: &Run, finish: &mut Finish, diff: Diff) -> Result<String, Failure> {
    let Diff {
        patch,
        files,
        tree: _,
        warnings,
    } = diff;
    let summary = DiffStat {
        files_changed: files.len() as u64,
        lines_added: files.iter().filter_map(|file| file.added).sum(),
        lines_removed: files.iter().filter_map(|file| file.removed).sum(),
    };
    for warning in warnings.iter().take(WARNINGS) {
        run.warn(format!("Diff: {warning}."));
    }
    if warnings.len() > WARNINGS {
        run.warn(format!(
            "Diff: {} more such files.",
            warnings.len() - WARNINGS
        ));
    }
    let size_bytes = patch.len() as u64;
    let repository = super::first_name(&run.assignment).to_owned();
    let kept = keep(run, OutputKind::Diff, Some(repository.clone()), patch).await;
    kept.map_err(|error| failure::internal("the diff cannot be kept", &error))?;
    run.outbox.event(
        Source::Worker,
        EventBody::DiffReady {
            repository: None,
            summary,
            size_bytes,
        },
    );
    finish.diffs = vec![RepositoryDiff {
        repository,
        summary,
    }];
    let DiffStat {
        files_changed,
        lines_added,
        lines_removed,
    } = summary;
    let files = if files_changed == 1 { "file" } else { "files" };
    Ok(format!(
        "{files_changed} {files}, +{lines_added} -{lines_removed}"
    ))
}

/// Beside the runtime: it waits for the disk.
async fn keep(
    run: &Run,
    kind: OutputKind,
    repository: Option<String>,
    content: Vec<u8>,
) -> io::Result<()> {
    let outbox = Arc::clone(&run.outbox);
    tokio::task::spawn_blocking(move || outbox.result(kind, repository, &content))
        .await
        .unwrap_or_else(|panic| Err(io::Error::other(panic)))
}

/// A session that cannot be saved costs the next turn its memory, not this one its result.
async fn save_session(run: &Run, finish: &mut Finish) {
    let saved = match packed_session(run).await {
        Ok(None) => return,
        Ok(Some(bytes)) if bytes.len() > SESSION_BYTES => Err(Failure::new(
            FailureCode::ResultTooLarge,
            format!("it has more than {} MiB", SESSION_BYTES >> 20),
        )),
        Ok(Some(bytes)) => keep(run, OutputKind::Session, None, bytes)
            .await
            .map_err(|error| failure::internal("it cannot be kept", &error)),
        Err(failure) => Err(failure),
    };
    match saved {
        Ok(()) => finish.has_session = true,
        Err(failure) => run.warn(format!(
            "The agent's session is not saved ({}): a follow-up keeps the files but starts a new conversation.",
            failure.message
        )),
    }
}

/// The session after the turn; the one before it if the agent did not come so far.
async fn packed_session(run: &Run) -> Result<Option<Vec<u8>>, Failure> {
    let Some(spec) = run.session_after.clone() else {
        return Ok(run.session_before.clone());
    };
    let home = run.directory.home();
    let agent = match &run.assignment.agent {
        outwork_api::environment::Agent::Codex {} => "codex",
        outwork_api::environment::Agent::Command { command: _ } => "command",
    };
    let packed = tokio::task::spawn_blocking(move || {
        let stored = session::collect(&home, &spec)?;
        // An empty one says nothing that the next turn would not find anyway.
        Ok::<_, ReadError>((!stored.files.is_empty()).then(|| session::pack(agent, &stored)))
    });
    match packed.await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) => Err(Failure::new(FailureCode::Internal, failure::chain(&error))),
        Err(error) => Err(failure::internal("reading it panicked", &error)),
    }
}
