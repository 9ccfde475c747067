//! From the assignment to everything that has to be fetched before a tree can be made.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::try_join_all;
use outwork_agents::{AbsolutePath, Agent, LaunchContext, Model, Prepared, StoredSession};
use outwork_api::environment as wire;
use outwork_api::session::SessionError;
use outwork_api::worker::{AssignedRepository, INTERRUPTED, InputKind, WorkerError};
use outwork_domain::{Failure, FailureCode};
use outwork_git::{CommitId, CommitRef, Mirror, RefName, RepoUrl};

use super::step::StepName;
use super::{Run, Stopped, read};
use crate::failure;
use crate::lease::Wish;
use crate::retry::{Backoff, Verdict, verdict};
use crate::sandbox_layout as inside;
use crate::session::{self, UnpackError};

/// The command line of an attempt without an agent.
const NOTHING: &str = ":";

/// A repository of the attempt, at hand.
pub(super) struct Repository {
    /// Its directory below the workspace.
    pub(super) name: String,
    pub(super) mirror: Mirror,
    pub(super) commit: CommitId,
    pub(super) branch: Option<RefName>,
    /// Where setup runs; the default branch when `None`.
    pub(super) setup_branch: Option<RefName>,
    pub(super) starting_diff: Vec<u8>,
    pub(super) carried_diff: Vec<u8>,
}

/// What the step makes.
struct Made {
    repositories: Vec<Repository>,
    prepared: Prepared,
    session: Option<Vec<u8>>,
}

pub(super) async fn run(run: &mut Run) -> Result<Prepared, Stopped> {
    let Made {
        repositories,
        prepared,
        session,
    } = run.step(StepName::Checkout, make(run)).await?;
    run.repositories = Arc::new(repositories);
    run.session_before = session;
    Ok(prepared)
}

async fn make(run: &Run) -> Result<(Made, String), Failure> {
    let agent = installed_agent(run)?;
    check_names(&run.assignment.repositories)?;
    let repositories = run.assignment.repositories.iter();
    let repositories = try_join_all(repositories.map(|assigned| repository(run, assigned)));
    let session = restored_session(run, agent.kind().name());
    let (repositories, session) = tokio::try_join!(repositories, session)?;
    let prepared = agent.prepare(launch_context(
        run,
        session.as_ref().and_then(|(_, stored)| stored.clone()),
    )?);
    let prepared = prepared.map_err(|error| failure::prepare(&error))?;
    let commits = repositories.iter().map(|repository| {
        let commit = match &*repositories {
            [_] => format!("commit {}", repository.commit),
            _ => format!("{} at commit {}", repository.name, repository.commit),
        };
        match repository.mirror.is_behind_gateway() {
            true => format!("{commit} through the server's git gateway"),
            false => commit,
        }
    });
    let detail = commits.collect::<Vec<_>>().join(", ");
    Ok((
        Made {
            repositories,
            prepared,
            session: session.map(|(bytes, _)| bytes),
        },
        detail,
    ))
}

/// The server checks them; here they become paths.
fn check_names(repositories: &[AssignedRepository]) -> Result<(), Failure> {
    let wrong = |what: String| Err(Failure::new(FailureCode::Internal, what));
    if repositories.is_empty() {
        return wrong("The server named no repository.".to_owned());
    }
    let mut seen = BTreeSet::new();
    for AssignedRepository { name, .. } in repositories {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if !(1..=100).contains(&name.len())
            || !name.chars().all(plain)
            || name.trim_matches('.').is_empty()
        {
            return wrong(format!("The server named a repository {name:?}."));
        }
        if !seen.insert(name) {
            return wrong(format!("The server named two repositories {name:?}."));
        }
    }
    Ok(())
}

fn installed_agent(run: &Run) -> Result<Agent, Failure> {
    match &run.assignment.agent {
        wire::Agent::Command { command } => Ok(Agent::Command {
            command_line: command.clone(),
        }),
        // What it is to be is there when it begins. It goes the way of all attempts, so that its result is as exact and as well
        // verified as theirs.
        wire::Agent::None {} => Ok(Agent::Command {
            command_line: NOTHING.to_owned(),
        }),
        wire::Agent::Codex {} => {
            if run.assignment.model.is_none() {
                return Err(failure::model_missing());
            }
            crate::install::codex_root(&run.host.config.agents_dir)
                .ok_or_else(|| failure::agent_not_installed("codex"))?;
            Ok(Agent::Codex {
                binary_root: absolute(&inside::agent_root("codex"))?,
            })
        }
    }
}

fn launch_context(run: &Run, session: Option<StoredSession>) -> Result<LaunchContext, Failure> {
    let model = run.assignment.model.as_ref().map(|model| Model {
        name: model.name.clone(),
        base_url: format!("http://127.0.0.1:{}/v1", inside::MODEL_PORT),
        context_window_tokens: model.context_window,
    });
    Ok(LaunchContext {
        home: absolute(inside::HOME)?,
        cwd: absolute(&run.cwd)?,
        model,
        prompt: run.assignment.prompt.clone(),
        // What the session knows itself needs no telling.
        question: run
            .assignment
            .question
            .clone()
            .filter(|question| question != INTERRUPTED),
        interactive: run.assignment.interactive,
        output_schema: run.assignment.output_schema.clone(),
        turn_number: run.assignment.turn,
        session,
        model_idle_timeout_ms: u64::try_from(run.host.config.timing.model_idle.as_millis())
            .unwrap_or(u64::MAX),
    })
}

fn absolute(path: &str) -> Result<AbsolutePath, Failure> {
    AbsolutePath::parse(path)
        .map_err(|error| failure::internal("a path inside the sandbox is wrong", &error))
}

async fn repository(run: &Run, assigned: &AssignedRepository) -> Result<Repository, Failure> {
    let AssignedRepository {
        name,
        url,
        branch,
        commit,
        setup_branch,
        has_starting_diff,
        has_carried_diff,
        credential: _,
        lease_token: _,
    } = assigned;
    let bad = |code, error: &dyn std::error::Error| Failure::new(code, error.to_string());
    let url =
        RepoUrl::parse(url).map_err(|error| bad(FailureCode::RepositoryUnavailable, &error))?;
    let commit =
        CommitRef::parse(commit).map_err(|error| bad(FailureCode::CommitNotFound, &error))?;
    let parsed = |branch: &Option<String>| {
        let parsed = branch.as_deref().map(RefName::parse).transpose();
        parsed.map_err(|error| bad(FailureCode::RepositoryUnavailable, &error))
    };
    let (branch, setup_branch) = (parsed(branch)?, parsed(setup_branch)?);
    let mirror = Mirror::new(
        run.host.git.clone(),
        &run.host.state.mirrors(),
        url,
        read::credentials(run, assigned)?,
    );
    let ensured = read::patiently(run, || mirror.ensure_commit(&commit).boxed());
    let diff = |kind, exists: bool| async move {
        match exists {
            true => download(run, kind, Some(name)).await,
            false => Ok(Vec::new()),
        }
    };
    let (commit, starting_diff, carried_diff) = tokio::try_join!(
        ensured,
        diff(InputKind::StartingDiff, *has_starting_diff),
        diff(InputKind::CarriedDiff, *has_carried_diff)
    )?;
    Ok(Repository {
        name: name.clone(),
        mirror,
        commit,
        branch,
        setup_branch,
        starting_diff,
        carried_diff,
    })
}

/// The session that the turn continues, as bytes and read. One that is damaged, or another agent's, is told and left out:
/// the files of the previous turn are there all the same. One that a newer worker can read is not left out. Where no agent runs it is
/// whosever it is, and handed on as it came.
async fn restored_session(
    run: &Run,
    agent: &str,
) -> Result<Option<(Vec<u8>, Option<StoredSession>)>, Failure> {
    if !run.assignment.has_session {
        return Ok(None);
    }
    let bytes = download(run, InputKind::Session, None).await?;
    if run.assignment.agent == (wire::Agent::None {}) {
        return Ok(Some((bytes, None)));
    }
    let error = match session::unpack(agent, &bytes) {
        Ok(stored) => return Ok(Some((bytes, Some(stored)))),
        Err(error) => error,
    };
    if let UnpackError::Unusable(SessionError::Version { found: _ }) = error {
        let text = format!("The session to go on from cannot be used: {error}.");
        return Err(Failure::new(FailureCode::AgentFailed, text)
            .with_hint("Upgrade this worker, then run the turn again with `outwork retry`."));
    }
    run.warn(format!("The session of the previous turn cannot be continued ({error}); the agent starts a new one."));
    Ok(None)
}

async fn download(
    run: &Run,
    kind: InputKind,
    repository: Option<&str>,
) -> Result<Vec<u8>, Failure> {
    let mut backoff = Backoff::default();
    loop {
        let answer = run
            .host
            .api
            .download(
                run.claim.attempt.to_string(),
                run.claim.epoch.get(),
                kind,
                repository.map(str::to_owned),
            )
            .await;
        let error = match answer {
            Ok(bytes) => return Ok(bytes),
            Err(error) => error,
        };
        match verdict(&error) {
            // The step's limit ends this.
            Verdict::Again | Verdict::Refused => tokio::time::sleep(backoff.next()).await,
            Verdict::Stale | Verdict::Ended | Verdict::Revoked => {
                run.host.leases.raise(run.claim, Wish::Abandon);
                // The wish ends the step.
                return std::future::pending().await;
            }
            Verdict::Unknown | Verdict::OutOfOrder | Verdict::Rejected => {
                return Err(lost(kind, &error));
            }
        }
    }
}

fn lost(kind: InputKind, error: &WorkerError) -> Failure {
    let what = format!(
        "what the attempt starts from ({}) cannot be fetched",
        kind.as_str()
    );
    failure::internal(&what, error)
}
