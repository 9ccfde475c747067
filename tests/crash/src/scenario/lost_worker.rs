//! A worker that is lost: its attempt runs elsewhere soon, by default settings.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::away::end;
use super::{Shown, state, submit, until, work};
use crate::seat::Order;
use crate::site::{Engine, Plan, Site};

/// From the death of the worker until the agent runs on another.
const WITHIN: Duration = Duration::from_secs(15);
const TIMES: usize = 3;

pub(crate) async fn run(engine: Engine) -> Result<Shown> {
    let site = Site::start(Plan {
        engine,
        lease: None,
        workers: 3,
        slots: 1,
        data: None,
        dealer: None,
    })
    .await?;
    let workers = site.client.workers().await?.items;
    let mut longest = Duration::ZERO;
    for number in 0..TIMES {
        let task = submit(&site, &work(&format!("l{number}"), 400, 100)).await?;
        let id = task.summary.id;
        let running = until(&site, &id, "the agent runs", |task| {
            state(task) == "running"
        })
        .await?;
        let first = running.turns[0].attempts[0]
            .worker
            .clone()
            .context("a worker")?;
        let name = &workers
            .iter()
            .find(|worker| worker.id == first)
            .context("known")?
            .name;
        let seat = site.workers.iter().find(|worker| &worker.name == name);
        let keeper = &seat.context("one of ours")?.keeper;
        keeper.order(Order::Kill { away: 2 * WITHIN });
        let killed = Instant::now();
        let elsewhere = until(&site, &id, "the agent runs elsewhere", |task| {
            let attempt = &task.turns[0].attempts[0];
            attempt.state == "running" && attempt.worker.as_ref() != Some(&first)
        })
        .await?;
        let took = killed.elapsed();
        ensure!(elsewhere.turns[0].attempts[0].tries == 2, "{elsewhere:?}");
        longest = longest.max(took);
        site.client.cancel_task(&id).await?;
        until(&site, &id, "it is cancelled", |task| {
            task.summary.outcome.is_some()
        })
        .await?;
        keeper.runs().await?;
    }
    end(site).await?;
    ensure!(
        longest <= WITHIN,
        "it took {longest:?}, not at most {WITHIN:?}"
    );
    Ok(Shown {
        scenario: "a worker is lost, by default settings",
        seen: format!(
            "its agent ran on another after at most {:.1} s ({TIMES} times)",
            longest.as_secs_f64()
        ),
    })
}
