//! A sign of life: renews all leases of a worker and says what is wanted of each attempt.

use outwork_api::worker::{Claim, Desired, Heartbeat, HeartbeatAnswer, LeaseAnswer};
use outwork_domain::{AttemptId, Epoch};
use outwork_failpoint as failpoint;
use outwork_store::{Capacity, WorkerRecord};

use super::{MAX_SLOTS, WorkerService, desired, message, orders, wrong};
use crate::refusal::Refusal;

const MAX_LEASES: usize = 1000;

impl WorkerService {
    pub(super) async fn do_heartbeat(
        &self,
        request: Heartbeat,
    ) -> Result<HeartbeatAnswer, Refusal> {
        let Heartbeat {
            worker,
            leases,
            slots,
            free_slots,
            draining,
        } = request;
        check(slots, free_slots)?;
        if leases.len() > MAX_LEASES {
            return Err(wrong(
                "/leases",
                format!("has more than {MAX_LEASES} entries"),
            ));
        }
        let known = self.known(&worker).await?;
        let (worker, orders) = (known.worker.id, known.orders);
        let now = self.plane.now();
        let capacity = Capacity {
            slots,
            free_slots,
            draining,
        };
        let claims = leases.iter().map(claim).collect::<Result<Vec<_>, _>>()?;
        self.plane.heard.note(worker, now);
        if is_news(&known, capacity) {
            self.plane.store.beat_worker(worker, capacity, now).await?;
        }
        let renewed = match claims.is_empty() {
            true => Vec::new(),
            false => self.plane.store.renew(worker, &claims, now).await?,
        };
        failpoint::pass("server.heartbeat.after");
        let held = claims
            .iter()
            .zip(&renewed)
            .filter(|(_, renewed)| renewed.is_ok());
        let mut messages = self
            .plane
            .store
            .messages(held.map(|((attempt, _), _)| *attempt))
            .await?;
        let answers = leases.into_iter().zip(claims).zip(renewed);
        let leases = answers.map(|((claim, (id, _)), renewed)| {
            let Claim {
                attempt,
                epoch,
                message_seq,
            } = claim;
            let told = messages.remove(&id).unwrap_or_default();
            LeaseAnswer {
                attempt,
                epoch,
                desired: renewed.map_or(Desired::Abandon, desired),
                messages: message::since(told, message_seq),
            }
        });
        Ok(HeartbeatAnswer {
            leases: leases.collect(),
            reset_snapshots: self.plane.store.reset_snapshots(worker).await?,
            orders: orders::wire(orders, now),
        })
    }
}

/// Whether it said anything but that it is there.
fn is_news(known: &WorkerRecord, said: Capacity) -> bool {
    let Capacity {
        slots,
        free_slots,
        draining,
    } = said;
    slots.is_some_and(|slots| slots != known.worker.slots)
        || free_slots != known.free_slots
        || draining != known.draining
}

fn check(slots: Option<u32>, free_slots: Option<u32>) -> Result<(), Refusal> {
    if slots.is_some_and(|slots| !(1..=MAX_SLOTS).contains(&slots)) {
        return Err(wrong("/slots", format!("must be 1 to {MAX_SLOTS}")));
    }
    if free_slots.is_some_and(|free| free > MAX_SLOTS) {
        return Err(wrong("/free_slots", format!("must be at most {MAX_SLOTS}")));
    }
    Ok(())
}

fn claim(claim: &Claim) -> Result<(AttemptId, Epoch), Refusal> {
    let Claim {
        attempt,
        epoch,
        message_seq: _,
    } = claim;
    let id = attempt
        .parse()
        .map_err(|fault: outwork_domain::id::InvalidId| wrong("/leases", fault.to_string()))?;
    Ok((id, Epoch::new(*epoch)))
}
