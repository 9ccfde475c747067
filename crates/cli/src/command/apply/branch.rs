//! `apply --branch`: the diff as a commit on a new branch.

use outwork_git::{BranchError, CommitId, RefName, Repository};

use super::{Applied, report};
use crate::error::CliError;
use crate::selection;
use crate::session::Session;
use crate::terminal::plain::plain;

/// What is put on the branch.
pub(super) struct Source<'a> {
    pub id: &'a str,
    pub title: &'a str,
    pub attempt: Option<u32>,
    /// The commit that the diff starts from.
    pub base: &'a str,
    pub diff: &'a [u8],
}

pub(super) async fn run(
    session: &mut Session,
    repository: &Repository,
    branch: &RefName,
    source: &Source<'_>,
    json: bool,
) -> Result<(), CliError> {
    let base = CommitId::parse(source.base).map_err(|error| {
        CliError::failed("the task does not say from which commit its diff starts").source(error)
    })?;
    let patch = selection::read(source.diff)?;
    let mut files: Vec<_> = patch
        .parts()
        .iter()
        .map(|part| part.path.to_vec())
        .collect();
    files.dedup();
    let commit = repository
        .commit_on_branch(branch, &base, source.diff, &message(source))
        .await
        .map_err(|error| refusal(error, branch, source))?;
    let name = plain(branch.as_str());
    let short = &commit.as_str()[..12];
    let is_here = repository.switch_if_clean(branch).await.unwrap_or(false);
    session.out.note(&match is_here {
        true => format!("committed {short} on the new branch {name}, which is checked out now"),
        false => format!(
            "committed {short} on the new branch {name}; what you have here is as it was: `git switch {name}` goes there"
        ),
    });
    let applied = Applied {
        branch: Some(branch.as_str().to_owned()),
        commit: Some(commit.as_str().to_owned()),
        ..Applied::files(files)
    };
    report(session, &applied, json)
}

fn message(source: &Source<'_>) -> String {
    let title = match source.title.trim() {
        "" => "Result of a task",
        title => title,
    };
    let mut message = format!("{title}\n\nOutwork-Task: {}\n", source.id);
    if let Some(attempt) = source.attempt {
        message.push_str(&format!("Outwork-Attempt: {attempt}\n"));
    }
    message
}

fn refusal(error: BranchError, branch: &RefName, source: &Source<'_>) -> CliError {
    let name = branch.as_str();
    let failed = CliError::failed(error.to_string());
    match error {
        BranchError::Exists { .. } => failed
            .code("branch_exists")
            .hint(format!("name another, or remove it: `git branch -D {name}`")),
        BranchError::BaseMissing { .. } => failed.code("no_base").hint(format!(
            "fetch it (`git fetch origin {}`), or apply the diff to what you have: `outwork apply {}`",
            source.base, source.id
        )),
        BranchError::Conflicts { conflicts } => CliError::failed(
            "the diff does not apply to the commit that it starts from; no branch was made",
        )
        .code("conflicts")
        .details(conflicts.iter().map(ToString::to_string))
        .hint(
            "if the task began with changes that were not committed, apply it without --branch, on top of them",
        ),
        BranchError::Git(cause) => CliError::failed(cause.to_string())
            .code("git")
            .source(cause),
    }
}
