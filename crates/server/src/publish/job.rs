//! One publication, from a server's claim to its end.

use std::sync::Arc;
use std::time::Duration;

use outwork_domain::publication::{Command, LEASE, Publication, PullRequest};
use outwork_git::Prepared;
use outwork_store::{AttemptRecord, StoreError, TaskRecord};

use super::access::{Access, access};
use super::branch::{self, Subject};
use super::forge::{Change, Forge, NewPull, Opened, forge};
use super::text;
use super::trouble::Trouble;
use crate::endpoints::environments;
use crate::plane::Plane;
use crate::view;

const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What a publication came to.
struct Done {
    pull_request: Option<PullRequest>,
    note: Option<String>,
}

/// Does it, and stores what came of it. A server that stops gives it back.
pub(crate) async fn run(plane: Arc<Plane>, publication: Publication) {
    let id = publication.id;
    let epoch = publication.epoch;
    let done = tokio::select! {
        done = publish(&plane, &publication) => done,
        lost = keep(&plane, &publication) => Err(Trouble::Store(lost)),
        () = plane.shutdown.cancelled() => {
            let back = Command::PutOff { epoch, trouble: None, wait: Duration::ZERO };
            let _another_takes_it = plane.store.move_publication(id, back, plane.now()).await;
            return;
        }
    };
    let command = match done {
        Ok(Done { pull_request, note }) => Command::Finish {
            epoch,
            pull_request,
            note,
        },
        Err(Trouble::Final(failure)) => Command::Fail { epoch, failure },
        Err(Trouble::Passing { text, wait }) => Command::PutOff {
            epoch,
            trouble: Some(text),
            wait: wait.unwrap_or_else(|| pause(publication.tries)),
        },
        Err(Trouble::Store(fault)) => {
            tracing::warn!(publication = %id, %fault, "publishing broke off; it is taken up again");
            return;
        }
    };
    match plane.store.move_publication(id, command, plane.now()).await {
        Ok(now) => {
            tracing::info!(publication = %id, task = %now.task_id, state = now.state.as_str(), "published a result, or tried to")
        }
        Err(fault) => {
            tracing::warn!(publication = %id, %fault, "what came of publishing could not be stored; it is looked at again")
        }
    }
    plane.signals.reconcile.send_replace(());
}

/// Doubles each time.
fn pause(tries: u32) -> Duration {
    (FIRST_WAIT * 2_u32.saturating_pow(tries)).min(LONGEST_WAIT)
}

/// Renews the lease until that is refused.
async fn keep(plane: &Plane, publication: &Publication) -> StoreError {
    let epoch = publication.epoch;
    loop {
        tokio::time::sleep(LEASE / 3).await;
        let renew = Command::Renew { epoch };
        let kept = plane
            .store
            .move_publication(publication.id, renew, plane.now());
        // A store that does not answer takes nothing away.
        if let Err(fault @ (StoreError::Publication(_) | StoreError::NotFound)) = kept.await {
            return fault;
        }
    }
}

async fn publish(plane: &Plane, publication: &Publication) -> Result<Done, Trouble> {
    let workspace = publication.workspace_id;
    let missing = || StoreError::NotFound;
    let task = plane.store.task(workspace, publication.task_id).await?;
    let task = task.ok_or_else(missing)?;
    let attempt = plane
        .store
        .attempt(workspace, publication.attempt_id)
        .await?;
    let attempt = attempt.ok_or_else(missing)?;
    still_approved(plane, &task, &attempt).await?;
    let it = Subject {
        plane,
        publication,
        task: &task,
        attempt: &attempt,
    };
    let address = address(plane, &task, &publication.repository).await?;
    let records = plane.store.credentials(workspace).await?;
    let access = access(plane, workspace, &records, &address).await?;
    let prepared = branch::push(&it, &access).await?;
    let Some(address) = &access.forge else {
        return Ok(branch_only(&it, &access));
    };
    let forge = forge(plane, address, &access.host)?;
    let opened = pull_request(&it, &forge, &prepared).await?;
    Ok(Done {
        pull_request: Some(PullRequest {
            url: opened.url,
            number: opened.number,
            state: opened.state,
        }),
        note: None,
    })
}

/// It was when it was asked for; somebody may have thought better of it since, or the environment asks for more.
async fn still_approved(
    plane: &Plane,
    task: &TaskRecord,
    attempt: &AttemptRecord,
) -> Result<(), Trouble> {
    let mut turns = task.turns.iter();
    let turn = turns.find(|turn| turn.turn.id == attempt.attempt.turn_id);
    let turn = turn.ok_or(StoreError::NotFound)?;
    let id = task.task.id;
    let mut all = plane.store.approvals([id].into_iter()).await?;
    let state = view::approval::state(task, turn, Some(attempt), all.remove(&id).as_ref());
    match state.lets_pass() {
        true => Ok(()),
        false => Err(Trouble::last(
            "approval_missing",
            "The result is not approved any more.",
            "`outwork status` says what it waits for; publish it again when it is approved.",
        )),
    }
}

fn branch_only(it: &Subject<'_>, access: &Access) -> Done {
    let branch = &it.publication.asked.branch;
    let Access {
        url, without_forge, ..
    } = access;
    Done {
        pull_request: None,
        note: Some(format!(
            "The branch `{branch}` is in {url}; a pull request was not opened. {without_forge}"
        )),
    }
}

/// Where the repository is.
async fn address(plane: &Plane, task: &TaskRecord, name: &str) -> Result<String, Trouble> {
    let mut further = task.task.base.further.iter();
    if let Some(one) = further.find(|one| one.name == name) {
        return Ok(one.url.clone());
    }
    let of = task.task.environment_id;
    let environment = environments::by_id(plane, task.task.workspace_id, of).await;
    let environment = environment.map_err(|_| {
        Trouble::last(
            "repository",
            "The task's environment was deleted, and with it the repository's address.",
            "Take the diff with `outwork apply` or `outwork diff`, and push it yourself.",
        )
    })?;
    Ok(environment.environment.spec.repository_url)
}

/// Brings the branch's pull request up to date, or opens one. Whatever happened before: there is one at the end.
async fn pull_request(
    it: &Subject<'_>,
    forge: &Forge<'_>,
    prepared: &Prepared,
) -> Result<Opened, Trouble> {
    let asked = &it.publication.asked;
    if let Some(opened) = forge.find(&asked.branch).await? {
        return bring_up_to_date(it, forge, prepared, opened).await;
    }
    let (_, started) = branch::base(it);
    let base = match asked.base.as_deref().or(started) {
        Some(base) => base.to_owned(),
        None => forge.default_branch().await?,
    };
    let new = NewPull {
        branch: asked.branch.clone(),
        base,
        title: text::title(it),
        body: text::description(it, prepared),
        draft: asked.draft,
    };
    if let Some(opened) = forge.open(&new).await? {
        return Ok(opened);
    }
    // Somebody else opened one in between.
    match forge.find(&asked.branch).await? {
        Some(opened) => bring_up_to_date(it, forge, prepared, opened).await,
        None => Err(Trouble::passing(
            "There is a pull request of the branch, which cannot be found yet.",
        )),
    }
}

async fn bring_up_to_date(
    it: &Subject<'_>,
    forge: &Forge<'_>,
    prepared: &Prepared,
    opened: Opened,
) -> Result<Opened, Trouble> {
    let body = text::updated(it, prepared, &opened.body);
    let title = it.publication.asked.title.as_ref().map(|_| text::title(it));
    let change = Change {
        body: body.filter(|body| *body != opened.body),
        title: title.filter(|title| *title != opened.title),
    };
    match change {
        Change {
            body: None,
            title: None,
        } => Ok(opened),
        change => forge.update(&opened, &change).await,
    }
}
