//! Failing checks of our own pull requests: looked into without anybody asking, a few times.

use outwork_domain::publication::State;
use outwork_domain::status::TaskStatus;
use outwork_forges::event::Place;
use outwork_forges::thread;
use outwork_store::TaskRecord;

use super::go_on::Begun;
use super::handle::Case;
use super::memory::Memory;
use super::settings::check_rounds;
use super::{Stop, go_on, material};

const REQUEST: &str = "The checks of this task's pull request fail. Find out why, and make them pass. What they say is below; what is not there is \
found by running them. If they fail for a reason that is not in the changes, say which, and change nothing.";

/// A check that fails on the newest commit of ours becomes a follow-up.
pub(super) async fn failed(case: &Case<'_>, suite: u64, commit: &str) -> Result<String, Stop> {
    let ignored = |why: &str| Ok(why.to_owned());
    let memory = Memory::of(&case.conversation);
    let Some(task) = case.task().await? else {
        return ignored("The pull request is not of a task.");
    };
    if Begun::of(case).is_some() {
        return look(case, suite, &task).await;
    }
    if memory.is_closed {
        return ignored("The pull request is closed.");
    }
    if !is_ours(case, &task, commit).await? {
        return ignored("The commit is not the newest of ours.");
    }
    let (status, _) = task.status();
    if !matches!(status, TaskStatus::Completed | TaskStatus::Failed) {
        return ignored("The task is being worked on.");
    }
    let most = check_rounds(case.settings);
    if memory.check_rounds >= most {
        if most == 0 {
            return ignored("Failing checks are not looked into here.");
        }
        let name = super::settings::name(case.settings);
        let why = format!("The checks still fail after {most} rounds; it is left to you now.");
        return case
            .say(&why, Some(&format!("`@{name}` and a hint goes on.")))
            .await;
    }
    look(case, suite, &task).await
}

/// A follow-up with what the checks say.
async fn look(case: &Case<'_>, suite: u64, task: &TaskRecord) -> Result<String, Stop> {
    let top = material::top(case).await?;
    let mut pieces = thread::conversation(&top, true, &[], &Place::Top);
    pieces.extend(thread::checks(&said(case, suite).await?));
    let prompt = material::prompt(case, None, REQUEST, pieces);
    go_on::add(case, None, prompt, task).await
}

/// Whether the task was published as that commit, and nothing newer.
async fn is_ours(case: &Case<'_>, task: &TaskRecord, commit: &str) -> Result<bool, Stop> {
    let it = &task.task;
    let store = &case.held.plane.store;
    let all = store.publications(it.workspace_id, it.id).await?;
    let mut published = all
        .iter()
        .filter(|one| matches!(one.state, State::Published { .. }));
    let newest = published.next().and_then(|one| one.commit.as_deref());
    Ok(newest == Some(commit))
}

async fn said(case: &Case<'_>, suite: u64) -> Result<Vec<outwork_forges::call::FailedCheck>, Stop> {
    let repository = &case.target.repository;
    let Some(call) = case.kind.checks(repository, suite) else {
        return Ok(Vec::new());
    };
    let answer = case.forge.ask(&call).await?;
    let mut failed = case.kind.read_checks(&answer);
    failed.truncate(thread::CHECKS);
    for check in &mut failed {
        if let Some(call) = case.kind.annotations(repository, check.id) {
            let answer = case.forge.ask(&call).await?;
            let lines = case.kind.read_annotations(&answer);
            check.text = format!("{}\n{lines}", check.text).trim().to_owned();
        }
    }
    Ok(failed)
}
