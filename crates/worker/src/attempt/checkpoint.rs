//! Saving what a running agent has done: the diff so far and its session, at the server. If this worker is lost, that is what the attempt
//! has. Best effort: what cannot be saved now is saved the next time, and nothing waits for it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use outwork_agents::SessionSpec;
use outwork_api::event::EventBody;
use outwork_api::task::{DiffStat, RepositoryDiff};
use outwork_api::worker::{Checkpoint, OutputKind, WorkerError};
use outwork_domain::Failure;
use outwork_domain::limits::SESSION_BYTES;
use tokio_util::sync::CancellationToken;

use super::Run;
use super::collect::{self, Found};
use crate::outbox::Source;
use crate::retry::{Verdict, verdict};

/// Saves again and again until `ended`. What is being computed then is brought to its end: git must not be stopped in the middle.
pub(super) async fn until(
    run: &Run,
    session: &Mutex<Option<SessionSpec>>,
    ended: &CancellationToken,
) {
    let every = run.host.config.timing.checkpoint_every;
    let mut saved = None;
    loop {
        tokio::select! {
            () = ended.cancelled() => return,
            () = tokio::time::sleep(every) => {}
        }
        let work = match look(run, session).await {
            Ok(work) => work,
            Err(failure) => {
                // The agent was writing, most likely.
                tracing::debug!(claim = %run.claim, reason = failure.message, "no checkpoint this time");
                continue;
            }
        };
        if saved == Some(work.digest()) {
            continue;
        }
        let digest = work.digest();
        let kept = tokio::select! {
            () = ended.cancelled() => return,
            kept = save(run, work) => kept,
        };
        match kept {
            Ok(()) => saved = Some(digest),
            Err(error) => {
                tracing::debug!(claim = %run.claim, %error, "a checkpoint could not be saved");
                // A server of an older version knows none.
                if matches!(verdict(&error), Verdict::Unknown | Verdict::Rejected) {
                    return;
                }
            }
        }
    }
}

/// For a while only: the worker has to end.
const LAST_WITHIN: Duration = Duration::from_secs(8);

/// Saves what an agent has done that was stopped, so that another worker can go on from there; whether that worked.
pub(super) async fn last(run: &Run) -> bool {
    let session = Mutex::new(run.session_after.clone());
    let saved = async {
        let work = look(run, &session)
            .await
            .map_err(|failure| failure.message)?;
        save(run, work).await.map_err(|error| error.to_string())
    };
    match tokio::time::timeout(LAST_WITHIN, saved).await {
        Ok(Ok(())) => true,
        Ok(Err(reason)) => {
            tracing::warn!(claim = %run.claim, reason, "what was done could not be saved before it is given back");
            false
        }
        Err(_) => {
            tracing::warn!(claim = %run.claim, "what was done could not be saved in time before it is given back");
            false
        }
    }
}

/// What an agent has done so far.
struct Work {
    /// Of each repository.
    diffs: Vec<(String, Found)>,
    session: Option<Vec<u8>>,
}

impl Work {
    fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for (repository, found) in &self.diffs {
            (repository, &found.patch).hash(&mut hasher);
        }
        self.session.hash(&mut hasher);
        hasher.finish()
    }
}

async fn look(run: &Run, session: &Mutex<Option<SessionSpec>>) -> Result<Work, Failure> {
    let mut diffs = Vec::new();
    for (index, repository) in run.repositories.iter().enumerate() {
        if let Some(found) = collect::diff(run, index, repository).await? {
            diffs.push((repository.name.clone(), found));
        }
    }
    let spec = session
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    let session = match spec {
        Some(spec) => collect::packed(run, spec).await?,
        None => None,
    };
    Ok(Work {
        diffs,
        session: session.filter(|bytes| bytes.len() <= SESSION_BYTES),
    })
}

async fn save(run: &Run, work: Work) -> Result<(), WorkerError> {
    let api = &run.host.api;
    let (attempt, epoch) = (run.claim.attempt.to_string(), run.claim.epoch.get());
    let upload =
        |kind, repository, content| api.upload(attempt.clone(), epoch, kind, repository, content);
    let mut total = DiffStat::default();
    let mut diffs = Vec::new();
    for (repository, Found { patch, summary, .. }) in work.diffs {
        upload(OutputKind::CheckpointDiff, Some(repository.clone()), patch).await?;
        total.files_changed += summary.files_changed;
        total.lines_added += summary.lines_added;
        total.lines_removed += summary.lines_removed;
        diffs.push(RepositoryDiff {
            repository,
            summary,
        });
    }
    let has_session = work.session.is_some();
    if let Some(session) = work.session {
        upload(OutputKind::CheckpointSession, None, session).await?;
    }
    let request = Checkpoint {
        epoch,
        diffs,
        has_session,
    };
    let answer = api.checkpoint(attempt.clone(), request).await?;
    run.host.leases.raise(run.claim, answer.desired.into());
    let body = EventBody::Checkpoint { summary: total };
    run.outbox.event(Source::Worker, body);
    Ok(())
}
