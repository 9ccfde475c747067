//! What happens to a seed from outside: how large it is, who does what when, and what goes wrong.

use std::time::Duration;

use outwork_domain::limits::AttemptLimits;

use crate::dice::Dice;

/// A seed's circumstances. All times are true milliseconds; most are measured in leases.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How long a lease is.
    pub lease_ms: u64,
    /// From then on nothing goes wrong any more.
    pub calm_at_ms: u64,
    /// How far each server's clock is ahead; as many servers.
    pub servers: Vec<u64>,
    /// The workers.
    pub workers: Vec<WorkerPlan>,
    /// The network.
    pub network: NetworkPlan,
    /// What happens when, in order.
    pub happenings: Vec<(u64, Happening)>,
}

/// A worker.
#[derive(Clone, Debug)]
pub struct WorkerPlan {
    /// How many attempts it runs at once.
    pub slots: u32,
    /// By how many parts in a million its clock is too fast, and too slow.
    pub drift: (u64, u64),
    /// Whether its clock stands still while it is paused, as in a suspended machine.
    pub stands_still: bool,
    /// How long it lets attempts go on when it has to stop.
    pub drain_grace_ms: u64,
}

/// How often messages fare badly, in percent.
#[derive(Clone, Copy, Debug)]
pub struct NetworkPlan {
    /// Lost; half of them with the sender being told.
    pub lost: u64,
    /// Delivered twice.
    pub doubled: u64,
    /// Very late: up to two leases.
    pub late: u64,
}

/// Something that somebody or something does.
#[derive(Clone, Copy, Debug)]
pub enum Happening {
    /// A person submits a task with so many attempts.
    Submit(u32),
    /// A person cancels one of the tasks, or one of the attempts.
    Cancel {
        /// Chooses which.
        which: u64,
        /// The whole task.
        whole: bool,
    },
    /// A worker and the servers cannot reach each other for a time.
    Partition(usize, u64),
    /// The servers refuse a worker's token for a time.
    Refuse(usize, u64),
    /// A worker stands still for a time.
    Pause(usize, u64),
    /// A worker is killed, and started again after a time.
    Kill(usize, u64),
    /// A worker is asked to stop, and started again so long after it has ended.
    Drain(usize, u64),
    /// A server is killed, and started again after a time.
    KillServer(usize, u64),
    /// A server stands still for a time.
    PauseServer(usize, u64),
}

impl Plan {
    /// The plan of a seed.
    pub fn new(dice: &mut Dice) -> Self {
        let lease_ms = dice.of(&[9_000, 30_000]);
        let calm_at_ms = lease_ms * dice.between(4, 6);
        let servers: Vec<_> = (0..dice.of(&[1, 1, 2])).map(|_| dice.below(200)).collect();
        let workers: Vec<_> = (0..dice.of(&[2, 2, 3, 4]))
            .map(|_| WorkerPlan::new(dice, lease_ms))
            .collect();
        let network = NetworkPlan {
            lost: dice.of(&[0, 0, 2, 8]),
            doubled: dice.of(&[0, 5, 15]),
            late: dice.of(&[0, 0, 3, 8]),
        };
        let mut plan = Self {
            lease_ms,
            calm_at_ms,
            servers,
            workers,
            network,
            happenings: Vec::new(),
        };
        plan.add_people(dice);
        plan.add_faults(dice);
        plan.happenings.sort_by_key(|(at_ms, _)| *at_ms);
        plan
    }

    /// How long attempts may stay where.
    pub fn limits(&self) -> AttemptLimits {
        let leases = |number: u32| Duration::from_millis(self.lease_ms) * number;
        AttemptLimits {
            queued: leases(40),
            lease: leases(1),
            preparing: leases(2),
            setting_up: leases(2),
            running: leases(4),
            collecting: leases(2),
            awaiting_input: leases(1),
            cancelling: leases(1),
            grace: leases(1) / 2,
            tries: 3,
        }
    }

    fn add_people(&mut self, dice: &mut Dice) {
        let mut attempts = 0;
        while attempts < 12 {
            let number = dice.between(1, 3).min(12 - attempts);
            attempts += number;
            let number = u32::try_from(number).expect("few");
            let at_ms = dice.below(self.calm_at_ms / 2);
            self.happenings.push((at_ms, Happening::Submit(number)));
        }
        for _ in 0..dice.of(&[0, 2, 5]) {
            let cancel = Happening::Cancel {
                which: dice.number(),
                whole: dice.chance(30),
            };
            self.happenings.push((dice.below(self.calm_at_ms), cancel));
        }
    }

    fn add_faults(&mut self, dice: &mut Dice) {
        let lease = self.lease_ms;
        let (workers, servers) = (self.workers.len(), self.servers.len());
        for _ in 0..dice.of(&[0, 1, 3]) {
            let length = dice.between(lease / 6, lease * 5 / 2);
            let which = dice.index(workers);
            self.add(dice, Happening::Partition(which, length));
        }
        for _ in 0..dice.of(&[0, 0, 1]) {
            let length = dice.between(lease / 6, lease * 2);
            let which = dice.index(workers);
            self.add(dice, Happening::Refuse(which, length));
        }
        for _ in 0..dice.of(&[0, 0, 2]) {
            let length = dice.between(lease / 10, lease * 5 / 2);
            let which = dice.index(workers);
            self.add(dice, Happening::Pause(which, length));
        }
        for _ in 0..dice.of(&[0, 1, 3]) {
            let length = dice.between(100, lease);
            let which = dice.index(workers);
            self.add(dice, Happening::Kill(which, length));
        }
        for _ in 0..dice.of(&[0, 1, 3]) {
            let length = dice.between(100, lease);
            let which = dice.index(workers);
            self.add(dice, Happening::Drain(which, length));
        }
        for _ in 0..dice.of(&[0, 0, 1, 2]) {
            let length = dice.between(lease / 60, lease * 2);
            let which = dice.index(servers);
            self.add(dice, Happening::KillServer(which, length));
        }
        if dice.chance(20) {
            let length = dice.between(lease / 60, lease * 3 / 2);
            let which = dice.index(servers);
            self.add(dice, Happening::PauseServer(which, length));
        }
    }

    fn add(&mut self, dice: &mut Dice, happening: Happening) {
        let at_ms = dice.below(self.calm_at_ms);
        self.happenings.push((at_ms, happening));
    }
}

impl WorkerPlan {
    fn new(dice: &mut Dice, lease_ms: u64) -> Self {
        Self {
            slots: u32::try_from(dice.between(1, 4)).expect("few"),
            drift: (dice.below(300), dice.below(300)),
            stands_still: dice.chance(50),
            drain_grace_ms: dice.of(&[lease_ms / 20, lease_ms * 5 / 2]),
        }
    }
}
