//! Random schedules against lists in memory: what is picked may be picked, and what waits is picked
//! in time.

use std::collections::{BTreeMap, VecDeque};

use outwork_domain::agent::AgentName;
use outwork_domain::labels::Labels;
use outwork_domain::schedule::{AGED_SHARE, Asks, Lane, LaneId, LaneState, Needs, Pick, Schedule};
use outwork_domain::{EnvironmentId, PrincipalId, Priority, Timestamp, WorkspaceId};
use uuid::Uuid;

const WORKSPACE: WorkspaceId = WorkspaceId::from_uuid(Uuid::nil());

/// SplitMix64: the same numbers everywhere.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % end as u64).expect("small")
    }
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn environment(number: u32) -> EnvironmentId {
    EnvironmentId::from_uuid(Uuid::from_u128(u128::from(number)))
}

fn lane(id: i64, environment_of: u32, principal: u32, priority: Priority) -> Lane {
    Lane {
        id: LaneId::new(id),
        workspace_id: WORKSPACE,
        environment_id: environment(environment_of),
        principal_id: PrincipalId::from_uuid(Uuid::from_u128(u128::from(principal))),
        priority,
        agent: None,
    }
}

fn needs(max_concurrent: Option<u32>) -> Needs {
    Needs {
        agent: "codex".to_owned(),
        labels: Labels::new(),
        max_concurrent,
    }
}

/// An attempt that waits: when it was made, and by which pick it must have been given out.
struct Waits {
    created_at: Timestamp,
    due_at_pick: usize,
}

struct Model {
    lanes: Vec<Lane>,
    waiting: BTreeMap<LaneId, VecDeque<Waits>>,
    held: Vec<Lane>,
    picks: usize,
}

impl Model {
    fn submit(&mut self, schedule: &mut Schedule, lane: Lane, now: Timestamp) {
        let older: usize = self.waiting.values().map(VecDeque::len).sum();
        let due_at_pick = self.picks + AGED_SHARE as usize * (older + 1);
        let waits = Waits {
            created_at: now,
            due_at_pick,
        };
        self.waiting.entry(lane.id).or_default().push_back(waits);
        schedule.queued(lane, now);
    }

    /// What a store does with a pick.
    fn take(&mut self, schedule: &mut Schedule, pick: Pick) {
        let queue = self.waiting.entry(pick.lane).or_default();
        let count = (pick.count as usize).min(queue.len());
        for waits in queue.drain(..count) {
            self.picks += 1;
            assert!(
                self.picks <= waits.due_at_pick,
                "pick {} came too late",
                self.picks
            );
        }
        let next = queue.front().map(|waits| waits.created_at);
        let lane = self.lanes.iter().find(|lane| lane.id == pick.lane);
        self.held
            .extend(std::iter::repeat_n(*lane.expect("known"), count));
        schedule.took(pick, u32::try_from(count).expect("small"), next);
    }

    /// What a store reads.
    fn install(&self, schedule: &mut Schedule) {
        let state = |lane: &Lane| LaneState {
            lane: *lane,
            running: u32::try_from(self.held.iter().filter(|held| held.id == lane.id).count())
                .expect("small"),
            since: self
                .waiting
                .get(&lane.id)
                .and_then(|queue| Some(queue.front()?.created_at)),
            later: None,
        };
        let lanes = self.lanes.iter().map(state).collect();
        let all = (0..3).map(|number| (environment(number), needs(None)));
        let mark = schedule.mark();
        schedule.install(lanes, all.collect(), mark);
    }
}

#[test]
fn what_waits_is_given_out_within_the_bound() {
    for seed in 0..60 {
        let mut dice = Dice(seed);
        let mut lanes = Vec::new();
        for id in 0..12 {
            let number = u32::try_from(id).expect("small");
            let priority = Priority::ALL[dice.below(3)];
            lanes.push(lane(id, number % 3, number % 4, priority));
        }
        let mut model = Model {
            lanes,
            waiting: BTreeMap::new(),
            held: Vec::new(),
            picks: 0,
        };
        let mut schedule = Schedule::default();
        model.install(&mut schedule);
        let agents = ["codex".to_owned()];
        let labels = Labels::new();
        for step in 0..600 {
            let now = at(step);
            match dice.below(9) {
                0..=2 => {
                    let lane = model.lanes[dice.below(12)];
                    model.submit(&mut schedule, lane, now);
                }
                3..=5 => {
                    let asks = Asks {
                        workspace_id: WORKSPACE,
                        agents: &agents,
                        labels: &labels,
                        now,
                    };
                    let waiting: usize = model.waiting.values().map(VecDeque::len).sum();
                    match schedule.pick(&asks, &[], 3) {
                        Some(pick) => model.take(&mut schedule, pick),
                        None => assert_eq!(waiting, 0, "seed {seed}, step {step}"),
                    }
                }
                6 | 7 if !model.held.is_empty() => {
                    let index = dice.below(model.held.len());
                    let lane = model.held.swap_remove(index);
                    assert_eq!(schedule.left(lane.id), None);
                }
                8 => model.install(&mut schedule),
                _ => {}
            }
        }
    }
}

fn pick(schedule: &mut Schedule, now: Timestamp) -> Option<i64> {
    let agents = ["codex".to_owned()];
    let labels = Labels::new();
    let asks = Asks {
        workspace_id: WORKSPACE,
        agents: &agents,
        labels: &labels,
        now,
    };
    let picked = schedule.pick(&asks, &[], 1)?;
    let lane = picked.lane;
    schedule.took(picked, 1, Some(at(0)));
    Some(lane.get())
}

fn endless(lanes: &[Lane], limits: &[Option<u32>]) -> Schedule {
    let mut schedule = Schedule::default();
    let mark = schedule.mark();
    let state = |lane: &Lane| LaneState {
        lane: *lane,
        running: 0,
        since: Some(at(0)),
        later: None,
    };
    let needs = (0..)
        .zip(limits)
        .map(|(number, most)| (environment(number), needs(*most)));
    schedule.install(lanes.iter().map(state).collect(), needs.collect(), mark);
    schedule
}

#[test]
fn principals_share_and_their_environments_share() {
    use Priority::Normal;
    // Principal 0 has three environments, principal 1 has one.
    let lanes = [
        lane(1, 0, 0, Normal),
        lane(2, 1, 0, Normal),
        lane(3, 2, 0, Normal),
        lane(4, 3, 1, Normal),
    ];
    let mut schedule = endless(&lanes, &[None; 4]);
    let mut got = [0; 5];
    for _ in 0..120 {
        let lane = pick(&mut schedule, at(1)).expect("there is always something");
        got[usize::try_from(lane).expect("small")] += 1;
    }
    assert!((58..=62).contains(&got[4]), "{got:?}");
    assert!(
        got[1..4].iter().all(|&it| (15..=25).contains(&it)),
        "{got:?}"
    );
}

#[test]
fn a_limit_closes_an_environment_until_something_ends() {
    let lanes = [lane(1, 0, 0, Priority::High), lane(2, 1, 1, Priority::Low)];
    let mut schedule = endless(&lanes, &[Some(2), Some(1)]);
    let picked: Vec<_> = (0..4).map(|_| pick(&mut schedule, at(1))).collect();
    assert_eq!(picked, [Some(1), Some(1), Some(2), None]);
    assert_eq!(schedule.left(LaneId::new(1)), Some(WORKSPACE));
    assert_eq!(pick(&mut schedule, at(1)), Some(1));
    assert_eq!(pick(&mut schedule, at(1)), None);
}

#[test]
fn what_an_environment_asks_for_is_known_after_its_last_lane_is_gone() {
    let only = lane(1, 0, 0, Priority::Normal);
    let mut schedule = endless(&[only], &[None]);
    let empty = |schedule: &mut Schedule| {
        let mark = schedule.mark();
        schedule.install(Vec::new(), Vec::new(), mark);
    };
    let has = |schedule: &Schedule, agent: &str| {
        schedule.has_for(WORKSPACE, &[agent.to_owned()], &Labels::new())
    };
    assert!(has(&schedule, "codex") && !has(&schedule, "command"));
    empty(&mut schedule);
    assert!(!has(&schedule, "codex"), "nothing waits");
    schedule.queued(only, at(1));
    assert!(has(&schedule, "codex") && !schedule.is_stale());
    assert_eq!(pick(&mut schedule, at(1)), Some(1));
    // It may ask for something else now.
    for was_read in [false, true] {
        if was_read {
            empty(&mut schedule);
        }
        schedule.forget_needs();
        schedule.queued(only, at(2));
        assert!(!has(&schedule, "codex") && schedule.is_stale());
    }
}

#[test]
fn a_lane_with_an_agent_of_its_own_is_for_workers_that_have_it() {
    let plain = lane(1, 0, 0, Priority::Normal);
    let own = Lane {
        agent: Some(AgentName::Command),
        ..lane(2, 0, 0, Priority::Normal)
    };
    let mut schedule = endless(&[plain, own], &[None]);
    let pick = |schedule: &mut Schedule, agents: &[&str]| {
        let agents: Vec<_> = agents.iter().map(|&agent| agent.to_owned()).collect();
        let (labels, now) = (Labels::new(), at(1));
        let asks = Asks {
            workspace_id: WORKSPACE,
            agents: &agents,
            labels: &labels,
            now,
        };
        let pick = schedule.pick(&asks, &[], 1)?;
        let picked = (pick.lane.get(), pick.agent);
        schedule.give_back(pick);
        Some(picked)
    };
    assert_eq!(pick(&mut schedule, &["codex"]), Some((1, None)));
    assert_eq!(pick(&mut schedule, &["command"]), Some((2, own.agent)));
    assert_eq!(pick(&mut schedule, &["another"]), None);
}
