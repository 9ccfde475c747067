//! Whether a result may leave.

use outwork_api::approval::{GivenApproval, TaskApproval};
use outwork_api::problem::Code;
use outwork_domain::PrincipalId;
use outwork_domain::approval::{self, Approval, Given, Verdict};
use outwork_domain::principal::{PrincipalKind, Role};
use outwork_store::{AttemptRecord, Names, OfAttempts, TaskRecord, TurnRecord};

use super::task::person;
use crate::plane::Plane;
use crate::refusal::Refusal;

/// How many are named who may approve.
const NAMED: usize = 5;

/// Whoever asked for what a turn gave: their own approval counts for nothing.
pub(crate) fn requesters(record: &TaskRecord, turn: &TurnRecord) -> [PrincipalId; 2] {
    [record.task.created_by, turn.turn.created_by]
}

/// What was said of an attempt.
fn said<'a>(attempt: Option<&AttemptRecord>, all: Option<&'a OfAttempts>) -> &'a [Given] {
    let of_attempt = attempt.and_then(|record| all?.get(&record.attempt.id));
    of_attempt.map_or(&[], Vec::as_slice)
}

/// How an attempt stands; without one there is nothing to be approved yet.
pub(crate) fn state(
    record: &TaskRecord,
    turn: &TurnRecord,
    attempt: Option<&AttemptRecord>,
    all: Option<&OfAttempts>,
) -> Approval {
    let given = said(attempt, all);
    approval::judge(record.approvals_needed, &requesters(record, turn), given)
}

/// The same as it is shown.
pub(crate) fn wire(
    record: &TaskRecord,
    turn: &TurnRecord,
    attempt: Option<&AttemptRecord>,
    all: Option<&OfAttempts>,
    names: &Names,
) -> TaskApproval {
    let given = said(attempt, all);
    let asked = requesters(record, turn);
    let shown = |one: &Given| GivenApproval {
        by: person(names, one.by),
        at: one.at.into(),
        text: one.text.clone(),
    };
    let rejected = given
        .iter()
        .filter(|one| one.counts && one.verdict == Verdict::Reject);
    TaskApproval {
        needed: record.approvals_needed,
        given: approval::approvals(&asked, given).map(shown).collect(),
        rejected: rejected.map(shown).collect(),
        state: state(record, turn, attempt, all).as_str().to_owned(),
    }
}

/// Refuses that an attempt's diff leaves without what it needs, and says who can help.
pub(crate) async fn may_leave(
    plane: &Plane,
    record: &TaskRecord,
    turn: &TurnRecord,
    attempt: &AttemptRecord,
) -> Result<(), Refusal> {
    let task = &record.task;
    let mut all = plane.store.approvals([task.id].into_iter()).await?;
    let all = all.remove(&task.id);
    let state = state(record, turn, Some(attempt), all.as_ref());
    if state.lets_pass() {
        return Ok(());
    }
    let given = said(Some(attempt), all.as_ref());
    let names = plane.store.member_names(task.workspace_id).await?;
    if state == Approval::Rejected {
        let no = given
            .iter()
            .filter(|one| one.counts && one.verdict == Verdict::Reject);
        let who: Vec<String> = no.map(|one| person(&names, one.by).name).collect();
        let detail = format!("The result was rejected by {}.", who.join(", "));
        return Err(Refusal::new(Code::ApprovalMissing, detail).with_hint(
            "Follow up on it, or ask them to withdraw that: `outwork approve TASK --withdraw`.",
        ));
    }
    let asked = requesters(record, turn);
    let yes = approval::approvals(&asked, given).count();
    let needed = record.approvals_needed;
    let detail =
        format!("The result needs {needed} approvals before it is published, and has {yes}.");
    let detail = match needed {
        1 => "The result has to be approved before it is published.".to_owned(),
        _ => detail,
    };
    let gave: Vec<PrincipalId> = approval::approvals(&asked, given)
        .map(|one| one.by)
        .collect();
    let members = plane.store.members(task.workspace_id).await?;
    let may = members.into_iter().filter(|member| {
        let approves = member.kind == PrincipalKind::User && member.role >= Role::Reviewer;
        approves && !asked.contains(&member.id) && !gave.contains(&member.id)
    });
    let may: Vec<String> = may.map(|member| member.name).collect();
    let who = match may.len() {
        0 => "Nobody else may approve it: an admin adds a reviewer with `outwork member add`."
            .to_owned(),
        many if many > NAMED => format!(
            "{} and {} more may, with `outwork approve {}`.",
            may[..NAMED].join(", "),
            many - NAMED,
            task.id
        ),
        _ => format!(
            "{} may, with `outwork approve {}`.",
            may.join(", "),
            task.id
        ),
    };
    Err(Refusal::new(Code::ApprovalMissing, detail).with_hint(who))
}
