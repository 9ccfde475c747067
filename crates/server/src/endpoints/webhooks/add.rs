//! Makes a webhook.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use outwork_api::webhook::{MadeWebhook, NewWebhook};
use outwork_domain::WebhookId;
use outwork_domain::principal::Admin;
use outwork_domain::webhook::{State as Told, Webhook};
use outwork_store::WebhookRecord;

use super::{kinds, show};
use crate::http::body::Body;
use crate::http::openapi::{Conflicts, Refusals, Unacceptable};
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::webhooks::{check_address, new_secret};

/// Makes a webhook. Its secret, with which each delivery is signed, is shown this once.
#[utoipa::path(post, path = "/webhooks", operation_id = "addWebhook", tag = "webhooks", request_body = NewWebhook,
    responses((status = 201, description = "Made.", body = MadeWebhook), Refusals, Unacceptable, Conflicts))]
pub(crate) async fn add(
    State(plane): State<Arc<Plane>>,
    Permit(admin): Permit<Admin>,
    Body(new): Body<NewWebhook>,
) -> Result<(StatusCode, Json<MadeWebhook>), Refusal> {
    plane.need_space()?;
    let NewWebhook { url, events } = new;
    let (workspace, now) = (admin.workspace_id(), plane.now());
    let id = WebhookId::from_uuid(plane.ids.uuid());
    let webhook = Webhook {
        id,
        workspace_id: workspace,
        url: check_address(&plane.webhooks, &url)?,
        kinds: kinds(events)?,
        created_by: admin.principal().id,
        created_at: now,
        updated_at: now,
        state: Told::Active {
            failing_since: None,
        },
    };
    let (secret, sealed) = new_secret(&plane, workspace, id);
    let record = WebhookRecord {
        webhook,
        sealed,
        before: None,
    };
    plane.store.add_webhook(record.clone()).await?;
    tracing::info!(webhook = %id, by = %admin.principal().id, "a webhook was made");
    let webhook = show(&plane, workspace, record).await?;
    Ok((StatusCode::CREATED, Json(MadeWebhook { secret, webhook })))
}
