//! Sees that conversations are told how their tasks stand.

use std::sync::Arc;
use std::time::Duration;

use outwork_domain::Timestamp;
use outwork_domain::integration::Conversation;
use outwork_store::{StoreError, Told};

use super::{Post, kinds, post, settings};
use crate::plane::Plane;

/// What another server changed is seen after that time.
const EVERY: Duration = Duration::from_secs(5);
/// A task that changes all the time is told of that often.
const PAUSE: Duration = Duration::from_millis(250);
const BATCH: u32 = 100;

/// What a conversation is to be told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Telling {
    pub(crate) posts: Vec<Post>,
    /// What the integration remembers from now on; `None`: as before.
    pub(crate) data: Option<String>,
}

/// Looks whenever a task changed.
pub(crate) async fn work(plane: Arc<Plane>) {
    let mut changes = plane.signals.tasks.subscribe();
    let mut failing = false;
    while !plane.shutdown.is_cancelled() {
        let passed = pass(&plane).await;
        if let (Err(fault), false) = (&passed, failing) {
            tracing::error!(%fault, "conversations cannot be told; it is tried again until it works");
        }
        failing = passed.is_err();
        tokio::select! {
            () = plane.shutdown.cancelled() => return,
            // Also when it lags: any change is a reason to look at all.
            _ = changes.recv(), if !failing => {}
            () = tokio::time::sleep(EVERY) => {}
        }
        tokio::select! {
            () = plane.shutdown.cancelled() => return,
            () = tokio::time::sleep(PAUSE) => {}
        }
        // What changed in the pause is seen by the next pass.
        while changes.try_recv().is_ok() {}
    }
}

async fn pass(plane: &Plane) -> Result<(), StoreError> {
    for (conversation, changed_at) in plane.store.conversations_to_tell(BATCH).await? {
        tell(plane, conversation, changed_at).await?;
    }
    Ok(())
}

async fn tell(
    plane: &Plane,
    conversation: Conversation,
    changed_at: Timestamp,
) -> Result<(), StoreError> {
    let Some(task) = conversation.task_id else {
        return Ok(());
    };
    let workspace = conversation.workspace_id;
    let task = plane.store.task(workspace, task).await?;
    let known = settings::of_owner(plane, &conversation.integration_id.to_string()).await?;
    let telling = match (&known, &task) {
        (Some(known), Some(task)) if known.integration.is_active => {
            kinds::tell(plane, known, &conversation, task)
        }
        // Nobody is told while it is switched off, and not later either.
        _ => Telling::default(),
    };
    let posts = match &known {
        Some(known) => {
            let post = |it| post(plane, &known.integration, conversation.id, it);
            telling.posts.into_iter().map(post).collect()
        }
        None => Vec::new(),
    };
    let now = plane.now();
    // Within the same millisecond the task may change once more.
    let read_at = task.map_or(changed_at, |it| it.task.updated_at);
    let told_at = match read_at < now {
        true => read_at,
        false => read_at - Duration::from_millis(1),
    };
    let data = telling.data.unwrap_or_else(|| conversation.data.clone());
    let told = Told {
        conversation,
        told_at,
        posts,
        data,
    };
    plane.store.tell_conversation(told, now).await.map(drop)
}
