//! Publishes a result.

use std::sync::Arc;

use axum::Json;
use axum::extract::State as Shared;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use outwork_api::problem::Code;
use outwork_api::publication::{NewPublication as New, Publication as Wire};
use outwork_domain::principal::Member;
use outwork_domain::publication::{self, Asked, Publication, State};
use outwork_domain::{Epoch, PublicationId, TaskId};
use outwork_git::{Identity, RefName};
use outwork_store::{AttemptRecord, NewPublication, Requested, StoreError, TaskRecord, TurnRecord};

use crate::endpoints::attempts::diff::NO_DIFF;
use crate::endpoints::tasks;
use crate::endpoints::tasks::diff::{chosen_attempt, chosen_turn};
use crate::http::body::Body;
use crate::http::idempotency::{Key, REPLAYED};
use crate::http::openapi::{Conflicts, Missing, Refusals, Unacceptable};
use crate::http::params::Id;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::view;

const TITLE_CHARS: usize = 250;
const BODY_CHARS: usize = 40_000;

/// Publishes a result: the server pushes its diff as a commit of a branch, and opens a pull request or brings the branch's open one up to
/// date. It is done after the answer; `GET /publications/{id}` and the attempt's log say how far it has come.
#[utoipa::path(post, path = "/tasks/{id}/publications", operation_id = "publishTask", tag = "tasks",
    params(("id" = String, Path, description = "`task_…`."),
        ("Idempotency-Key" = Option<String>, Header, description = "Sent again with the same key, the request makes no second publication.")),
    request_body = New,
    responses((status = 201, description = "Stored; it is under way.", body = Wire,
            headers(("Location" = String, description = "The publication's address."),
                ("Idempotency-Replayed" = String, description = "`true` when an earlier request made it."))),
        Refusals, Missing, Unacceptable, Conflicts))]
pub(crate) async fn publish(
    Shared(plane): Shared<Arc<Plane>>,
    Permit(member): Permit<Member>,
    Id(id): Id<TaskId>,
    key: Key,
    Body(new): Body<New>,
) -> Result<Response, Refusal> {
    let request = key.record(&plane, &member, "", &new);
    let request = request.map(|request| (request.key, request.fingerprint));
    let (publication, is_replayed) = ask(&plane, &member, id, new, request).await?;
    let location = format!("/api/v1/publications/{}", publication.id);
    let location = [(header::LOCATION, location)];
    let answer = Json(view::publication::wire(publication));
    Ok(match is_replayed {
        false => (StatusCode::CREATED, location, answer).into_response(),
        true => (StatusCode::CREATED, location, [REPLAYED], answer).into_response(),
    })
}

/// Stores a publication, and says whether an earlier request of the same name did. `request` is the name, and a hash of what was asked.
pub(crate) async fn ask(
    plane: &Plane,
    member: &Member,
    id: TaskId,
    new: New,
    request: Option<(String, [u8; 32])>,
) -> Result<(Publication, bool), Refusal> {
    plane.need_space()?;
    let record = tasks::by_id(plane, member.workspace_id(), id).await?;
    let publication = checked(plane, member, &record, new).await?;
    let wanted = NewPublication {
        publication: publication.clone(),
        request,
    };
    let requested = plane.store.publish(wanted).await.map_err(under_way)?;
    plane.signals.reconcile.send_replace(());
    Ok(match requested {
        Requested::New => (publication, false),
        Requested::Before(before) => (*before, true),
    })
}

async fn checked(
    plane: &Plane,
    member: &Member,
    record: &TaskRecord,
    new: New,
) -> Result<Publication, Refusal> {
    let New {
        turn,
        attempt,
        repository,
        branch,
        base,
        title,
        body,
        draft,
        author,
    } = new;
    let repository = view::task::repository(record, repository.as_deref())?.to_owned();
    let turn = chosen_turn(record, turn)?;
    let attempt = chosen(record, turn, attempt)?;
    has_changes(attempt, &repository)?;
    view::approval::may_leave(plane, record, turn, attempt).await?;
    if let Some(author) = &author {
        Identity::parse(author).map_err(|fault| Refusal::field("/author", fault.to_string()))?;
    }
    let base = base.map(|base| name("/base", &base)).transpose()?;
    let asked = Asked {
        branch: match branch {
            Some(branch) => name("/branch", &branch)?,
            None => usual_branch(plane, record, &repository).await?,
        },
        base,
        title: text("/title", title, TITLE_CHARS)?,
        body: text("/body", body, BODY_CHARS)?,
        draft,
        author,
    };
    not_the_base(record, &repository, &asked)?;
    let now = plane.now();
    Ok(Publication {
        id: PublicationId::from_uuid(plane.ids.uuid()),
        workspace_id: member.workspace_id(),
        task_id: record.task.id,
        attempt_id: attempt.attempt.id,
        repository,
        asked,
        created_by: member.principal().id,
        created_at: now,
        deadline_at: now + publication::DEADLINE,
        epoch: Epoch::ZERO,
        tries: 0,
        commit: None,
        state: State::Queued {
            visible_at: now,
            trouble: None,
        },
    })
}

fn chosen<'a>(
    record: &TaskRecord,
    turn: &'a TurnRecord,
    number: Option<u32>,
) -> Result<&'a AttemptRecord, Refusal> {
    let found = match number {
        Some(number) => Some(chosen_attempt(turn, number)?),
        None => view::task::shown(turn),
    };
    let found = found.filter(|record| record.attempt.state.is_final());
    found.ok_or_else(|| {
        let id = record.task.id;
        Refusal::new(Code::Conflict, "There is nothing to publish yet.").with_hint(format!(
            "Wait for it with `outwork log {id} --follow`; `outwork status {id}` shows the attempts."
        ))
    })
}

fn has_changes(attempt: &AttemptRecord, repository: &str) -> Result<(), Refusal> {
    let Some(diff) = view::attempt::diff(attempt, repository) else {
        return Err(Refusal::new(Code::Conflict, NO_DIFF));
    };
    match diff.size_bytes {
        0 => Err(Refusal::new(
            Code::Conflict,
            format!(
                "The attempt changed nothing in `{repository}`, so there is nothing to publish."
            ),
        )),
        _ => Ok(()),
    }
}

/// That of the last publication in the repository, so that a follow-up goes on where people look already.
async fn usual_branch(
    plane: &Plane,
    record: &TaskRecord,
    repository: &str,
) -> Result<String, Refusal> {
    let task = &record.task;
    let before = plane.store.publications(task.workspace_id, task.id).await?;
    let last = before
        .into_iter()
        .find(|one| one.repository == repository && matches!(one.state, State::Published { .. }));
    Ok(match last {
        Some(last) => last.asked.branch,
        None => publication::branch(task.id, &task.title),
    })
}

fn name(pointer: &str, text: &str) -> Result<String, Refusal> {
    match RefName::parse(text) {
        Ok(name) => Ok(name.as_str().to_owned()),
        Err(fault) => Err(Refusal::field(pointer, fault.to_string())),
    }
}

fn text(pointer: &str, text: Option<String>, most: usize) -> Result<Option<String>, Refusal> {
    let text = text.filter(|text| !text.trim().is_empty());
    match &text {
        Some(text) if text.chars().count() > most => Err(Refusal::field(
            pointer,
            format!("has more than {most} characters"),
        )),
        Some(text) if text.contains('\0') => Err(Refusal::field(pointer, "contains a NUL byte")),
        Some(_) | None => Ok(text),
    }
}

/// What a person started from is theirs.
fn not_the_base(record: &TaskRecord, repository: &str, asked: &Asked) -> Result<(), Refusal> {
    let base = &record.task.base;
    let started = match repository == record.repository {
        true => base.branch.as_ref(),
        false => {
            let mut further = base.further.iter();
            let found = further.find(|one| one.name == repository);
            found.and_then(|one| one.branch.as_ref())
        }
    };
    if Some(&asked.branch) == started || Some(&asked.branch) == asked.base.as_ref() {
        let detail = format!(
            "is `{}`, which the pull request would be for; name another one, or none",
            asked.branch
        );
        return Err(Refusal::field("/branch", detail));
    }
    Ok(())
}

fn under_way(fault: StoreError) -> Refusal {
    match fault {
        StoreError::PublicationUnderWay { .. } => Refusal::from(fault)
            .with_hint("It takes some seconds mostly; then publish again for what came after it."),
        other => other.into(),
    }
}
