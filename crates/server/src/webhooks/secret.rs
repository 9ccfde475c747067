//! The secrets of webhooks, which are kept sealed.

use outwork_api::Secret;
use outwork_api::webhook::signature::Key;
use outwork_domain::{Timestamp, WebhookId, WorkspaceId};
use outwork_store::WebhookRecord;

use crate::plane::Plane;
use crate::seal::{CannotOpen, Place};

/// A new secret, and the same sealed.
pub(crate) fn new(plane: &Plane, workspace: WorkspaceId, webhook: WebhookId) -> (Secret, Vec<u8>) {
    let secret = Key::text(plane.ids.bytes());
    let sealed = plane.close(secret.reveal(), Place::Webhook { workspace, webhook });
    (secret, sealed)
}

/// What signs now: the secret, and the one before it until it may be forgotten.
pub(super) fn keys(
    plane: &Plane,
    record: &WebhookRecord,
    now: Timestamp,
) -> Result<Vec<Key>, CannotOpen> {
    let WebhookRecord {
        webhook,
        sealed,
        before,
    } = record;
    let place = Place::Webhook {
        workspace: webhook.workspace_id,
        webhook: webhook.id,
    };
    let before = before.iter().filter(|(_, until)| now < *until);
    let all = std::iter::once(sealed).chain(before.map(|(sealed, _)| sealed));
    let opened = all.map(|sealed| {
        let text = plane.seal.open(sealed, place)?;
        Key::parse(&text).map_err(|_| CannotOpen)
    });
    opened.collect()
}
