//! From the assignment to a checkout and a home in which the agent can start.

use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use outwork_agents::{AbsolutePath, Agent, Launch, LaunchContext, Model, Prepared, StoredSession};
use outwork_api::environment as wire;
use outwork_api::worker::{InputKind, WorkerError};
use outwork_domain::{Failure, FailureCode};
use outwork_git::{Checkout, CheckoutRequest, CommitRef, Credentials, Mirror, RefName, RepoUrl};

use super::step::StepName;
use super::{Run, Stopped};
use crate::failure;
use crate::lease::Wish;
use crate::retry::{Backoff, Verdict, verdict};
use crate::sandbox_layout as inside;
use crate::session;

/// What the step makes.
struct Made {
    checkout: Checkout,
    prepared: Prepared,
    session: Option<Vec<u8>>,
}

pub(super) async fn run(run: &mut Run) -> Result<Prepared, Stopped> {
    let Made {
        checkout,
        prepared,
        session,
    } = run.step(StepName::Checkout, make(run)).await?;
    run.checkout = Some(checkout);
    run.session_before = session;
    Ok(prepared)
}

async fn make(run: &Run) -> Result<(Made, String), Failure> {
    let agent = installed_agent(run)?;
    let session = restored_session(run, agent.kind().name()).await?;
    let prepared = agent.prepare(launch_context(
        run,
        session.as_ref().map(|(_, stored)| stored.clone()),
    )?);
    let prepared = prepared.map_err(|error| failure::prepare(&error))?;
    // Now, while the home is ours alone: after the setup script it may be full of links to elsewhere.
    write_home(&run.directory.home(), &prepared.launch)
        .map_err(|error| failure::internal("the agent's home cannot be written", &error))?;
    let checkout = checkout(run).await?;
    let detail = format!("commit {}", checkout.commit());
    Ok((
        Made {
            checkout,
            prepared,
            session: session.map(|(bytes, _)| bytes),
        },
        detail,
    ))
}

fn installed_agent(run: &Run) -> Result<Agent, Failure> {
    match &run.assignment.agent {
        wire::Agent::Command { command } => Ok(Agent::Command {
            command_line: command.clone(),
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

async fn checkout(run: &Run) -> Result<Checkout, Failure> {
    let Some(repository) = run.assignment.repositories.first() else {
        return Err(Failure::new(
            FailureCode::Internal,
            "The server named no repository.",
        ));
    };
    let bad = |code, error: &dyn std::error::Error| Failure::new(code, error.to_string());
    let url = RepoUrl::parse(&repository.url)
        .map_err(|error| bad(FailureCode::RepositoryUnavailable, &error))?;
    let commit = CommitRef::parse(&repository.commit)
        .map_err(|error| bad(FailureCode::CommitNotFound, &error))?;
    let branch = repository.branch.as_deref().map(RefName::parse).transpose();
    let branch = branch.map_err(|error| bad(FailureCode::RepositoryUnavailable, &error))?;
    let mirror = Mirror::new(
        run.host.git.clone(),
        &run.host.state.mirrors(),
        url,
        Credentials::None,
    );
    let commit = mirror
        .ensure_commit(&commit)
        .await
        .map_err(|error| failure::mirror(&error))?;
    let request = CheckoutRequest {
        directory: run.directory.checkout(),
        trusted_git_dir: run.directory.git(),
        alternates_inside: inside::OBJECTS.into(),
        branch,
        // The sandbox maps the worker's own user to the agent's.
        owner: None,
    };
    let made = mirror.checkout(&commit, &request).await;
    let mut checkout = made.map_err(|error| failure::checkout("checkout", &error))?;
    if repository.has_starting_diff {
        let diff = download(run, InputKind::StartingDiff, Some(&repository.name)).await?;
        let applied = checkout.apply_starting_diff(&diff).await;
        applied.map_err(|error| failure::checkout("starting diff", &error))?;
    }
    if repository.has_carried_diff {
        let diff = download(run, InputKind::CarriedDiff, Some(&repository.name)).await?;
        let applied = checkout.apply_carried_diff(&diff).await;
        applied.map_err(|error| failure::checkout("diff of the previous turn", &error))?;
    }
    Ok(checkout)
}

/// The session that the turn continues, as bytes and read. One that cannot be used is told and left out: the files of the
/// previous turn are there all the same.
async fn restored_session(
    run: &Run,
    agent: &str,
) -> Result<Option<(Vec<u8>, StoredSession)>, Failure> {
    if !run.assignment.has_session {
        return Ok(None);
    }
    let bytes = download(run, InputKind::Session, None).await?;
    match session::unpack(agent, &bytes) {
        Ok(stored) => Ok(Some((bytes, stored))),
        Err(error) => {
            run.warn(format!("The session of the previous turn cannot be continued ({error}); the agent starts a new one."));
            Ok(None)
        }
    }
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
            Verdict::Stale | Verdict::Ended => {
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

/// Writes the files of a launch below a home that nobody else has touched.
fn write_home(home: &Path, launch: &Launch) -> io::Result<()> {
    for directory in &launch.directories {
        std::fs::create_dir_all(home.join(directory.as_str()))?;
    }
    for file in &launch.files {
        let path = home.join(file.path.as_str());
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let mut options = std::fs::File::options();
        let mut created = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        io::Write::write_all(&mut created, &file.contents)?;
        created.set_permissions(std::fs::Permissions::from_mode(file.mode & 0o777))?;
    }
    Ok(())
}
