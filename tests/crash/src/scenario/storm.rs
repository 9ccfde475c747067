//! A thousand tasks, while everything is killed, stopped, cut off and delayed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use crate::check::{Check, Counts};
use crate::faults::{LEASE, Storm};
use crate::people::{Intent, KillAfter, Person, Told};
use crate::points::Dealer;
use crate::random::Random;
use crate::record::{Finding, Row};
use crate::site::{Engine, Plan, Site};

const WORKERS: usize = 3;
const SLOTS: u32 = 4;
/// Tasks that are open at once.
const AT_ONCE: usize = 32;
/// How long what is under way may take once nothing is done to the site any more: far less than the deadlines of its states.
const SETTLE: Duration = Duration::from_secs(180);

/// What came of it.
pub(crate) struct Outcome {
    pub(crate) engine: Engine,
    pub(crate) rows: std::collections::BTreeMap<String, Row>,
    pub(crate) findings: Vec<Finding>,
    pub(crate) counts: Counts,
    /// Which task an attempt belongs to.
    pub(crate) tasks_of: HashMap<String, String>,
    pub(crate) took: Duration,
    pub(crate) settled_in: Duration,
}

pub(crate) async fn run(engine: Engine, seed: u64, tasks: usize) -> Result<Outcome> {
    let begin = Instant::now();
    let random = Random::new(seed);
    let site = Site::start(Plan {
        engine,
        lease: Some(LEASE),
        workers: WORKERS,
        slots: SLOTS,
        data: None,
        dealer: Some(Arc::new(Dealer::new(random.fork(1)))),
    })
    .await?;
    let site = Arc::new(site);
    let (kill, acknowledged) = mpsc::unbounded_channel();
    let kill_after = Arc::new(KillAfter::new(kill));
    let storm = Storm {
        site: Arc::clone(&site),
        random: random.fork(2),
        kill_after: Arc::clone(&kill_after),
        acknowledged,
    };
    let storm = tokio::spawn(storm.rage());
    let person = Arc::new(Person {
        client: site.client.clone(),
        record: Arc::clone(&site.record),
        kill_after,
    });
    let (told, settled_in) = crowd(&site, &person, &random, tasks).await;
    storm.await.context("the storm panicked")?;
    site.server.runs().await?;
    for worker in &site.workers {
        worker.keeper.runs().await?;
    }
    let check = Check {
        client: &site.direct,
        record: &site.record,
    };
    let (counts, tasks_of) = check.all(&told).await?;
    drop(person);
    let record = Arc::clone(&site.record);
    let site = Arc::into_inner(quiet(site).await).context("somebody still uses the site")?;
    site.end().await?;
    Ok(Outcome {
        engine,
        rows: record.rows(),
        findings: record.findings(),
        counts,
        tasks_of,
        took: begin.elapsed(),
        settled_in,
    })
}

/// All people, a few at once. When the last have begun, the storm ends. Gives how long the rest took.
async fn crowd(
    site: &Arc<Site>,
    person: &Arc<Person>,
    random: &Random,
    tasks: usize,
) -> (Vec<Told>, Duration) {
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let mut people = JoinSet::new();
    for number in 0..tasks {
        let permit = Arc::clone(&room).acquire_owned().await;
        let (person, intent) = (Arc::clone(person), Intent::new(random, number));
        people.spawn(async move {
            let _here = permit;
            person.act(intent).await
        });
        if number % 50 == 49 {
            let (open, rows) = (site.record.open().len(), site.record.rows());
            let faults: u64 = rows.values().map(|row| row.times).sum();
            eprintln!("  {} tasks begun, {open} open, {faults} faults", number + 1);
        }
    }
    site.record.calm_down();
    let calm = Instant::now();
    let mut told = Vec::new();
    let settling = async {
        while let Some(acted) = people.join_next().await {
            match acted.expect("a person does not panic") {
                Ok(one) => told.push(one),
                Err(error) => {
                    let problem = error.problem().map(|problem| problem.detail.clone());
                    let text = format!("a request was refused: {error} {problem:?}");
                    site.record.find("wrong", None, text);
                }
            }
        }
    };
    if tokio::time::timeout(SETTLE, settling).await.is_err() {
        people.abort_all();
        for task in site.record.open() {
            let text = format!(
                "{task}: has not ended {} s after the last fault",
                SETTLE.as_secs()
            );
            site.record.find("stuck", Some(&task), text);
        }
    }
    (told, calm.elapsed())
}

/// Waits until what still disturbed the network is over.
async fn quiet(site: Arc<Site>) -> Arc<Site> {
    let begin = Instant::now();
    while Arc::strong_count(&site) > 1 && begin.elapsed() < Duration::from_secs(30) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    site
}
