//! Why something waits: what workers there are, and what its environment lets run.

use std::collections::HashMap;

use outwork_domain::principal::{Worker, WorkerDesired};
use outwork_domain::schedule::Needs;
use outwork_domain::{EnvironmentId, Timestamp, WorkerId, WorkspaceId};

use crate::error::StoreError;
use crate::lane::needs;
use crate::sql::{Sql, id, in_json, json_array, values};
use crate::store::Store;
use crate::worker;

/// What decides whether something can be given out.
#[derive(Clone, Debug)]
pub struct Situation {
    /// The workers of the workspace that take attempts, connected or not.
    pub workers: Vec<WorkerLoad>,
    /// The environments that were asked for.
    pub environments: HashMap<EnvironmentId, EnvironmentLoad>,
}

/// A worker, and how many attempts it holds.
#[derive(Clone, Debug)]
pub struct WorkerLoad {
    /// The worker.
    pub worker: Worker,
    /// When it was last heard of.
    pub seen_at: Timestamp,
    /// How many attempts it holds.
    pub held: u32,
}

/// What an environment asks of workers, and how many of its attempts are held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvironmentLoad {
    /// What it asks.
    pub needs: Needs,
    /// How many workers hold.
    pub held: u32,
}

impl Store {
    /// The workers of the workspace, and these environments: a few statements, however many they
    /// are.
    pub async fn situation(
        &self,
        workspace: WorkspaceId,
        environments: impl Iterator<Item = EnvironmentId>,
    ) -> Result<Situation, StoreError> {
        const OF_WORKERS: &str = "SELECT lease_worker_id, count(*) AS held FROM attempts \
             WHERE workspace_id = $1 AND state = 'held' GROUP BY lease_worker_id";
        const OF_ENVIRONMENTS: Sql = in_json!(
            "SELECT l.environment_id, count(*) AS held FROM lanes l CROSS JOIN attempts a \
             WHERE a.lane = l.id AND a.state = 'held' AND l.environment_id",
            "$1",
            "GROUP BY l.environment_id"
        );
        let mut asked: Vec<_> = environments.collect();
        asked.sort();
        asked.dedup();
        let mut snapshot = self.read().await?;
        let mut conn = snapshot.conn();
        let mut of_worker: HashMap<WorkerId, u32> = HashMap::new();
        for row in conn.rows(OF_WORKERS, values![id(workspace)]).await? {
            of_worker.insert(row.parsed("lease_worker_id")?, row.number("held")?);
        }
        let mut of_environment: HashMap<EnvironmentId, u32> = HashMap::new();
        let ids = json_array(asked.iter());
        for row in conn.rows(OF_ENVIRONMENTS, values![ids]).await? {
            of_environment.insert(row.parsed("environment_id")?, row.number("held")?);
        }
        let load = |(environment, needs)| {
            let held = of_environment.get(&environment).copied().unwrap_or(0);
            (environment, EnvironmentLoad { needs, held })
        };
        let environments = needs(&mut conn, &asked).await?.into_iter().map(load);
        let environments = environments.collect();
        let mut workers = Vec::new();
        for record in worker::all(&mut conn, workspace).await? {
            if record.draining || record.orders.desired != WorkerDesired::Run {
                continue;
            }
            let held = of_worker.get(&record.worker.id).copied().unwrap_or(0);
            let slots = record.orders.slots.unwrap_or(record.worker.slots);
            workers.push(WorkerLoad {
                worker: Worker {
                    slots,
                    ..record.worker
                },
                seen_at: record.seen_at,
                held,
            });
        }
        Ok(Situation {
            workers,
            environments,
        })
    }
}
