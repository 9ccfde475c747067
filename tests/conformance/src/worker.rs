//! Checks of a worker: it is started as a process, once for each check, and talks to a control plane of the suite's own.

mod ends;
mod events;
mod leases;
mod life;
mod orders;
mod results;
mod talk;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use tempfile::TempDir;

use crate::check::{Check, skip};
use crate::plane::{Attempt, Phase, Plane, State, TOKEN, Work};
use crate::process::{Mark, Worker};
use crate::repository::{Files, Repository, same};

pub use crate::process::Template;

/// What all checks of a worker share.
pub struct Scene {
    /// How the worker is started.
    pub template: Template,
    /// Where the control plane listens; port 0 takes a free one for each check.
    pub listen: SocketAddr,
    /// How long a lease holds. Short, so that the suite is.
    pub lease: Duration,
    /// How long anything may take that has no bound in the protocol.
    pub patience: Duration,
}

/// Every check, in the order of the document.
pub fn checks() -> Vec<Check<Scene>> {
    let mut all = life::checks();
    all.extend(events::checks());
    all.extend(leases::checks());
    all.extend(talk::checks());
    all.extend(results::checks());
    all.extend(ends::checks());
    all.extend(orders::checks());
    all
}

/// A worker at work for a control plane.
struct Stage {
    plane: Plane,
    repository: Arc<Repository>,
    worker: Worker,
    template: Template,
    patience: Duration,
    /// When a claim was last taken away.
    taken_at: Instant,
    // Goes last.
    directory: TempDir,
}

impl Stage {
    /// A worker that has registered.
    async fn set(scene: &Scene) -> Result<Self> {
        let stage = Self::begin(scene, |_| {}).await?;
        stage.registered(1).await?;
        Ok(stage)
    }

    /// The same with a control plane that was prepared before the worker is started.
    async fn begin(scene: &Scene, prepare: impl FnOnce(&Plane)) -> Result<Self> {
        let repository = Arc::new(Repository::new().await?);
        let plane = Plane::start(scene.listen, Arc::clone(&repository), scene.lease).await?;
        prepare(&plane);
        let directory = tempfile::Builder::new()
            .prefix("conformance-")
            .tempdir_in("/var/tmp");
        let directory = directory.or_else(|_| tempfile::tempdir())?;
        let worker = Worker::start(&scene.template, &plane.url(), TOKEN, directory.path())?;
        Ok(Self {
            plane,
            repository,
            worker,
            template: scene.template.clone(),
            patience: scene.patience,
            taken_at: Instant::now(),
            directory,
        })
    }

    async fn registered(&self, times: usize) -> Result<()> {
        self.until("the worker registers", |state| {
            state
                .of("register")
                .filter(|seen| seen.status == 200)
                .count()
                >= times
        })
        .await
    }

    /// Starts the worker once more in the same directory, after it ended.
    async fn restart(&mut self) -> Result<()> {
        let before = self.plane.with(|state| state.of("register").count());
        let url = self.plane.url();
        self.worker = Worker::start(&self.template, &url, TOKEN, self.directory.path())?;
        self.registered(before + 1).await
    }

    /// Waits until it holds; fails with what was seen last.
    async fn until(&self, what: &str, holds: impl Fn(&State) -> bool) -> Result<()> {
        self.within(self.patience, what, holds).await
    }

    async fn within(
        &self,
        limit: Duration,
        what: &str,
        holds: impl Fn(&State) -> bool,
    ) -> Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < limit {
            if self.plane.with(|state| holds(state)) {
                return Ok(());
            }
            pause().await;
        }
        bail!(
            "{what}: not within {:.1} s\n{}",
            limit.as_secs_f64(),
            self.seen_last()
        )
    }

    fn seen_last(&self) -> String {
        let last = self.plane.with(|state| {
            let from = state.seen.len().saturating_sub(6);
            let last = state.seen[from..].iter();
            last.map(|seen| {
                format!(
                    "{} {:.200} -> {}",
                    seen.verb,
                    seen.body.to_string(),
                    seen.status
                )
            })
            .collect::<Vec<_>>()
        });
        format!(
            "the last requests:\n{}\nthe worker's log ends:\n{}",
            last.join("\n"),
            self.worker.said()
        )
    }

    fn look<T>(&self, attempt: &str, look: impl FnOnce(&Attempt) -> T) -> T {
        self.plane.with(|state| look(&state.attempts[attempt]))
    }

    /// Gives work and waits for its end: what `finish` said.
    async fn done(&self, work: Work) -> Result<(String, serde_json::Value)> {
        let id = self.plane.give(work);
        Ok((id.clone(), self.finished(&id).await?))
    }

    async fn finished(&self, attempt: &str) -> Result<serde_json::Value> {
        self.until("the attempt is finished", |state| {
            state.attempts[attempt].finish.is_some()
        })
        .await?;
        self.look(attempt, |attempt| {
            attempt.finish.clone().map(|(_, finish)| finish)
        })
        .context("it was finished")
    }

    /// The same, for one that must end so.
    async fn ends(&self, work: Work, result: &str) -> Result<(String, serde_json::Value)> {
        let (id, finish) = self.done(work).await?;
        self.ended_as(&finish, result)?;
        Ok((id, finish))
    }

    fn ended_as(&self, finish: &serde_json::Value, result: &str) -> Result<()> {
        if finish["outcome"]["result"] == result {
            return Ok(());
        }
        bail!(
            "the attempt ended as {}, not {result}\n{}",
            finish["outcome"],
            self.seen_last()
        )
    }

    /// Gives work whose agent waits at `mark`, and waits until it does.
    async fn held_at(&self, mark: &Mark, work: Work) -> Result<String> {
        let id = self.plane.give(work);
        self.reached(&id, mark).await?;
        Ok(id)
    }

    /// Waits until the agent waits there. It has to say `here` before.
    async fn reached(&self, attempt: &str, mark: &Mark) -> Result<()> {
        self.until("the agent says that it is there", |state| {
            state.attempts[attempt].output().contains("here")
        })
        .await?;
        let begun = Instant::now();
        while !mark.is_there() {
            if begun.elapsed() > Duration::from_secs(10) {
                return Err(skip("the agent's processes cannot be seen from here"));
            }
            pause().await;
        }
        Ok(())
    }

    /// Waits until nothing of the agent is left.
    async fn gone(&self, mark: &Mark, within: Duration) -> Result<()> {
        let begun = Instant::now();
        while mark.is_there() {
            if begun.elapsed() > within {
                bail!(
                    "the agent still runs after {:.1} s\n{}",
                    within.as_secs_f64(),
                    self.seen_last()
                );
            }
            pause().await;
        }
        Ok(())
    }

    /// What the result makes of the base, and that it is this.
    async fn tree_is(&self, attempt: &str, starting: &[u8], expected: &Files) -> Result<()> {
        let diff = self.diff(attempt)?;
        let found = self.repository.tree(&[starting, &diff]).await;
        same(&found?, expected)
    }

    fn diff(&self, attempt: &str) -> Result<Vec<u8>> {
        let uploads = self.look(attempt, |attempt| attempt.claim().uploads);
        let key = ("diff".to_owned(), "demo".to_owned());
        uploads.get(&key).cloned().ok_or_else(|| {
            anyhow!(
                "no diff of the repository was uploaded\n{}",
                self.seen_last()
            )
        })
    }

    /// Takes the claim away for good.
    fn take_away(&mut self, attempt: &str) {
        self.taken_at = Instant::now();
        self.plane.take_away(attempt);
    }

    fn is_held(&self, attempt: &str) -> bool {
        self.look(attempt, |attempt| attempt.phase == Phase::Held)
    }
}

/// Between two looks.
async fn pause() {
    tokio::time::sleep(Duration::from_millis(20)).await;
}

/// Says `here` and waits there.
fn waiting(mark: &Mark) -> String {
    format!("echo here; {}", mark.wait())
}
