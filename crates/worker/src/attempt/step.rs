//! Steps as people see them: begun, bounded, ended, each an entry of the log.

use std::future::Future;
use std::time::{Duration, Instant};

use outwork_api::event::EventBody;
use outwork_api::worker::Assignment;
use outwork_domain::{Failure, Step};

use super::start::Halt;
use super::{Run, Stopped};
use crate::failure;
use crate::lease::Wish;
use crate::outbox::Source;

/// A step as people see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StepName {
    Checkout,
    Image,
    Setup,
    Maintenance,
    Agent,
    Diff,
    Verification,
}

pub(super) struct StepTimer {
    name: StepName,
    started_at: Instant,
}

impl StepTimer {
    pub(super) fn elapsed(&self) -> Duration {
        self.started_at.elapsed()
    }
}

impl StepName {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Checkout => "checkout",
            Self::Image => "image",
            Self::Setup => "setup",
            Self::Maintenance => "maintenance",
            Self::Agent => "agent",
            Self::Diff => "diff",
            Self::Verification => "verification",
        }
    }

    pub(super) fn sentence(self) -> &'static str {
        match self {
            Self::Checkout => "Preparing the checkout",
            Self::Image => "Getting the image",
            Self::Setup => "The setup script",
            Self::Maintenance => "The maintenance script",
            Self::Agent => "The agent",
            Self::Diff => "Computing the diff",
            Self::Verification => "The verify command",
        }
    }

    fn step(self) -> Step {
        match self {
            Self::Checkout | Self::Image => Step::Preparing,
            Self::Setup | Self::Maintenance => Step::SettingUp,
            Self::Agent => Step::Running,
            Self::Diff | Self::Verification => Step::Collecting,
        }
    }

    pub(super) fn limit(self, assignment: &Assignment) -> Duration {
        let limits = &assignment.limits;
        Duration::from_millis(match self {
            Self::Checkout | Self::Image => limits.preparing_ms,
            Self::Setup | Self::Maintenance => limits.setting_up_ms,
            Self::Agent => limits.running_ms,
            Self::Diff => limits.collecting_ms,
            Self::Verification => assignment.verify.as_ref().map_or(0, |it| it.timeout_ms),
        })
    }
}

impl Run {
    /// Reports a step around `work`. Its limit and a wish to stop end it by dropping `work`.
    pub(super) async fn step<T>(
        &self,
        name: StepName,
        work: impl Future<Output = Result<(T, String), Failure>>,
    ) -> Result<T, Stopped> {
        let timer = self.begin(name);
        match self.bounded(name, work).await {
            Ok((value, detail)) => {
                self.end(timer, Some(detail));
                Ok(value)
            }
            Err(stopped) => {
                self.end(timer, stopped.detail());
                Err(stopped)
            }
        }
    }

    /// Ends `work` at the step's limit, and at a wish to stop, by dropping it.
    pub(super) async fn bounded<T>(
        &self,
        name: StepName,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Stopped> {
        self.bounded_as(name, name.sentence(), work).await
    }

    /// The same for a part of the step that people know by another name.
    pub(super) async fn bounded_as<T>(
        &self,
        name: StepName,
        sentence: &str,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Stopped> {
        let done = self.ended_by_limit(name, sentence, work).await?;
        done.map_err(Stopped::Failed)
    }

    /// The same for work that may find the snapshot broken.
    pub(super) async fn begun_within<T>(
        &self,
        name: StepName,
        work: impl Future<Output = Result<T, Halt>>,
    ) -> Result<T, Halt> {
        self.ended_by_limit(name, name.sentence(), work).await?
    }

    async fn ended_by_limit<T>(
        &self,
        name: StepName,
        sentence: &str,
        work: impl Future<Output = T>,
    ) -> Result<T, Stopped> {
        let limit = name.limit(&self.assignment);
        let mut stop = self.stop.clone();
        tokio::select! {
            wish = stop.above(Wish::Run) => Err(wish.into()),
            done = tokio::time::timeout(limit, work) => done
                .map_err(|_| failure::timed_out(sentence, limit).into()),
        }
    }

    pub(super) fn begin(&self, name: StepName) -> StepTimer {
        self.outbox.step(name.step());
        self.outbox.event(
            Source::Worker,
            EventBody::StepStarted {
                step: name.as_str().to_owned(),
            },
        );
        StepTimer {
            name,
            started_at: Instant::now(),
        }
    }

    pub(super) fn end(&self, timer: StepTimer, detail: Option<String>) {
        let StepTimer { name, started_at } = timer;
        let duration_ms = u64::try_from(started_at.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::debug!(claim = %self.claim, step = name.as_str(), duration_ms, "step ended");
        let body = EventBody::StepFinished {
            step: name.as_str().to_owned(),
            duration_ms,
            detail,
        };
        self.outbox.event(Source::Worker, body);
    }
}
