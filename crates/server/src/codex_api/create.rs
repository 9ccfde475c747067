//! Submits a task.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use outwork_api::problem::Code;
use outwork_api::task::NewTask;
use outwork_domain::TaskId;
use outwork_domain::principal::Member;
use serde::{Deserialize, Serialize};

use super::permit::SignedIn;
use crate::endpoints::environments;
use crate::http::body::Body;
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::submit;

/// What the client says where it knows no branch: outside of a repository, on a detached head, and in its oldest versions always.
const UNKNOWN_BRANCH: &str = "main";

#[derive(Deserialize)]
pub(super) struct Request {
    new_task: About,
    #[serde(default)]
    input_items: Vec<InputItem>,
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
struct About {
    environment_id: String,
    branch: Option<String>,
}

#[derive(Deserialize)]
struct Metadata {
    best_of_n: Option<u32>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum InputItem {
    Message {
        content: Vec<Content>,
    },
    /// Uncommitted changes to start from.
    PreApplyPatch {
        output_diff: OutputDiff,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Content {
    text: Option<String>,
}

#[derive(Deserialize)]
struct OutputDiff {
    diff: String,
}

#[derive(Serialize)]
pub(super) struct Created {
    task: CreatedTask,
}

#[derive(Serialize)]
struct CreatedTask {
    id: String,
}

pub(super) async fn create(
    State(plane): State<Arc<Plane>>,
    SignedIn(member): SignedIn<Member>,
    Body(request): Body<Request>,
) -> Result<Json<Created>, Refusal> {
    let id = submit_from(&plane, &member, new_task(request)).await?;
    let id = id.to_string();
    Ok(Json(Created {
        task: CreatedTask { id },
    }))
}

fn new_task(request: Request) -> NewTask {
    let Request {
        new_task: About {
            environment_id,
            branch,
        },
        input_items,
        metadata,
    } = request;
    let (mut prompt, mut starting_diff) = (Vec::new(), None);
    for item in input_items {
        match item {
            InputItem::Message { content } => {
                prompt.extend(content.into_iter().filter_map(|content| content.text));
            }
            InputItem::PreApplyPatch { output_diff } => starting_diff = Some(output_diff.diff),
            InputItem::Other => {}
        }
    }
    NewTask {
        branch: branch.filter(|branch| !branch.is_empty()),
        attempts: metadata.and_then(|metadata| metadata.best_of_n),
        starting_diff,
        // The client cannot answer, but whoever uses it can: `outwork answer`.
        interactive: true,
        ..NewTask::new(environment_id, prompt.join("\n\n"))
    }
}

/// A branch that the client only guessed, and that the repository does not have, is none.
async fn submit_from(plane: &Plane, member: &Member, new: NewTask) -> Result<TaskId, Refusal> {
    let guessed = new.branch.as_deref() == Some(UNKNOWN_BRANCH);
    let retried = guessed.then(|| NewTask {
        branch: None,
        ..new.clone()
    });
    let refusal = match submit::task::submit(plane, member, new, None).await {
        Ok(made) => return Ok(made.id()),
        Err(refusal) => refusal,
    };
    match retried {
        Some(new) if refusal.problem().is(Code::Repository) => {
            let workspace = member.workspace_id();
            let environment = environments::by_name(plane, workspace, &new.environment).await?;
            // The same question would have the same answer.
            if environment.environment.spec.branch.as_deref() == Some(UNKNOWN_BRANCH) {
                return Err(refusal);
            }
            let made = submit::task::submit(plane, member, new, None).await?;
            Ok(made.id())
        }
        Some(_) | None => Err(refusal),
    }
}
