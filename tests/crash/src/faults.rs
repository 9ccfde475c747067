//! What is done to the site, drawn from the seed.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;
use tokio::sync::mpsc;

use crate::people::{Acknowledged, KillAfter};
use crate::process::{processes, signal_to};
use crate::random::Random;
use crate::relay::{Network, Relay};
use crate::seat::Order;
use crate::site::{Site, Worker};
use crate::work::MARK;

/// The lease of the site that faults are done to, and what is shorter and what is longer.
pub(crate) const LEASE: &str = "5s";
const SHORT: (u64, u64) = (200, 2500);
const LONG: (u64, u64) = (6000, 12000);
/// By how much wall clocks are wrong at most.
const CLOCK_MS: u64 = 3 * 3600 * 1000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    KillServer,
    KillWorker,
    KillAllWorkers,
    KillAgent,
    CrashDatabase,
    KillBackend,
    StopServer { long: bool },
    StopWorker { long: bool },
    CutWorker { long: bool },
    SilenceWorker { long: bool },
    SlowWorker,
    CutPeople,
    SilencePeople,
    SlowPeople,
    ServerClock,
    WorkerClock,
    KillAfter(Acknowledged),
}

/// Each with its weight.
const FAULTS: [(Fault, u64); 23] = [
    (Fault::KillServer, 10),
    (Fault::KillWorker, 14),
    (Fault::KillAllWorkers, 1),
    (Fault::KillAgent, 8),
    (Fault::CrashDatabase, 4),
    (Fault::KillBackend, 3),
    (Fault::StopServer { long: false }, 4),
    (Fault::StopServer { long: true }, 2),
    (Fault::StopWorker { long: false }, 5),
    (Fault::StopWorker { long: true }, 4),
    (Fault::CutWorker { long: false }, 4),
    (Fault::CutWorker { long: true }, 3),
    (Fault::SilenceWorker { long: false }, 4),
    (Fault::SilenceWorker { long: true }, 3),
    (Fault::SlowWorker, 4),
    (Fault::CutPeople, 4),
    (Fault::SilencePeople, 3),
    (Fault::SlowPeople, 3),
    (Fault::ServerClock, 4),
    (Fault::WorkerClock, 4),
    (Fault::KillAfter(Acknowledged::Submit), 4),
    (Fault::KillAfter(Acknowledged::FollowUp), 4),
    (Fault::KillAfter(Acknowledged::Cancel), 4),
];

/// Does things to a site until it is to be calm.
pub(crate) struct Storm {
    pub(crate) site: Arc<Site>,
    pub(crate) random: Random,
    pub(crate) kill_after: Arc<KillAfter>,
    pub(crate) acknowledged: mpsc::UnboundedReceiver<Acknowledged>,
}

impl Storm {
    pub(crate) async fn rage(mut self) {
        let mut next = tokio::time::Instant::now();
        while !self.site.record.is_calm() {
            next += self.random.millis(300, 2400);
            tokio::select! {
                () = tokio::time::sleep_until(next) => {
                    let fault = self.draw();
                    self.inject(fault).await;
                }
                Some(what) = self.acknowledged.recv() => {
                    let kind = match what {
                        Acknowledged::Submit => "kill -9: server after an acknowledged submit",
                        Acknowledged::FollowUp => "kill -9: server after an acknowledged follow-up",
                        Acknowledged::Cancel => "kill -9: server after an acknowledged cancel",
                    };
                    self.site.record.injected(kind, self.site.record.open());
                    self.site.server.order(Order::Kill { away: Duration::ZERO });
                }
            }
        }
    }

    fn draw(&mut self) -> Fault {
        let has_database = self.site.cluster.is_some();
        let fits = |fault: &Fault| match fault {
            Fault::CrashDatabase | Fault::KillBackend => has_database,
            _ => true,
        };
        let faults = FAULTS.iter().filter(|(fault, _)| fits(fault));
        let total = faults.clone().map(|(_, weight)| weight).sum::<u64>();
        let mut drawn = self.random.between(1, total);
        for (fault, weight) in faults {
            if drawn <= *weight {
                return *fault;
            }
            drawn -= weight;
        }
        unreachable!("the weights are what was summed up")
    }

    fn time(&mut self, long: bool) -> Duration {
        let (least, most) = if long { LONG } else { SHORT };
        self.random.millis(least, most)
    }

    fn worker(&mut self) -> usize {
        let workers = self.site.workers.len() as u64;
        usize::try_from(self.random.between(0, workers - 1)).expect("an index")
    }

    async fn inject(&mut self, fault: Fault) {
        let site = Arc::clone(&self.site);
        let record = Arc::clone(&site.record);
        let of_all = |kind: &str| record.injected(kind, record.open());
        let of_worker = |kind: &str, worker: &Worker| {
            record.injected(kind, record.affected_at(&worker.name));
        };
        match fault {
            Fault::KillServer => {
                of_all("kill -9: server");
                let away = self.random.millis(0, 2500);
                site.server.order(Order::Kill { away });
            }
            Fault::KillWorker => {
                let worker = &site.workers[self.worker()];
                of_worker("kill -9: worker", worker);
                let away = self.random.millis(0, 7000);
                worker.keeper.order(Order::Kill { away });
            }
            Fault::KillAllWorkers => {
                for worker in &site.workers {
                    of_worker("kill -9: all workers at once", worker);
                    let away = self.random.millis(0, 7000);
                    worker.keeper.order(Order::Kill { away });
                }
            }
            Fault::KillAgent => self.kill_agent(),
            Fault::CrashDatabase => {
                of_all("crash: PostgreSQL");
                // Waits until it is there again.
                let crash = move || site.cluster.as_ref().expect("asked before").crash();
                let _ = tokio::task::spawn_blocking(crash).await;
            }
            Fault::KillBackend => {
                if kill_backend(&site, &mut self.random) {
                    of_all("kill -9: a process of PostgreSQL");
                }
            }
            Fault::StopServer { long } => {
                of_all(stop_kind("server", long));
                let time = self.time(long);
                site.server.order(Order::Stop { time });
            }
            Fault::StopWorker { long } => {
                let worker = &site.workers[self.worker()];
                of_worker(stop_kind("worker", long), worker);
                let time = self.time(long);
                worker.keeper.order(Order::Stop { time });
            }
            Fault::CutWorker { long } => {
                let kind = match long {
                    false => "network: worker cut off, shorter than the lease",
                    true => "network: worker cut off, longer than the lease",
                };
                self.disturb(kind, Network::Cut, long);
            }
            Fault::SilenceWorker { long } => {
                let kind = match long {
                    false => "network: worker's packets lost, shorter than the lease",
                    true => "network: worker's packets lost, longer than the lease",
                };
                self.disturb(kind, Network::Silent, long);
            }
            Fault::SlowWorker => {
                let by = self.random.millis(50, 400);
                self.disturb("network: worker slow", Network::Slow(by), true);
            }
            Fault::CutPeople => {
                of_all("network: people cut off");
                let time = self.time(false);
                disturb_for(site, |site| &site.network, Network::Cut, time);
            }
            Fault::SilencePeople => {
                of_all("network: people's packets lost");
                let time = self.time(false);
                disturb_for(site, |site| &site.network, Network::Silent, time);
            }
            Fault::SlowPeople => {
                of_all("network: people slow");
                let by = self.random.millis(50, 400);
                disturb_for(site, |site| &site.network, Network::Slow(by), SLOW);
            }
            Fault::ServerClock => {
                of_all("clock jump: server");
                self.set_clock(&site.server_clock);
                // It takes the wall clock at its start and goes on by the monotonic one.
                let away = self.random.millis(0, 500);
                site.server.order(Order::Kill { away });
            }
            Fault::WorkerClock => {
                let worker = &site.workers[self.worker()];
                of_worker("clock jump: worker", worker);
                self.set_clock(&worker.clock);
            }
            Fault::KillAfter(what) => self.kill_after.want(what),
        }
    }

    fn disturb(&mut self, kind: &str, network: Network, long: bool) {
        let number = self.worker();
        let worker = &self.site.workers[number];
        let affected = self.site.record.affected_at(&worker.name);
        self.site.record.injected(kind, affected);
        let time = self.time(long);
        let site = Arc::clone(&self.site);
        disturb_for(
            site,
            move |site| &site.workers[number].network,
            network,
            time,
        );
    }

    fn set_clock(&mut self, file: &Path) {
        let by = self.random.between(0, 2 * CLOCK_MS);
        let by = i64::try_from(by).unwrap_or(0) - i64::try_from(CLOCK_MS).unwrap_or(0);
        // In one move: it is read all the time.
        let new = file.with_extension("new");
        let written = fs::write(&new, by.to_string()).and_then(|()| fs::rename(&new, file));
        written.expect("the directory of the run can be written");
    }

    /// The shell that an attempt runs; the worker is well.
    fn kill_agent(&mut self) {
        let mark = self.site.mark.clone();
        let agents = processes(|found| {
            found.line.contains("read -r name lines pause")
                && found.variable(MARK).as_deref() == Some(&mark)
        });
        if agents.is_empty() {
            return;
        }
        let agent = self.random.pick(&agents);
        let Some(attempt) = agent.variable("OUTWORK_ATTEMPT_ID") else {
            return;
        };
        let record = &self.site.record;
        record.agent_killed(&attempt);
        record.injected("kill -9: agent in its sandbox", BTreeSet::from([attempt]));
        signal_to(agent.id, Signal::KILL);
    }
}

/// How long a network is slow.
const SLOW: Duration = Duration::from_secs(4);

fn stop_kind(what: &str, long: bool) -> &'static str {
    match (what, long) {
        ("server", false) => "SIGSTOP: server, shorter than the lease",
        ("server", true) => "SIGSTOP: server, longer than the lease",
        (_, false) => "SIGSTOP: worker, shorter than the lease",
        (_, true) => "SIGSTOP: worker, longer than the lease",
    }
}

fn disturb_for(
    site: Arc<Site>,
    relay: impl Fn(&Site) -> &Relay + Send + 'static,
    network: Network,
    time: Duration,
) {
    relay(&site).set(network);
    tokio::spawn(async move {
        tokio::time::sleep(time).await;
        relay(&site).set(Network::Passes);
    });
}

/// One that serves a connection. PostgreSQL ends all others then, and recovers.
fn kill_backend(site: &Site, random: &mut Random) -> bool {
    let place = site.cluster.as_ref().map(|cluster| cluster.place());
    let Some(keeper) =
        place.and_then(|place| fs::read_to_string(place.join("data/postmaster.pid")).ok())
    else {
        return false;
    };
    let parent = keeper.lines().next().unwrap_or_default().trim().to_owned();
    let is_child = |id: u32| {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let behind = stat.rsplit_once(')').map(|(_, behind)| behind.to_owned());
        behind.is_some_and(|behind| behind.split_whitespace().nth(1) == Some(&parent))
    };
    let backends =
        processes(|found| found.line.starts_with("postgres: outwork") && is_child(found.id));
    if backends.is_empty() {
        return false;
    }
    signal_to(random.pick(&backends).id, Signal::KILL);
    true
}
