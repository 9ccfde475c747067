//! The whole life of an attempt, again and again, through the real API of a real server, beside the
//! floor ([`crate::floor`]), a queue on PostgreSQL written by hand ([`crate::queue_peer`]), and graphile-worker.
//!
//! A life at Outwork is three calls, each with its own token: `POST /api/v1/tasks` (with an idempotency
//! key, from a given commit), `POST /api/worker/v1/acquire` (each caller is a registered worker),
//! `POST /api/worker/v1/attempts/ATTEMPT/finish`. All clients are tasks of this process.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use outwork_test_postgres::Cluster;
use serde::Deserialize;

use crate::control::{self, Control};
use crate::life::{self, AtFloor, AtOutwork};
use crate::machine::{Judge, Watch};
use crate::player::{self, Player};
use crate::queue_peer::{self, QueuePeer};
use crate::stats::{Bar, Rates};
use crate::{Bench, floor};

/// The argument that makes this program the floor.
pub(crate) const FLOOR_ROLE: &str = "lifecycle-floor";

const CALLERS: [usize; 4] = [1, 16, 64, 256];
/// The number of callers at which the bars hold.
const MANY: usize = 64;
/// PostgreSQL by hand is fastest with about as many, on two processors.
const POSTGRES_CALLERS: usize = 16;
const ROUNDS: usize = 3;
const LASTS: Duration = Duration::from_millis(1200);
/// graphile-worker: how long jobs are added, how many adds are in flight, and how many jobs run at once.
const GRAPHILE: [&str; 3] = ["2", "16", "16"];

/// Plays the floor on that file until it is killed.
pub(crate) fn floor_role(arguments: &[String]) -> Result<()> {
    let file = arguments.first().context("the floor needs a file")?;
    player::runtime()?.block_on(floor::serve(Path::new(file), |address| {
        player::say(&address.to_string()).expect("who started it reads");
    }))
}

pub(crate) fn run(bench: &Bench) -> Result<()> {
    println!("The whole life of an attempt: submit, acquire, finish; lives a second");
    let runtime = player::runtime()?;
    let watch = Watch::start(&bench.scratch)?;
    let figures = runtime.block_on(measure(bench))?;
    let judge = watch.end(&bench.scratch)?;
    figures.report(&judge);
    Ok(())
}

struct Figures {
    /// By number of callers.
    floor: Vec<Rates>,
    outwork: Vec<Rates>,
    by_hand: Rates,
    on_postgres: Rates,
    graphile: Rates,
}

async fn measure(bench: &Bench) -> Result<Figures> {
    let (floor, outwork) = beside_floor(bench).await?;
    let mut figures = Figures {
        floor,
        outwork,
        by_hand: Rates::default(),
        on_postgres: Rates::default(),
        graphile: Rates::default(),
    };
    beside_postgres(bench, &mut figures).await?;
    Ok(figures)
}

async fn beside_floor(bench: &Bench) -> Result<(Vec<Rates>, Vec<Rates>)> {
    let dir = tempfile::tempdir_in(&bench.scratch)?;
    let file = dir.path().join("floor.sqlite");
    let (_player, said) = Player::start(FLOOR_ROLE, &[&file.display().to_string()])?;
    let address = said.parse()?;
    let control = Control::start(bench, None).await?;
    let (mut floor, mut outwork) = (Vec::new(), Vec::new());
    let (mut floor_lives, mut outwork_lives) = (0, 0);
    for callers in CALLERS {
        let (mut of_floor, mut of_outwork) = (Rates::default(), Rates::default());
        for _ in 0..ROUNDS {
            let (lives, rate) = life::run(AtFloor::callers(address, callers).await?, LASTS).await?;
            floor_lives += lives;
            of_floor.push(rate);
            let (lives, rate) =
                life::run(AtOutwork::callers(&control, callers).await?, LASTS).await?;
            outwork_lives += lives;
            of_outwork.push(rate);
        }
        floor.push(of_floor);
        outwork.push(of_outwork);
    }
    life::check(floor::count(&file), floor_lives, &file)?;
    let database = control.database();
    life::check(control::count(&database), outwork_lives, &database)?;
    Ok((floor, outwork))
}

async fn beside_postgres(bench: &Bench, figures: &mut Figures) -> Result<()> {
    let cluster = Cluster::start_durable();
    let (url, peers_url) = (cluster.new_database(), cluster.new_database());
    let control = Control::start(bench, Some(&url)).await?;
    queue_peer::make(&peers_url).await?;
    let mut by_hand_lives = 0;
    for _ in 0..ROUNDS {
        let callers = QueuePeer::callers(&peers_url, POSTGRES_CALLERS).await?;
        let (lives, rate) = life::run(callers, LASTS).await?;
        by_hand_lives += lives;
        figures.by_hand.push(rate);
        let callers = AtOutwork::callers(&control, MANY).await?;
        figures.on_postgres.push(life::run(callers, LASTS).await?.1);
        figures.graphile.push(graphile(&peers_url)?);
    }
    life::check(
        queue_peer::count(&peers_url).await,
        by_hand_lives,
        cluster.place(),
    )
}

#[derive(Deserialize)]
struct Ran {
    jobs: u32,
    seconds: f64,
}

/// Jobs a second. The program checks that none is left.
fn graphile(url: &str) -> Result<f64> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/graphile.mjs");
    let output = Command::new("node")
        .arg(program)
        .args([url, "graphile_worker"])
        .args(GRAPHILE)
        .output()
        .context("node starts")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "graphile-worker: {said}");
    let Ran { jobs, seconds } = serde_json::from_slice(&output.stdout)?;
    Ok(f64::from(jobs) / seconds)
}

impl Figures {
    fn report(&self, judge: &Judge) {
        for ((callers, floor), outwork) in CALLERS.iter().zip(&self.floor).zip(&self.outwork) {
            println!("{}", outwork.row(&format!("Outwork, {callers} callers")));
            println!("{}", floor.row(&format!("the floor, {callers} callers")));
            println!("    {:.2} of the floor", outwork.ratio(floor));
        }
        let by_hand = format!("PostgreSQL by hand, SKIP LOCKED, {POSTGRES_CALLERS} callers");
        println!("{}", self.by_hand.row(&by_hand));
        let on_postgres = format!("Outwork on the same PostgreSQL, {MANY} callers");
        println!("{}", self.on_postgres.row(&on_postgres));
        let graphile = "graphile-worker on the same, 16 adding, 16 jobs at once";
        println!("{}", self.graphile.row(graphile));
        let at = CALLERS.iter().position(|&callers| callers == MANY);
        let at = at.expect("the bar's number is measured");
        let (floor, outwork) = (&self.floor[at], &self.outwork[at]);
        judge.judge(
            Bar::AtLeast(0.8),
            "lives, of the floor's",
            outwork.ratio(floor),
        );
        let ratio = outwork.ratio(&self.by_hand);
        judge.judge(Bar::AtLeast(3.0), "lives, times PostgreSQL by hand", ratio);
        let ratio = self.on_postgres.ratio(&self.graphile);
        judge.judge(
            Bar::AtLeast(1.0),
            "lives on PostgreSQL, times graphile-worker's",
            ratio,
        );
        println!();
    }
}
