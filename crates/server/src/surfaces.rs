//! Surfaces: forges and chats that give tasks and are told what came of them. They are readers and writers beside the one pipeline:
//!
//! ```text
//!  delivery ──receive──▶ job ──handle──▶ task ──tell──▶ posts ──send──▶ comment, message
//!            (signed)   (kept)          (as the API)   (kept)
//! ```
//!
//! What comes in is checked, reduced and kept before it is answered. What goes out is kept in the transaction that notes that it was told. So a
//! server may be killed at any instruction, and nothing is lost; what must not be done twice is looked for before it is done again.

pub(crate) mod receive;
pub(crate) mod settings;
pub(crate) mod tell;

pub(crate) mod forge;
mod kinds;
pub(crate) mod slack;

use std::time::Duration;

use outwork_domain::integration::{Conversation, Integration};
use outwork_domain::job::{Job, Queue, State};
use outwork_domain::principal::{Member, Principal};
use outwork_domain::{ConversationId, Epoch, JobId};
use outwork_store::{ConversationChange, StoreError};

use crate::jobs::{Held, Outcome};
use crate::plane::Plane;

/// How long something that came in may wait to be done.
const HANDLE_WITHIN: Duration = Duration::from_secs(24 * 3600);
/// How long something may wait to be told: forges and chats are away for an evening now and then.
const SEND_WITHIN: Duration = Duration::from_secs(3 * 24 * 3600);

/// Something that came in, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Incoming {
    /// What the other system names it by: the same again is not done again.
    pub(crate) key: String,
    /// The conversation: those of one are done one after the other.
    pub(crate) lane: String,
    pub(crate) kind: &'static str,
    /// JSON.
    pub(crate) body: String,
}

/// Something that a conversation is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Post {
    /// Unique in the conversation: what was told once is not told again.
    pub(crate) key: String,
    pub(crate) kind: &'static str,
    /// JSON.
    pub(crate) body: String,
}

/// Does a job of an integration.
pub(crate) async fn act(held: &Held) -> Outcome {
    let Held { plane, job } = held;
    let known = match settings::of_owner(plane, &job.owner).await {
        Ok(Some(known)) if known.integration.is_active => known,
        Ok(Some(_)) => return Outcome::Failed("The integration is switched off.".to_owned()),
        Ok(None) => return Outcome::Failed("The integration was removed.".to_owned()),
        Err(fault) => return later(&fault),
    };
    match job.queue {
        Queue::Inbound => kinds::handle(held, &known).await,
        Queue::Post => match conversation(plane, job).await {
            Ok(Some(conversation)) => kinds::send(held, &known, &conversation).await,
            Ok(None) => Outcome::Failed("The conversation is not known any more.".to_owned()),
            Err(fault) => later(&fault),
        },
        Queue::Webhook => Outcome::Failed("A webhook is no integration.".to_owned()),
    }
}

/// The database does not answer, or something like it.
pub(crate) fn later(fault: &StoreError) -> Outcome {
    Outcome::Later {
        trouble: fault.to_string(),
        wait: None,
    }
}

/// The conversation of a post is its lane.
async fn conversation(plane: &Plane, job: &Job) -> Result<Option<Conversation>, StoreError> {
    let lane = job.lane.as_deref().and_then(|lane| lane.parse().ok());
    let Some(id) = lane else {
        return Ok(None);
    };
    plane.store.conversation_by_id(job.workspace_id, id).await
}

/// A job for what came in.
pub(crate) fn inbound(plane: &Plane, integration: &Integration, incoming: Incoming) -> Job {
    let Incoming {
        key,
        lane,
        kind,
        body,
    } = incoming;
    new_job(plane, integration, Queue::Inbound, key, lane, kind, body)
}

/// A job for what is to be told. Posts of a conversation go out in order.
pub(crate) fn post(
    plane: &Plane,
    integration: &Integration,
    conversation: ConversationId,
    post: Post,
) -> Job {
    let Post { key, kind, body } = post;
    let key = format!("{conversation}/{key}");
    let lane = conversation.to_string();
    new_job(plane, integration, Queue::Post, key, lane, kind, body)
}

fn new_job(
    plane: &Plane,
    integration: &Integration,
    queue: Queue,
    key: String,
    lane: String,
    kind: &str,
    body: String,
) -> Job {
    let now = plane.now();
    let within = match queue {
        Queue::Inbound => HANDLE_WITHIN,
        Queue::Post | Queue::Webhook => SEND_WITHIN,
    };
    Job {
        id: JobId::from_uuid(plane.ids.uuid()),
        workspace_id: integration.workspace_id,
        queue,
        owner: integration.id.to_string(),
        key,
        lane: Some(lane),
        kind: kind.to_owned(),
        body,
        memo: None,
        created_at: now,
        deadline_at: now + within,
        epoch: Epoch::ZERO,
        tries: 0,
        state: State::Waiting {
            due_at: now,
            trouble: None,
        },
    }
}

/// The conversation of that key, made now if there is none.
pub(crate) async fn open(
    plane: &Plane,
    integration: &Integration,
    key: &str,
    data: String,
) -> Result<Conversation, StoreError> {
    let now = plane.now();
    let new = Conversation {
        id: ConversationId::from_uuid(plane.ids.uuid()),
        workspace_id: integration.workspace_id,
        integration_id: integration.id,
        key: key.to_owned(),
        task_id: None,
        environment_id: None,
        data,
        told_at: None,
        created_at: now,
        updated_at: now,
    };
    plane.store.open_conversation(new).await
}

/// Changes what is remembered of a conversation, on what is remembered by now: what comes in and what goes out happen at the same time. `data` makes
/// the new of the old; `also` is what changes with it.
pub(crate) async fn remember(
    plane: &Plane,
    conversation: &Conversation,
    also: ConversationChange,
    data: impl Fn(&Conversation) -> String,
) -> Result<Conversation, StoreError> {
    let mut current = conversation.clone();
    loop {
        let change = ConversationChange {
            data: Some(data(&current)),
            ..also.clone()
        };
        if change.data.as_ref() == Some(&current.data) && also == ConversationChange::default() {
            return Ok(current);
        }
        let edited = plane.store.edit_conversation(&current, change, plane.now());
        if let Some(edited) = edited.await? {
            return Ok(edited);
        }
        let Conversation {
            workspace_id, id, ..
        } = current;
        let again = plane.store.conversation_by_id(workspace_id, id).await?;
        current = again.ok_or(StoreError::NotFound)?;
    }
}

/// Who acts for somebody of the other system: the member that the person is known to be, else the integration's own. `None`: that member may
/// not give tasks.
pub(crate) async fn acting_for(
    plane: &Plane,
    integration: &Integration,
    external_id: &str,
) -> Result<Option<Member>, StoreError> {
    let linked = plane.store.linked_user(integration.id, external_id).await?;
    let principal = linked.map_or(integration.principal_id, |user| user.principal_id);
    let acting = plane
        .store
        .acting(integration.workspace_id, principal)
        .await?;
    Ok(acting.map(Principal::member).and_then(Result::ok))
}
