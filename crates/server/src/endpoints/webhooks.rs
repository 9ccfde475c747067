//! Webhooks: who is told what happens.

pub(crate) mod add;
pub(crate) mod change;
pub(crate) mod deliveries;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod remove;
pub(crate) mod replay;
pub(crate) mod rotate;
pub(crate) mod test;

use outwork_api::problem::Code;
use outwork_api::webhook::Webhook as Wire;
use outwork_domain::webhook::{Kind, State, Webhook};
use outwork_domain::{Timestamp, WebhookId, WorkspaceId};
use outwork_store::{Names, StoreError, WebhookRecord};

use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::view::task::person;

fn wire(record: WebhookRecord, names: &Names, now: Timestamp) -> Wire {
    let WebhookRecord {
        webhook,
        sealed: _,
        before,
    } = record;
    let Webhook {
        id,
        workspace_id: _,
        url,
        kinds,
        created_by,
        created_at,
        updated_at,
        state,
    } = webhook;
    let (state, disabled_at, failing_since) = match state {
        State::Active { failing_since } => ("active", None, failing_since),
        State::Disabled { at, why } => (why.as_str(), Some(at), None),
    };
    let names_of = |kinds: Vec<Kind>| kinds.iter().map(|kind| kind.as_str().to_owned()).collect();
    let old = before.map(|(_, until)| until).filter(|until| now < *until);
    Wire {
        id: id.to_string(),
        url,
        events: kinds.map(names_of),
        state: state.to_owned(),
        disabled_at: disabled_at.map(Into::into),
        failing_since: failing_since.map(Into::into),
        old_secret_until: old.map(Into::into),
        created_by: person(names, created_by),
        created_at: created_at.into(),
        updated_at: updated_at.into(),
    }
}

async fn show(
    plane: &Plane,
    workspace: WorkspaceId,
    record: WebhookRecord,
) -> Result<Wire, Refusal> {
    let names = plane.store.member_names(workspace).await?;
    Ok(wire(record, &names, plane.now()))
}

/// The webhook, if it is one of that workspace.
pub(crate) async fn find(
    plane: &Plane,
    workspace: WorkspaceId,
    id: WebhookId,
) -> Result<WebhookRecord, Refusal> {
    let found = plane.store.webhook(id).await?;
    let found = found.filter(|record| record.webhook.workspace_id == workspace);
    found.ok_or_else(|| missing(id, StoreError::NotFound))
}

fn missing(id: WebhookId, fault: StoreError) -> Refusal {
    match fault {
        StoreError::NotFound => Refusal::not_found("webhook", &id.to_string())
            .with_hint("`outwork webhook list` shows the webhooks."),
        other => other.into(),
    }
}

/// What it is told; an empty list is everything.
fn kinds(names: Option<Vec<String>>) -> Result<Option<Vec<Kind>>, Refusal> {
    let mut kinds = Vec::new();
    for name in names.unwrap_or_default() {
        let Some(kind) = Kind::parse(&name) else {
            let known: Vec<_> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
            let shown: String = name.chars().take(80).collect();
            let detail = format!("holds `{shown}`; there are {}", known.join(", "));
            return Err(Refusal::field("/events", detail));
        };
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    Ok((!kinds.is_empty()).then_some(kinds))
}

/// It must be told anything, for it to be told this.
fn active(record: &WebhookRecord) -> Result<(), Refusal> {
    match record.webhook.state {
        State::Active { .. } => Ok(()),
        State::Disabled { why, .. } => {
            let why = why.as_str();
            let detail = format!("The webhook is told nothing: it is {why}.");
            Err(Refusal::new(Code::Conflict, detail)
                .with_hint("Resume it with `outwork webhook edit --resume`."))
        }
    }
}
