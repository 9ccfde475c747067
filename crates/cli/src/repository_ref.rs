//! From what people type, or from where they stand, to one of a task's repositories.

use outwork_api::client::Client;
use outwork_api::task::{Attempt, RepositoryDiff, Task};
use outwork_git::Repository;

use crate::error::CliError;
use crate::place;

/// One of a task's repositories.
pub(crate) struct Chosen {
    /// Its name as the API takes it; `None` for the first.
    pub name: Option<String>,
    /// Where it stood when the task was submitted.
    pub commit: String,
}

/// The repository of that name; the first when none is given.
pub(crate) fn named(task: &Task, name: Option<&str>) -> Result<Chosen, CliError> {
    let Some(name) = name else {
        return Ok(first(task));
    };
    if let Some(further) = task
        .further_repositories
        .iter()
        .find(|one| one.name == name)
    {
        return Ok(Chosen {
            name: Some(name.to_owned()),
            commit: further.commit.clone(),
        });
    }
    match name_of_first(task) {
        Some(known) if known == name => Ok(first(task)),
        // The server knows what it is called.
        None => Ok(Chosen {
            name: Some(name.to_owned()),
            ..first(task)
        }),
        Some(_) => Err(
            CliError::failed(format!("the task has no repository `{name}`"))
                .code("not_found")
                .hint(format!("there are: {}", names(task).join(", "))),
        ),
    }
}

/// The repository that the folder is a clone of. A task with one repository has it applied anywhere:
/// people keep copies and forks.
pub(crate) async fn here(
    client: &Client,
    clone: &Repository,
    task: &Task,
) -> Result<Chosen, CliError> {
    if task.further_repositories.is_empty() {
        return Ok(first(task));
    }
    let places = place::of_clone(clone).await?;
    let is_here = |url: &str| places.contains(&place::comparable(url));
    // The environment may be gone; the further repositories are known all the same.
    let environment = client.environment(&task.summary.environment_id).await.ok();
    let mut found: Vec<Chosen> = Vec::new();
    if environment.is_some_and(|environment| is_here(&environment.repository_url)) {
        found.push(first(task));
    }
    let further = task.further_repositories.iter();
    found.extend(further.filter(|one| is_here(&one.url)).map(|one| Chosen {
        name: Some(one.name.clone()),
        commit: one.commit.clone(),
    }));
    let message = match found.len() {
        1 => return Ok(found.remove(0)),
        0 => "this folder is a clone of none of the task's repositories",
        _ => "this folder is a clone of several of the task's repositories",
    };
    Err(CliError::failed(message)
        .code("no_repository")
        .hint(format!(
            "go to a clone of one, or name one with --repo: {}",
            names(task).join(", ")
        )))
}

/// The further repositories that the newest turn changed.
pub(crate) fn further_changed(task: &Task) -> Vec<RepositoryDiff> {
    others_changed(task, None, None, &first(task))
}

/// The names of the task's further repositories that changed, other than `chosen`. `attempt` and
/// `turn` are numbers; the newest turn when left out.
pub(crate) fn others_changed(
    task: &Task,
    turn: Option<u32>,
    attempt: Option<u32>,
    chosen: &Chosen,
) -> Vec<RepositoryDiff> {
    let turn = match turn {
        None => task.turns.last(),
        Some(number) => task.turns.iter().find(|turn| turn.number == number),
    };
    let is_meant = |one: &&Attempt| attempt.is_none_or(|number| one.number == number);
    let attempts = turn
        .iter()
        .flat_map(|turn| turn.attempts.iter().filter(is_meant));
    let mut others: Vec<RepositoryDiff> = Vec::new();
    for attempt in attempts {
        for (index, diff) in attempt.diffs.iter().enumerate() {
            let is_chosen = match &chosen.name {
                None => index == 0,
                Some(name) => *name == diff.repository,
            };
            let is_known = others.iter().any(|one| one.repository == diff.repository);
            if diff.summary.files_changed > 0 && !is_chosen && !is_known {
                others.push(diff.clone());
            }
        }
    }
    others
}

fn first(task: &Task) -> Chosen {
    Chosen {
        name: None,
        commit: task.commit.clone(),
    }
}

/// What the first repository is called, as far as an attempt has said.
fn name_of_first(task: &Task) -> Option<&str> {
    let mut attempts = task.turns.iter().flat_map(|turn| &turn.attempts);
    attempts.find_map(|attempt| attempt.diffs.first().map(|diff| diff.repository.as_str()))
}

fn names(task: &Task) -> Vec<&str> {
    let further = task
        .further_repositories
        .iter()
        .map(|one| one.name.as_str());
    name_of_first(task).into_iter().chain(further).collect()
}
