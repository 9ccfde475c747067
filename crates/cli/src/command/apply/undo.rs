//! `apply --undo`: takes back what was applied. Needs no server.

use outwork_git::ApplyError;

use super::{Applied, report};
use crate::error::CliError;
use crate::session::Session;
use crate::task_ref::TaskRef;

pub(super) async fn run(
    session: &mut Session,
    task: Option<TaskRef>,
    json: bool,
) -> Result<(), CliError> {
    let repository = session.repository().await?;
    let is_meant = |label: &str| match &task {
        None => true,
        Some(task) => task.may_be(label.split(' ').next().unwrap_or_default()),
    };
    match repository.undo(is_meant).await {
        Ok(Some(undone)) => {
            session.out.note(&format!("took back {}", undone.label));
            report(session, &Applied::files(undone.files), json)
        }
        Ok(None) => {
            let message = match task {
                None => "nothing that was applied here can be taken back",
                Some(_) => "no diff of that task that was applied here can be taken back",
            };
            Err(CliError::failed(message)
                .code("nothing_to_undo")
                .hint("the newest twenty are remembered, in the clone where they were applied"))
        }
        Err(ApplyError::Conflicts { conflicts }) => {
            let message =
                "these files are not as they were after applying; all are left as they are";
            Err(CliError::failed(message)
                .code("conflicts")
                .details(conflicts.iter().map(ToString::to_string))
                .hint(
                    "take your own changes of them back first, or put them aside with `git stash`",
                ))
        }
        Err(error) => Err(super::refusal(error, "TASK")),
    }
}
