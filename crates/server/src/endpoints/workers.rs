//! The workers of a workspace, and what operators want of them.

pub(crate) mod drain;
pub(crate) mod forget;
pub(crate) mod list;
pub(crate) mod revoke;
pub(crate) mod slots;

use outwork_domain::WorkerId;
use outwork_domain::principal::Admin;
use outwork_store::{Order, StoreError};

use crate::plane::Plane;
use crate::refusal::Refusal;

async fn order(
    plane: &Plane,
    member: &Admin,
    worker: WorkerId,
    order: Order,
) -> Result<(), Refusal> {
    let ordered = plane
        .store
        .order_worker(member.workspace_id(), worker, order)
        .await;
    ordered.map_err(|fault| missing(worker, fault))?;
    tracing::info!(%worker, ?order, by = member.principal().name, "a worker was ordered");
    Ok(())
}

fn missing(worker: WorkerId, fault: StoreError) -> Refusal {
    match fault {
        StoreError::NotFound => Refusal::not_found("worker", &worker.to_string())
            .with_hint("`outwork workers` shows the workers."),
        other => other.into(),
    }
}
