//! What operators want of a worker, as it is told.

use outwork_api::worker::{Orders, WorkerDesired as Wire};
use outwork_domain::Timestamp;
use outwork_domain::principal::{WorkerDesired, WorkerOrders};

/// With the time that is left: the worker's clock may be another.
pub(super) fn wire(orders: WorkerOrders, now: Timestamp) -> Orders {
    let WorkerOrders {
        desired,
        deadline_at,
        slots,
    } = orders;
    let left = |at: Timestamp| u64::try_from(at.since(now).as_millis()).unwrap_or(u64::MAX);
    Orders {
        desired: desired_wire(desired),
        deadline_ms: deadline_at.map(left),
        slots,
    }
}

pub(crate) fn desired_wire(desired: WorkerDesired) -> Wire {
    match desired {
        WorkerDesired::Run => Wire::Run,
        WorkerDesired::Drain => Wire::Drain,
        WorkerDesired::Retire => Wire::Retire,
    }
}
