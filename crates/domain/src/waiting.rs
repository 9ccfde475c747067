//! Why an attempt still waits: what a person has to do, or that nothing has to be done.

use crate::labels::{Labels, has_all};
use crate::schedule::Needs;
use crate::time::Timestamp;

/// A worker that is connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// The agents that it has.
    pub agents: Vec<String>,
    /// Its labels.
    pub labels: Labels,
    /// How many attempts it may hold more.
    pub free: u32,
}

/// What an attempt waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WaitingFor {
    /// The pause after a lost worker.
    Retry {
        /// Until when.
        until: Timestamp,
    },
    /// Any worker: none is connected.
    Worker,
    /// A worker with this agent.
    Agent(String),
    /// A worker with these labels, of which no worker with the agent has any; or, where each is
    /// there, with all of them together.
    Labels {
        /// The labels.
        wanted: Labels,
        /// Whether other workers have them, but none all of them.
        together: bool,
    },
    /// The end of another attempt of its environment.
    Environment {
        /// How many may run at once.
        most: u32,
    },
    /// One of these workers to be free.
    FreeWorker {
        /// How many could run it.
        workers: usize,
    },
    /// Its turn: a worker is free and takes what comes before it, or it, in a moment.
    Turn,
}

impl WaitingFor {
    /// What an attempt waits for that is visible from `visible_at` on, in an environment with these
    /// needs of whose attempts `running` are with workers.
    pub fn of(
        visible_at: Timestamp,
        needs: &Needs,
        running: u32,
        workers: &[Capacity],
        now: Timestamp,
    ) -> Self {
        if visible_at > now {
            return Self::Retry { until: visible_at };
        }
        if workers.is_empty() {
            return Self::Worker;
        }
        let able: Vec<_> = workers
            .iter()
            .filter(|worker| worker.agents.contains(&needs.agent))
            .collect();
        if able.is_empty() {
            return Self::Agent(needs.agent.clone());
        }
        let fitting: Vec<_> = able
            .iter()
            .filter(|worker| has_all(&worker.labels, &needs.labels))
            .collect();
        if fitting.is_empty() {
            return Self::labels(&needs.labels, &able);
        }
        match needs.max_concurrent {
            Some(most) if running >= most => Self::Environment { most },
            Some(_) | None if fitting.iter().any(|worker| worker.free > 0) => Self::Turn,
            Some(_) | None => Self::FreeWorker {
                workers: fitting.len(),
            },
        }
    }

    fn labels(wanted: &Labels, able: &[&Capacity]) -> Self {
        let has = |name: &String, value: &String| {
            able.iter()
                .any(|worker| worker.labels.get(name) == Some(value))
        };
        let mut missing = wanted.clone();
        missing.retain(|name, value| !has(name, value));
        match missing.is_empty() {
            true => Self::Labels {
                wanted: wanted.clone(),
                together: true,
            },
            false => Self::Labels {
                wanted: missing,
                together: false,
            },
        }
    }

    /// Whether it goes on only when somebody does something.
    pub const fn needs_somebody(&self) -> bool {
        match self {
            Self::Worker | Self::Agent(_) | Self::Labels { .. } => true,
            Self::Retry { .. }
            | Self::Environment { .. }
            | Self::FreeWorker { .. }
            | Self::Turn => false,
        }
    }

    /// The name in the API.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Retry { .. } => "retry",
            Self::Worker => "worker",
            Self::Agent(_) => "agent",
            Self::Labels { .. } => "labels",
            Self::Environment { .. } => "environment",
            Self::FreeWorker { .. } => "free_worker",
            Self::Turn => "turn",
        }
    }

    /// A sentence for people, with what to do where something has to be done.
    pub fn text(&self) -> String {
        match self {
            Self::Retry { .. } => "its worker was lost; it is tried again after a pause".to_owned(),
            Self::Worker => "no worker is connected; start one with `outwork worker`".to_owned(),
            Self::Agent(agent) => format!("no connected worker has the agent `{agent}`"),
            Self::Labels {
                wanted,
                together: false,
            } => format!(
                "no connected worker has the label {}; start one with `--label`",
                joined(wanted, " or ")
            ),
            Self::Labels {
                wanted,
                together: true,
            } => format!(
                "no connected worker has all of the labels {}",
                joined(wanted, " and ")
            ),
            Self::Environment { most: 1 } => {
                "its environment runs one attempt at a time".to_owned()
            }
            Self::Environment { most } => {
                format!("its environment runs {most} attempts at a time")
            }
            Self::FreeWorker { workers: 1 } => "the worker that can run it is busy".to_owned(),
            Self::FreeWorker { workers } => {
                format!("the {workers} workers that can run it are busy")
            }
            Self::Turn => "a worker takes it in its turn".to_owned(),
        }
    }
}

fn joined(labels: &Labels, between: &str) -> String {
    let written: Vec<_> = labels
        .iter()
        .map(|(name, value)| format!("`{name}={value}`"))
        .collect();
    written.join(between)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect()
    }

    fn worker(agent: &str, pairs: &[(&str, &str)], free: u32) -> Capacity {
        Capacity {
            agents: vec![agent.to_owned()],
            labels: labels(pairs),
            free,
        }
    }

    #[test]
    fn the_first_thing_that_is_missing_is_named() {
        let needs = Needs {
            agent: "codex".to_owned(),
            labels: labels(&[("gpu", "true"), ("region", "eu")]),
            max_concurrent: Some(2),
        };
        let at = Timestamp::from_millis;
        let told = |running, workers: &[Capacity]| {
            let waiting = WaitingFor::of(at(5), &needs, running, workers, at(5));
            format!("{}: {}", waiting.as_str(), waiting.text())
        };
        let both: &[(&str, &str)] = &[("gpu", "true"), ("region", "eu")];
        let cases = [
            (0, vec![]),
            (0, vec![worker("command", both, 1)]),
            (
                0,
                vec![
                    worker("codex", &[("gpu", "true")], 1),
                    worker("command", both, 1),
                ],
            ),
            (0, vec![worker("codex", &[], 1)]),
            (
                0,
                vec![
                    worker("codex", &[("gpu", "true")], 1),
                    worker("codex", &[("region", "eu")], 1),
                ],
            ),
            (2, vec![worker("codex", both, 1)]),
            (1, vec![worker("codex", both, 0)]),
            (1, vec![worker("codex", both, 0), worker("codex", both, 0)]),
            (1, vec![worker("codex", both, 0), worker("codex", both, 1)]),
        ];
        let all: Vec<_> = cases
            .iter()
            .map(|(running, workers)| told(*running, workers))
            .collect();
        assert_eq!(
            all,
            [
                "worker: no worker is connected; start one with `outwork worker`",
                "agent: no connected worker has the agent `codex`",
                "labels: no connected worker has the label `region=eu`; start one with `--label`",
                "labels: no connected worker has the label `gpu=true` or `region=eu`; start one with `--label`",
                "labels: no connected worker has all of the labels `gpu=true` and `region=eu`",
                "environment: its environment runs 2 attempts at a time",
                "free_worker: the worker that can run it is busy",
                "free_worker: the 2 workers that can run it are busy",
                "turn: a worker takes it in its turn",
            ]
        );
        let retry = WaitingFor::of(at(6), &needs, 0, &[], at(5));
        assert_eq!(retry, WaitingFor::Retry { until: at(6) });
    }
}
