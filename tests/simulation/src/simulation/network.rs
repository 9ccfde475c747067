//! Between workers and servers: delays, losses, doubles, partitions, and requests for work that are kept open.

use outwork_api::worker::WorkerError;

use super::{Event, Kept, Letter, Sender, Simulation};
use crate::dice::Dice;
use crate::message::{Answer, Reply, Request, unauthorized, unreachable};
use crate::plan::NetworkPlan;

/// How long a server keeps a request for work open.
const OPEN_MS: u64 = 20_000;
/// A message that takes longer is trouble.
const LATE_MS: u64 = 1_000;

pub(super) struct Network {
    plan: NetworkPlan,
    dice: Dice,
    links: Vec<Link>,
    /// How long servers could be reached, in milliseconds.
    served_ms: u64,
    is_calm: bool,
}

/// Between one worker and all servers.
#[derive(Clone, Copy, Default)]
struct Link {
    cut_until_ms: u64,
    refused_until_ms: u64,
    /// A message that is on its way comes late; till then all is not well.
    late_until_ms: u64,
    /// `served_ms` when the worker last had trouble.
    well_since_served_ms: u64,
}

/// A request for work that is kept open.
pub(super) struct Parked {
    letter: Letter,
    until_ms: u64,
}

/// What becomes of a message.
enum Fate {
    After(u64),
    Lost,
}

impl Network {
    pub(super) fn new(plan: NetworkPlan, workers: usize, dice: Dice) -> Self {
        Self {
            plan,
            dice,
            links: vec![Link::default(); workers],
            served_ms: 0,
            is_calm: false,
        }
    }

    /// Time went by; in it, servers could be reached or not.
    pub(super) fn passed(&mut self, from_ms: u64, to_ms: u64, is_served: bool) {
        if is_served {
            self.served_ms += to_ms - from_ms;
        }
        for link in &mut self.links {
            // A worker whose message is still on its way is not well.
            if link.cut_until_ms >= from_ms || link.late_until_ms >= from_ms {
                link.well_since_served_ms = self.served_ms;
            }
        }
    }

    /// Something happened to that worker, so that it may lose what it has.
    pub(super) fn trouble(&mut self, worker: usize) {
        self.links[worker].well_since_served_ms = self.served_ms;
    }

    /// How long nothing happened to that worker while servers could be reached, in milliseconds.
    pub(super) fn well_for_ms(&self, worker: usize) -> u64 {
        self.served_ms - self.links[worker].well_since_served_ms
    }

    pub(super) fn cut(&mut self, worker: usize, until_ms: u64) {
        let link = &mut self.links[worker];
        link.cut_until_ms = link.cut_until_ms.max(until_ms);
    }

    pub(super) fn refuse(&mut self, worker: usize, until_ms: u64) {
        let link = &mut self.links[worker];
        link.refused_until_ms = link.refused_until_ms.max(until_ms);
    }

    /// Nothing goes wrong any more.
    pub(super) fn calm(&mut self) {
        self.is_calm = true;
        for worker in 0..self.links.len() {
            self.links[worker].cut_until_ms = 0;
            self.links[worker].refused_until_ms = 0;
            self.trouble(worker);
        }
    }

    /// How long a message takes that may be lost, in milliseconds; `None`: it is lost.
    pub(super) fn whim(&mut self, worker: usize, now_ms: u64) -> Option<u64> {
        match self.fate(worker, now_ms) {
            Fate::After(ms) => Some(ms),
            Fate::Lost => None,
        }
    }

    fn fate(&mut self, worker: usize, now_ms: u64) -> Fate {
        let usual_ms = self.dice.between(1, 40);
        let link = &mut self.links[worker];
        if link.cut_until_ms > now_ms {
            // What is sent again by the network itself comes when the line is there again.
            let left_ms = self.links[worker].cut_until_ms - now_ms;
            return if self.dice.chance(40) {
                self.late(worker, now_ms, left_ms + usual_ms)
            } else {
                Fate::Lost
            };
        }
        if self.is_calm {
            return Fate::After(usual_ms);
        }
        if self.dice.chance(self.plan.lost) {
            self.trouble(worker);
            return Fate::Lost;
        }
        if self.dice.chance(self.plan.late) {
            let delay_ms = self.dice.of(&[3_000, 20_000, 60_000]);
            let delay_ms = self.dice.between(200, delay_ms);
            return self.late(worker, now_ms, delay_ms);
        }
        let slow_ms = if self.dice.chance(10) {
            self.dice.below(400)
        } else {
            0
        };
        Fate::After(usual_ms + slow_ms)
    }

    fn late(&mut self, worker: usize, now_ms: u64, delay_ms: u64) -> Fate {
        if delay_ms > LATE_MS {
            let link = &mut self.links[worker];
            link.late_until_ms = link.late_until_ms.max(now_ms + delay_ms);
        }
        Fate::After(delay_ms)
    }

    fn is_refused(&self, worker: usize, now_ms: u64) -> bool {
        self.links[worker].refused_until_ms > now_ms
    }

    /// After how long it comes once more, if it does.
    fn double(&mut self) -> Option<u64> {
        if self.is_calm || !self.dice.chance(self.plan.doubled) {
            return None;
        }
        let most_ms = self.dice.of(&[200, 5_000, 60_000]);
        Some(self.dice.between(1, most_ms))
    }
}

impl Simulation {
    /// A worker sends a request.
    pub(super) fn send(&mut self, from: Sender, request: Request) {
        let now_ms = self.time.ms();
        let worker = from.from.worker;
        let servers = self.cluster.servers();
        let letter = Letter {
            from,
            server: self.network.dice.index(servers),
            request,
        };
        if self.network.is_refused(worker, now_ms) {
            self.network.trouble(worker);
            let delay_ms = self.network.dice.between(1, 40);
            self.answer_after(delay_ms, &letter, Err(unauthorized()), None);
            return;
        }
        if let Some(delay_ms) = self.network.double() {
            self.note(|_| {
                format!(
                    "w{worker}'s {} comes again in {delay_ms} ms",
                    letter.request.name()
                )
            });
            self.schedule(delay_ms + 40, Event::Arrives(letter.clone()));
        }
        match self.network.fate(worker, now_ms) {
            Fate::After(delay_ms) => {
                if delay_ms > LATE_MS {
                    self.note(|_| {
                        format!("w{worker}'s {} takes {delay_ms} ms", letter.request.name())
                    });
                }
                self.schedule(delay_ms, Event::Arrives(letter));
            }
            Fate::Lost => {
                self.note(|_| format!("w{worker}'s {} is lost", letter.request.name()));
                self.lose(&letter);
            }
        }
    }

    /// Whoever waits for an answer is told so, or has to wait until it gives up.
    fn lose(&mut self, letter: &Letter) {
        if self.network.dice.chance(50) {
            let delay_ms = self.network.dice.between(10, 500);
            self.answer_after(delay_ms, letter, Err(unreachable()), None);
        }
    }

    /// A server answers.
    pub(super) fn send_answer(
        &mut self,
        from: Sender,
        server: usize,
        request: Request,
        answer: Answer,
    ) {
        let now_ms = self.time.ms();
        let worker = from.from.worker;
        let letter = Letter {
            from,
            server,
            request,
        };
        match self.network.fate(worker, now_ms) {
            Fate::After(delay_ms) => self.answer_after(delay_ms, &letter, answer, Some(now_ms)),
            Fate::Lost => {
                self.note(|_| {
                    format!(
                        "the answer to w{worker}'s {} is lost",
                        letter.request.name()
                    )
                });
                self.lose(&letter);
            }
        }
    }

    /// A server that does not run refuses the connection.
    pub(super) fn answer_unreachable(&mut self, letter: &Letter) {
        let delay_ms = self.network.dice.between(1, 40);
        self.answer_after(
            delay_ms,
            letter,
            Err::<Reply, WorkerError>(unreachable()),
            None,
        );
    }

    fn answer_after(
        &mut self,
        delay_ms: u64,
        letter: &Letter,
        answer: Answer,
        done_at_ms: Option<u64>,
    ) {
        let event = Event::Answers {
            to: letter.from,
            answer,
            done_at_ms,
            request: Box::new(letter.request.clone()),
        };
        self.schedule(delay_ms, event);
    }

    pub(super) fn park(&mut self, letter: Letter) {
        let until_ms = self.time.ms() + OPEN_MS;
        self.parked.push(Parked { letter, until_ms });
    }

    /// Answers the requests for work that were kept open, if there is work, their time is over, or their server is gone.
    pub(super) async fn give_out(&mut self) -> Kept {
        let now_ms = self.time.ms();
        for Parked { letter, until_ms } in std::mem::take(&mut self.parked) {
            let worker = letter.from.from.worker;
            let is_cut = self.network.links[worker].cut_until_ms > now_ms;
            let has_hung_up = !self.workers[worker].waits_for(letter.from.request);
            if has_hung_up && !is_cut {
                // The server sees that the connection is closed.
            } else if !self.cluster.is_up(letter.server) {
                self.answer_unreachable(&letter);
            } else if !self.serves(letter.server) {
                self.parked.push(Parked { letter, until_ms });
            } else if self.has_work(letter.server) {
                self.perform(letter).await?;
            } else if until_ms <= now_ms {
                let answer = Ok(Reply::Acquired(Vec::new()));
                self.send_answer(letter.from, letter.server, letter.request, answer);
            } else {
                self.parked.push(Parked { letter, until_ms });
            }
        }
        Ok(())
    }
}
