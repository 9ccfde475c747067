//! A control plane that is away for ten lease times: what runs goes on, and nothing of it is lost.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::{Shown, state, submit, until, work};
use crate::seat::Order;
use crate::site::{Engine, Plan, Site};
use crate::work::added_by;

const LEASE: &str = "2s";
const AWAY: Duration = Duration::from_secs(20);
const TASKS: usize = 4;

pub(crate) async fn run(engine: Engine) -> Result<Shown> {
    let site = Site::start(Plan {
        engine,
        lease: Some(LEASE),
        workers: 2,
        slots: 2,
        data: None,
        dealer: None,
    })
    .await?;
    let mut tasks = Vec::new();
    for number in 0..TASKS {
        // Half of them end while it is away, half after it.
        let lines = if number % 2 == 0 { 20 } else { 60 };
        let work = work(&format!("a{number}"), lines, 500);
        let task = submit(&site, &work).await?;
        tasks.push((work, task.summary.id));
    }
    for (_, id) in &tasks {
        until(&site, id, "the agent runs", |task| state(task) == "running").await?;
    }
    site.server.order(Order::Kill { away: AWAY });
    tokio::time::sleep(AWAY).await;
    site.server.runs().await?;
    let mut events = 0;
    for (work, id) in &tasks {
        let ended = until(&site, id, "it ends", |task| task.summary.outcome.is_some()).await?;
        let attempt = &ended.turns[0].attempts[0];
        ensure!(attempt.state == "succeeded", "{attempt:?}");
        ensure!(attempt.tries == 1, "it was run again: {attempt:?}");
        let said = super::said(&site, &attempt.id, &mut events).await?;
        ensure!(said == work.said(), "the log has {said:?}");
        let patch = site.client.attempt_diff(&attempt.id, None).await?;
        let added = added_by(&String::from_utf8_lossy(&patch)).map_err(anyhow::Error::msg)?;
        ensure!(added == work.added(1, 1), "the diff adds {added:?}");
    }
    end(site).await?;
    Ok(Shown {
        scenario: "the server is away for ten lease times",
        seen: format!(
            "{TASKS} of {TASKS} running turns went on, each in its first try; all {events} events in order"
        ),
    })
}

pub(super) async fn end(site: Site) -> Result<()> {
    let record = std::sync::Arc::clone(&site.record);
    site.end().await?;
    let findings = record.findings();
    ensure!(findings.is_empty(), "{findings:?}");
    Ok(())
}
