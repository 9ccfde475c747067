//! Makes deliveries of what happened: one for each webhook that is to be told.
//!
//! It takes no input and may be done by several servers at once, or die in between: a delivery has its webhook and the occurrence for a
//! name, and is kept in the transaction that forgets the occurrence.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use outwork_api::Time;
use outwork_api::webhook::Told;
use outwork_domain::job::{Job, Queue, State};
use outwork_domain::webhook::{DELIVER_WITHIN, Webhook};
use outwork_domain::{Epoch, JobId, OccurrenceId, Timestamp, WebhookId, WorkspaceId};
use outwork_store::{Occurrence, StoreError};
use serde_json::Value;
use uuid::Uuid;

use crate::notices::{self, Notices};
use crate::plane::Plane;

/// What another server wrote is seen after that time.
const EVERY: Duration = Duration::from_secs(1);
/// The same where nobody listens.
const EVERY_UNHEARD: Duration = Duration::from_secs(30);
const BATCH: u32 = 200;

/// Looks whenever something happened.
pub(crate) async fn work(plane: Arc<Plane>) {
    let mut signal = plane.signals.happened.subscribe();
    let mut failing = false;
    while !plane.shutdown.is_cancelled() {
        signal.mark_unchanged();
        let passed = pass(&plane).await;
        if let (Err(fault), false) = (&passed, failing) {
            tracing::error!(%fault, "what happened cannot be handed on; it is tried again until it works");
        }
        failing = passed.is_err();
        let every = match plane.store.is_anybody_listening() {
            true => EVERY,
            false => EVERY_UNHEARD,
        };
        tokio::select! {
            () = plane.shutdown.cancelled() => return,
            _ = signal.changed(), if !failing => {}
            () = tokio::time::sleep(every) => {}
        }
    }
}

async fn pass(plane: &Plane) -> Result<(), StoreError> {
    if plane.store.is_shared() {
        plane.store.hear().await?;
    }
    while !plane.shutdown.is_cancelled() {
        let happened = plane.store.occurrences(BATCH).await?;
        if happened.is_empty() {
            return Ok(());
        }
        let mut known: HashMap<WorkspaceId, Vec<Webhook>> = HashMap::new();
        let mut jobs = Vec::new();
        for it in &happened {
            let workspace = it.workspace_id;
            let of_workspace = match known.entry(workspace) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => {
                    let records = plane.store.webhooks(workspace).await?;
                    let webhooks = records.into_iter().map(|record| record.webhook);
                    new.insert(webhooks.collect())
                }
            };
            let Notices { posts, webhooks } = notices::of(plane, it).await?;
            let wants = |webhook: &&Webhook| {
                let is_named = webhooks.contains(&webhook.id) && webhook.is_active();
                (webhook.wants(it.kind) || is_named) && webhook.created_at <= it.at
            };
            let told = of_workspace.iter().filter(wants);
            jobs.extend(told.map(|webhook| delivery(plane, webhook, it)));
            jobs.extend(posts);
        }
        let numbers = happened.iter().map(|it| it.number).collect();
        plane.store.hand_on(numbers, jobs).await?;
    }
    Ok(())
}

fn delivery(plane: &Plane, webhook: &Webhook, it: &Occurrence) -> Job {
    let mut data: Value = serde_json::from_str(&it.data).unwrap_or_default();
    if let Some(task) = data.get_mut("task") {
        task["url"] = format!("{}/tasks/{}", plane.public_url, it.task_id).into();
    }
    let told = Told {
        kind: it.kind.as_str().to_owned(),
        timestamp: it.at.into(),
        data,
    };
    Job {
        id: job_id(webhook.id, it),
        lane: Some(it.task_id.to_string()),
        ..job(plane, webhook, it.id, &told)
    }
}

/// A delivery that waits for nothing.
fn job(plane: &Plane, webhook: &Webhook, id: OccurrenceId, told: &Told) -> Job {
    let now = plane.now();
    Job {
        id: JobId::from_uuid(plane.ids.uuid()),
        workspace_id: webhook.workspace_id,
        queue: Queue::Webhook,
        owner: webhook.id.to_string(),
        key: id.to_string(),
        lane: None,
        kind: told.kind.clone(),
        body: serde_json::to_string(told).expect("it is JSON"),
        memo: None,
        created_at: now,
        deadline_at: now + DELIVER_WITHIN,
        epoch: Epoch::ZERO,
        tries: 0,
        state: State::Waiting {
            due_at: now,
            trouble: None,
        },
    }
}

/// The same whichever server makes it, and in the order in which it happened: jobs of a lane go by their ids.
fn job_id(webhook: WebhookId, it: &Occurrence) -> JobId {
    const LOW: u128 = (1 << 40) - 1;
    let at = u128::try_from(it.at.as_millis()).unwrap_or(0) & ((1 << 48) - 1);
    let number = u128::from(it.number) & LOW;
    let of_webhook = webhook.as_uuid().as_u128() & LOW;
    JobId::from_uuid(Uuid::from_u128(at << 80 | number << 40 | of_webhook))
}

/// A delivery that tells of nothing.
pub(crate) fn test(plane: &Plane, webhook: &Webhook) -> Job {
    let id = OccurrenceId::from_uuid(plane.ids.uuid());
    let now: Timestamp = plane.now();
    let told = Told {
        kind: "webhook.test".to_owned(),
        timestamp: Time::from(now),
        data: serde_json::json!({"webhook_id": webhook.id.to_string()}),
    };
    job(plane, webhook, id, &told)
}
