//! From the call that submits a task until a worker knows that it holds it: two durable writes. A hundred
//! workers wait; all but one wait for the next. Beside it the same on PostgreSQL with `LISTEN` and
//! `NOTIFY` ([`crate::queue_peer`]), in its best shape: one process listens for all workers, so that
//! nobody is woken in vain.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use outwork_test_postgres::Cluster;
use sqlx::postgres::PgListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::Bench;
use crate::control::{self, Assignment, Control};
use crate::life::{new_key, prompt};
use crate::machine::{Judge, Watch};
use crate::player;
use crate::queue_peer::{self, QueuePeer};
use crate::stats::{Bar, Series};

const WORKERS: usize = 100;
const ROUNDS: usize = 20;
const IN_ROUND: usize = 50;
/// Between two submissions, so that whoever took the last one waits again.
const PAUSE: Duration = Duration::from_millis(2);

pub(crate) fn run(bench: &Bench) -> Result<()> {
    println!("Pick-up: from the call that submits to the lease in a worker's hands");
    let watch = Watch::start(&bench.scratch)?;
    let (own, peer) = player::runtime()?.block_on(measure(bench))?;
    let judge = watch.end(&bench.scratch)?;
    report(&judge, &own, &peer);
    Ok(())
}

async fn measure(bench: &Bench) -> Result<(Series, Series)> {
    let control = Control::start(bench, None).await?;
    let cluster = Cluster::start_durable();
    let url = cluster.new_database();
    queue_peer::make(&url).await?;
    let mut waiting = Waiting::start(&control).await?;
    let mut person = control.connect().await?;
    let mut peer = Peer::connect(&url).await?;
    let (mut own, mut other) = (Series::default(), Series::default());
    for _ in 0..ROUNDS {
        for _ in 0..IN_ROUND {
            tokio::time::sleep(PAUSE).await;
            let begin = Instant::now();
            let task = control::submit(&mut person, &prompt(), &new_key()).await?;
            let (held, at) = waiting.next().await?;
            ensure!(held.task == task, "another task was picked up");
            own.push(at - begin);
        }
        for _ in 0..IN_ROUND {
            tokio::time::sleep(PAUSE).await;
            other.push(peer.once().await?);
        }
    }
    let picked = u64::try_from(ROUNDS * IN_ROUND)?;
    waiting.end().await?;
    let (all, ended) = control::count(&control.database())?;
    ensure!(
        all == picked && ended == picked,
        "{picked} were picked up; {all} are stored, {ended} ended"
    );
    ensure!(
        queue_peer::count(&url).await? == (picked, picked),
        "the peer lost some"
    );
    Ok((own, other))
}

/// Workers that wait, and hand on what they get once it has ended.
pub(crate) struct Waiting {
    picked: mpsc::UnboundedReceiver<(Assignment, Instant)>,
    workers: JoinSet<Result<()>>,
}

impl Waiting {
    pub(crate) async fn start(control: &Control) -> Result<Self> {
        let (sender, picked) = mpsc::unbounded_channel();
        let mut workers = JoinSet::new();
        for number in 0..WORKERS {
            let mut worker = control.worker(&format!("worker-{number}")).await?;
            let sender = sender.clone();
            workers.spawn(async move {
                loop {
                    let Some(held) = worker.acquire(30_000).await? else {
                        continue;
                    };
                    let at = Instant::now();
                    worker.finish(&held).await?;
                    if sender.send((held, at)).is_err() {
                        return Ok(());
                    }
                }
            });
        }
        Ok(Self { picked, workers })
    }

    pub(crate) async fn next(&mut self) -> Result<(Assignment, Instant)> {
        tokio::select! {
            picked = self.picked.recv() => picked.context("workers wait"),
            ended = self.workers.join_next() => {
                ended.context("workers wait")???;
                anyhow::bail!("a worker ended")
            }
        }
    }

    /// Whether nothing was picked up that was not submitted.
    async fn end(mut self) -> Result<()> {
        self.workers.shutdown().await;
        ensure!(
            self.picked.try_recv().is_err(),
            "something was picked up twice"
        );
        Ok(())
    }
}

struct Peer {
    person: QueuePeer,
    worker: QueuePeer,
    listener: PgListener,
}

impl Peer {
    async fn connect(url: &str) -> Result<Self> {
        Ok(Self {
            person: QueuePeer::connect(url).await?,
            worker: QueuePeer::connect(url).await?,
            listener: queue_peer::listener(url).await?,
        })
    }

    async fn once(&mut self) -> Result<Duration> {
        let Self {
            person,
            worker,
            listener,
        } = self;
        let begin = Instant::now();
        // As at Outwork: the worker may be told before the answer of the submission is here.
        let (task, held) = tokio::join!(person.submit_and_notify(), async {
            listener.recv().await?;
            let held = worker.lease().await?.context("it was told of one")?;
            anyhow::Ok((held, Instant::now()))
        });
        let (held, at) = held?;
        ensure!(held.id == task?, "another task was picked up");
        worker.finish(&held).await?;
        Ok(at - begin)
    }
}

fn report(judge: &Judge, own: &Series, peer: &Series) {
    println!("{}", own.row(&format!("Outwork, {WORKERS} workers wait")));
    let ms = |duration: Duration| duration.as_secs_f64() * 1000.0;
    let p99 = ms(own.percentile(99));
    println!("    p50 {:.2} ms, p99 {p99:.2} ms", ms(own.median()));
    println!("{}", peer.row("PostgreSQL, LISTEN and NOTIFY"));
    let others = ms(peer.percentile(99));
    println!("    p50 {:.2} ms, p99 {others:.2} ms", ms(peer.median()));
    let ratio = own.ratio(peer);
    judge.judge(Bar::AtMost(0.8), "p50, times LISTEN/NOTIFY's", ratio);
    judge.judge(Bar::AtMost(5.0), "p99, ms", p99);
    println!();
}
