//! What a check is, and how checks are run.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt};

/// The longest that a check may take: one that hangs must not hang the suite.
const LIMIT: Duration = Duration::from_secs(300);

/// A rule of the protocol, and how it is tried on `S`.
pub struct Check<S: 'static> {
    /// Stable, for `--only` and for programs.
    pub id: &'static str,
    /// The rule in a sentence.
    pub title: &'static str,
    /// The section of `docs/worker-protocol.md` that says it.
    pub section: &'static str,
    /// Fails if the rule is broken.
    pub run: fn(Arc<S>) -> BoxFuture<'static, anyhow::Result<()>>,
}

/// Makes a list of checks: the section, then for each the function (whose name is the id) and the rule.
macro_rules! checks {
    ($section:literal: $($function:ident $title:literal),+ $(,)?) => {
        vec![$($crate::check::Check {
            id: stringify!($function),
            title: $title,
            section: $section,
            run: |scene| Box::pin($function(scene)),
        }),+]
    };
}
pub(crate) use checks;

/// What came of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The rule was kept.
    Passed,
    /// The rule was broken; how.
    Failed(String),
    /// It could not be tried; why.
    Skipped(String),
}

/// A check and what came of it.
#[derive(Clone, Debug)]
pub struct Done {
    /// The check's id.
    pub id: &'static str,
    /// The rule.
    pub title: &'static str,
    /// Where the rule stands.
    pub section: &'static str,
    /// What came of it.
    pub outcome: Outcome,
    /// How long it took.
    pub took: Duration,
}

/// Returned by a check as an error when it cannot be tried.
#[derive(Debug)]
pub(crate) struct Skip(String);

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Skip {}

/// The check cannot be tried here.
pub(crate) fn skip(why: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(Skip(why.into()))
}

/// Runs them, `jobs` at once, and tells each as soon as it is done. The result is in the order given.
pub async fn run<S: Send + Sync>(
    scene: Arc<S>,
    checks: Vec<Check<S>>,
    jobs: usize,
    tell: impl Fn(&Done),
) -> Vec<Done> {
    let running = checks.into_iter().enumerate().map(|(index, check)| {
        let scene = Arc::clone(&scene);
        async move { (index, one(scene, check).await) }
    });
    let mut done: Vec<_> = stream::iter(running)
        .buffer_unordered(jobs.max(1))
        .inspect(|(_, done)| tell(done))
        .collect()
        .await;
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, done)| done).collect()
}

async fn one<S: Send + Sync>(scene: Arc<S>, check: Check<S>) -> Done {
    let Check {
        id,
        title,
        section,
        run,
    } = check;
    let begun = Instant::now();
    // A task of its own: a panic is a failure of this check alone.
    let task = tokio::spawn(run(scene));
    let stop = task.abort_handle();
    let outcome = match tokio::time::timeout(LIMIT, task).await {
        Ok(Ok(Ok(()))) => Outcome::Passed,
        Ok(Ok(Err(error))) => match error.downcast_ref::<Skip>() {
            Some(Skip(why)) => Outcome::Skipped(why.clone()),
            None => Outcome::Failed(format!("{error:#}")),
        },
        Ok(Err(panic)) => Outcome::Failed(format!("the check itself failed: {panic}")),
        Err(_) => {
            stop.abort();
            Outcome::Failed(format!("it did not end within {} s", LIMIT.as_secs()))
        }
    };
    Done {
        id,
        title,
        section,
        outcome,
        took: begun.elapsed(),
    }
}
