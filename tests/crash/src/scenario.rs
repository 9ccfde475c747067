//! What is played through: the storm, and what it cannot show by chance.

pub(crate) mod away;
pub(crate) mod full_disk;
pub(crate) mod lost_worker;
pub(crate) mod storm;

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use outwork_api::client::{EventQuery, IdempotencyKey};
use outwork_api::event::EventBody;
use outwork_api::task::{NewTask, Task};

use crate::site::Site;
use crate::work::{ENVIRONMENT, Work};

/// For anything that is waited for in a scenario.
const PATIENCE: Duration = Duration::from_secs(120);

/// What came of a scenario, as a row of a table.
pub(crate) struct Shown {
    pub(crate) scenario: &'static str,
    pub(crate) seen: String,
}

/// A new task with one attempt.
async fn submit(site: &Site, work: &Work) -> Result<Task> {
    let number = work
        .name
        .bytes()
        .fold(7_u128, |sum, byte| sum * 31 + u128::from(byte));
    let new = NewTask {
        environment: ENVIRONMENT.to_owned(),
        prompt: work.prompt(),
        branch: None,
        commit: None,
        attempts: None,
        agents: Vec::new(),
        starting_diff: None,
        starting_session: None,
        interactive: false,
        priority: Default::default(),
        kind: Default::default(),
        output_schema: None,
        paths: Vec::new(),
    };
    let key = IdempotencyKey::from_random(number);
    Ok(site.client.submit(&new, &key).await?)
}

fn work(name: &str, lines: u64, pause_ms: u64) -> Work {
    Work {
        name: name.to_owned(),
        lines,
        pause_ms,
    }
}

/// Polls a task until it has a property; fails with how it was last.
async fn until(site: &Site, task: &str, what: &str, holds: impl Fn(&Task) -> bool) -> Result<Task> {
    let begin = Instant::now();
    loop {
        let now = site.client.task(task).await?;
        if holds(&now) {
            return Ok(now);
        }
        if begin.elapsed() > PATIENCE {
            bail!("{what}: not within {PATIENCE:?}; the task is {now:?}");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn state(task: &Task) -> &str {
    let attempt = task.turns.last().and_then(|turn| turn.attempts.first());
    attempt.map_or("", |attempt| attempt.state.as_str())
}

/// What the agent said, from a log that must have no gap; adds up its events.
async fn said(site: &Site, attempt: &str, events: &mut i64) -> Result<String> {
    let mut said = String::new();
    let mut after = 0;
    loop {
        let query = EventQuery { after, limit: None };
        let page = site.client.events(attempt, query).await?;
        if page.items.is_empty() {
            *events += after;
            return Ok(said);
        }
        for record in page.items {
            after += 1;
            ensure!(record.event.seq == after, "event {after} is missing");
            if let EventBody::Output { text, .. } = record.event.body {
                said.push_str(&text);
            }
        }
    }
}
