//! What came of it: the exact diff and the agent's session. Also after a failure or a wish to stop: work is never lost.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

use outwork_agents::SessionSpec;
use outwork_api::event::EventBody;
use outwork_api::task::{DiffStat, RepositoryDiff};
use outwork_api::worker::{Finish, Outcome, OutputKind};
use outwork_domain::limits::{DIFF_BYTES, SESSION_BYTES};
use outwork_domain::{Failure, FailureCode};
use outwork_failpoint as failpoint;
use outwork_git::{Diff, DiffLimits, FileChange, Warning};

use super::patch_stat::stat;
use super::prepare::Repository;
use super::step::StepName;
use super::verify::Changes;
use super::{Run, tree};
use crate::failure;
use crate::hostile_file::ReadError;
use crate::lease::Wish;
use crate::outbox::Source;
use crate::session;

/// Warnings about single files that are told.
const WARNINGS: usize = 20;

/// The claim is not ours any more.
pub(super) struct Abandoned;

pub(super) async fn run(
    run: &Run,
    finish: &mut Finish,
    changes: &mut Changes,
) -> Result<(), Abandoned> {
    let mut stop = run.stop.clone();
    tokio::select! {
        wish = stop.above(Wish::Cancel) => {
            tracing::info!(claim = %run.claim, ?wish, "the claim was lost while its diff was computed");
            Err(Abandoned)
        }
        () = collect(run, finish, changes) => Ok(()),
    }
}

async fn collect(run: &Run, finish: &mut Finish, changes: &mut Changes) {
    if run.repositories.is_empty() {
        return;
    }
    let carries = |repository: &Repository| !repository.carried_diff.is_empty();
    if run.tree.is_some() || run.repositories.iter().any(carries) {
        hand_in_diffs(run, finish, changes).await;
    }
    save_session(run, finish).await;
}

async fn hand_in_diffs(run: &Run, finish: &mut Finish, changes: &mut Changes) {
    failpoint::pass("worker.diff.before");
    let timer = run.begin(StepName::Diff);
    let limit = StepName::Diff.limit(&run.assignment);
    let detail = match tokio::time::timeout(limit, all_diffs(run, finish, changes)).await {
        Ok(detail) => detail,
        Err(_) => Err(failure::timed_out(StepName::Diff.sentence(), limit)),
    };
    match detail {
        Ok(detail) => run.end(timer, Some(detail)),
        Err(failure) => {
            run.end(timer, Some(failure.code.as_str().to_owned()));
            fail(run, finish, failure);
        }
    }
}

/// One repository after the other; what fails for one does not cost the others theirs.
async fn all_diffs(
    run: &Run,
    finish: &mut Finish,
    changes: &mut Changes,
) -> Result<String, Failure> {
    let mut total = DiffStat::default();
    let mut failed = None;
    for (index, repository) in run.repositories.iter().enumerate() {
        let handed_in = match diff(run, index, repository).await {
            Ok(Some(diff)) => {
                changes.note(run, index, &diff.files);
                hand_in(run, index, repository, diff).await.map(Some)
            }
            Ok(None) => Ok(None),
            Err(failure) => Err(failure),
        };
        match handed_in {
            Ok(None) => {}
            Ok(Some(summary)) => {
                total.files_changed += summary.files_changed;
                total.lines_added += summary.lines_added;
                total.lines_removed += summary.lines_removed;
                finish.diffs.push(RepositoryDiff {
                    repository: repository.name.clone(),
                    summary,
                });
            }
            Err(failure) => {
                failed.get_or_insert(of_repository(run, repository, failure));
            }
        }
    }
    if let Some(failure) = failed {
        return Err(failure);
    }
    let DiffStat {
        files_changed,
        lines_added,
        lines_removed,
    } = total;
    let files = if files_changed == 1 { "file" } else { "files" };
    Ok(format!(
        "{files_changed} {files}, +{lines_added} -{lines_removed}"
    ))
}

/// Says whose it is where there are several.
fn of_repository(run: &Run, repository: &Repository, mut failure: Failure) -> Failure {
    if run.repositories.len() > 1 {
        failure.message = format!("{}: {}", repository.name, failure.message);
    }
    failure
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

/// A diff to be handed in.
pub(super) struct Found {
    pub(super) patch: Vec<u8>,
    pub(super) summary: DiffStat,
    pub(super) files: Vec<FileChange>,
    warnings: Vec<Warning>,
}

impl From<Diff> for Found {
    fn from(diff: Diff) -> Self {
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
        Self {
            patch,
            summary,
            files,
            warnings,
        }
    }
}

/// What the agent changed. Before an agent ran, the diff of the turn before is the diff: work is never lost.
pub(super) async fn diff(
    run: &Run,
    index: usize,
    repository: &Repository,
) -> Result<Option<Found>, Failure> {
    let limits = DiffLimits {
        max_patch_bytes: DIFF_BYTES,
        ..DiffLimits::default()
    };
    let tree = run.tree.as_ref();
    let Some((tree, checkout)) = tree.and_then(|tree| Some((tree, tree.checkouts.get(index)?)))
    else {
        return Ok(carried(repository));
    };
    let diff = match &tree.root {
        Some(root) => {
            let view = tree::place(&handle_path(root), &repository.name);
            let changed = tree.changed(&repository.name);
            checkout.diff(&view, &changed, &limits).await
        }
        None => checkout.diff_at_start(&limits).await,
    };
    match diff {
        Ok(diff) => Ok(Some(diff.into())),
        Err(error) => Err(failure::diff(&error)),
    }
}

/// Before there was a tree: the diff of the turn before, as it came.
fn carried(repository: &Repository) -> Option<Found> {
    let patch = repository.carried_diff.clone();
    (!patch.is_empty()).then(|| Found {
        summary: stat(&patch),
        patch,
        files: Vec::new(),
        warnings: Vec::new(),
    })
}

/// The directory that the handle is open at, for whoever takes a path.
fn handle_path(handle: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", handle.as_raw_fd()))
}

async fn hand_in(
    run: &Run,
    index: usize,
    repository: &Repository,
    found: Found,
) -> Result<DiffStat, Failure> {
    let Found {
        patch,
        summary,
        files: _,
        warnings,
    } = found;
    for warning in warnings.iter().take(WARNINGS) {
        run.warn(format!("Diff: {warning}."));
    }
    if warnings.len() > WARNINGS {
        run.warn(format!(
            "Diff: {} more such files.",
            warnings.len() - WARNINGS
        ));
    }
    failpoint::pass("worker.diff.computed");
    let size_bytes = patch.len() as u64;
    let name = repository.name.clone();
    let kept = keep(run, OutputKind::Diff, Some(name.clone()), patch).await;
    kept.map_err(|error| failure::internal("the diff cannot be kept", &error))?;
    let body = EventBody::DiffReady {
        repository: (index > 0).then_some(name),
        summary,
        size_bytes,
    };
    run.outbox.event(Source::Worker, body);
    Ok(summary)
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
    match run.session_after.clone() {
        Some(spec) => packed(run, spec).await,
        None => Ok(run.session_before.clone()),
    }
}

/// What `spec` names, as it is now.
pub(super) async fn packed(run: &Run, spec: SessionSpec) -> Result<Option<Vec<u8>>, Failure> {
    let root = run.tree.as_ref().and_then(|tree| tree.root.as_ref());
    let Some(root) = root else {
        return Ok(run.session_before.clone());
    };
    let root = root
        .try_clone()
        .map_err(|error| failure::internal("it cannot be reached", &error))?;
    let agent = match &run.assignment.agent {
        outwork_api::environment::Agent::Codex {} => "codex",
        outwork_api::environment::Agent::Command { command: _ } => "command",
        outwork_api::environment::Agent::None {} => "none",
    };
    let packed = tokio::task::spawn_blocking(move || {
        let stored = session::collect(&root, &spec)?;
        // An empty one says nothing that the next turn would not find anyway.
        Ok::<_, ReadError>((!stored.files.is_empty()).then(|| session::pack(agent, stored)))
    });
    match packed.await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) => Err(Failure::new(FailureCode::Internal, failure::chain(&error))),
        Err(error) => Err(failure::internal("reading it panicked", &error)),
    }
}
