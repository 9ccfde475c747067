//! Publications.

use outwork_api::publication::{Publication as Wire, PullRequest as WirePullRequest};
use outwork_api::task::{Failure, TaskPullRequest};
use outwork_domain::publication::{Asked, Publication, PublishFailure, PullRequest, State};

pub(crate) fn wire(publication: Publication) -> Wire {
    let is_final = publication.state.is_final();
    let state = publication.state.as_str().to_owned();
    let Publication {
        id,
        workspace_id: _,
        task_id,
        attempt_id,
        repository,
        asked,
        created_by: _,
        created_at,
        deadline_at,
        epoch: _,
        tries: _,
        commit,
        state: how_far,
    } = publication;
    let Asked {
        branch,
        base: _,
        title: _,
        body: _,
        draft: _,
        author: _,
    } = asked;
    let (mut pull_request, mut message, mut failure, mut ended) = (None, None, None, None);
    match how_far {
        State::Queued {
            visible_at: _,
            trouble,
        } => message = trouble,
        State::Publishing { until: _ } => {}
        State::Published {
            pull_request: opened,
            note,
            ended_at,
        } => {
            pull_request = opened.map(wire_pull_request);
            message = note;
            ended = Some(ended_at);
        }
        State::Failed {
            failure: why,
            ended_at,
        } => {
            failure = Some(wire_failure(why));
            ended = Some(ended_at);
        }
    }
    Wire {
        id: id.to_string(),
        task_id: task_id.to_string(),
        attempt_id: attempt_id.to_string(),
        repository,
        state,
        branch,
        commit,
        pull_request,
        message,
        failure,
        created_at: created_at.into(),
        deadline_at: (!is_final).then(|| deadline_at.into()),
        ended_at: ended.map(Into::into),
    }
}

fn wire_pull_request(it: PullRequest) -> WirePullRequest {
    let PullRequest { url, number, state } = it;
    WirePullRequest { url, number, state }
}

fn wire_failure(it: PublishFailure) -> Failure {
    let PublishFailure {
        code,
        message,
        hint,
    } = it;
    Failure {
        code,
        message,
        hint,
    }
}

/// The pull request that a publication is in, as the task shows it.
pub(crate) fn of_task(publication: &Publication) -> Option<TaskPullRequest> {
    let State::Published {
        pull_request: Some(PullRequest { url, number, state }),
        ..
    } = &publication.state
    else {
        return None;
    };
    Some(TaskPullRequest {
        url: url.clone(),
        number: *number,
        state: state.clone(),
        branch: publication.asked.branch.clone(),
        commit: publication.commit.clone().unwrap_or_default(),
    })
}
