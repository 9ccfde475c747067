//! Keeps who did what: each request of a member that changed something, whatever answers it.

use std::sync::{Arc, OnceLock};

use axum::extract::{MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use outwork_domain::AuditId;
use outwork_domain::principal::{Principal, PrincipalKind};
use outwork_store::NewAudit;

use crate::plane::Plane;

/// Where the check of a token leaves whose it is.
#[derive(Clone, Default)]
pub(crate) struct Actor(Arc<OnceLock<Principal>>);

impl Actor {
    /// Says whose request it is.
    pub(crate) fn tell(parts: &Parts, principal: &Principal) {
        if let Some(Self(actor)) = parts.extensions.get() {
            let _ = actor.set(principal.clone());
        }
    }
}

/// Before the answer is sent, so that what was answered is in the list.
pub(crate) async fn keep(
    State(plane): State<Arc<Plane>>,
    mut request: Request,
    next: Next,
) -> Response {
    if matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    ) {
        return next.run(request).await;
    }
    let actor = Actor::default();
    request.extensions_mut().insert(actor.clone());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let (method, object) = (request.method().clone(), request.uri().path().to_owned());
    let response = next.run(request).await;
    let Some(principal) = actor.0.get().filter(|_| is_done(response.status())) else {
        return response;
    };
    match principal.kind {
        PrincipalKind::User | PrincipalKind::Integration => {}
        // What workers do is in the logs of attempts.
        PrincipalKind::Worker => return response,
    }
    let route = route.as_ref().map_or(object.as_str(), MatchedPath::as_str);
    let new = NewAudit {
        id: AuditId::from_uuid(plane.ids.uuid()),
        workspace_id: principal.workspace_id,
        at: plane.now(),
        principal_id: principal.id,
        action: format!("{method} {route}"),
        object,
    };
    let described = (new.action.clone(), new.object.clone());
    if let Err(fault) = plane.store.audit(new).await {
        // It was done, and the answer says so: a full disk must not turn a cancellation into an error.
        let (action, object) = described;
        tracing::error!(principal = %principal.id, action, object, %fault, "what was done could not be kept");
    }
    response
}

fn is_done(status: StatusCode) -> bool {
    status.is_success() || status.is_redirection()
}
