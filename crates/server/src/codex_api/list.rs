//! Lists tasks, newest first.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use outwork_api::problem::Code;
use outwork_api::task::TaskKind;
use serde::{Deserialize, Serialize};

use super::permit::SignedIn;
use super::shape::Row;
use crate::endpoints::tasks;
use crate::http::paging::limit_up_to;
use crate::http::params::Params;
use crate::plane::Plane;
use crate::refusal::Refusal;

const MOST: u32 = 20;

/// Whatever else the client says is let be.
#[derive(Deserialize)]
pub(super) struct Query {
    limit: Option<u32>,
    task_filter: Option<String>,
    cursor: Option<String>,
    environment_id: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Listed {
    items: Vec<Row>,
    cursor: Option<String>,
}

pub(super) async fn list(
    State(plane): State<Arc<Plane>>,
    SignedIn(member): SignedIn,
    Params(query): Params<Query>,
) -> Result<Json<Listed>, Refusal> {
    let Query {
        limit,
        task_filter,
        cursor,
        environment_id,
    } = query;
    let workspace = member.workspace_id();
    let limit = limit_up_to(limit, MOST, MOST)?;
    if let Some(other) = task_filter.filter(|filter| filter != "current") {
        let other: String = other.chars().take(40).collect();
        let detail = format!("`task_filter` is `{other}`; this server knows `current`.");
        return Err(Refusal::new(Code::InvalidRequest, detail));
    }
    // It shows no reviews, and has no way to ask for them.
    let kind = Some(TaskKind::Code);
    let filter = tasks::list::filter(&plane, workspace, environment_id, kind).await?;
    // An empty cursor is the first page: the client sends whatever it is given.
    let cursor = cursor.filter(|cursor| !cursor.is_empty());
    let tasks = plane
        .store
        .tasks(workspace, filter, limit, cursor.as_deref());
    let page = tasks.await?;
    Ok(Json(Listed {
        items: page.items.iter().map(Row::of).collect(),
        cursor: page.next_cursor,
    }))
}
