//! One process of the site, over all its lives: started, hurt as told, started again.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::points::{Dealer, Role};
use crate::process::{Fired, First, Process};
use crate::record::Record;

/// For a process to end after it was asked to.
const END: Duration = Duration::from_secs(60);
/// How often a process is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// How many looks there are until its log is read for failure points that fired.
const LOOKS: u64 = 15;

/// What is done to a process.
#[derive(Debug)]
pub(crate) enum Order {
    /// `kill -9`, and a new one so much later.
    Kill { away: Duration },
    /// SIGSTOP, and SIGCONT so much later.
    Stop { time: Duration },
    /// SIGTERM; then there is no new one.
    End,
}

/// How to start it.
pub(crate) struct Seat {
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    pub(crate) log: PathBuf,
    /// The user that it runs as, where root may choose.
    pub(crate) user: Option<u32>,
    /// Says by how many milliseconds its wall clock is wrong.
    pub(crate) clock: PathBuf,
    pub(crate) home: PathBuf,
}

/// Whoever keeps a process going.
pub(crate) struct Keeper {
    orders: mpsc::UnboundedSender<Order>,
    /// Its id, while it runs and is ready.
    process: watch::Receiver<Option<u32>>,
    keeping: JoinHandle<Result<()>>,
}

/// What a failure point says that lets something fail.
const REFUSED: &str = "refused by a failure point";

impl Keeper {
    /// Starts the process; ready when this returns. `dealer`: failure points are armed, too.
    pub(crate) async fn start(
        seat: Seat,
        dealer: Option<Arc<Dealer>>,
        record: Arc<Record>,
    ) -> Result<(Self, Value)> {
        let (process, ready) = seat.launch("").await?;
        let ready = ready.with_context(|| format!("{} ended: {}", seat.name, process.log()))?;
        let (orders, received) = mpsc::unbounded_channel();
        let (told, watched) = watch::channel(Some(process.id()));
        let life = Life {
            seat,
            dealer,
            record,
            orders: received,
            told,
        };
        let keeper = Self {
            orders,
            process: watched,
            keeping: tokio::spawn(life.keep(process)),
        };
        Ok((keeper, ready))
    }

    pub(crate) fn order(&self, order: Order) {
        let _ = self.orders.send(order);
    }

    /// Waits until it runs and is ready.
    pub(crate) async fn runs(&self) -> Result<u32> {
        let mut process = self.process.clone();
        let running = process.wait_for(Option::is_some).await;
        running.context("the process ended")?.context("it runs")
    }

    /// Ends it with SIGTERM.
    pub(crate) async fn end(self) -> Result<()> {
        self.order(Order::End);
        self.keeping.await.context("the keeper panicked")?
    }
}

impl Seat {
    async fn launch(&self, points: &str) -> Result<(Process, Option<Value>)> {
        let mut command = match self.user {
            None => Command::new(&self.program),
            Some(user) => {
                let mut command = Command::new("setpriv");
                let user = user.to_string();
                command.args(["--reuid", &user, "--regid", &user, "--clear-groups"]);
                command.arg(&self.program);
                command
            }
        };
        let path = std::env::var_os("PATH").unwrap_or_default();
        command
            .args(&self.arguments)
            .env_clear()
            .env("PATH", path)
            .env("HOME", &self.home)
            .env(
                outwork_failpoint::VARIABLE,
                format!("clock={};{points}", self.clock.display()),
            );
        let mut process = Process::start(&mut command, &self.log)?;
        Ok(match process.first().await? {
            First::Ready(ready) => (process, Some(ready)),
            First::Ended => (process, None),
        })
    }
}

struct Life {
    seat: Seat,
    dealer: Option<Arc<Dealer>>,
    record: Arc<Record>,
    orders: mpsc::UnboundedReceiver<Order>,
    told: watch::Sender<Option<u32>>,
}

/// How a life ended.
enum Ended {
    Killed {
        away: Duration,
    },
    /// By itself.
    Died,
    /// In order, for good.
    InOrder,
}

impl Life {
    async fn keep(mut self, first: Process) -> Result<()> {
        let mut process = first;
        loop {
            self.told.send_replace(Some(process.id()));
            let ended = self.live(&mut process).await?;
            self.told.send_replace(None);
            self.note_points(&mut process);
            match ended {
                Ended::InOrder => return Ok(()),
                Ended::Killed { away } => tokio::time::sleep(away).await,
                Ended::Died => self.died(&mut process).await?,
            }
            process = self.again().await?;
        }
    }

    /// A new process, which may die at a failure point before it is ready.
    async fn again(&mut self) -> Result<Process> {
        loop {
            let points = match (&self.dealer, self.record.is_calm()) {
                (Some(dealer), false) => dealer.deal(self.seat.role),
                (Some(_), true) | (None, _) => String::new(),
            };
            let (mut process, ready) = self.seat.launch(&points).await?;
            if ready.is_some() {
                return Ok(process);
            }
            self.note_points(&mut process);
            self.died(&mut process).await?;
        }
    }

    async fn live(&mut self, process: &mut Process) -> Result<Ended> {
        let mut stopped_until: Option<Instant> = None;
        let mut looks = 0_u64;
        loop {
            looks += 1;
            if looks.is_multiple_of(LOOKS) {
                self.note_points(process);
            }
            if process.ended().is_some() {
                return Ok(Ended::Died);
            }
            if stopped_until.is_some_and(|until| Instant::now() >= until) {
                process.signal(Signal::CONT);
                stopped_until = None;
            }
            let order = tokio::time::timeout(LOOK, self.orders.recv()).await;
            match order {
                Err(_) => {}
                Ok(Some(Order::Kill { away })) => {
                    process.signal(Signal::KILL);
                    process.end_within(END).await?;
                    return Ok(Ended::Killed { away });
                }
                Ok(Some(Order::Stop { time })) => {
                    process.signal(Signal::STOP);
                    stopped_until = Some(Instant::now() + time);
                }
                Ok(Some(Order::End) | None) => {
                    process.signal(Signal::CONT);
                    process.signal(Signal::TERM);
                    let status = process.end_within(END).await?;
                    if !status.success() {
                        bail!("{} ended with {status}: {}", self.seat.name, process.log());
                    }
                    return Ok(Ended::InOrder);
                }
            }
        }
    }

    /// By a failure point, or else by a fault of its own.
    async fn died(&self, process: &mut Process) -> Result<()> {
        let status = process.end_within(END).await?;
        self.note_points(process);
        if process.killed_itself() {
            return Ok(());
        }
        let log = process.log();
        let last: Vec<_> = log.lines().rev().take(5).collect();
        // Who is refused while it starts says so and ends, to be started again.
        let was_refused = |line: &&str| line.starts_with("error: ") && line.contains(REFUSED);
        if last.iter().any(was_refused) {
            return Ok(());
        }
        self.record.find(
            "ended by itself",
            None,
            format!("{} ended with {status}: {last:?}", self.seat.name),
        );
        // Not at once: it may do so again and again.
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok(())
    }

    fn note_points(&self, process: &mut Process) {
        for Fired { name, done, file } in process.fired() {
            if let Some(dealer) = &self.dealer {
                dealer.fired(&name);
            }
            // DIRECTORY/attempts/ATTEMPT/…
            for part in file.iter().flat_map(|file| file.iter()) {
                if let Some(attempt) = part.to_str().filter(|part| part.starts_with("att_")) {
                    self.record.outbox_refused(attempt);
                }
            }
            let affected = self.record.affected_at(&self.seat.name);
            self.record
                .injected(&format!("point {name}: {done}"), affected);
        }
    }
}
