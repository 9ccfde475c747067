//! What cannot wait for the next heartbeat: subscribe, look at what the worker holds, say what is new, repeat.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use futures_util::stream::{self, BoxStream, StreamExt};
use outwork_api::worker::{AttemptCommand, WorkerCommand};
use outwork_domain::principal::WorkerOrders;
use outwork_domain::{AttemptId, Desired, Epoch, State, WorkerId, WorkspaceId};
use outwork_store::StoreError;
use tokio::sync::watch;

use super::{WorkerService, desired, message, orders};
use crate::plane::Plane;
use crate::refusal::Refusal;

/// The version of the protocol whose workers know of orders; older ones would not understand the event.
const ORDERS_SINCE: u32 = 4;

impl WorkerService {
    pub(super) async fn do_commands(
        &self,
        worker: String,
    ) -> Result<BoxStream<'static, WorkerCommand>, Refusal> {
        let known = self.known(&worker).await?.worker;
        let worker = known.id;
        let listener = Listener {
            changed: self.plane.signals.workers.subscribe(&worker),
            plane: Arc::clone(&self.plane),
            workspace: self.workspace,
            worker,
            found: VecDeque::new(),
            told: HashSet::new(),
            messages: HashMap::new(),
            hears_orders: known.versions.protocol >= ORDERS_SINCE,
            orders: WorkerOrders::default(),
        };
        let shutdown = self.plane.shutdown.clone();
        let commands = stream::unfold(listener, Listener::next);
        Ok(commands
            .take_until(async move { shutdown.cancelled().await })
            .boxed())
    }
}

/// Whether the worker is still registered.
enum Known {
    Yes,
    NoMore,
}

struct Listener {
    plane: Arc<Plane>,
    workspace: WorkspaceId,
    worker: WorkerId,
    changed: watch::Receiver<()>,
    found: VecDeque<WorkerCommand>,
    /// Claims that were told to stop.
    told: HashSet<(AttemptId, Epoch)>,
    /// The last message that each claim was told.
    messages: HashMap<(AttemptId, Epoch), u32>,
    hears_orders: bool,
    /// What it was told last.
    orders: WorkerOrders,
}

impl Listener {
    async fn next(mut self) -> Option<(WorkerCommand, Self)> {
        loop {
            if let Some(command) = self.found.pop_front() {
                return Some((command, self));
            }
            self.changed.mark_unchanged();
            match self.look().await {
                Ok(_) if !self.found.is_empty() => {}
                Ok(Known::Yes) => self.wait().await,
                // Coming again it hears why.
                Ok(Known::NoMore) => return None,
                Err(fault) => {
                    tracing::warn!(worker = %self.worker, %fault, "a stream of commands broke off");
                    return None;
                }
            }
        }
    }

    async fn look(&mut self) -> Result<Known, StoreError> {
        let record = self.plane.store.worker(self.workspace, self.worker).await?;
        let Some(record) = record else {
            return Ok(Known::NoMore);
        };
        if self.hears_orders && record.orders != self.orders {
            self.orders = record.orders;
            let orders = orders::wire(record.orders, self.plane.now());
            self.found.push_back(WorkerCommand::Orders(orders));
        }
        let held = record.attempts;
        self.told.retain(|(attempt, _)| held.contains(attempt));
        self.messages
            .retain(|(attempt, _), _| held.contains(attempt));
        let mut messages = self.plane.store.messages(held.iter().copied()).await?;
        for id in held {
            let Some(record) = self.plane.store.attempt(self.workspace, id).await? else {
                continue;
            };
            let attempt = record.attempt;
            if !matches!(attempt.state, State::Held { .. }) {
                continue;
            }
            let claim = (id, attempt.epoch);
            let last = self.messages.entry(claim).or_default();
            let messages = message::since(messages.remove(&id).unwrap_or_default(), *last);
            *last = messages.last().map_or(*last, |newest| newest.number);
            let stop = matches!(attempt.desired, Desired::Cancel { .. });
            if (stop && self.told.insert(claim)) || !messages.is_empty() {
                let command = AttemptCommand {
                    attempt: id.to_string(),
                    epoch: attempt.epoch.get(),
                    desired: desired(attempt.desired),
                    messages,
                };
                self.found.push_back(WorkerCommand::Attempt(command));
            }
        }
        Ok(Known::Yes)
    }

    async fn wait(&mut self) {
        tokio::select! {
            Ok(()) = self.changed.changed() => {}
            () = tokio::time::sleep(self.plane.look_every()) => {}
        }
    }
}
