//! A sign of life: renews all leases of a worker and says what is wanted of each attempt.

use outwork_api::worker::{Claim, Desired, Heartbeat, HeartbeatAnswer, LeaseAnswer};
use outwork_domain::{AttemptId, Epoch};
use outwork_failpoint as failpoint;

use super::{WorkerService, desired, message, wrong};
use crate::refusal::Refusal;

const MAX_LEASES: usize = 1000;

impl WorkerService {
    pub(super) async fn do_heartbeat(
        &self,
        request: Heartbeat,
    ) -> Result<HeartbeatAnswer, Refusal> {
        let Heartbeat { worker, leases } = request;
        if leases.len() > MAX_LEASES {
            return Err(wrong(
                "/leases",
                format!("has more than {MAX_LEASES} entries"),
            ));
        }
        let worker = self.known(&worker).await?.worker.id;
        let now = self.plane.now();
        self.plane.store.touch_worker(worker, now).await?;
        let claims = leases.iter().map(claim).collect::<Result<Vec<_>, _>>()?;
        let renewed = self.plane.store.renew(worker, &claims, now).await?;
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
        })
    }
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
