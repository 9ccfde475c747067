//! Whose attempt is given out next.
//!
//! Attempts wait in lanes, one for each environment, principal, priority and agent of their own;
//! within a lane the one that was made first comes first. [`Schedule`] says from which lane the next one is taken:
//!
//! 1. of the lanes that the worker may serve, those of the highest priority;
//! 2. of these, those of the principal that has the fewest attempts with workers;
//! 3. then of the environment that has the fewest;
//! 4. then the lane that was served longest ago.
//!
//! So that nothing starves, every [`AGED_SHARE`]th pick goes to the lane whose first attempt has
//! waited longest, whatever its priority and principal. That is counted for workers of the same
//! agents and labels, and once more within each environment. An attempt before which `k` older ones
//! wait, all of them for the same workers, is therefore given out within `AGED_SHARE * (k + 1)`
//! picks of these workers, and within as many picks of its environment.
//!
//! What the schedule knows are hints: the caller looks into the lane and says what it found. A
//! wrong hint costs a look or the order of a moment, never an attempt.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

use crate::agent::AgentName;
use crate::id::{EnvironmentId, PrincipalId, WorkspaceId};
use crate::labels::{Labels, has_all};
use crate::priority::Priority;
use crate::time::Timestamp;

/// Of so many picks one goes to what has waited longest.
pub const AGED_SHARE: u32 = 8;
/// Sets of agents and labels whose picks are counted apart. When there are more, all begin anew.
const CLASSES: usize = 1024;

/// Which lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneId(i64);

impl LaneId {
    /// From the number that the store carries.
    pub const fn new(number: i64) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn get(self) -> i64 {
        self.0
    }
}

/// A lane: what its attempts have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lane {
    /// Its id.
    pub id: LaneId,
    /// The tenant.
    pub workspace_id: WorkspaceId,
    /// Where its attempts run.
    pub environment_id: EnvironmentId,
    /// Who asked for their turns.
    pub principal_id: PrincipalId,
    /// How urgent their tasks are.
    pub priority: Priority,
    /// The agent that they were given; `None`: that of their environment.
    pub agent: Option<AgentName>,
}

/// What an environment asks of workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needs {
    /// The agent that the worker must have, for attempts without one of their own.
    pub agent: String,
    /// The labels that it must have.
    pub labels: Labels,
    /// How many of its attempts workers may hold at once.
    pub max_concurrent: Option<u32>,
}

/// A worker that asks for something to do.
#[derive(Clone, Copy, Debug)]
pub struct Asks<'a> {
    /// Its tenant.
    pub workspace_id: WorkspaceId,
    /// The agents that it has.
    pub agents: &'a [String],
    /// Its labels.
    pub labels: &'a Labels,
    /// When.
    pub now: Timestamp,
}

/// A lane as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneState {
    /// The lane.
    pub lane: Lane,
    /// How many of its attempts workers hold.
    pub running: u32,
    /// When the first of its visible attempts was made; `None`: none waits.
    pub since: Option<Timestamp>,
    /// Where none is visible: from when the first of them is, and when it was made.
    pub later: Option<(Timestamp, Timestamp)>,
}

/// From which lane to take. [`Schedule::took`] or [`Schedule::give_back`] must follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pick {
    /// The lane.
    pub lane: LaneId,
    /// Its environment.
    pub environment: EnvironmentId,
    /// The agent of the lane's attempts; `None`: the environment's.
    pub agent: Option<AgentName>,
    /// How many to take, 1 or more: several only where no other lane waits for such a worker.
    pub count: u32,
    /// When the first that waits there was made. As all that the schedule knows it is a hint: an older one that another process queued
    /// is known when the schedule is read anew.
    pub since: Timestamp,
    class: Class,
    seen: u64,
}

type Class = (WorkspaceId, Vec<String>, Labels);

#[derive(Clone, Debug)]
struct Place {
    lane: Lane,
    principal: usize,
    environment: usize,
    since: Option<Timestamp>,
    /// When something was last noted of it, by the schedule's own count.
    noted: u64,
    /// When it was last picked, by the same count.
    served: u64,
}

#[derive(Clone, Debug)]
struct Site {
    id: EnvironmentId,
    /// `None`: not read yet.
    needs: Option<Needs>,
    running: u32,
    picks: u32,
}

/// All lanes in which something waits or runs.
#[derive(Debug, Default)]
pub struct Schedule {
    places: Vec<Place>,
    of_lane: HashMap<LaneId, usize>,
    sites: Vec<Site>,
    of_environment: HashMap<EnvironmentId, usize>,
    /// What environments asked for that have no lane now.
    known: HashMap<EnvironmentId, Needs>,
    /// How many attempts of each principal workers hold.
    running: Vec<u32>,
    of_principal: HashMap<PrincipalId, usize>,
    /// What becomes visible later: when, where, and when it was made.
    later: BTreeSet<(Timestamp, LaneId, Timestamp)>,
    picks: HashMap<Class, u32>,
    count: u64,
    stale: bool,
}

impl Schedule {
    /// Whether something was noted that it cannot place: it has to be read anew.
    pub fn is_stale(&self) -> bool {
        self.stale
    }

    /// It has to be read anew.
    pub fn set_stale(&mut self) {
        self.stale = true;
    }

    /// An environment was changed: what they ask for has to be read anew.
    pub fn forget_needs(&mut self) {
        self.known.clear();
        for site in &mut self.sites {
            site.needs = None;
        }
        self.stale = true;
    }

    /// Before it is read: the mark that [`Self::install`] takes.
    pub fn mark(&mut self) -> u64 {
        self.stale = false;
        self.count
    }

    /// Replaces what is known by what was read after `mark`; what was noted since stays.
    pub fn install(
        &mut self,
        lanes: Vec<LaneState>,
        needs: Vec<(EnvironmentId, Needs)>,
        mark: u64,
    ) {
        let mut old = std::mem::take(self);
        self.known = std::mem::take(&mut old.known);
        let served = |lane| old.of_lane.get(lane).map_or(0, |&at| old.places[at].served);
        for state in &lanes {
            let at = self.place(state.lane);
            self.places[at].since = state.since;
            self.places[at].served = served(&state.lane.id);
            self.running[self.places[at].principal] += state.running;
            self.sites[self.places[at].environment].running += state.running;
        }
        for place in old.places.iter().filter(|place| place.noted > mark) {
            let at = self.place(place.lane);
            let here = &mut self.places[at];
            here.since = earlier(here.since, place.since);
            (here.noted, here.served) = (place.noted, place.served);
        }
        for site in old.sites {
            if let Some(&at) = self.of_environment.get(&site.id) {
                self.sites[at].needs = site.needs;
                self.sites[at].picks = site.picks;
            } else if let Some(needs) = site.needs {
                self.known.insert(site.id, needs);
            }
        }
        for (environment, needs) in needs {
            if let Some(&at) = self.of_environment.get(&environment) {
                self.sites[at].needs = Some(needs);
            }
        }
        self.stale = old.stale || self.sites.iter().any(|site| site.needs.is_none());
        (self.later, self.picks, self.count) = (old.later, old.picks, old.count);
        for state in lanes {
            let later = state.later.into_iter();
            self.later
                .extend(later.map(|(visible_at, made_at)| (visible_at, state.lane.id, made_at)));
        }
    }

    /// A new attempt waits in `lane`.
    pub fn queued(&mut self, lane: Lane, created_at: Timestamp) {
        let at = self.place(lane);
        self.stale |= self.sites[self.places[at].environment].needs.is_none();
        self.note(at, created_at);
    }

    /// An attempt waits again; it keeps its place in the lane.
    pub fn requeued(&mut self, lane: LaneId, created_at: Timestamp, visible_at: Timestamp) {
        self.later.insert((visible_at, lane, created_at));
    }

    /// A worker does not hold an attempt of `lane` any more. Answers the workspace if another of its
    /// environment may be given out only because of that.
    pub fn left(&mut self, lane: LaneId) -> Option<WorkspaceId> {
        let &at = self.of_lane.get(&lane)?;
        let place = &self.places[at];
        self.running[place.principal] = self.running[place.principal].saturating_sub(1);
        let site = &mut self.sites[place.environment];
        site.running = site.running.saturating_sub(1);
        let needs = site.needs.as_ref()?;
        needs.max_concurrent.map(|_| place.lane.workspace_id)
    }

    /// What is so of an environment, when a hint was wrong.
    pub fn learn(&mut self, environment: EnvironmentId, needs: Needs, running: Option<u32>) {
        if let Some(&at) = self.of_environment.get(&environment) {
            let site = &mut self.sites[at];
            site.needs = Some(needs);
            site.running = running.unwrap_or(site.running);
        }
    }

    /// Whether something waits for a worker with these agents, whatever its labels.
    pub fn waits(&mut self, workspace: WorkspaceId, agents: &[String], now: Timestamp) -> bool {
        self.uncover(now);
        self.places.iter().any(|place| {
            place.lane.workspace_id == workspace
                && place.since.is_some_and(|since| since <= now)
                && self.sites[place.environment].takes(place.lane.agent, agents, None)
        })
    }

    /// Whether something waits for a worker with these agents and labels, but for what becomes
    /// visible later.
    pub fn has_for(&self, workspace: WorkspaceId, agents: &[String], labels: &Labels) -> bool {
        self.places.iter().any(|place| {
            place.since.is_some()
                && place.lane.workspace_id == workspace
                && self.sites[place.environment].takes(place.lane.agent, agents, Some(labels))
        })
    }

    /// The lane to serve next, and how many of at most `most` attempts to take from it. `left_out`
    /// are lanes in which the caller found nothing.
    pub fn pick(&mut self, asks: &Asks<'_>, left_out: &[LaneId], most: u32) -> Option<Pick> {
        self.uncover(asks.now);
        let Asks {
            workspace_id,
            agents,
            labels,
            now,
        } = *asks;
        let is_open = |site: &Site| site.is_open(Some(labels));
        let open: Vec<bool> = self.sites.iter().map(is_open).collect();
        let waiting: Vec<usize> = (0..self.places.len())
            .filter(|&at| {
                let place = &self.places[at];
                place.since.is_some_and(|since| since <= now)
                    && open[place.environment]
                    && self.sites[place.environment].is_for(place.lane.agent, agents)
                    && place.lane.workspace_id == workspace_id
                    && !left_out.contains(&place.lane.id)
            })
            .collect();
        let class = (workspace_id, agents.to_vec(), labels.clone());
        let at = self.choose(&waiting, &class)?;
        let since = self.places[at].since?;
        let (principal, environment) = (self.places[at].principal, self.places[at].environment);
        let site = &self.sites[environment];
        let most = match (&waiting[..], &site.needs) {
            (&[_], Some(needs)) => most.min(needs.room(site.running)),
            (_, _) => 1,
        };
        let count = most.max(1);
        self.running[principal] += count;
        self.sites[environment].running += count;
        self.sites[environment].picks += count;
        if self.picks.len() >= CLASSES && !self.picks.contains_key(&class) {
            self.picks.clear();
        }
        *self.picks.entry(class.clone()).or_default() += count;
        self.count += 1;
        let place = &mut self.places[at];
        place.served = self.count;
        Some(Pick {
            lane: place.lane.id,
            environment: place.lane.environment_id,
            agent: place.lane.agent,
            count,
            since,
            class,
            seen: place.noted,
        })
    }

    /// `taken` attempts were found in the lane; the one after them was made at `next`, if there is
    /// one.
    pub fn took(&mut self, pick: Pick, taken: u32, next: Option<Timestamp>) {
        if let Some(&at) = self.of_lane.get(&pick.lane) {
            let place = &mut self.places[at];
            let next = if taken < pick.count { None } else { next };
            // What was noted meanwhile may be what was not found.
            if next.is_some() || place.noted == pick.seen {
                place.since = next;
            }
        }
        self.reduce(&pick, pick.count.saturating_sub(taken));
    }

    /// Nothing was taken, and the lane is as it was.
    pub fn give_back(&mut self, pick: Pick) {
        self.reduce(&pick, pick.count);
    }

    fn reduce(&mut self, pick: &Pick, by: u32) {
        if let Some(picks) = self.picks.get_mut(&pick.class) {
            *picks = picks.saturating_sub(by);
        }
        if let Some(&at) = self.of_lane.get(&pick.lane) {
            let running = &mut self.running[self.places[at].principal];
            *running = running.saturating_sub(by);
            let site = &mut self.sites[self.places[at].environment];
            site.running = site.running.saturating_sub(by);
            site.picks = site.picks.saturating_sub(by);
        }
    }

    fn choose(&self, waiting: &[usize], class: &Class) -> Option<usize> {
        let due = |picks: u32| (picks + 1).is_multiple_of(AGED_SHARE);
        let oldest = |at: &usize| (self.places[*at].since, self.places[*at].lane.id);
        if due(self.picks.get(class).copied().unwrap_or(0)) {
            return waiting.iter().copied().min_by_key(oldest);
        }
        let best = waiting.iter().copied().min_by_key(|&at| self.rank(at))?;
        let environment = self.places[best].environment;
        if !due(self.sites[environment].picks) {
            return Some(best);
        }
        let beside = |at: &usize| self.places[*at].environment == environment;
        waiting.iter().copied().filter(beside).min_by_key(oldest)
    }

    fn rank(&self, at: usize) -> impl Ord + use<> {
        let place = &self.places[at];
        (
            Reverse(place.lane.priority),
            self.running[place.principal],
            self.sites[place.environment].running,
            place.served,
            place.since,
            place.lane.id,
        )
    }

    /// What was to be visible later and is so now.
    fn uncover(&mut self, now: Timestamp) {
        while let Some(&(visible_at, lane, created_at)) = self.later.first() {
            if visible_at > now {
                return;
            }
            self.later.pop_first();
            match self.of_lane.get(&lane) {
                Some(&at) => self.note(at, created_at),
                None => self.stale = true,
            }
        }
    }

    fn note(&mut self, at: usize, created_at: Timestamp) {
        self.count += 1;
        let place = &mut self.places[at];
        place.noted = self.count;
        place.since = earlier(place.since, Some(created_at));
    }

    fn place(&mut self, lane: Lane) -> usize {
        if let Some(&at) = self.of_lane.get(&lane.id) {
            return at;
        }
        let (running, sites) = (&mut self.running, &mut self.sites);
        let known = &mut self.known;
        let principal = self.of_principal.entry(lane.principal_id);
        let principal = *principal.or_insert_with(|| {
            running.push(0);
            running.len() - 1
        });
        let environment = self.of_environment.entry(lane.environment_id);
        let environment = *environment.or_insert_with(|| {
            sites.push(Site {
                id: lane.environment_id,
                needs: known.remove(&lane.environment_id),
                running: 0,
                picks: 0,
            });
            sites.len() - 1
        });
        self.of_lane.insert(lane.id, self.places.len());
        self.places.push(Place {
            lane,
            principal,
            environment,
            since: None,
            noted: 0,
            served: 0,
        });
        self.places.len() - 1
    }
}

impl Site {
    /// Whether a worker with these agents and labels may have one of its attempts that has that agent of its own.
    fn takes(&self, own: Option<AgentName>, agents: &[String], labels: Option<&Labels>) -> bool {
        self.is_for(own, agents) && self.is_open(labels)
    }

    fn is_open(&self, labels: Option<&Labels>) -> bool {
        self.needs.as_ref().is_some_and(|needs| {
            needs.room(self.running) > 0
                && labels.is_none_or(|labels| has_all(labels, &needs.labels))
        })
    }

    fn is_for(&self, own: Option<AgentName>, agents: &[String]) -> bool {
        self.needs
            .as_ref()
            .is_some_and(|needs| agents.iter().any(|agent| agent == needs.agent(own)))
    }
}

impl Needs {
    /// The agent that a worker must have for an attempt with that agent of its own.
    pub fn agent(&self, own: Option<AgentName>) -> &str {
        match own {
            Some(own) => own.as_str(),
            None => &self.agent,
        }
    }

    /// What an attempt with that agent of its own asks.
    pub fn for_attempt(&self, own: Option<AgentName>) -> Self {
        Self {
            agent: self.agent(own).to_owned(),
            ..self.clone()
        }
    }

    /// How many more of its attempts may be held when `running` are.
    pub fn room(&self, running: u32) -> u32 {
        self.max_concurrent
            .map_or(u32::MAX, |most| most.saturating_sub(running))
    }
}

fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
