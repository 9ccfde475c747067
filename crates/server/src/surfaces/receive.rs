//! What other systems send, at `/hooks/{integration}`. There is no token: each kind has a signature.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use outwork_api::problem::Code;
use outwork_domain::IntegrationId;
use outwork_store::Enqueued;
use serde_json::json;

use super::{Incoming, inbound, kinds, settings};
use crate::http::body::Raw;
use crate::plane::Plane;
use crate::refusal::Refusal;

/// GitHub sends up to that much.
pub(crate) const BODY: usize = 25 * 1024 * 1024;

/// What a kind made of a request whose signature is right.
#[derive(Debug)]
pub(crate) enum Received {
    /// Something to be done; the answer comes before it is.
    Jobs(Vec<Incoming>),
    /// The same, where an answer with a body would mean something.
    Quietly(Vec<Incoming>),
    /// A question, and its answer.
    Answer(serde_json::Value),
    /// Nothing to be done, and why.
    Ignored(&'static str),
}

/// Keeps what another system sends.
pub(crate) async fn receive(
    State(plane): State<Arc<Plane>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Raw(body): Raw,
) -> Result<Response, Refusal> {
    let unknown = || {
        let detail = "There is no integration at this address.";
        Refusal::new(Code::NotFound, detail)
            .with_hint("`outwork integration list` shows the addresses.")
    };
    let id: IntegrationId = id.parse().map_err(|_| unknown())?;
    let known = settings::known(&plane, id).await?.ok_or_else(unknown)?;
    // A stranger learns no more than that the address exists.
    let received = kinds::receive(&plane, &known, &headers, &body)?;
    if !known.integration.is_active {
        let detail = "The integration is switched off.";
        return Err(Refusal::new(Code::Conflict, detail)
            .with_hint("`outwork integration edit NAME --active` switches it on."));
    }
    keep(&plane, &known, received).await
}

async fn keep(
    plane: &Plane,
    known: &settings::Known,
    received: Received,
) -> Result<Response, Refusal> {
    let accepted = |body| (StatusCode::ACCEPTED, Json(body)).into_response();
    match received {
        Received::Answer(answer) => Ok(Json(answer).into_response()),
        Received::Ignored(why) => Ok(accepted(json!({"ignored": why}))),
        Received::Quietly(all) => {
            enqueue(plane, known, all).await?;
            Ok(StatusCode::OK.into_response())
        }
        Received::Jobs(all) => {
            let kept = enqueue(plane, known, all).await?;
            let new = kept.iter().filter(|it| **it == Enqueued::New).count();
            Ok(accepted(
                json!({"accepted": new, "known_before": kept.len() - new}),
            ))
        }
    }
}

/// Keeps what came in; it is safe to answer then.
pub(super) async fn enqueue(
    plane: &Plane,
    known: &settings::Known,
    all: Vec<Incoming>,
) -> Result<Vec<Enqueued>, Refusal> {
    if all.is_empty() {
        return Ok(Vec::new());
    }
    plane.need_space()?;
    let job = |incoming| inbound(plane, &known.integration, incoming);
    let jobs = all.into_iter().map(job).collect();
    Ok(plane.store.enqueue(jobs).await?)
}
