//! A thousand people follow one attempt. Its events are stored before anybody hears of them, and who
//! comes back goes on where he was. Beside it raw server-sent events: axum and a channel, nothing
//! stored, nothing resumed ([`raw`]).
//!
//! Every follower checks every number: each is the one after the one before, over all connections.

mod crowd;
pub(crate) mod raw;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::Bench;
use crate::control::{self, Assignment, Control, Worker};
use crate::http::Connection;
use crate::life::{new_key, prompt};
use crate::machine::{Judge, Watch, millis, resident_kib};
use crate::player::{self, Player};
use crate::stats::{Bar, Rates};

use crowd::{Crowd, Source};

const FOLLOWERS: usize = 1000;
const EVENTS: usize = 300;
/// Of the data of an event.
const EVENT_BYTES: usize = 256;
const ROUNDS: usize = 5;
/// So that what came with the connections has settled; longer than a follower waits before it looks by itself.
const SETTLE: Duration = Duration::from_secs(3);
/// While the server is killed, so many events come so often.
const TRICKLE: usize = 10;
const TRICKLE_EVERY: Duration = Duration::from_millis(50);
/// The teller sends no heartbeats.
const LEASE: [&str; 2] = ["--lease", "10m"];
/// How long the trickle goes on before the kill.
const BEFORE_KILL: Duration = Duration::from_millis(500);

pub(crate) fn run(bench: &Bench) -> Result<()> {
    println!("{FOLLOWERS} followers of one attempt, {EVENTS} events at once");
    crowd::allow_connections()?;
    let watch = Watch::start(&bench.scratch)?;
    let figures = player::runtime()?.block_on(measure(bench))?;
    let judge = watch.end(&bench.scratch)?;
    figures.report(&judge);
    Ok(())
}

struct Figures {
    own: Rates,
    raw: Rates,
    /// KiB of each follower.
    idle: f64,
    back: Duration,
}

async fn measure(bench: &Bench) -> Result<Figures> {
    let mut control = Control::start_with(bench, None, &LEASE).await?;
    let mut teller = Teller::start(&control).await?;
    let before = resident_kib(control.pid())?;
    let own = Crowd::start(source(&control, &teller), FOLLOWERS);
    own.reach(teller.last()).await?;
    tokio::time::sleep(SETTLE).await;
    let grown = resident_kib(control.pid())?.saturating_sub(before);

    let (_player, said) = Player::start(raw::ROLE, &[])?;
    let address = said.parse()?;
    let raw = Crowd::start(
        Source {
            address,
            token: String::new(),
            path: "/events".to_owned(),
            is_resumed: false,
        },
        FOLLOWERS,
    );
    raw.reach(raw::FIRST).await?;
    let mut publisher = Connection::open(address, "").await?;
    let (mut own_rates, mut raw_rates) = (Rates::default(), Rates::default());
    let mut published = raw::FIRST;
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        teller.tell(EVENTS).await?;
        own.reach(teller.last()).await?;
        own_rates.push(rate(begin));
        let begin = Instant::now();
        publisher.tell("/publish", &EVENTS).await?;
        published += i64::try_from(EVENTS)?;
        raw.reach(published).await?;
        raw_rates.push(rate(begin));
    }
    drop(raw);
    let back = survive(&mut control, &mut teller, &own).await?;
    teller.finish().await?;
    own.end(teller.last()).await?;
    Ok(Figures {
        own: own_rates,
        raw: raw_rates,
        idle: grown as f64 / FOLLOWERS as f64,
        back,
    })
}

/// Deliveries a second, of a burst to all.
fn rate(begin: Instant) -> f64 {
    (FOLLOWERS * EVENTS) as f64 / begin.elapsed().as_secs_f64()
}

fn source(control: &Control, teller: &Teller) -> Source {
    Source {
        address: control.address,
        token: control.token.clone(),
        path: format!("/api/v1/attempts/{}/events", teller.held.attempt),
        is_resumed: true,
    }
}

/// Kills the server while events come; how long until every follower has one that came after.
async fn survive(control: &mut Control, teller: &mut Teller, crowd: &Crowd) -> Result<Duration> {
    let begin = Instant::now();
    while begin.elapsed() < BEFORE_KILL {
        teller.tell(TRICKLE).await?;
        tokio::time::sleep(TRICKLE_EVERY).await;
    }
    control.kill()?;
    let killed = Instant::now();
    control.restart()?;
    teller.connect(control).await?;
    teller.tell(TRICKLE).await?;
    crowd.reach(teller.last()).await?;
    Ok(killed.elapsed())
}

/// The worker that holds the attempt and tells of it.
struct Teller {
    worker: Worker,
    held: Assignment,
    /// How many events it told.
    told: i64,
}

/// What the server itself has said by then: that the attempt was queued, and that it is held.
const BEFORE: i64 = 2;

impl Teller {
    async fn start(control: &Control) -> Result<Self> {
        control::submit(&mut control.connect().await?, &prompt(), &new_key()).await?;
        let mut worker = control.worker("teller").await?;
        let held = worker.acquire(10_000).await?.context("one is queued")?;
        Ok(Self {
            worker,
            held,
            told: 0,
        })
    }

    /// The number of the last event in the attempt's log.
    fn last(&self) -> i64 {
        BEFORE + self.told
    }

    async fn tell(&mut self, count: usize) -> Result<()> {
        let event: Value = json!({
            "at": "2026-01-01T00:00:00Z",
            "type": "output",
            "stream": "stdout",
            "text": "x".repeat(EVENT_BYTES / 2),
        });
        let events = vec![event; count];
        let acknowledged = self
            .worker
            .append(&self.held, self.told + 1, &events)
            .await?;
        self.told += i64::try_from(count)?;
        ensure!(acknowledged == self.told, "{acknowledged} are stored");
        Ok(())
    }

    /// Goes on with another connection.
    async fn connect(&mut self, control: &Control) -> Result<()> {
        self.worker.connection = Connection::open(control.address, &control.worker_token).await?;
        Ok(())
    }

    /// Which adds the last event: that it succeeded.
    async fn finish(&mut self) -> Result<()> {
        let Self { worker, held, told } = self;
        worker.finish_after(held, *told).await?;
        self.told += 1;
        Ok(())
    }
}

impl Figures {
    fn report(&self, judge: &Judge) {
        println!("{}", self.own.row("deliveries, Outwork"));
        println!("{}", self.raw.row("deliveries, raw"));
        let ratio = self.own.ratio(&self.raw);
        judge.judge(Bar::AtLeast(0.5), "deliveries, of the raw rate", ratio);
        judge.judge(Bar::AtMost(20.0), "KiB of each idle follower", self.idle);
        let back = millis(self.back) / 1000.0;
        judge.judge(
            Bar::AtMost(1.5),
            "all back after kill -9 without a gap or a repeat, s",
            back,
        );
        println!();
    }
}
