//! From a snapshot to an agent that runs: the way of every attempt.

use std::time::Instant;

use outwork_agents::Launch;
use outwork_domain::Failure;

use super::snapshot::SetupRan;
use super::step::StepName;
use super::tree::Tree;
use super::{Run, Stopped, agent, snapshot};
use crate::base::Base;
use crate::failure;

/// Why an attempt did not get to its agent.
pub(super) enum Halt {
    Stopped(Stopped),
    /// The snapshot cannot be used; another one may.
    Broken(String),
}

impl From<Stopped> for Halt {
    fn from(stopped: Stopped) -> Self {
        Self::Stopped(stopped)
    }
}

impl From<Failure> for Halt {
    fn from(failure: Failure) -> Self {
        Self::Stopped(failure.into())
    }
}

/// From a snapshot to an agent that runs. A snapshot that cannot be used is dropped, and the next one is built anew, once.
pub(super) async fn run(
    run: &mut Run,
    base: &Base,
    launch: &Launch,
) -> Result<agent::Started, Stopped> {
    let what = match try_start(run, base, launch).await {
        Ok(started) => return Ok(started),
        Err(Halt::Stopped(stopped)) => return Err(stopped),
        Err(Halt::Broken(what)) => what,
    };
    tracing::info!(claim = %run.claim, what, "beginning again");
    match try_start(run, base, launch).await {
        Ok(started) => Ok(started),
        Err(Halt::Stopped(stopped)) => Err(stopped),
        Err(Halt::Broken(what)) => Err(failure::broken(&what).into()),
    }
}

async fn try_start(run: &mut Run, base: &Base, launch: &Launch) -> Result<agent::Started, Halt> {
    let snapshot::Found { lease, setup } = snapshot::acquire(run, base).await?;
    let found_at = Instant::now();
    let broken = |run: &Run, halt| {
        if let Halt::Broken(what) = &halt {
            snapshot::report_broken(run, &lease, what);
        }
        halt
    };
    run.tree = None;
    let laid = run.begun_within(StepName::Checkout, Tree::lay(run, base, lease.clone()));
    let mut tree = laid.await.map_err(|halt| broken(run, halt))?;
    let laid_after = found_at.elapsed();
    let text = run.assignment.maintenance_script.as_deref();
    if let Some(text) = snapshot::script(text).filter(|_| setup != SetupRan::OnItsCommits) {
        let timer = run.begin(StepName::Maintenance);
        let done = tree.maintain(run, text).await;
        let detail = match &done {
            Ok(()) => Some("exit code 0".to_owned()),
            Err(Halt::Stopped(stopped)) => stopped.detail(),
            Err(Halt::Broken(_)) => Some("the snapshot is broken".to_owned()),
        };
        run.end(timer, detail);
        if let Err(halt) = done {
            run.tree = Some(tree);
            return Err(broken(run, halt));
        }
    }
    run.tree = Some(tree);
    let started = agent::start(run, launch).await;
    let started = started.map_err(|halt| broken(run, halt))?;
    tracing::debug!(
        claim = %run.claim,
        laid_us = laid_after.as_micros(),
        started_us = found_at.elapsed().as_micros(),
        "from the snapshot to the agent"
    );
    Ok(started)
}
