//! `outwork approve`: whether a result may leave.

use clap::Args;
use outwork_api::approval::{GivenApproval, NewApproval, TaskApproval, Verdict};

use crate::error::CliError;
use crate::session::Session;
use crate::task_ref::TaskRef;
use crate::terminal::plain::plain;

/// Approve a task's result, or reject it
///
/// An approval holds for exactly the diff of one attempt. Whoever asked for it cannot approve it. A
/// rejection holds until it is withdrawn. `outwork env edit ENV --approvals N` says how many a result needs
/// before it is published.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  outwork approve TASK
  outwork approve TASK --reject -m 'The tests are gone'
  outwork approve TASK --withdraw")]
pub struct ApproveArgs {
    /// The task: its id, the first or last digits of it, or its address
    #[arg(value_name = "TASK")]
    pub task: TaskRef,
    /// It may not leave
    #[arg(long, conflicts_with = "withdraw")]
    pub reject: bool,
    /// Take back what you said before
    #[arg(long)]
    pub withdraw: bool,
    /// Why
    #[arg(short, long, value_name = "TEXT")]
    pub message: Option<String>,
    /// The result of this attempt
    #[arg(long, value_name = "N", value_parser = crate::args::from_one)]
    pub attempt: Option<u32>,
    /// The result of this turn instead of the newest
    #[arg(long, value_name = "N", value_parser = crate::args::from_one)]
    pub turn: Option<u32>,
    /// Print how the result stands as JSON
    #[arg(long)]
    pub json: bool,
}

pub(crate) async fn run(args: ApproveArgs, session: &mut Session) -> Result<(), CliError> {
    let ApproveArgs {
        task,
        reject,
        withdraw,
        message,
        attempt,
        turn,
        json,
    } = args;
    let client = session.client()?;
    let id = task.resolve(&client).await?;
    let verdict = match (reject, withdraw) {
        (true, _) => Verdict::Reject,
        (false, true) => Verdict::Withdraw,
        (false, false) => Verdict::Approve,
    };
    let new = NewApproval {
        turn,
        attempt,
        verdict,
        text: message,
    };
    let stands = client.approve(&id, &new).await?;
    if json {
        return session.out.json(&stands);
    }
    session.out.note(&words(&stands));
    Ok(())
}

/// How a result stands, in words.
pub(crate) fn words(stands: &TaskApproval) -> String {
    let names = |all: &[GivenApproval]| {
        let names: Vec<String> = all.iter().map(|one| plain(&one.by.name)).collect();
        names.join(", ")
    };
    let TaskApproval {
        needed,
        given,
        rejected,
        state,
    } = stands;
    match state.as_str() {
        "rejected" => format!("rejected by {}", names(rejected)),
        "waiting" if given.is_empty() => format!("waits for approval: 0 of {needed}"),
        "waiting" => format!(
            "waits for approval: {} of {needed} ({})",
            given.len(),
            names(given)
        ),
        "approved" => format!("approved by {}", names(given)),
        _ if given.is_empty() => "needs no approval".to_owned(),
        _ => format!("needs no approval; approved by {}", names(given)),
    }
}
