//! Which snapshot the attempt runs on: found, waited for, or built.

use std::time::Duration;

use outwork_api::event::EventBody;
use outwork_domain::Failure;
use outwork_snapshot::{
    AcquireError, Acquired, Builder, GivenUp, Key, Lease, MissReason, Part, Recipe,
};

use super::step::StepName;
use super::{Run, Stopped, build};
use crate::base::Base;
use crate::failure;
use crate::outbox::Source;

/// Raised when a snapshot of the same parts lies otherwise on the disk.
const LAYOUT_VERSION: &str = "1";

const WAIT: &str = "Waiting for another attempt's setup";

/// Where the setup of a snapshot ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SetupRan {
    /// In another attempt.
    Elsewhere,
    /// In this one, on other commits than the attempt's.
    OnOtherCommits,
    /// In this one, on its own commits: there is nothing to maintain.
    OnItsCommits,
}

/// A snapshot that the attempt may use.
pub(super) struct Found {
    pub(super) lease: Lease,
    pub(super) setup: SetupRan,
}

pub(super) async fn acquire(run: &Run, base: &Base) -> Result<Found, Stopped> {
    let recipe = recipe(run, base);
    let key = recipe.key();
    // Only what is not there at once is a step.
    let mut timer = None;
    let acquired = {
        let label = run.assignment.attempt.clone();
        let acquired = run.host.snapshots.acquire(&recipe, &label, |builder| {
            timer.get_or_insert_with(|| run.begin(StepName::Setup));
            tell(
                run,
                &key,
                "waiting",
                Said::reason(format!("{builder} builds it")),
            );
        });
        let acquired = async { acquired.await.map_err(|error| failed(&error)) };
        run.bounded_as(StepName::Setup, WAIT, acquired).await
    };
    let done = match acquired {
        Ok(Acquired::Ready(lease)) => {
            tell(run, &key, "cached", Said::of(&lease));
            Ok(Found {
                lease,
                setup: SetupRan::Elsewhere,
            })
        }
        Ok(Acquired::Build(builder)) => {
            timer.get_or_insert_with(|| run.begin(StepName::Setup));
            build(run, base, builder).await
        }
        Err(stopped) => Err(stopped),
    };
    if let Some(timer) = timer {
        run.end(timer, Some(detail(run, &done)));
    }
    done
}

fn detail(run: &Run, done: &Result<Found, Stopped>) -> String {
    match done {
        Ok(found) if found.setup == SetupRan::Elsewhere => "built by another attempt".to_owned(),
        Ok(_) if script(run.assignment.setup_script.as_deref()).is_none() => "no script".to_owned(),
        Ok(_) => "exit code 0".to_owned(),
        Err(stopped) => stopped.detail().unwrap_or_default(),
    }
}

/// A script that says something.
pub(super) fn script(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.trim().is_empty())
}

async fn build(run: &Run, base: &Base, builder: Builder<Failure>) -> Result<Found, Stopped> {
    let key = builder.key().clone();
    if let MissReason::GivenUp(GivenUp::Broken { what }) = builder.reason() {
        tell(run, &key, "broken", Said::reason(what.clone()));
    }
    tell(
        run,
        &key,
        "building",
        Said::reason(builder.reason().to_string()),
    );
    let (lease, setup) = match build::run(run, base, &builder).await {
        Ok(build::Built {
            payload,
            is_of_attempt,
        }) => {
            let kept = builder.commit(payload).await;
            let kept = kept.map_err(|error| {
                Stopped::Failed(failure::internal("the snapshot cannot be kept", &*error))
            });
            let setup = match is_of_attempt {
                true => SetupRan::OnItsCommits,
                false => SetupRan::OnOtherCommits,
            };
            (kept?, setup)
        }
        Err(stopped) => {
            match &stopped {
                Stopped::Failed(failure) => {
                    let attempt = &run.assignment.attempt;
                    builder.fail(failure::of_another_build(failure.clone(), attempt));
                }
                // Another one that waits goes on from here.
                Stopped::Cancelled
                | Stopped::Asks { .. }
                | Stopped::Released
                | Stopped::Abandoned => drop(builder),
            }
            return Err(stopped);
        }
    };
    if let Some(why @ GivenUp::TooLarge { .. }) = lease.given_up() {
        run.warn(format!(
            "The snapshot is not kept, so the next attempt builds it again: it is {why}."
        ));
    }
    tell(run, &key, "built", Said::of(&lease));
    Ok(Found { lease, setup })
}

/// Drops a snapshot that turned out to be unusable; whoever comes next builds it anew.
pub(super) fn report_broken(run: &Run, lease: &Lease, what: &str) {
    tracing::warn!(claim = %run.claim, key = %lease.key(), what, "a snapshot is broken");
    lease.report_broken(what);
    tell(run, lease.key(), "broken", Said::reason(what.to_owned()));
}

fn failed(error: &AcquireError<Failure>) -> Failure {
    match error {
        AcquireError::Build(failure) => failure.clone(),
        AcquireError::NotKept(_) | AcquireError::Cache(_) => {
            failure::internal("the snapshots cannot be used", error)
        }
    }
}

/// Everything that the tree after setup depends on. Not commit and branch: a task on another commit writes the difference.
fn recipe(run: &Run, base: &Base) -> Recipe {
    let assignment = &run.assignment;
    let mut recipe = Recipe::new(&assignment.environment_id)
        .part(Part::LayoutVersion, LAYOUT_VERSION)
        .part(Part::ResetCounter, assignment.cache_generation.to_string());
    recipe = match base {
        Base::Host(host) => recipe.part(Part::HostSystem, &host.fingerprint),
        Base::Image(image) => recipe.part(Part::BaseImage, &image.digest),
    };
    for (part, text) in [
        (Part::SetupScript, &assignment.setup_script),
        (Part::MaintenanceScript, &assignment.maintenance_script),
    ] {
        if let Some(text) = script(text.as_deref()) {
            recipe = recipe.part(part, text);
        }
    }
    for (name, value) in &assignment.variables {
        recipe = recipe.part(Part::Variable(name.clone()), value);
    }
    for secret in &assignment.secrets {
        recipe = recipe.part(
            Part::Secret(secret.name.clone()),
            secret.version.to_string(),
        );
    }
    for (name, version) in &assignment.runtimes {
        let chosen = run.runtimes.chosen(name);
        recipe = recipe.part(Part::Runtime(name.clone()), format!("{version} {chosen}"));
    }
    // The first one's place matters: scripts begin there.
    for (number, repository) in assignment.repositories.iter().enumerate() {
        let content = format!("{} {}", number == 0, repository.url);
        recipe = recipe.part(Part::Repository(repository.name.clone()), content);
    }
    recipe
}

/// What is told beside the state.
#[derive(Default)]
struct Said {
    reason: Option<String>,
    age: Option<Duration>,
    size_bytes: Option<u64>,
}

impl Said {
    fn reason(reason: String) -> Self {
        Self {
            reason: Some(reason),
            ..Self::default()
        }
    }

    fn of(lease: &Lease) -> Self {
        Self {
            reason: None,
            age: Some(lease.age()),
            size_bytes: Some(lease.size_bytes()),
        }
    }
}

fn tell(run: &Run, key: &Key, state: &str, said: Said) {
    let Said {
        reason,
        age,
        size_bytes,
    } = said;
    let body = EventBody::Snapshot {
        key: key.as_str().to_owned(),
        state: state.to_owned(),
        reason,
        age_seconds: age.map(|age| age.as_secs()),
        size_bytes,
    };
    run.outbox.event(Source::Worker, body);
}
