//! A new task of a conversation at a forge.

use outwork_api::task::{NewTask, TaskKind};
use outwork_domain::credential::address_of;
use outwork_domain::environment::Environment;
use outwork_domain::integration::Conversation;
use outwork_forges::call::Top;
use outwork_forges::event::{Person, Place};
use outwork_forges::review;
use outwork_store::{ConversationChange, StoreError};

use super::go_on::Begun;
use super::handle::Case;
use super::memory::{Memory, remember};
use super::{Stop, material};
use crate::jobs::Outcome;
use crate::submit::task::submit;
use crate::surfaces;

const PAGE: u32 = 100;
/// A repository may be away for some minutes before people are told.
const TRIES: u32 = 4;

/// Does what is asked for.
pub(super) async fn work(
    case: &Case<'_>,
    by: &Person,
    place: &Place,
    request: &str,
) -> Result<String, Stop> {
    Begun::Task.note(case).await?;
    let environment = environment(case).await?;
    let top = material::top(case).await?;
    let pieces = material::around(case, &top, place).await?;
    let (branch, request) = branch(&top, request);
    let prompt = material::prompt(case, Some(by), &request, pieces);
    let new = new_task(&environment, prompt, branch);
    give(case, by, environment, new, &case.conversation, None).await
}

/// Looks at a pull request, in a conversation of its own: the one about the changes goes on beside it.
pub(super) async fn review(
    case: &Case<'_>,
    by: &Person,
    place: &Place,
    about: &str,
) -> Result<String, Stop> {
    let environment = environment(case).await?;
    let top = material::top(case).await?;
    let Some(pull) = top.pull.clone() else {
        return Err(Stop::Tell {
            why: "There is nothing to be reviewed here.".to_owned(),
            hint: None,
        });
    };
    let pieces = material::around(case, &top, place).await?;
    let request = match about.trim() {
        "" => review::REQUEST.to_owned(),
        about => format!("{}\n\nWhat was asked for: {about}", review::REQUEST),
    };
    let (branch, request) = branch(&top, &request);
    let prompt = material::prompt(case, Some(by), &request, pieces);
    let new = NewTask {
        kind: TaskKind::Review,
        interactive: false,
        output_schema: Some(review::schema()),
        ..new_task(&environment, prompt, branch)
    };
    let key = format!("{}/review/{}", case.conversation.key, case.held.job.id);
    let memory = Memory {
        reviews: Some(pull.commit.clone()),
        ..Memory::new(&case.target, case.event.installation)
    };
    let plane = &case.held.plane;
    let own = surfaces::open(plane, &case.known.integration, &key, memory.text()).await?;
    give(case, by, environment, new, &own, Some(pull.commit)).await
}

fn new_task(environment: &Environment, prompt: String, branch: Option<String>) -> NewTask {
    NewTask {
        branch,
        ..NewTask::new(environment.id.to_string(), prompt)
    }
}

/// A pull request's own branch; that of a fork cannot be checked out, and is read in its diff.
fn branch(top: &Top, request: &str) -> (Option<String>, String) {
    match &top.pull {
        None => (None, request.to_owned()),
        Some(pull) if pull.is_own => (Some(pull.branch.clone()), request.to_owned()),
        Some(pull) => (
            Some(pull.base.clone()),
            format!(
                "{request}\n\nThe pull request comes from a fork: the checkout is the branch that it is for, and its changes are in the diff below."
            )
            .trim_start()
            .to_owned(),
        ),
    }
}

/// Submits it, and remembers where it is talked about.
async fn give(
    case: &Case<'_>,
    by: &Person,
    environment: Environment,
    new: NewTask,
    conversation: &Conversation,
    commit: Option<String>,
) -> Result<String, Stop> {
    let plane = &case.held.plane;
    let member = case.member(Some(by)).await?;
    let once = case.once(&member, "task");
    let made = submit(plane, &member, new, Some(once)).await;
    let made = made.map_err(|refusal| {
        let is_away = refusal.problem().is(outwork_api::problem::Code::Repository);
        match Stop::from(refusal) {
            Stop::Tell { why, .. } if is_away && case.held.job.tries < TRIES => {
                Stop::Job(Outcome::Later {
                    trouble: why,
                    wait: None,
                })
            }
            other => other,
        }
    })?;
    let task = made.id();
    let also = ConversationChange {
        task: Some(task),
        environment: Some(environment.id),
        ..ConversationChange::default()
    };
    let installation = case.event.installation;
    remember(plane, conversation, also, |memory| {
        memory.turn_mut(1);
        memory.installation = installation.or(memory.installation);
        memory.reviews.clone_from(&commit);
        memory.check_rounds = 0;
        memory.is_closed = false;
    })
    .await?;
    Ok(format!("Task {task}."))
}

/// The environment of the repository: the only one that is for it, or, of several, the integration's own.
async fn environment(case: &Case<'_>) -> Result<Environment, Stop> {
    let known = case.known;
    let repository = &case.event.repository;
    let wanted = place(&repository.url);
    let mut fitting: Vec<Environment> = all(case).await?;
    fitting.retain(|it| {
        let label = &it.spec.label;
        let is_allowed = known.environments.is_empty() || known.environments.contains(label);
        is_allowed && place(&it.spec.repository_url) == wanted
    });
    let default = known.default_environment.as_ref();
    if let Some(at) = fitting
        .iter()
        .position(|it| Some(&it.spec.label) == default)
    {
        return Ok(fitting.swap_remove(at));
    }
    match fitting.len() {
        1 => Ok(fitting.remove(0)),
        0 => Err(Stop::Tell {
            why: format!("No environment is for {}.", repository.path),
            hint: Some(format!(
                "An admin makes one with `outwork env create LABEL --repo {}`.",
                repository.url
            )),
        }),
        many => Err(Stop::Tell {
            why: format!("{many} environments are for {}.", repository.path),
            hint: Some(
                "An admin says which with `outwork integration edit NAME --default-env LABEL`."
                    .to_owned(),
            ),
        }),
    }
}

/// Host and path, which is the same for https and ssh.
fn place(url: &str) -> Option<String> {
    address_of(url).map(|(_, place)| place.to_lowercase())
}

async fn all(case: &Case<'_>) -> Result<Vec<Environment>, StoreError> {
    let (plane, workspace) = (&case.held.plane, case.conversation.workspace_id);
    let (mut found, mut cursor) = (Vec::new(), None);
    loop {
        let page = plane.store.environments(workspace, PAGE, cursor.as_deref());
        let page = page.await?;
        found.extend(page.items.into_iter().map(|record| record.environment));
        match page.next_cursor {
            Some(next) => cursor = Some(next),
            None => return Ok(found),
        }
    }
}
